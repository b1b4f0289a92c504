//! The records of a stream as a source, from its newest on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_streamlog::{Log, StreamError, StreamKey};

use super::{NextRecord, RecordSource};
use crate::applications::LogInput;

/// Reads all shards in turn and waits for more, for ever.
pub(crate) struct StreamRecords {
    input: LogInput,
    waiting: std::collections::VecDeque<Bytes>,
}

impl StreamRecords {
    pub(crate) fn new(log: Arc<Log>, key: StreamKey) -> Result<StreamRecords, StreamError> {
        let start = LogInput::new(Arc::clone(&log), key.clone(), &[])?.ends()?;
        Ok(StreamRecords { input: LogInput::new(log, key, &start)?, waiting: Default::default() })
    }
}

impl RecordSource for StreamRecords {
    fn next_record(&mut self) -> NextRecord {
        loop {
            if let Some(data) = self.waiting.pop_front() {
                return NextRecord::Record(data);
            }
            match self.input.read() {
                Ok(Some(batch)) => {
                    self.input.taken(&batch);
                    self.waiting.extend(batch.records.into_iter().map(|record| record.data));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    std::thread::sleep(Duration::from_secs(1));
                    return NextRecord::Unusable(error.to_string());
                }
            }
        }
    }
}

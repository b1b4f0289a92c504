//! Rows that a function rejects: counted, shown, and put into its dead-letter stream when it has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use millstream_functions::{RejectedRow, RejectedSink, RejectedSinkError};
use millstream_host::Clock;
use millstream_streamlog::{AppendError, Log, NewRecord};
use millstream_wording::agreeing;
use serde_json::json;

use crate::definition::{Kind, Reference};
use crate::live::Live;
use crate::world::log_key;

/// Rows rejected since the start.
#[derive(Clone, Default)]
pub(crate) struct RejectedCount(Arc<AtomicU64>);

impl RejectedCount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the rejected rows of one function go.
pub(crate) struct RejectedRows {
    pub(crate) function: String,
    /// The dead-letter stream.
    pub(crate) stream: Option<String>,
    /// `None` where there are no streams.
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) count: RejectedCount,
}

impl RejectedRows {
    /// A record of the dead-letter stream: one JSON object, with a line feed. Of a row and a reason that are longer than
    /// `most` characters it has the beginning, and says how long the row was.
    fn record(&self, row: &RejectedRow, most: usize) -> NewRecord {
        // Rows are text.
        let data = String::from_utf8_lossy(&row.data);
        let (beginning, reason) = (beginning(&data, most), beginning(&row.reason, most));
        let mut line =
            json!({ "at": row.at.millis(), "function": self.function, "reason": reason, "data": beginning });
        if beginning.len() < data.len() {
            line["data_bytes"] = row.data.len().into();
        }
        NewRecord::new(self.function.clone(), format!("{line}\n").into_bytes())
    }

    /// Appends a record for each row. One that would be larger than records may be is shortened: no retry could put it.
    async fn append(&self, log: &Log, stream: &str, rows: &[RejectedRow]) -> Result<(), AppendError> {
        let key = log_key(&Reference::new(Kind::Stream, stream));
        let mut most_characters = vec![usize::MAX; rows.len()];
        loop {
            let records = rows.iter().zip(&most_characters).map(|(row, most)| self.record(row, *most));
            match log.append(&key, records.collect()).await {
                // Each time another one: a shortened one fits.
                Err(AppendError::RecordTooLarge { record, most, .. })
                    if most_characters.get(record) == Some(&usize::MAX) =>
                {
                    // A character becomes at most six bytes, and there are two texts.
                    most_characters[record] = most.saturating_sub(FIELDS) / 12;
                }
                appended => return appended.map(drop),
            }
        }
    }
}

/// Bytes of a record that are not of its row or its reason: names, the time, the partition key.
const FIELDS: usize = 4_096;

/// At most so many characters of a text.
fn beginning(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[async_trait]
impl RejectedSink for RejectedRows {
    async fn put(&self, rows: &[RejectedRow]) -> Result<(), RejectedSinkError> {
        if let (Some(stream), Some(log)) = (&self.stream, &self.log) {
            let put = self.append(log, stream, rows).await;
            put.map_err(|error| RejectedSinkError(format!("stream \"{stream}\": {error}")))?;
        }
        self.count.0.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let newest = rows.last().map_or("", |row| &row.reason);
        let place = match &self.stream {
            Some(stream) => format!("in stream \"{stream}\""),
            None => "lost: name a stream for them with dead_letter".to_owned(),
        };
        let message = format!(
            "{} rejected and {place}; the newest: {newest}",
            agreeing(rows.len(), "row was", "rows were")
        );
        self.live.problem(self.clock.now(), &self.function, message, rows.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_host::{SystemClock, Timestamp};
    use millstream_streamlog::{LogSettings, Positions, Retention, StreamKey};
    use serde_json::Value;

    #[tokio::test]
    async fn rows_that_would_be_larger_than_a_record_are_shortened() {
        let folder = tempfile::tempdir().unwrap();
        let log =
            Arc::new(Log::open(folder.path(), LogSettings::default(), Arc::new(SystemClock)).unwrap().0);
        let key = StreamKey::data("dead".parse().unwrap());
        log.stream_create(&key, 1, Retention::default()).unwrap();
        let rejected = RejectedRows {
            function: "f".to_owned(),
            stream: Some("dead".to_owned()),
            log: Some(Arc::clone(&log)),
            live: Arc::new(Live::new()),
            clock: Arc::new(SystemClock),
            count: RejectedCount::default(),
        };
        // Each quote becomes two bytes, each control character six.
        let row = |text: &str, count: usize| RejectedRow {
            at: Timestamp(7),
            reason: text.repeat(count / 10),
            data: Bytes::from(text.repeat(count)),
        };
        let rows = [row("a", 10), row("\"", 1 << 20), row("\u{1}", 1 << 20), row("b", 20), row("é", 3 << 20)];
        rejected.put(&rows).await.unwrap();
        assert_eq!(rejected.count.get(), 5);
        let batch = log.read_merged(&key, &Positions::new(), 10, 16 << 20).unwrap();
        assert_eq!(batch.len(), rows.len());
        for (record, row) in batch.iter().zip(&rows) {
            let read: Value = serde_json::from_slice(record.data()).unwrap();
            let (data, text) = (read["data"].as_str().unwrap(), std::str::from_utf8(&row.data).unwrap());
            assert!(text.starts_with(data) && data.len() >= text.len().min(50_000));
            let is_whole = data.len() == text.len();
            assert_eq!(read["data_bytes"].as_u64(), (!is_whole).then_some(text.len() as u64));
            assert_eq!(is_whole, text.len() < 100);
        }
    }
}

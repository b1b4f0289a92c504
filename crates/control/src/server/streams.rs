//! Streams and buffers of delivery streams in the log, as the pipeline declares them.

use std::sync::Arc;

use millstream_streamlog::{Log, Retention, StreamDescription, StreamError, StreamKey, StreamName};

use crate::connect::log_to_delivery::BUFFER_SHARD;
use crate::error::StartError;
use crate::pipeline::Declarations;

/// Names were checked with the pipeline.
fn stream_name(name: &str) -> StreamName {
    name.parse().expect("names were checked with the pipeline")
}

/// The key of a stream.
pub(super) fn data_key(name: &str) -> StreamKey {
    StreamKey::data(stream_name(name))
}

/// The key of a delivery stream's buffer.
pub(super) fn buffer_key(name: &str) -> StreamKey {
    StreamKey::delivery(stream_name(name))
}

/// Makes what is not there, and brings the retention of what is there up to date.
pub(super) fn create(log: &Arc<Log>, declared: &Declarations) -> Result<(), StartError> {
    for stream in &declared.streams {
        let name = stream.name.get_ref();
        let key = data_key(name);
        let retention = Retention::hours(stream.retention_hours)?;
        let found = create_if_absent(log, &key, stream.shards, retention)?;
        if found.shards.len() != stream.shards as usize {
            return Err(StartError::ShardCount {
                name: name.clone(),
                present: found.shards.len(),
                declared: stream.shards,
            });
        }
        if found.retention != retention {
            log.stream_set_retention(&key, retention)?;
        }
    }
    for delivery in &declared.delivery_streams {
        let shards = BUFFER_SHARD.0 + 1;
        create_if_absent(log, &buffer_key(delivery.name.get_ref()), shards, Retention::default())?;
    }
    Ok(())
}

fn create_if_absent(
    log: &Arc<Log>,
    key: &StreamKey,
    shards: u32,
    retention: Retention,
) -> Result<StreamDescription, StreamError> {
    match log.stream_create(key, shards, retention) {
        Err(StreamError::Exists(_)) => log.stream_describe(key),
        other => other,
    }
}

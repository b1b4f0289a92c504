//! Who still needs the records of a delivery stream's buffer: what all have consumed may be trimmed.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_streamlog::{Log, Position, StreamKey};
use parking_lot::Mutex;

use crate::connect::log_to_delivery::BUFFER_SHARD;

/// The consumers of all buffers with their durable positions.
pub(crate) struct BufferConsumers {
    log: Arc<Log>,
    /// By delivery stream: its buffer, and for each consumer the first record that it may read again after a crash.
    buffers: Mutex<HashMap<String, Buffer>>,
}

struct Buffer {
    key: StreamKey,
    consumers: HashMap<String, u64>,
}

impl BufferConsumers {
    pub(crate) fn new(log: Arc<Log>) -> BufferConsumers {
        BufferConsumers { log, buffers: Mutex::default() }
    }

    /// Makes a buffer known.
    pub(crate) fn add_buffer(&self, delivery_stream: &str, key: StreamKey) {
        let buffer = Buffer { key, consumers: HashMap::new() };
        self.buffers.lock().insert(delivery_stream.to_owned(), buffer);
    }

    /// Makes a consumer known with the position that it has stored. Every consumer must be known before any advances.
    pub(crate) fn add_consumer(&self, delivery_stream: &str, consumer: &str, position: u64) {
        if let Some(buffer) = self.buffers.lock().get_mut(delivery_stream) {
            buffer.consumers.insert(consumer.to_owned(), position);
        }
    }

    /// A consumer has durably stored that it needs nothing before `position`.
    pub(crate) fn advanced(&self, delivery_stream: &str, consumer: &str, position: u64) {
        let mut buffers = self.buffers.lock();
        let Some(buffer) = buffers.get_mut(delivery_stream) else { return };
        if let Some(known) = buffer.consumers.get_mut(consumer) {
            *known = position;
        }
        let consumed = buffer.consumers.values().min().copied().unwrap_or(0);
        if let Err(error) = self.log.trim_consumed(&buffer.key, BUFFER_SHARD, Position(consumed)) {
            tracing::warn!(delivery_stream, %error, "buffer cannot be trimmed");
        }
    }
}

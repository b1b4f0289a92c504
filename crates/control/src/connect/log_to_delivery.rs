//! A delivery stream's buffer in the log as the source of its delivery.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_delivery::{Source, SourceBatch, SourceError, SourcePosition, SourceRecord};
use millstream_host::Spawn;
use millstream_streamlog::{Log, Position, ReadFrom, ShardNumber, StreamKey};
use tokio::sync::watch;

/// The one shard of a buffer.
pub(crate) const BUFFER_SHARD: ShardNumber = ShardNumber(0);

/// The buffer of a delivery stream.
pub(crate) struct LogSource {
    pub(crate) log: Arc<Log>,
    pub(crate) key: StreamKey,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) spawn: Spawn,
}

fn failed(error: impl std::fmt::Display) -> SourceError {
    SourceError(error.to_string())
}

#[async_trait]
impl Source for LogSource {
    async fn read(
        &self,
        from: SourcePosition,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<SourceBatch, SourceError> {
        let (log, key) = (Arc::clone(&self.log), self.key.clone());
        let from = ReadFrom::Position(Position(from.0));
        // Reading may wait for the disk.
        let read = move || log.read(&key, BUFFER_SHARD, from, max_records, max_bytes);
        let batch = self.spawn.blocking(read).await.map_err(failed)?.map_err(failed)?;
        let records = batch.records.into_iter().map(|record| SourceRecord {
            position: SourcePosition(record.sequence_number.index()),
            arrival: record.arrival,
            data: record.data,
            metadata: None,
        });
        Ok(SourceBatch { records: records.collect(), next: SourcePosition(batch.next.0) })
    }

    async fn wait(&self, from: SourcePosition) {
        let mut changes = self.changes.clone();
        loop {
            changes.borrow_and_update();
            match self.log.shard_end(&self.key, BUFFER_SHARD) {
                Ok(end) if end.0 <= from.0 => {}
                _ => return,
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn end(&self) -> Result<SourcePosition, SourceError> {
        self.log.shard_end(&self.key, BUFFER_SHARD).map(|end| SourcePosition(end.0)).map_err(failed)
    }
}

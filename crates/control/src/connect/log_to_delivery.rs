//! A delivery stream's buffer in the log as the source of its delivery.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_delivery::{Source, SourceBatch, SourceError, SourcePosition, SourceRecord};
use millstream_host::Spawn;
use millstream_streamlog::{Log, Position, Positions, ShardNumber, StreamKey};
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
        let positions = Positions::from([(BUFFER_SHARD, Position(from.0))]);
        // Reading may wait for the disk.
        let read = move || log.read_merged(&key, &positions, max_records, max_bytes);
        let batch = self.spawn.blocking(read).await.map_err(failed)?.map_err(failed)?;
        let records = batch.iter().map(|record| SourceRecord {
            position: SourcePosition(record.position().0),
            arrival: record.arrival(),
            data: record.data_shared(),
            metadata: None,
        });
        let next = batch.next.get(&BUFFER_SHARD).map_or(from, |next| SourcePosition(next.0));
        Ok(SourceBatch { records: records.collect(), next })
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

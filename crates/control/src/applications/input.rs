//! Reading all shards of a stream, or the buffer of a delivery stream, in turn.

use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;
use millstream_streamlog::{
    Log, Position, ReadError, ReadFrom, ShardNumber, StreamError, StreamKey, StreamKind,
};
use tokio::sync::watch;

/// Most records and bytes of one batch: an event of them stays below the payload limit of functions.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

/// A raw record.
pub(crate) struct RawRecord {
    pub(crate) shard: String,
    pub(crate) sequence_number: String,
    pub(crate) partition_key: String,
    pub(crate) arrival: Timestamp,
    pub(crate) data: Bytes,
}

/// Records of one shard with where to go on.
pub(crate) struct RawBatch {
    pub(crate) shard: usize,
    pub(crate) next: u64,
    pub(crate) records: Vec<RawRecord>,
}

/// The source of an application.
pub(crate) struct LogInput {
    log: Arc<Log>,
    key: StreamKey,
    shards: Vec<ShardNumber>,
    /// The next record of each shard.
    positions: Vec<u64>,
    /// The shard whose turn it is.
    turn: usize,
    changes: watch::Receiver<u64>,
}

impl LogInput {
    /// Reads `key` from `positions`; shards without one from the beginning.
    pub(crate) fn new(log: Arc<Log>, key: StreamKey, positions: &[u64]) -> Result<LogInput, StreamError> {
        let changes = log.changes(&key)?;
        let shards: Vec<ShardNumber> =
            log.stream_describe(&key)?.shards.iter().map(|shard| shard.number).collect();
        let positions = (0..shards.len())
            .map(|index| positions.get(index).copied().unwrap_or(Position::START.0))
            .collect();
        Ok(LogInput { log, key, shards, positions, turn: 0, changes })
    }

    /// The name under which positions are stored.
    pub(crate) fn name(&self) -> String {
        self.key.to_string()
    }

    /// The stream that is read.
    pub(crate) fn key(&self) -> &StreamKey {
        &self.key
    }

    pub(crate) fn positions(&self) -> &[u64] {
        &self.positions
    }

    /// Just after the newest record of each shard.
    pub(crate) fn ends(&self) -> Result<Vec<u64>, StreamError> {
        self.shards.iter().map(|shard| self.log.shard_end(&self.key, *shard).map(|end| end.0)).collect()
    }

    /// The next records of some shard; `None` when there are none anywhere. Takes nothing before [`LogInput::taken`].
    pub(crate) fn read(&mut self) -> Result<Option<RawBatch>, ReadError> {
        self.changes.borrow_and_update();
        for step in 0..self.shards.len() {
            let index = (self.turn + step) % self.shards.len();
            let from = ReadFrom::Position(Position(self.positions[index]));
            let batch = match self.log.read(&self.key, self.shards[index], from, BATCH_RECORDS, BATCH_BYTES) {
                Ok(batch) => batch,
                // The stream was made anew under this name: its records count from the start again.
                Err(ReadError::BeyondEnd { .. }) if self.key.kind == StreamKind::Data => {
                    self.positions[index] = 0;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if batch.records.is_empty() {
                self.positions[index] = self.positions[index].max(batch.next.0);
                continue;
            }
            let records = batch.records.into_iter().map(|record| RawRecord {
                shard: record.sequence_number.shard().to_string(),
                sequence_number: record.sequence_number.to_string(),
                partition_key: record.partition_key,
                arrival: record.arrival,
                data: record.data,
            });
            return Ok(Some(RawBatch { shard: index, next: batch.next.0, records: records.collect() }));
        }
        Ok(None)
    }

    /// The records of a batch are in the engine.
    pub(crate) fn taken(&mut self, batch: &RawBatch) {
        self.positions[batch.shard] = batch.next;
        self.turn = (batch.shard + 1) % self.shards.len();
    }

    /// Comes back when there may be more. To be called when a read found nothing.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

//! Reading all shards of a stream, or the buffer of a delivery stream, in the order in which the log committed their
//! records: a second reading gives the same records in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;
use millstream_streamlog::{
    Log, MergedBatch, Position, Positions, ReadError, RecordView, ShardNumber, StreamError, StreamKey,
};
use millstream_wording::agreeing;
use tokio::sync::watch;

use crate::shard_positions::ShardPositions;

/// Most records and bytes of one batch when a function sees them: an event of them stays below the payload limit.
pub(crate) const EVENT_RECORDS: usize = 500;
pub(crate) const EVENT_BYTES: usize = 1 << 20;
/// The same when the engine takes them as they are: enough that its threads share the work of one pump.
pub(crate) const ENGINE_RECORDS: usize = 65_536;
pub(crate) const ENGINE_BYTES: usize = 4 << 20;

/// A raw record, for a function.
pub(crate) struct RawRecord {
    pub(crate) shard: String,
    pub(crate) sequence_number: String,
    pub(crate) partition_key: String,
    pub(crate) arrival: Timestamp,
    pub(crate) data: Bytes,
}

impl RawRecord {
    /// Everything that can be said of a record.
    pub(crate) fn of(record: RecordView<'_>) -> RawRecord {
        RawRecord {
            shard: record.shard().to_string(),
            sequence_number: record.sequence_number().to_string(),
            partition_key: record.partition_key().to_owned(),
            arrival: record.arrival(),
            data: record.data_shared(),
        }
    }
}

/// A stored position that lies beyond the end of its shard: records that were there are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BeyondEnd {
    pub(crate) stream: String,
    pub(crate) shard: u32,
    pub(crate) position: u64,
    pub(crate) end: u64,
}

impl BeyondEnd {
    /// What it means for a reader, and the ways out.
    pub(crate) fn explain(&self, reader: &str) -> String {
        let BeyondEnd { stream, shard, position, end } = self;
        format!(
            "\"{reader}\" has read up to record {position} of shard {shard} of {stream}, but the shard ends at record \
             {end}: records are missing from the log. Restore the log from a copy, use another data directory, or let \
             \"{reader}\" start from scratch with millstream reset"
        )
    }

    /// Compares stored positions with what the shards of a stream hold.
    ///
    /// # Errors
    /// The first that lies beyond.
    pub(crate) fn check(log: &Log, key: &StreamKey, positions: &BTreeMap<u32, u64>) -> Result<(), BeyondEnd> {
        let extents = log.extent(key).map(|extent| extent.shards).unwrap_or_default();
        let newest = extents.iter().map(|extent| extent.shard.0).max();
        for (shard, position) in positions {
            let beyond = |end| BeyondEnd { stream: key.to_string(), shard: *shard, position: *position, end };
            match extents.iter().find(|extent| extent.shard.0 == *shard) {
                Some(extent) if *position > extent.end.0 => return Err(beyond(extent.end.0)),
                Some(_) => {}
                // A shard that was split or merged goes with its records; one with a later number never was.
                None if newest.is_none_or(|newest| *shard > newest) => return Err(beyond(0)),
                None => {}
            }
        }
        Ok(())
    }
}

/// The source of an application.
pub(crate) struct LogInput {
    log: Arc<Log>,
    key: StreamKey,
    positions: ShardPositions,
    /// Records that went before they could be read, since they were last asked for.
    lost: u64,
    most_records: usize,
    most_bytes: usize,
    changes: watch::Receiver<u64>,
}

impl LogInput {
    /// Reads `key` from its oldest records.
    pub(crate) fn new(log: Arc<Log>, key: StreamKey) -> Result<LogInput, StreamError> {
        let positions = ShardPositions::new(&log, &key)?;
        let changes = log.changes(&key)?;
        let (most_records, most_bytes) = (ENGINE_RECORDS, ENGINE_BYTES);
        Ok(LogInput { log, key, positions, lost: 0, most_records, most_bytes, changes })
    }

    /// Gives batches of at most so much.
    pub(crate) fn limit(&mut self, records: usize, bytes: usize) {
        (self.most_records, self.most_bytes) = (records, bytes);
    }

    /// Goes on at stored positions; shards without one are read from their beginning. `spent_records` are of
    /// [`LogInput::spent_records`] when they were stored, if that is known.
    ///
    /// # Errors
    /// A position that lies beyond the end of its shard.
    pub(crate) fn go_to(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        spent_records: Option<u64>,
    ) -> Result<(), BeyondEnd> {
        BeyondEnd::check(&self.log, &self.key, positions)?;
        let positions = positions.iter();
        let next = positions.map(|(shard, position)| (ShardNumber(*shard), Position(*position)));
        self.positions.go_to(next.collect(), spent_records);
        Ok(())
    }

    /// Goes behind the newest records.
    pub(crate) fn go_to_end(&mut self) -> Result<(), StreamError> {
        self.positions.go_to(self.ends()?, None);
        Ok(())
    }

    /// The stream that is read.
    pub(crate) fn key(&self) -> &StreamKey {
        &self.key
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> &ShardPositions {
        &self.positions
    }

    /// The next record of each shard.
    pub(crate) fn positions(&self) -> BTreeMap<u32, u64> {
        self.positions.stored()
    }

    /// Records of shards that were no longer there when the positions were taken; `None` before the first read.
    pub(crate) fn spent_records(&self) -> Option<u64> {
        self.positions.spent_records()
    }

    /// Just after the newest record of each shard.
    pub(crate) fn ends(&self) -> Result<Positions, StreamError> {
        self.positions.ends_now(&self.log, &self.key)
    }

    /// Whether everything before these ends has been taken, or has gone.
    pub(crate) fn has_reached(&self, ends: &Positions) -> bool {
        self.positions.have_reached(ends)
    }

    /// Records that are there and not taken yet.
    pub(crate) fn lag(&self) -> u64 {
        let left = |extent: millstream_streamlog::ShardExtent| {
            let position =
                self.positions.next().get(&extent.shard).map_or(extent.start.0, |position| position.0);
            extent.end.0.saturating_sub(position.max(extent.start.0))
        };
        let extent = self.positions.extent(&self.log, &self.key);
        extent.map_or(0, |extent| extent.shards.into_iter().map(left).sum())
    }

    /// The next records, perhaps none, with a bound on what follows. Takes nothing before [`LogInput::advance`].
    pub(crate) fn read(&mut self) -> Result<MergedBatch, ReadError> {
        self.changes.borrow_and_update();
        let (log, key) = (&self.log, &self.key);
        let (batch, lost) = self.positions.read(log, key, self.most_records, self.most_bytes)?;
        self.lost += lost;
        Ok(batch)
    }

    /// Records that have gone meanwhile, where it goes on. Reads files; what cannot be read is found at the first read.
    pub(crate) fn look_for_losses(&mut self) -> u64 {
        self.positions.read(&self.log, &self.key, 1, 1).map_or(0, |(_, lost)| lost)
    }

    /// Records that went before they could be read, since the last call.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What to say of records that were lost.
    pub(crate) fn explain_lost(&self, lost: u64) -> String {
        let lost = agreeing(lost, "record was", "records were");
        format!(
            "{lost} deleted from {} at the end of the retention period, before being read: reading is too slow, or was \
             stopped for too long; raise retention_hours",
            self.key
        )
    }

    /// The records of a batch are in the engine.
    pub(crate) fn advance(&mut self, batch: &MergedBatch) {
        self.positions.advance(batch);
    }

    /// Those before the last of them are.
    pub(crate) fn advance_before(&mut self, batch: &MergedBatch, left: &[RecordView<'_>]) {
        self.positions.advance_before(batch, left);
    }

    /// Records of one shard before `position` have been taken.
    pub(crate) fn advance_shard(&mut self, shard: ShardNumber, position: Position) {
        self.positions.advance_shard(shard, position);
    }

    /// Comes back when there may be more. To be called when a read found nothing.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

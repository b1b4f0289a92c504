//! Reading all shards of a stream, or the buffer of a delivery stream, in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;
use millstream_streamlog::{Log, Position, ReadError, ReadFrom, ShardNumber, StreamError, StreamKey};
use tokio::sync::watch;

/// Most records and bytes of one batch: an event of them stays below the payload limit of functions.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

/// A raw record.
pub(crate) struct RawRecord {
    /// Its number in its shard.
    pub(crate) index: u64,
    pub(crate) shard: String,
    pub(crate) sequence_number: String,
    pub(crate) partition_key: String,
    pub(crate) arrival: Timestamp,
    pub(crate) data: Bytes,
}

/// Records of one shard with where to go on.
pub(crate) struct RawBatch {
    pub(crate) shard: u32,
    pub(crate) next: u64,
    pub(crate) records: Vec<RawRecord>,
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
            "\"{reader}\" has read up to record {position} of shard {shard} of {stream}, and the shard ends at record \
             {end}: records are missing from the log. Restore the log from a copy, use another data directory, or let \
             \"{reader}\" start from scratch with millstream reset"
        )
    }
}

/// The source of an application.
pub(crate) struct LogInput {
    log: Arc<Log>,
    key: StreamKey,
    /// The next record of each shard.
    positions: BTreeMap<u32, u64>,
    /// The shard that was read last.
    turn: u32,
    changes: watch::Receiver<u64>,
}

impl LogInput {
    /// Reads `key` from its oldest records.
    pub(crate) fn new(log: Arc<Log>, key: StreamKey) -> Result<LogInput, StreamError> {
        let changes = log.changes(&key)?;
        let mut input = LogInput { log, key, positions: BTreeMap::new(), turn: 0, changes };
        input.find_shards()?;
        Ok(input)
    }

    /// Goes on at stored positions; shards without one are read from their beginning.
    ///
    /// # Errors
    /// A position that lies beyond the end of its shard.
    pub(crate) fn go_to(&mut self, positions: &BTreeMap<u32, u64>) -> Result<(), BeyondEnd> {
        let ends = self.ends().unwrap_or_default();
        for (shard, position) in positions {
            let Some(end) = ends.get(shard).copied() else { continue };
            if *position > end {
                let (stream, shard, position) = (self.key.to_string(), *shard, *position);
                return Err(BeyondEnd { stream, shard, position, end });
            }
            self.positions.insert(*shard, *position);
        }
        Ok(())
    }

    /// Goes behind the newest records.
    pub(crate) fn go_to_end(&mut self) -> Result<(), StreamError> {
        self.positions = self.ends()?;
        Ok(())
    }

    fn find_shards(&mut self) -> Result<(), StreamError> {
        for shard in self.log.stream_describe(&self.key)?.shards {
            self.positions.entry(shard.number.0).or_insert(Position::START.0);
        }
        Ok(())
    }

    /// The stream that is read.
    pub(crate) fn key(&self) -> &StreamKey {
        &self.key
    }

    /// The next record of each shard.
    pub(crate) fn positions(&self) -> BTreeMap<u32, u64> {
        self.positions.clone()
    }

    /// Just after the newest record of each shard.
    pub(crate) fn ends(&self) -> Result<BTreeMap<u32, u64>, StreamError> {
        let shards = self.log.stream_describe(&self.key)?.shards.into_iter();
        shards
            .map(|shard| {
                let end = self.log.shard_end(&self.key, shard.number)?;
                Ok((shard.number.0, end.0))
            })
            .collect()
    }

    /// Records that are there and not taken yet.
    pub(crate) fn lag(&self) -> u64 {
        let ends = self.ends().unwrap_or_default();
        let left = |(shard, end): (&u32, &u64)| end.saturating_sub(*self.positions.get(shard).unwrap_or(&1));
        ends.iter().map(left).sum()
    }

    /// Whether everything before these ends has been taken.
    pub(crate) fn has_reached(&self, ends: &BTreeMap<u32, u64>) -> bool {
        ends.iter().all(|(shard, end)| self.positions.get(shard).is_some_and(|position| position >= end))
    }

    /// The next records of some shard; `None` when there are none anywhere. Takes nothing before [`LogInput::advance`].
    pub(crate) fn read(&mut self) -> Result<Option<RawBatch>, ReadError> {
        self.changes.borrow_and_update();
        let behind: Vec<u32> = self.positions.range(self.turn + 1..).map(|(shard, _)| *shard).collect();
        let before: Vec<u32> = self.positions.range(..=self.turn).map(|(shard, _)| *shard).collect();
        for shard in behind.into_iter().chain(before) {
            let position = self.positions[&shard];
            let from = ReadFrom::Position(Position(position));
            let number = ShardNumber(shard);
            let batch = self.log.read(&self.key, number, from, BATCH_RECORDS, BATCH_BYTES)?;
            if batch.records.is_empty() {
                self.positions.insert(shard, position.max(batch.next.0));
                continue;
            }
            let records = batch.records.into_iter().map(|record| RawRecord {
                index: record.sequence_number.index(),
                shard: record.sequence_number.shard().to_string(),
                sequence_number: record.sequence_number.to_string(),
                partition_key: record.partition_key,
                arrival: record.arrival,
                data: record.data,
            });
            return Ok(Some(RawBatch { shard, next: batch.next.0, records: records.collect() }));
        }
        Ok(None)
    }

    /// The records of a batch are in the engine.
    pub(crate) fn advance(&mut self, batch: &RawBatch) {
        self.positions.insert(batch.shard, batch.next);
        self.turn = batch.shard;
    }

    /// Comes back when there may be more. To be called when a read found nothing.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

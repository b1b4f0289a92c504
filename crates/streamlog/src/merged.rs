//! Reading all shards of a stream in commit order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;

use crate::error::ReadError;
use crate::fetch::{Cursor, Fetched, Limits, Run, fetch, passed};
use crate::log::Log;
use crate::position::Position;
use crate::record_batch::RecordBatch;
use crate::sequence_number::SequenceNumber;
use crate::shard::{Shard, ShardNumber};
use crate::stream_name::{StreamKey, StreamKind};

/// Where to go on in each shard. A shard that is not in it is read from its oldest record.
pub type Positions = BTreeMap<ShardNumber, Position>;

/// Records of several shards in commit order.
#[derive(Clone, Debug)]
pub struct MergedBatch {
    records: RecordBatch,
    runs: Vec<Run>,
    /// By the runs' cursors.
    shards: Vec<(ShardNumber, u64)>,
    /// Where to go on: an entry for every shard that the stream has.
    pub next: Positions,
    /// Every record that a later read gives arrived at this time or later. Moves on while nothing is appended.
    pub bound: Timestamp,
    /// Everything that was durable when the read began has been given.
    pub is_caught_up: bool,
    /// Records between the positions given and the next ones that are gone: trimmed, or past the retention. Only of
    /// shards that had a position.
    pub lost: BTreeMap<ShardNumber, u64>,
}

/// A record of a batch. All of it is looked up when asked for.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'batch> {
    batch: &'batch MergedBatch,
    place: usize,
    run: usize,
}

impl MergedBatch {
    /// How many records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Partition keys and data: to append them elsewhere, or to look at them without the rest.
    pub fn records(&self) -> &RecordBatch {
        &self.records
    }

    /// Record `place`, from 0.
    pub fn get(&self, place: usize) -> Option<RecordView<'_>> {
        (place < self.len()).then(|| {
            let run = self.runs.partition_point(|run| run.first as usize <= place).saturating_sub(1);
            RecordView { batch: self, place, run }
        })
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordView<'_>> {
        let mut run = 0;
        (0..self.len()).map(move |place| {
            while self.runs.get(run + 1).is_some_and(|next| next.first as usize <= place) {
                run += 1;
            }
            RecordView { batch: self, place, run }
        })
    }
}

impl<'batch> RecordView<'batch> {
    fn run(&self) -> &'batch Run {
        &self.batch.runs[self.run]
    }

    /// The shard it is in.
    pub fn shard(&self) -> ShardNumber {
        self.batch.shards[self.run().cursor as usize].0
    }

    /// Its place in the shard; reading from here gives it first.
    pub fn position(&self) -> Position {
        let run = self.run();
        Position(run.first_index + (self.place - run.first as usize) as u64)
    }

    /// Its number in the shard.
    pub fn sequence_number(&self) -> SequenceNumber {
        let (shard, created_at) = self.batch.shards[self.run().cursor as usize];
        crate::shard::sequence_number(shard, created_at, self.position().0, self.arrival())
    }

    /// When the log committed it; never decreases over the whole log.
    pub fn arrival(&self) -> Timestamp {
        self.run().arrival
    }

    /// The commit it is part of; never decreases over the whole log. Counts up by one or more.
    pub fn commit(&self) -> u64 {
        self.run().commit
    }

    /// As given by the producer.
    pub fn partition_key(&self) -> &'batch str {
        self.batch.records.partition_key(self.place)
    }

    /// As given by the producer.
    pub fn data(&self) -> &'batch [u8] {
        self.batch.records.data(self.place)
    }

    /// The same, sharing the batch's buffer.
    pub fn data_shared(&self) -> Bytes {
        self.batch.records.data_shared(self.place)
    }
}

impl Log {
    /// Reads all shards of a stream in the order in which the log committed their records: at most `max_records`, and no
    /// more once their data and partition keys have reached `max_bytes` (but at least one, if there is any).
    ///
    /// The order is that of commits, and within one that of shards as they first occur in an append; so it is the same in
    /// every reading, whatever the batches, and the records of a shard come before those of the shards it was split or
    /// merged into. Reads files, like [`Log::read`], and each byte once for all shards.
    ///
    /// # Errors
    /// [`ReadError::BeyondEnd`] when a position is after anything that the shard ever held; else see [`ReadError`].
    pub fn read_merged(
        &self,
        stream: &StreamKey,
        positions: &Positions,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<MergedBatch, ReadError> {
        let found = self.shared.stream(stream).ok_or_else(|| ReadError::StreamNotFound(stream.clone()))?;
        let (limit, mut bound) = {
            let frontier = self.shared.frontier.lock();
            (frontier.place, frontier.bound(&self.shared.clock))
        };
        let oldest = match stream.kind {
            StreamKind::Data => found.horizon(bound),
            StreamKind::Delivery => Timestamp(i64::MIN),
        };
        // After the frontier: shards whose records lie before it are known by now.
        let topology = found.topology();
        let mut cursors = Vec::with_capacity(topology.shards.len());
        for shard in &topology.shards {
            let position = positions.get(&shard.number).copied().unwrap_or_default();
            check_position(shard, position)?;
            cursors.push(Cursor::new(Arc::clone(shard), position.0, oldest));
        }
        let limits = Limits { place: limit, records: max_records, bytes: max_bytes };
        let Fetched { records, runs, is_caught_up } = fetch(&self.shared, found.id, &mut cursors, limits)?;
        if !is_caught_up {
            // What follows was committed no earlier than the last one given.
            bound = runs.last().map_or(Timestamp(i64::MIN), |run| run.arrival);
        }
        let mut lost = passed(&cursors);
        lost.retain(|shard, _| positions.contains_key(shard));
        let next = cursors.iter().map(|cursor| (cursor.shard.number, Position(cursor.next))).collect();
        let shards = cursors.iter().map(|cursor| (cursor.shard.number, cursor.shard.created_at)).collect();
        Ok(MergedBatch { records, runs, shards, next, bound, is_caught_up, lost })
    }
}

/// Refuses a position that the shard has never reached.
pub(crate) fn check_position(shard: &Shard, position: Position) -> Result<(), ReadError> {
    let end = Position(shard.state.lock().next_durable_index);
    if position > end {
        return Err(ReadError::BeyondEnd { position, end, shard: shard.number });
    }
    Ok(())
}

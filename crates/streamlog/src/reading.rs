//! Reading records of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_host::{Clock, Timestamp};

use crate::error::ReadError;
use crate::fetch::{Cursor, Fetched, Limits, fetch};
use crate::log::Log;
use crate::merged::check_position;
use crate::position::{Position, ReadBatch, ReadFrom};
use crate::record::Record;
use crate::sequence_number::SequenceNumber;
use crate::shard::{Shard, ShardNumber};
use crate::stream_name::{StreamKey, StreamKind};

impl Log {
    /// Reads durable records of a shard in order: at most `max_records`, and no more once their data and partition
    /// keys have reached `max_bytes` (but always at least one, so that a reader gets past a large record).
    ///
    /// Reads files: a few microseconds when they are in the page cache, else as long as the disk takes. Records past
    /// the retention are skipped in streams that users see; a delivery buffer gives everything it still holds.
    /// [`Log::read_merged`] reads all shards at once, and without an object for each record.
    ///
    /// # Errors
    /// See [`ReadError`]; damaged bytes are reported with file and offset, never skipped.
    pub fn read(
        &self,
        stream: &StreamKey,
        shard: ShardNumber,
        from: ReadFrom,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, ReadError> {
        let found = self.shared.stream(stream).ok_or_else(|| ReadError::StreamNotFound(stream.clone()))?;
        let limit = self.shared.frontier.lock().place;
        let missing = || ReadError::ShardNotFound { stream: stream.clone(), shard };
        let found_shard = found.shard(shard).ok_or_else(missing)?;
        let (end, last_durable_arrival, is_finished) = {
            let state = found_shard.state.lock();
            (state.next_durable_index, state.last_durable_arrival, state.is_finished)
        };
        let mut oldest = match stream.kind {
            StreamKind::Data => found.horizon(self.shared.clock.now()),
            StreamKind::Delivery => Timestamp(i64::MIN),
        };
        let start = match from {
            ReadFrom::TrimHorizon => 0,
            ReadFrom::Latest => end,
            ReadFrom::At(number) => index_of(number, &found_shard)?,
            ReadFrom::After(number) => index_of(number, &found_shard)?.saturating_add(1),
            ReadFrom::AtTimestamp(instant) => {
                oldest = oldest.max(instant);
                0
            }
            ReadFrom::Position(position) => position.0,
        };
        // The end of a closed shard is a place too: nothing follows it.
        let start = if is_finished && start > LAST_INDEX { end } else { start };
        check_position(&found_shard, Position(start))?;
        let mut cursors = [Cursor::new(Arc::clone(&found_shard), start, oldest)];
        let limits = Limits { place: limit, records: max_records, bytes: max_bytes };
        let Fetched { records, runs, .. } = fetch(&self.shared, found.id, &mut cursors, limits)?;
        let mut out = Vec::with_capacity(records.len());
        let mut run = 0;
        for place in 0..records.len() {
            while runs.get(run + 1).is_some_and(|next| next.first as usize <= place) {
                run += 1;
            }
            let of = &runs[run];
            let index = of.first_index + (place - of.first as usize) as u64;
            out.push(Record {
                sequence_number: found_shard.sequence_number(index, of.arrival),
                arrival: of.arrival,
                commit: of.commit,
                partition_key: records.partition_key(place).to_owned(),
                data: records.data_shared(place),
            });
        }
        let next = cursors[0].next.max(start);
        let caught_up = next >= end;
        let behind = match out.last() {
            Some(last) if !caught_up => last_durable_arrival.since(last.arrival).as_millis(),
            _ => 0,
        };
        Ok(ReadBatch {
            records: out,
            next: Position(next),
            millis_behind_latest: u64::try_from(behind).unwrap_or(u64::MAX),
            end_of_shard: caught_up && is_finished,
        })
    }

    /// How many records of each shard a reader who begins at the oldest could read now. Records past the retention, which
    /// [`Log::extent`] holds until their segment goes, do not count.
    ///
    /// Reads files: of each shard with records, the place at which reading would begin.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn readable_records(&self, stream: &StreamKey) -> Result<BTreeMap<ShardNumber, u64>, ReadError> {
        let found = self.shared.stream(stream).ok_or_else(|| ReadError::StreamNotFound(stream.clone()))?;
        let count = |shard: &Arc<Shard>| {
            let first = self.read(stream, shard.number, ReadFrom::TrimHorizon, 1, 1)?.records;
            // Read afterwards: records that came meanwhile can be read, too.
            let end = shard.state.lock().next_durable_index;
            let first = first.first().map_or(end, |record| record.sequence_number.index());
            Ok((shard.number, end - first))
        };
        found.topology().shards.iter().map(count).collect()
    }
}

/// The largest index in a sequence number: it ends a closed shard.
const LAST_INDEX: u64 = (1 << 63) - 1;

/// The index in a number, if the number is of this shard.
fn index_of(number: SequenceNumber, shard: &Shard) -> Result<u64, ReadError> {
    if number.shard() == shard.number && number.shard_created_at() == shard.created_at {
        Ok(number.index())
    } else {
        Err(ReadError::OtherShard { number, shard: shard.number })
    }
}

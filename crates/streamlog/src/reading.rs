//! Reading records.

use std::fs::File;
use std::io;

use millstream_host::Timestamp;

use crate::error::{ReadError, io_error};
use crate::log::Log;
use crate::position::{Position, ReadBatch, ReadFrom};
use crate::record::Record;
use crate::segment::read::read_entry;
use crate::segment::{self, Identity};
use crate::sequence_number::SequenceNumber;
use crate::shard::{Shard, ShardNumber};
use crate::stream_name::{StreamKey, StreamKind};

impl Log {
    /// Reads durable records of a shard in order: at most `max_records`, and no more once their data and partition
    /// keys have reached `max_bytes` (but always at least one, so that a reader gets past a large record).
    ///
    /// Reads files: a few microseconds when they are in the page cache, else as long as the disk takes. Records past
    /// the retention are skipped in streams that users see; a delivery buffer gives everything it still holds.
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
        let missing = || ReadError::ShardNotFound { stream: stream.clone(), shard };
        let found_shard = found.shard(shard).ok_or_else(missing)?;
        let (end, last_durable_arrival) = {
            let state = found_shard.state.lock();
            (state.next_durable_index, state.last_durable_arrival)
        };
        let mut oldest = match stream.kind {
            StreamKind::Data => found.horizon(self.shared.clock.now()),
            StreamKind::Delivery => Timestamp(i64::MIN),
        };
        let start = match from {
            ReadFrom::TrimHorizon => 0,
            ReadFrom::Latest => end,
            ReadFrom::At(number) => index_of(number, found_shard)?,
            ReadFrom::After(number) => index_of(number, found_shard)? + 1,
            ReadFrom::AtTimestamp(instant) => {
                oldest = oldest.max(instant);
                0
            }
            ReadFrom::Position(position) => position.0,
        };
        if start > end {
            let beyond = (Position(start), Position(end));
            return Err(ReadError::BeyondEnd { position: beyond.0, end: beyond.1, shard });
        }

        let key = found.shard_key(found_shard);
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut next = start;
        let mut is_full = max_records == 0;
        let mut open: Option<(u64, File)> = None;
        while !is_full && next < end {
            let Some(entry) = found_shard.state.lock().index.find(next, oldest) else {
                next = end;
                break;
            };
            let path = segment::path(&self.shared.directory, entry.segment);
            if open.as_ref().is_none_or(|(number, _)| *number != entry.segment) {
                match File::open(&path) {
                    Ok(file) => open = Some((entry.segment, file)),
                    // Trimmed between the two looks: the index no longer has it.
                    Err(error)
                        if error.kind() == io::ErrorKind::NotFound && !self.has_segment(entry.segment) =>
                    {
                        continue;
                    }
                    Err(error) => return Err(io_error("open", &path)(error).into()),
                }
            }
            let Some((_, file)) = &open else { continue };
            let seed = Identity { log_id: self.shared.log_id, number: entry.segment }.seed();
            // Records beyond `end` became durable after this call began: the next call gives them.
            read_entry(file, &path, seed, &entry, key, next, |stored| {
                if is_full || stored.index >= end {
                    return false;
                }
                next = stored.index + 1;
                if stored.arrival < oldest {
                    return true;
                }
                bytes += stored.partition_key.len() + stored.data.len();
                records.push(Record {
                    sequence_number: found_shard.description.sequence_number(stored.index, stored.arrival),
                    arrival: stored.arrival,
                    partition_key: stored.partition_key,
                    data: stored.data,
                });
                is_full = records.len() >= max_records || bytes >= max_bytes;
                !is_full
            })?;
            if !is_full {
                next = next.max(entry.next_index.min(end));
            }
        }

        let caught_up = next >= end;
        let behind = match records.last() {
            Some(last) if !caught_up => last_durable_arrival.since(last.arrival).as_millis(),
            _ => 0,
        };
        Ok(ReadBatch {
            records,
            next: Position(next),
            millis_behind_latest: u64::try_from(behind).unwrap_or(u64::MAX),
            end_of_shard: caught_up && found_shard.description.closed_at.is_some(),
        })
    }

    fn has_segment(&self, number: u64) -> bool {
        self.shared.segments.lock().contains_key(&number)
    }
}

/// The index in a number, if the number is of this shard.
fn index_of(number: SequenceNumber, shard: &Shard) -> Result<u64, ReadError> {
    let description = &shard.description;
    if number.shard() == description.number && number.shard_created_at() == description.created_at {
        Ok(number.index())
    } else {
        Err(ReadError::OtherShard { number, shard: description.number })
    }
}

//! How far a reader has come in each shard of a stream, and which records went before it could read them.
//!
//! Records go when they are older than the retention, and a shard that was split or merged goes with its last record. A reader
//! that was too slow for either is told how many it has missed, those of shards that came and went meanwhile included.

use std::collections::BTreeMap;

use millstream_streamlog::{Log, MergedBatch, Position, Positions, ReadError, ShardNumber, StreamKey};

/// How far a reader has come. It reads a stream from its oldest records unless it is put elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardPositions {
    /// The next record of each shard; empty before the first read from the oldest records.
    next: Positions,
    /// How far each shard was seen to go: what is left of one that is no longer there is lost.
    ends: Positions,
}

impl From<Positions> for ShardPositions {
    fn from(next: Positions) -> ShardPositions {
        ShardPositions { next, ends: Positions::new() }
    }
}

impl ShardPositions {
    /// The next record of each shard.
    pub(crate) fn next(&self) -> &Positions {
        &self.next
    }

    /// The next records, and how many went before they could be read: each is counted once. What is given is taken by
    /// [`ShardPositions::advance`] only. Reads files.
    ///
    /// # Errors
    /// As [`Log::read_merged`].
    pub(crate) fn read(
        &mut self,
        log: &Log,
        key: &StreamKey,
        most_records: usize,
        most_bytes: usize,
    ) -> Result<(MergedBatch, u64), ReadError> {
        let extents = log.shard_extents(key).unwrap_or_default();
        if !self.next.is_empty() {
            // What was in a shard that came meanwhile can be lost, too.
            for extent in &extents {
                self.next.entry(extent.shard).or_insert(Position::START);
            }
        }
        let batch = log.read_merged(key, &self.next, most_records, most_bytes)?;
        let mut lost = 0;
        for (shard, passed) in &batch.lost {
            self.next.entry(*shard).and_modify(|next| next.0 += passed);
            lost += passed;
        }
        for (shard, next) in self.next.extract_if(.., |shard, _| !batch.next.contains_key(shard)) {
            lost += self.ends.get(&shard).map_or(0, |end| end.0.saturating_sub(next.0));
        }
        self.ends = extents.iter().map(|extent| (extent.shard, extent.end)).collect();
        Ok((batch, lost))
    }

    /// A batch has been taken.
    pub(crate) fn advance(&mut self, batch: &MergedBatch) {
        self.next.clone_from(&batch.next);
    }

    /// Records of one shard before `position` have been taken.
    pub(crate) fn advance_shard(&mut self, shard: ShardNumber, position: Position) {
        self.next.insert(shard, position);
    }

    /// Whether everything before these ends has been taken, or has gone.
    pub(crate) fn have_reached(&self, ends: &Positions) -> bool {
        have_reached(&self.next, ends)
    }

    /// As they are kept.
    pub(crate) fn stored(&self) -> BTreeMap<u32, u64> {
        self.next.iter().map(|(shard, position)| (shard.0, position.0)).collect()
    }
}

/// Whether a reader whose next records are these has come to these ends. A shard that it does not know and that is older than
/// one that it knows has gone, with all its records.
pub(crate) fn have_reached(next: &Positions, ends: &Positions) -> bool {
    let newest = next.keys().next_back();
    ends.iter().all(|(shard, end)| match next.get(shard) {
        Some(position) => position >= end,
        None => *end == Position::START || newest.is_some_and(|newest| shard < newest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::{Clock, ManualClock, Timestamp};
    use millstream_streamlog::{LogSettings, NewRecord, Retention};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_went_is_counted_once_though_a_batch_is_read_again() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
        let settings = LogSettings { segment_bytes: 16 << 10, ..LogSettings::default() };
        let log = Log::open(folder.path(), settings, clock.clone()).unwrap().0;
        let key = StreamKey::data("s".parse().unwrap());
        log.stream_create(&key, 1, Retention::hours(1).unwrap()).unwrap();
        let put = |count: usize| {
            let records = (0..count).map(|_| NewRecord::new("k", " ".repeat(100)));
            log.append_blocking(&key, records.collect()).unwrap();
        };
        let mut positions = ShardPositions::default();
        put(5);
        let (batch, lost) = positions.read(&log, &key, 1_000, 1 << 20).unwrap();
        positions.advance(&batch);
        assert_eq!((batch.len(), lost), (5, 0));
        put(200);
        clock.advance(2 * HOUR);
        log.trim(clock.now()).unwrap();
        put(7);
        let mut read = |most| {
            let (batch, lost) = positions.read(&log, &key, most, 1 << 20).unwrap();
            (batch.len(), lost)
        };
        assert_eq!([read(3), read(7)], [(3, 200), (7, 0)]);
        // The shard goes with what was not taken of it.
        log.stream_split(&key, ShardNumber(0), 1 << 100).unwrap();
        clock.advance(2 * HOUR);
        put(200);
        for _ in 0..2 {
            log.trim(clock.now()).unwrap();
        }
        assert_eq!([read(300), read(300)], [(200, 7), (200, 0)]);
        // Whoever waits for that shard does not wait for ever.
        assert!(!positions.have_reached(&log_ends(&log, &key)));
        let before = Positions::from([(ShardNumber(0), Position(1_000))]);
        assert!(positions.have_reached(&before) && !ShardPositions::default().have_reached(&before));
        let (batch, _) = positions.read(&log, &key, 1_000, 1 << 20).unwrap();
        positions.advance(&batch);
        assert!(positions.have_reached(&log_ends(&log, &key)));
    }

    fn log_ends(log: &Log, key: &StreamKey) -> Positions {
        log.shard_extents(key).unwrap().into_iter().map(|extent| (extent.shard, extent.end)).collect()
    }
}

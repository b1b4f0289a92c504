//! How far a reader has come in each shard of a stream, and which records went before it could read them.
//!
//! Records go when they are older than the retention, and a shard that was split or merged goes with its last record. A reader
//! that was too slow for either is told how many it has missed, those of shards that came and went meanwhile included.
//!
//! Positions are of one stream, not of its name: when that stream was deleted and made again, theirs does not exist.

use std::collections::BTreeMap;

use millstream_streamlog::{
    Log, MergedBatch, Position, Positions, ReadError, RecordView, ShardNumber, StreamError, StreamExtent,
    StreamId, StreamKey,
};

/// How far a reader has come. It reads a stream from its oldest records unless it is put elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct ShardPositions {
    /// Which of the streams that ever bore its name.
    stream: StreamId,
    /// The next record of each shard; empty before the first read from the oldest records.
    next: Positions,
    /// Records of shards that were no longer there when `next` was taken: what was put into those that went later, and was
    /// not taken, is lost. `None` when that is not known.
    spent_records: Option<u64>,
    /// Records that went before they could be read, and that no read has told of.
    lost: u64,
}

impl ShardPositions {
    /// At the oldest records of the stream that bears the name now.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn new(log: &Log, key: &StreamKey) -> Result<ShardPositions, StreamError> {
        let (stream, next) = (log.stream_id(key)?, Positions::new());
        Ok(ShardPositions { stream, next, spent_records: None, lost: 0 })
    }

    /// Goes on there. Without the records that were spent when the positions were taken, what goes with its shard before the
    /// next read is not counted.
    pub(crate) fn go_to(&mut self, next: Positions, spent_records: Option<u64>) {
        (self.next, self.spent_records, self.lost) = (next, spent_records, 0);
    }

    /// What the stream holds.
    ///
    /// # Errors
    /// It is gone, perhaps with another one in its place.
    pub(crate) fn extent(&self, log: &Log, key: &StreamKey) -> Result<StreamExtent, StreamError> {
        let extent = log.extent(key)?;
        self.check_stream(log, key)?;
        Ok(extent)
    }

    /// Whether the stream bears the name still. A name never goes back to an earlier stream: then what was read under it before
    /// was of this one.
    fn check_stream(&self, log: &Log, key: &StreamKey) -> Result<(), StreamError> {
        if log.stream_id(key)? == self.stream { Ok(()) } else { Err(StreamError::NotFound(key.clone())) }
    }

    /// Just after the newest record of each shard of the stream.
    ///
    /// # Errors
    /// As [`ShardPositions::extent`].
    pub(crate) fn ends_now(&self, log: &Log, key: &StreamKey) -> Result<Positions, StreamError> {
        let extents = self.extent(log, key)?.shards.into_iter();
        Ok(extents.map(|extent| (extent.shard, extent.end)).collect())
    }

    /// The next record of each shard.
    pub(crate) fn next(&self) -> &Positions {
        &self.next
    }

    /// The next records, and how many went before they could be read: each is counted once. What is given is taken by
    /// [`ShardPositions::advance`] only. Reads files.
    ///
    /// # Errors
    /// As [`Log::read_merged`]; another stream in the place of theirs is not theirs.
    pub(crate) fn read(
        &mut self,
        log: &Log,
        key: &StreamKey,
        most_records: usize,
        most_bytes: usize,
    ) -> Result<(MergedBatch, u64), ReadError> {
        let is_gone = |_| ReadError::StreamNotFound(key.clone());
        let batch = loop {
            let extent = self.extent(log, key).map_err(is_gone)?;
            self.leave_spent_shards(&extent);
            let batch = log.read_merged(key, &self.next, most_records, most_bytes)?;
            self.check_stream(log, key).map_err(is_gone)?;
            // A shard may have gone in between: then how much of it was not taken is looked up first.
            if extent.shards.iter().all(|extent| batch.next.contains_key(&extent.shard)) {
                break batch;
            }
        };
        for (shard, passed) in &batch.lost {
            let next = |next: &mut Position| next.0 = next.records_before() + 1 + passed;
            self.next.entry(*shard).and_modify(next);
            self.lost += passed;
        }
        Ok((batch, std::mem::take(&mut self.lost)))
    }

    /// Forgets the positions in shards that are no longer there, and counts what was not taken of them and of those that came
    /// and went meanwhile. Who has never read has lost nothing.
    fn leave_spent_shards(&mut self, extent: &StreamExtent) {
        if !self.next.is_empty() {
            let is_there = |shard: &ShardNumber| extent.shards.iter().any(|extent| extent.shard == *shard);
            let spent = self.next.extract_if(.., |shard, _| !is_there(shard));
            let taken: u64 = spent.map(|(_, next)| next.records_before()).sum();
            if let Some(before) = self.spent_records {
                self.lost += extent.spent_records.saturating_sub(before).saturating_sub(taken);
            }
            // What was in a shard that came meanwhile can be lost, too.
            for extent in &extent.shards {
                self.next.entry(extent.shard).or_insert(Position::START);
            }
        }
        self.spent_records = Some(extent.spent_records);
    }

    /// A batch has been taken.
    pub(crate) fn advance(&mut self, batch: &MergedBatch) {
        self.next.clone_from(&batch.next);
    }

    /// A batch has been taken but for the last of its records.
    pub(crate) fn advance_before(&mut self, batch: &MergedBatch, left: &[RecordView<'_>]) {
        self.advance(batch);
        self.next.extend(left.iter().rev().map(|record| (record.shard(), record.position())));
    }

    /// Records of one shard before `position` have been taken.
    pub(crate) fn advance_shard(&mut self, shard: ShardNumber, position: Position) {
        self.next.insert(shard, position);
    }

    /// Whether everything before these ends has been taken, or has gone. A shard that is not known and that is older than one
    /// that is has gone, with all its records.
    pub(crate) fn have_reached(&self, ends: &Positions) -> bool {
        let newest = self.next.keys().next_back();
        ends.iter().all(|(shard, end)| match self.next.get(shard) {
            Some(position) => position >= end,
            None => *end == Position::START || newest.is_some_and(|newest| shard < newest),
        })
    }

    /// Records of shards that were no longer there when the positions were taken; `None` when that is not known.
    pub(crate) fn spent_records(&self) -> Option<u64> {
        self.spent_records
    }

    /// As they are kept.
    pub(crate) fn stored(&self) -> BTreeMap<u32, u64> {
        self.next.iter().map(|(shard, position)| (shard.0, position.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::{Clock, ManualClock, Timestamp};
    use millstream_streamlog::{LogSettings, NewRecord, Retention};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// A stream that keeps its records for an hour, in small segments.
    fn stream_of_an_hour(folder: &Path) -> (Arc<ManualClock>, Arc<Log>, StreamKey) {
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
        let settings = LogSettings { segment_bytes: 16 << 10, ..LogSettings::default() };
        let log = Log::open(folder, settings, clock.clone()).unwrap().0;
        let key = StreamKey::data("s".parse().unwrap());
        log.stream_create(&key, 1, Retention::hours(1).unwrap()).unwrap();
        (clock, log, key)
    }

    fn put(log: &Log, key: &StreamKey, count: usize) {
        let records = (0..count).map(|_| NewRecord::new("k", " ".repeat(100)));
        log.append_blocking(key, records.collect()).unwrap();
    }

    #[test]
    fn what_went_before_anything_was_read_is_counted_once_though_the_batch_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, log, key) = stream_of_an_hour(folder.path());
        let mut positions = ShardPositions::new(&log, &key).unwrap();
        positions.go_to(Positions::from([(ShardNumber(0), Position::START)]), Some(0));
        let put = |count| put(&log, &key, count);
        put(200);
        clock.advance(2 * HOUR);
        put(200);
        log.trim(clock.now()).unwrap();
        let read = |positions: &mut ShardPositions| {
            let (batch, lost) = positions.read(&log, &key, 1_000, 1 << 20).unwrap();
            (batch.len(), lost)
        };
        assert_eq!([read(&mut positions), read(&mut positions)], [(200, 200), (200, 0)]);
    }

    #[test]
    fn what_went_is_counted_once_though_a_batch_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, log, key) = stream_of_an_hour(folder.path());
        let put = |count| put(&log, &key, count);
        let mut positions = ShardPositions::new(&log, &key).unwrap();
        put(5);
        let (batch, lost) = positions.read(&log, &key, 1_000, 1 << 20).unwrap();
        positions.advance(&batch);
        assert_eq!((batch.len(), lost), (5, 0));
        put(200);
        clock.advance(2 * HOUR);
        log.trim(clock.now()).unwrap();
        put(7);
        let read = |positions: &mut ShardPositions, most| {
            let (batch, lost) = positions.read(&log, &key, most, 1 << 20).unwrap();
            (batch.len(), lost)
        };
        assert_eq!([read(&mut positions, 3), read(&mut positions, 7)], [(3, 200), (7, 0)]);
        // The shard goes with what was not taken of it, and so it does for those who go on at stored positions.
        let stored = |spent_records| {
            let mut stored = ShardPositions::new(&log, &key).unwrap();
            stored.go_to(positions.next().clone(), spent_records);
            stored
        };
        let (mut stored, mut of_an_earlier_version) = (stored(positions.spent_records()), stored(None));
        log.stream_split(&key, ShardNumber(0), 1 << 100).unwrap();
        clock.advance(2 * HOUR);
        put(200);
        for _ in 0..2 {
            log.trim(clock.now()).unwrap();
        }
        for (positions, lost) in [(&mut positions, 7), (&mut stored, 7), (&mut of_an_earlier_version, 0)] {
            assert_eq!([read(positions, 300), read(positions, 300)], [(200, lost), (200, 0)]);
        }
        // Whoever waits for that shard does not wait for ever.
        let ends = positions.ends_now(&log, &key).unwrap();
        assert!(!positions.have_reached(&ends));
        let before = Positions::from([(ShardNumber(0), Position(1_000))]);
        assert!(positions.have_reached(&before));
        assert!(!ShardPositions::new(&log, &key).unwrap().have_reached(&before));
        let (batch, _) = positions.read(&log, &key, 1_000, 1 << 20).unwrap();
        positions.advance(&batch);
        assert!(positions.have_reached(&ends));
        // Another stream under its name is not the one that was read.
        log.stream_delete(&key).unwrap();
        log.stream_create(&key, 1, Retention::hours(1).unwrap()).unwrap();
        let read = positions.read(&log, &key, 1_000, 1 << 20);
        assert!(matches!(read, Err(ReadError::StreamNotFound(_))), "{read:?}");
        assert!(positions.ends_now(&log, &key).is_err());
    }
}

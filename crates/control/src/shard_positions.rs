//! How far a reader has come in each shard of a stream, and which records went before it could read them.
//!
//! Records go when they are older than the retention, and a shard that was split or merged goes with its last record. A reader
//! that was too slow for either is told how many it has missed, those of shards that came and went meanwhile included.
//!
//! Positions are of one stream, not of its name: when that stream was deleted and made again, theirs does not exist.

use std::collections::BTreeMap;

use millstream_streamlog::{
    Log, MergedBatch, Position, Positions, ReadError, ShardExtent, ShardNumber, StreamError, StreamId,
    StreamKey,
};

/// How far a reader has come. It reads a stream from its oldest records unless it is put elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct ShardPositions {
    /// Which of the streams that ever bore its name.
    stream: StreamId,
    /// The next record of each shard; empty before the first read from the oldest records.
    next: Positions,
    /// How far each shard was seen to go: what is left of one that is no longer there is lost.
    ends: Positions,
}

impl ShardPositions {
    /// At the oldest records of the stream that bears the name now.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn new(log: &Log, key: &StreamKey) -> Result<ShardPositions, StreamError> {
        Ok(ShardPositions { stream: log.stream_id(key)?, next: Positions::new(), ends: Positions::new() })
    }

    /// Goes on there.
    pub(crate) fn go_to(&mut self, next: Positions) {
        (self.next, self.ends) = (next, Positions::new());
    }

    /// What each shard of the stream holds.
    ///
    /// # Errors
    /// It is gone, perhaps with another one in its place.
    pub(crate) fn extents(&self, log: &Log, key: &StreamKey) -> Result<Vec<ShardExtent>, StreamError> {
        let extents = log.shard_extents(key)?;
        self.check_stream(log, key)?;
        Ok(extents)
    }

    /// Whether the stream bears the name still. A name never goes back to an earlier stream: then what was read under it before
    /// was of this one.
    fn check_stream(&self, log: &Log, key: &StreamKey) -> Result<(), StreamError> {
        if log.stream_id(key)? == self.stream { Ok(()) } else { Err(StreamError::NotFound(key.clone())) }
    }

    /// Just after the newest record of each shard of the stream.
    ///
    /// # Errors
    /// As [`ShardPositions::extents`].
    pub(crate) fn ends_now(&self, log: &Log, key: &StreamKey) -> Result<Positions, StreamError> {
        let extents = self.extents(log, key)?.into_iter();
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
        let extents = self.extents(log, key).map_err(is_gone)?;
        if !self.next.is_empty() {
            // What was in a shard that came meanwhile can be lost, too.
            for extent in &extents {
                self.next.entry(extent.shard).or_insert(Position::START);
            }
        }
        let batch = log.read_merged(key, &self.next, most_records, most_bytes)?;
        self.check_stream(log, key).map_err(is_gone)?;
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

    /// Whether everything before these ends has been taken, or has gone. A shard that is not known and that is older than one
    /// that is has gone, with all its records.
    pub(crate) fn have_reached(&self, ends: &Positions) -> bool {
        let newest = self.next.keys().next_back();
        ends.iter().all(|(shard, end)| match self.next.get(shard) {
            Some(position) => position >= end,
            None => *end == Position::START || newest.is_some_and(|newest| shard < newest),
        })
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
        let mut positions = ShardPositions::new(&log, &key).unwrap();
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

//! The sparse index of a shard: from record index or arrival time to a place in a segment.
//!
//! An entry covers a stretch of one segment that begins with a frame of the shard and ends with one; frames of other
//! shards may lie between. A new entry begins when a frame starts [`STRIDE`] bytes or more after the start of the
//! last entry, so a read touches at most a stride and a frame that it does not need.

use std::collections::VecDeque;

use millstream_host::Timestamp;

/// The length that an entry grows to before the next one begins, in bytes of the segment.
pub(crate) const STRIDE: u32 = 64 << 10;

/// A stretch of a segment that holds records of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) segment: u64,
    /// Where its first frame starts in the segment.
    pub(crate) offset: u32,
    /// Where its last frame ends.
    pub(crate) end: u32,
    /// The index of its first record.
    pub(crate) first_index: u64,
    /// One past the index of its last record.
    pub(crate) next_index: u64,
    /// The arrival of its last record.
    pub(crate) last_arrival: Timestamp,
}

/// The entries of one shard, in order.
#[derive(Debug, Default)]
pub(crate) struct ShardIndex {
    entries: VecDeque<IndexEntry>,
}

impl ShardIndex {
    /// Adds a frame (an entry that covers just it), which comes after all that was added.
    pub(crate) fn add_frame(&mut self, frame: IndexEntry) {
        if let Some(last) = self.entries.back_mut()
            && last.segment == frame.segment
            && frame.offset - last.offset < STRIDE
        {
            last.end = frame.end;
            last.next_index = frame.next_index;
            last.last_arrival = frame.last_arrival;
            return;
        }
        self.entries.push_back(frame);
    }

    /// Adds a whole entry, as read from a sealed segment.
    pub(crate) fn add_entry(&mut self, entry: IndexEntry) {
        self.entries.push_back(entry);
    }

    /// The first entry that may hold a record with `index` or later that arrived at `arrival` or later.
    pub(crate) fn find(&self, index: u64, arrival: Timestamp) -> Option<IndexEntry> {
        let place =
            self.entries.partition_point(|entry| entry.next_index <= index || entry.last_arrival < arrival);
        self.entries.get(place).copied()
    }

    /// One past the index of the newest record; 0 when there is none.
    pub(crate) fn last_next_index(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.next_index)
    }

    /// The entries of one segment.
    pub(crate) fn of_segment(&self, segment: u64) -> impl Iterator<Item = &IndexEntry> {
        let first = self.entries.partition_point(|entry| entry.segment < segment);
        self.entries.range(first..).take_while(move |entry| entry.segment == segment)
    }

    /// Forgets the entries of one segment.
    pub(crate) fn remove_segment(&mut self, segment: u64) {
        self.entries.retain(|entry| entry.segment != segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segment: u64, offset: u32, first_index: u64) -> IndexEntry {
        IndexEntry {
            segment,
            offset,
            end: offset + 100,
            first_index,
            next_index: first_index + 10,
            last_arrival: Timestamp(first_index as i64),
        }
    }

    #[test]
    fn near_frames_share_an_entry_and_far_ones_do_not() {
        let mut index = ShardIndex::default();
        index.add_frame(frame(1, 40, 1));
        index.add_frame(frame(1, 1_000, 11));
        index.add_frame(frame(1, 40 + STRIDE, 21));
        index.add_frame(frame(2, 40, 31));
        assert_eq!(index.entries.len(), 3);
        assert_eq!(index.entries[0].end, 1_100);
        assert_eq!(index.find(15, Timestamp(0)).map(|entry| entry.first_index), Some(1));
        assert_eq!(index.find(21, Timestamp(0)).map(|entry| entry.first_index), Some(21));
        assert_eq!(index.find(0, Timestamp(22)).map(|entry| entry.first_index), Some(31));
        assert_eq!(index.find(41, Timestamp(0)), None);
        assert_eq!(index.of_segment(1).count(), 2);
        index.remove_segment(1);
        assert_eq!(index.find(0, Timestamp(0)).map(|entry| entry.first_index), Some(31));
    }
}

//! The index of a shard: from record index or arrival time to a place in a segment.
//!
//! Of the segment that is written it knows every frame of the shard; of sealed segments only how far the shard had come
//! in each (32 bytes a segment), the rest is in the segment's own index, see `segment_index.rs`.

use std::collections::VecDeque;

use millstream_host::Timestamp;

use crate::segment::Span;

/// Neighbouring frames share an entry up to this length, in bytes of the segment.
const LONGEST_ENTRY: u32 = 64 << 10;
/// Frames of other shards between two that share an entry: reading so little more costs nothing.
const WIDEST_GAP: u32 = 4 << 10;

/// A stretch of a segment that begins and ends with a frame of the shard.
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

impl IndexEntry {
    fn may_hold(&self, index: u64, arrival: Timestamp) -> bool {
        self.next_index > index && self.last_arrival >= arrival
    }
}

/// Adds a frame (an entry that covers just it), which comes after all that was added.
pub(crate) fn add_frame(entries: &mut Vec<IndexEntry>, frame: IndexEntry) {
    if let Some(last) = entries.last_mut()
        && last.segment == frame.segment
        && frame.end - last.offset <= LONGEST_ENTRY
        && frame.offset - last.end <= WIDEST_GAP
    {
        last.end = frame.end;
        last.next_index = frame.next_index;
        last.last_arrival = frame.last_arrival;
        return;
    }
    entries.push(frame);
}

/// The first of these entries that may hold a record with `index` or later that arrived at `arrival` or later.
pub(crate) fn find(entries: &[IndexEntry], index: u64, arrival: Timestamp) -> Option<IndexEntry> {
    entries.get(entries.partition_point(|entry| !entry.may_hold(index, arrival))).copied()
}

/// Where to look on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Here.
    Entry(IndexEntry),
    /// In the index of this sealed segment.
    Sealed(u64),
}

/// What a sealed segment holds of the shard.
#[derive(Clone, Copy, Debug)]
struct SealedSpan {
    segment: u64,
    first_index: u64,
    next_index: u64,
    last_arrival: Timestamp,
}

/// The index of one shard.
#[derive(Debug, Default)]
pub(crate) struct ShardIndex {
    sealed: VecDeque<SealedSpan>,
    /// Of the newest segment, unless that is sealed too.
    active: Vec<IndexEntry>,
}

impl ShardIndex {
    /// Adds a frame of the active segment, which comes after all that was added.
    pub(crate) fn add_frame(&mut self, frame: IndexEntry) {
        add_frame(&mut self.active, frame);
    }

    /// Adds a sealed segment, which comes after all that was added.
    pub(crate) fn add_sealed(&mut self, segment: u64, span: Span) {
        let Span { first_index, next_index, last_arrival } = span;
        self.sealed.push_back(SealedSpan { segment, first_index, next_index, last_arrival });
    }

    /// Keeps of the active segment only its span, because it is sealed.
    pub(crate) fn seal(&mut self, segment: u64, span: Span) {
        self.active = Vec::new();
        self.add_sealed(segment, span);
    }

    /// The entries of the active segment.
    pub(crate) fn active(&self) -> &[IndexEntry] {
        &self.active
    }

    /// The first stretch that may hold a record with `index` or later that arrived at `arrival` or later.
    pub(crate) fn find(&self, index: u64, arrival: Timestamp) -> Option<Found> {
        let place =
            self.sealed.partition_point(|span| span.next_index <= index || span.last_arrival < arrival);
        match self.sealed.get(place) {
            Some(span) => Some(Found::Sealed(span.segment)),
            None => find(&self.active, index, arrival).map(Found::Entry),
        }
    }

    /// The index of the oldest record that is kept; `None` when there is none.
    pub(crate) fn first_index(&self) -> Option<u64> {
        let sealed = self.sealed.front().map(|span| span.first_index);
        sealed.or(self.active.first().map(|entry| entry.first_index))
    }

    /// One past the index of the newest record; 0 when there is none.
    pub(crate) fn last_next_index(&self) -> u64 {
        let sealed = self.sealed.back().map(|span| span.next_index);
        self.active.last().map(|entry| entry.next_index).or(sealed).unwrap_or(0)
    }

    /// Forgets a sealed segment.
    pub(crate) fn remove_segment(&mut self, segment: u64) {
        if self.sealed.front().is_some_and(|span| span.segment == segment) {
            self.sealed.pop_front();
        } else {
            self.sealed.retain(|span| span.segment != segment);
        }
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
        index.add_frame(frame(1, 1_100 + WIDEST_GAP + 1, 21));
        assert_eq!(index.active().len(), 2);
        assert_eq!(index.active()[0].end, 1_100);
        let entry = |found| match found {
            Some(Found::Entry(entry)) => Some((entry.segment, entry.first_index)),
            _ => None,
        };
        assert_eq!(entry(index.find(15, Timestamp(0))), Some((1, 1)));
        assert_eq!(entry(index.find(21, Timestamp(0))), Some((1, 21)));
        let span = Span { first_index: 1, next_index: 31, last_arrival: Timestamp(21) };
        index.seal(1, span);
        index.add_frame(frame(2, 40, 31));
        assert_eq!(index.find(0, Timestamp(0)), Some(Found::Sealed(1)));
        assert_eq!(entry(index.find(0, Timestamp(22))), Some((2, 31)));
        assert_eq!(index.find(41, Timestamp(0)), None);
        assert_eq!((index.first_index(), index.last_next_index()), (Some(1), 41));
        index.remove_segment(1);
        assert_eq!(entry(index.find(0, Timestamp(0))), Some((2, 31)));
        assert_eq!(index.first_index(), Some(31));
    }

    #[test]
    fn an_entry_does_not_grow_without_end() {
        let mut index = ShardIndex::default();
        for place in 0..10_000_u32 {
            index.add_frame(frame(1, place * 100, u64::from(place) * 10));
        }
        assert_eq!(index.active().len(), 16);
        assert!(index.active().iter().all(|entry| entry.end - entry.offset <= LONGEST_ENTRY));
    }
}

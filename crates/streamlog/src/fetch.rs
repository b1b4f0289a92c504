//! Reading shards of one stream in the order in which they were committed.
//!
//! Frames lie in the log in commit order, those of all shards mixed, so the order of places in the log is the order of
//! commits. A fetch finds the first unread frame of any wanted shard, reads the stretch of log that begins there, takes
//! the wanted frames of it in order, and looks on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use millstream_host::{DiskFile, Timestamp};

use crate::error::{Damage, ReadError, io_error};
use crate::index::{Found, IndexEntry};
use crate::log::{Place, Shared};
use crate::record_batch::{RECORD_OVERHEAD, RecordBatch, Slot};
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::shard::Shard;

/// The most read at once, beyond the first entry.
const WINDOW_BYTES: u32 = 256 << 10;
/// Bytes that nobody wants, read rather than passed over with a read of their own.
const WIDEST_GAP: u32 = 16 << 10;
/// Offsets in a batch have 32 bits.
const MOST_BYTES: usize = 1 << 30;

/// How far a shard is read.
pub(crate) struct Cursor {
    pub(crate) shard: Arc<Shard>,
    /// The index of the next record.
    pub(crate) next: u64,
    /// Records that arrived before it are passed over.
    pub(crate) oldest: Timestamp,
    /// Records passed over because they were deleted or are too old.
    pub(crate) passed: u64,
    found: Option<IndexEntry>,
    /// It has nothing more before the limit.
    is_done: bool,
}

impl Cursor {
    pub(crate) fn new(shard: Arc<Shard>, next: u64, oldest: Timestamp) -> Cursor {
        Cursor { shard, next: next.max(1), oldest, passed: 0, found: None, is_done: false }
    }

    fn pass_to(&mut self, index: u64) {
        self.passed += index.saturating_sub(self.next);
        self.next = self.next.max(index);
    }
}

/// Records of one frame within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first of them, as counted in the batch.
    pub(crate) first: u32,
    /// Which cursor's shard.
    pub(crate) cursor: u32,
    /// The index of the first of them in the shard.
    pub(crate) first_index: u64,
    pub(crate) arrival: Timestamp,
    pub(crate) commit: u64,
}

/// What a fetch gives.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) records: RecordBatch,
    pub(crate) runs: Vec<Run>,
    /// Everything before the limit was read.
    pub(crate) is_caught_up: bool,
}

/// Where a fetch stops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nothing behind it is taken.
    pub(crate) place: Place,
    pub(crate) records: usize,
    /// Of partition keys and data; at least one record is given.
    pub(crate) bytes: usize,
}

/// Reads what the cursors, by shard number, have not read yet. Moves them.
pub(crate) fn fetch(
    shared: &Shared,
    stream: u32,
    cursors: &mut [Cursor],
    limits: Limits,
) -> Result<Fetched, ReadError> {
    let limits = Limits { bytes: limits.bytes.min(MOST_BYTES), ..limits };
    let starts: Vec<u64> = cursors.iter().map(|cursor| cursor.next).collect();
    shared.cache.consistently(|| {
        for (cursor, next) in cursors.iter_mut().zip(&starts) {
            (cursor.next, cursor.passed, cursor.found, cursor.is_done) = (*next, 0, None, false);
        }
        fetch_once(shared, stream, cursors, limits)
    })
}

fn fetch_once(
    shared: &Shared,
    stream: u32,
    cursors: &mut [Cursor],
    limits: Limits,
) -> Result<Fetched, ReadError> {
    let mut fetch = Fetch { shared, stream, cursors, limits, taken: Taken::default() };
    let mut is_caught_up = false;
    while !fetch.is_full() {
        let Some(start) = fetch.find_start()? else {
            is_caught_up = true;
            break;
        };
        let end = fetch.stretch_end(start);
        fetch.read_stretch(start, end)?;
    }
    let Taken { mut buffer, slots, runs, .. } = fetch.taken;
    // Readers may keep the buffer for as long as one of its records.
    if buffer.capacity() > buffer.len() + buffer.len() / 2 {
        buffer.shrink_to_fit();
    }
    let records = RecordBatch::from_parts(Bytes::from(buffer), slots);
    Ok(Fetched { records, runs, is_caught_up })
}

#[derive(Default)]
struct Taken {
    buffer: Vec<u8>,
    slots: Vec<Slot>,
    runs: Vec<Run>,
    /// Partition keys and data.
    bytes: usize,
}

struct Fetch<'fetch> {
    shared: &'fetch Shared,
    stream: u32,
    cursors: &'fetch mut [Cursor],
    limits: Limits,
    taken: Taken,
}

impl Fetch<'_> {
    fn is_full(&self) -> bool {
        self.taken.slots.len() >= self.limits.records
            || (self.taken.bytes >= self.limits.bytes && !self.taken.slots.is_empty())
    }

    /// The first place at which a wanted frame may lie; `None` when there is nothing more before the limit.
    fn find_start(&mut self) -> Result<Option<Place>, ReadError> {
        let mut start: Option<Place> = None;
        for cursor in &mut *self.cursors {
            if cursor.is_done {
                continue;
            }
            if cursor.found.is_none_or(|found| found.next_index <= cursor.next) {
                cursor.found = locate(self.shared, self.stream, cursor)?;
            }
            let place = cursor.found.map(|found| Place { segment: found.segment, offset: found.offset });
            match place.filter(|place| *place < self.limits.place) {
                Some(place) => start = Some(start.map_or(place, |start| start.min(place))),
                None => cursor.is_done = true,
            }
        }
        Ok(start)
    }

    /// Where the stretch ends that begins at `start` and holds wanted entries without wide gaps.
    fn stretch_end(&self, start: Place) -> u32 {
        let in_window = |entry: &IndexEntry| {
            entry.segment == start.segment && entry.offset - start.offset <= WINDOW_BYTES
        };
        let found = self.cursors.iter().filter(|cursor| !cursor.is_done).filter_map(|cursor| cursor.found);
        let mut entries: Vec<(u32, u32)> = found
            .filter(|entry| entry.segment == start.segment && entry.offset >= start.offset)
            .filter(in_window)
            .map(|entry| (entry.offset, entry.end))
            .collect();
        entries.sort_unstable();
        let mut end = start.offset;
        for (offset, entry_end) in entries {
            if offset > end.saturating_add(WIDEST_GAP) && end > start.offset {
                break;
            }
            end = end.max(entry_end);
        }
        if start.segment == self.limits.place.segment { end.min(self.limits.place.offset) } else { end }
    }

    fn read_stretch(&mut self, start: Place, end: u32) -> Result<(), ReadError> {
        let Some(file) = self.shared.cache.file(start.segment)? else {
            if self.shared.segments.lock().contains_key(&start.segment) {
                let path = self.shared.cache.path(start.segment);
                return Err(io_error("open", &path)(std::io::ErrorKind::NotFound.into()).into());
            }
            // Trimmed between the two looks: the indexes no longer have it.
            for cursor in &mut *self.cursors {
                cursor.found = cursor.found.filter(|found| found.segment != start.segment);
            }
            return Ok(());
        };
        let at = self.taken.buffer.len();
        let read = self.read_bytes(&*file, start, end);
        if let Err(error) = read {
            self.taken.buffer.truncate(at);
            return Err(error);
        }
        let kept = self.take_frames(at, start, end)?;
        self.taken.buffer.truncate(kept);
        if !self.is_full() {
            self.finish_stretch(start, end)?;
        }
        Ok(())
    }

    fn read_bytes(&mut self, file: &dyn DiskFile, start: Place, end: u32) -> Result<(), ReadError> {
        let path = self.shared.cache.path(start.segment);
        let at = self.taken.buffer.len();
        let length = (end - start.offset) as usize;
        self.taken.buffer.resize(at + length, 0);
        file.read_exact_at(&mut self.taken.buffer[at..], u64::from(start.offset))
            .map_err(io_error("read", &path))?;
        self.shared.cache.read_bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the wanted records of the stretch at `from` in the buffer and moves them together. Gives where they end.
    fn take_frames(&mut self, from: usize, start: Place, end: u32) -> Result<usize, ReadError> {
        let seed = self.shared.cache.identity(start.segment).seed();
        let (mut at, mut kept) = (from, from);
        let stretch_end = from + (end - start.offset) as usize;
        while at < stretch_end && !self.is_full() {
            let damage = |reason| Damage {
                path: self.shared.cache.path(start.segment),
                offset: u64::from(start.offset) + (at - from) as u64,
                reason,
            };
            let header = FrameHeader::decode(seed, &self.taken.buffer[at..stretch_end])
                .ok_or_else(|| damage("the header of a frame does not match its checksum"))?;
            let payload_at = at + FRAME_HEADER_BYTES;
            let frame_end = payload_at + header.payload_bytes as usize;
            if frame_end > stretch_end {
                return Err(damage("a frame is longer than the index says").into());
            }
            let wanted = (header.stream == self.stream).then_some(header.shard).and_then(|number| {
                self.cursors.binary_search_by_key(&number, |cursor| cursor.shard.number.0).ok()
            });
            if let Some(place) = wanted
                && header.next_index() > self.cursors[place].next
            {
                if header.arrival < self.cursors[place].oldest {
                    self.cursors[place].pass_to(header.next_index());
                } else {
                    if !header.payload_matches(&self.taken.buffer[payload_at..frame_end]) {
                        return Err(damage("the records of a frame do not match their checksum").into());
                    }
                    kept = self
                        .take_records(place, &header, payload_at..frame_end, kept)
                        .ok_or_else(|| damage("a record is malformed"))?;
                }
            }
            at = frame_end;
        }
        Ok(kept)
    }

    /// Takes the records of a frame that the cursor has not read. `None` when they are malformed.
    fn take_records(
        &mut self,
        cursor_place: usize,
        header: &FrameHeader,
        payload: std::ops::Range<usize>,
        kept: usize,
    ) -> Option<usize> {
        let cursor = &mut self.cursors[cursor_place];
        cursor.pass_to(header.first_index);
        let skipped = cursor.next - header.first_index;
        let taken = &mut self.taken;
        let mut at = payload.start;
        let mut first_at = payload.start;
        taken.runs.push(Run {
            first: taken.slots.len() as u32,
            cursor: cursor_place as u32,
            first_index: cursor.next,
            arrival: header.arrival,
            commit: header.commit,
        });
        for record in 0..u64::from(header.count) {
            let head = taken.buffer.get(at..at + RECORD_OVERHEAD)?;
            let key_bytes = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let data_bytes = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
            let key_at = at + RECORD_OVERHEAD;
            let data_at = key_at + key_bytes;
            let end = data_at.checked_add(data_bytes)?;
            if end > payload.end {
                return None;
            }
            if record < skipped {
                first_at = end;
                at = end;
                continue;
            }
            std::str::from_utf8(&taken.buffer[key_at..data_at]).ok()?;
            let moved = |place: usize| (place - first_at + kept) as u32;
            taken.slots.push(Slot { key_at: moved(key_at), data_at: moved(data_at), end: moved(end) });
            taken.bytes += key_bytes + data_bytes;
            cursor.next += 1;
            at = end;
            if taken.slots.len() >= self.limits.records || taken.bytes >= self.limits.bytes {
                break;
            }
        }
        taken.buffer.copy_within(first_at..at, kept);
        Some(kept + (at - first_at))
    }

    /// Notes what the stretch says of cursors whose entries lie in it.
    fn finish_stretch(&mut self, start: Place, end: u32) -> Result<(), ReadError> {
        let limit = self.limits.place;
        for cursor in &mut *self.cursors {
            let Some(found) = cursor.found.filter(|found| found.segment == start.segment) else { continue };
            if cursor.is_done || found.offset >= end || found.next_index <= cursor.next {
                continue;
            }
            if start.segment == limit.segment && found.end > limit.offset {
                // The rest of its entry is behind the limit.
                cursor.is_done = true;
            } else if found.end <= end {
                return Err(Damage {
                    path: self.shared.cache.path(found.segment),
                    offset: u64::from(found.offset),
                    reason: "the index names records that are not there",
                }
                .into());
            }
        }
        Ok(())
    }
}

/// Where the next records of a shard lie. Moves the cursor to the end of the shard when there are none.
fn locate(shared: &Shared, stream: u32, cursor: &mut Cursor) -> Result<Option<IndexEntry>, ReadError> {
    loop {
        let (found, end) = {
            let state = cursor.shard.state.lock();
            (state.index.find(cursor.next, cursor.oldest), state.next_durable_index)
        };
        match found {
            None => {
                cursor.pass_to(end);
                return Ok(None);
            }
            Some(Found::Entry(entry)) => return Ok(Some(entry)),
            Some(Found::Sealed(segment)) => {
                let key = (stream, cursor.shard.number.0);
                let Some(index) = shared.cache.index(segment)? else {
                    if shared.segments.lock().contains_key(&segment) {
                        let path = shared.cache.path(segment);
                        return Err(io_error("open", &path)(std::io::ErrorKind::NotFound.into()).into());
                    }
                    continue;
                };
                let entry = index.find(key, cursor.next, cursor.oldest).ok_or_else(|| Damage {
                    path: shared.cache.path(segment),
                    offset: 0,
                    reason: "its index lacks records that it should have",
                })?;
                return Ok(Some(entry));
            }
        }
    }
}

/// The records of each shard that were passed over, by shard number.
pub(crate) fn passed(cursors: &[Cursor]) -> BTreeMap<crate::shard::ShardNumber, u64> {
    let passed = cursors.iter().filter(|cursor| cursor.passed > 0);
    passed.map(|cursor| (cursor.shard.number, cursor.passed)).collect()
}

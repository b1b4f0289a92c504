//! Giving back the space of segments in which little is still wanted.
//!
//! Streams share segments, so one that keeps its records for a year would keep the records of all others too. A segment of
//! which at most a quarter is wanted is written again under its number with the wanted frames alone, byte for byte and in
//! order, and takes the place of the old one in one step: a crash leaves one of the two.

use std::collections::BTreeMap;
use std::iter;
use std::sync::atomic::Ordering;

use millstream_host::{Open, Timestamp};

use crate::catalog_file::Change;
use crate::error::{FileError, TrimError, io_error};
use crate::index::{self, IndexEntry};
use crate::log::Log;
use crate::segment::footer::{Footer, FoundFooter};
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::segment::{self, HEADER_BYTES, Identity, REWRITTEN_FORMAT, ShardKey, Spans};
use crate::segment_index::SegmentIndex;
use crate::shard::ShardNumber;
use crate::trim::is_span_expendable;

/// Considered in one call: each may be read and written whole.
const MOST_SEGMENTS: usize = 4;
/// A segment is written again when at most one byte in so many is wanted.
const WANTED_SHARE: u64 = 4;

/// What is left of a segment.
struct Rewritten {
    bytes: Vec<u8>,
    index: BTreeMap<ShardKey, Vec<IndexEntry>>,
}

impl Log {
    /// Writes some sparse segments again. Gives how many, and the bytes that were freed.
    pub(crate) fn rewrite_sparse(&self, now: Timestamp) -> Result<(usize, u64), TrimError> {
        let (mut count, mut freed) = (0, 0);
        let mut candidates = self.sparse_candidates(now).into_iter();
        while let Some((number, wanted, unwanted)) = candidates.next() {
            match self.rewrite(number, wanted, &unwanted) {
                Ok(Some(bytes)) => (count, freed) = (count + 1, freed + bytes),
                Ok(None) => {}
                Err(error) => {
                    // The next call goes on with these.
                    let mut segments = self.shared.segments.lock();
                    for number in iter::once(number).chain(candidates.map(|(number, ..)| number)) {
                        if let Some(info) = segments.get_mut(&number) {
                            info.unwanted_seen = 0;
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok((count, freed))
    }

    /// Writes a segment again, if that is worth it. Gives the bytes that were freed.
    fn rewrite(&self, number: u64, wanted: Spans, unwanted: &Spans) -> Result<Option<u64>, TrimError> {
        let Some(rewritten) = self.wanted_part(number, &wanted)? else { return Ok(None) };
        // How far the others had come must survive the bytes that say so.
        let shards = unwanted.iter().map(|(key, span)| Change::trimmed_shard(*key, span)).collect();
        self.shared.catalog.lock().change(Change::Trimmed {
            segments: Vec::new(),
            shards,
            spent: Vec::new(),
        })?;
        Ok(Some(self.replace(number, rewritten, wanted, unwanted)?))
    }

    /// Sealed segments that hold something unwanted and were not considered since it became so, with both parts.
    fn sparse_candidates(&self, now: Timestamp) -> Vec<(u64, Spans, Spans)> {
        let mut segments = self.shared.segments.lock();
        let newest = segments.keys().next_back().copied();
        let mut candidates = Vec::new();
        for (number, info) in segments.iter_mut() {
            if !info.sealed || Some(*number) == newest || candidates.len() == MOST_SEGMENTS {
                continue;
            }
            let is_unwanted = |key: &ShardKey, span: &_| is_span_expendable(&self.shared, *key, span, now);
            let (unwanted, wanted): (Spans, Spans) = info
                .spans
                .iter()
                .map(|(key, span)| (*key, *span))
                .partition(|(key, span)| is_unwanted(key, span));
            if unwanted.len() > info.unwanted_seen && !wanted.is_empty() {
                info.unwanted_seen = unwanted.len();
                candidates.push((*number, wanted, unwanted));
            }
        }
        candidates
    }

    /// The segment without what is unwanted; `None` when that is not worth it, or the segment cannot be read whole.
    fn wanted_part(&self, number: u64, wanted: &Spans) -> Result<Option<Rewritten>, TrimError> {
        let cache = &self.shared.cache;
        let (path, identity) = (cache.path(number), cache.identity(number));
        let (Ok(Some(index)), Ok(Some(file))) = (cache.index(number), cache.file(number)) else {
            return Ok(None);
        };
        let length = file.length().map_err(io_error("read", &path))?;
        let mut stretches: Vec<(u32, u32)> = wanted.keys().flat_map(|key| index.stretches(*key)).collect();
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0).map_err(io_error("read", &path))?;
        let Ok(format) = identity.check_header(&path, &header) else { return Ok(None) };
        let found = Footer::read(&*file, identity, format, length).map_err(io_error("read", &path))?;
        let Some(FoundFooter { commit, arrival, .. }) = found else { return Ok(None) };

        stretches.sort_unstable();
        let mut rewritten =
            Rewritten { bytes: identity.header(REWRITTEN_FORMAT).to_vec(), index: BTreeMap::new() };
        let mut done = 0;
        for (from, to) in stretches {
            let mut stretch = vec![0; (to - from) as usize];
            file.read_exact_at(&mut stretch, u64::from(from)).map_err(io_error("read", &path))?;
            if !rewritten.take(identity, &stretch, from, &mut done, wanted) {
                tracing::error!(path = %path.display(), "a segment is damaged and is left as it is");
                return Ok(None);
            }
        }
        if (rewritten.bytes.len() as u64).saturating_mul(WANTED_SHARE) > length {
            return Ok(None);
        }
        let mut footer = Footer::default();
        for (key, span) in wanted {
            let Some(entries) = rewritten.index.get(key) else { return Ok(None) };
            footer.shards.push((*key, *span, entries.clone()));
        }
        let end = rewritten.bytes.len() as u64;
        rewritten.bytes.extend(footer.encode(identity, REWRITTEN_FORMAT, end, commit, arrival));
        Ok(Some(rewritten))
    }

    /// Puts the rewritten segment in the place of the old one. Gives the bytes that were freed.
    fn replace(
        &self,
        number: u64,
        rewritten: Rewritten,
        wanted: Spans,
        unwanted: &Spans,
    ) -> Result<u64, FileError> {
        let path = self.shared.cache.path(number);
        let new = path.with_extension("new");
        let disk = &*self.shared.disk;
        let file = disk.open(&new, Open::Create).map_err(io_error("create", &new))?;
        let written = file.write_all_at(&rewritten.bytes, 0).map_err(io_error("write", &new));
        if let Err(error) = written.and_then(|()| file.sync().map_err(io_error("sync", &new))) {
            // The disk may be full: what is there is of no use.
            let _ = disk.remove_file(&new);
            return Err(error);
        }
        let put_in_place = || {
            disk.rename(&new, &path).map_err(io_error("replace", &path))?;
            // Not before: what the old one holds of a shard must not be forgotten while it is there.
            self.shared.is_folder_unsynced.store(true, Ordering::SeqCst);
            for key in unwanted.keys() {
                let stream = self.shared.streams.read().with_id(key.0).cloned();
                if let Some(shard) = stream.and_then(|stream| stream.shard(ShardNumber(key.1))) {
                    shard.state.lock().index.remove_segment(number);
                }
            }
            Ok(())
        };
        let replaced = self.shared.cache.replace(number, SegmentIndex::new(rewritten.index), put_in_place);
        if let Err(error) = replaced {
            let _ = disk.remove_file(&new);
            return Err(error);
        }
        let bytes = rewritten.bytes.len() as u64;
        let mut segments = self.shared.segments.lock();
        let freed = segments.get_mut(&number).map_or(0, |info| {
            let freed = info.bytes.saturating_sub(bytes);
            (info.bytes, info.spans, info.unwanted_seen) = (bytes, wanted, 0);
            freed
        });
        drop(segments);
        self.sync_replaced()?;
        Ok(freed)
    }

    /// Makes durable that segments were replaced. A shard that a segment no longer holds may be forgotten only then: after a
    /// power cut the old segment would hold records of a shard that nobody knows.
    pub(crate) fn sync_replaced(&self) -> Result<(), FileError> {
        if self.shared.is_folder_unsynced.load(Ordering::SeqCst) {
            segment::sync_folder(&*self.shared.disk, &segment::folder(&self.shared.directory))?;
            self.shared.is_folder_unsynced.store(false, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Rewritten {
    /// Takes the wanted frames of a stretch that begins at `from` in the old segment, unless they begin before `done`.
    /// Says whether all is as it was written.
    fn take(
        &mut self,
        identity: Identity,
        stretch: &[u8],
        from: u32,
        done: &mut u32,
        wanted: &Spans,
    ) -> bool {
        let mut at = 0;
        while at < stretch.len() {
            let Some(header) = FrameHeader::decode(identity.seed(), &stretch[at..]) else { return false };
            let end = at + header.frame_bytes() as usize;
            let Some(frame) = stretch.get(at..end) else { return false };
            let key = (header.stream, header.shard);
            if wanted.contains_key(&key) && from + at as u32 >= *done {
                if !header.payload_matches(&frame[FRAME_HEADER_BYTES..]) {
                    return false;
                }
                let offset = self.bytes.len() as u32;
                self.bytes.extend_from_slice(frame);
                let entry = IndexEntry {
                    segment: identity.number,
                    offset,
                    end: self.bytes.len() as u32,
                    first_index: header.first_index,
                    next_index: header.next_index(),
                    last_arrival: header.arrival,
                };
                index::add_frame(self.index.entry(key).or_default(), entry);
                *done = from + end as u32;
            }
            at = end;
        }
        true
    }
}

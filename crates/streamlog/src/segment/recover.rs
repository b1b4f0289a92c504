//! Reading a segment that has no index at its end: the active one after any stop, a sealed one if its index is lost.
//!
//! Frames are written in commits, and a commit is written only after the one before is on disk. So the bytes that a
//! crash may have left half-written are those of the newest commit, and nothing else:
//!
//! - A commit without its last frame, or with a broken frame, at the end of the last segment, and no frame of a later
//!   commit behind it, is a *torn tail*: none of it was acknowledged, all of it is cut.
//! - Anything else that does not match its checksum was once on disk and acknowledged: it is *damage*, reported with
//!   file and offset.

use std::io;
use std::path::Path;

use millstream_host::DiskFile;

use crate::error::{Damage, OpenError, io_error};
use crate::index::IndexEntry;
use crate::segment::frame::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, INDEX_STREAM, PRODUCER_STREAM};
use crate::segment::{HEADER_BYTES, Identity};

const WINDOW_BYTES: usize = 1 << 20;

/// A frame met by the scan.
#[derive(Clone, Debug)]
pub(crate) struct ScannedFrame {
    pub(crate) header: FrameHeader,
    pub(crate) offset: u64,
    /// Of a frame of producers; that of others is checked and not kept.
    pub(crate) payload: Vec<u8>,
}

impl ScannedFrame {
    /// The frame as an entry of the index of its shard.
    pub(crate) fn entry(&self, segment: u64) -> IndexEntry {
        IndexEntry {
            segment,
            offset: self.offset as u32,
            end: (self.offset + self.header.frame_bytes()) as u32,
            first_index: self.header.first_index,
            next_index: self.header.next_index(),
            last_arrival: self.header.arrival,
        }
    }
}

/// What is known of a segment before it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanLimits {
    /// Header included.
    pub(crate) length: u64,
    /// It may have a torn tail.
    pub(crate) is_last: bool,
    /// The last commit of the segment before, when that is known.
    pub(crate) previous_commit: Option<u64>,
    /// Frames were taken out of it: commits have gaps and no ends.
    pub(crate) is_rewritten: bool,
}

/// What the scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The end of the last whole commit.
    pub(crate) end: u64,
    /// The number of the last whole commit, here or before.
    pub(crate) last_commit: Option<u64>,
    /// Why the bytes from `end` on cannot be kept, if there are any.
    pub(crate) torn: Option<&'static str>,
}

/// Reads all frames of a segment and hands those of whole commits to `visit`, in order.
pub(crate) fn scan(
    file: &dyn DiskFile,
    path: &Path,
    identity: Identity,
    limits: ScanLimits,
    mut visit: impl FnMut(ScannedFrame) -> Result<(), Damage>,
) -> Result<Scan, OpenError> {
    let ScanLimits { length, is_last, previous_commit, is_rewritten } = limits;
    let seed = identity.seed();
    let mut window = Window { file, length, start: 0, bytes: Vec::new() };
    let mut commit: Vec<ScannedFrame> = Vec::new();
    let mut scan = Scan { end: u64::from(HEADER_BYTES), last_commit: previous_commit, torn: None };
    let mut at = scan.end;
    while at < length {
        let frame = match window.frame(seed, at).map_err(io_error("read", path))? {
            Ok(header) => {
                let payload = match header.stream {
                    PRODUCER_STREAM => window.payload(&header, at).map_err(io_error("read", path))?,
                    _ => Vec::new(),
                };
                ScannedFrame { header, offset: at, payload }
            }
            Err(reason) => {
                scan.torn = Some(reason);
                break;
            }
        };
        if frame.header.stream == INDEX_STREAM {
            // The index is whole but the trailer behind it is not, or this would not be scanned. It is written again.
            scan.torn = Some("the index at the end is incomplete");
            return Ok(scan);
        }
        let expected = match (commit.first(), scan.last_commit) {
            (Some(first), _) => Some(first.header.commit),
            (None, Some(last)) => Some(last + 1),
            (None, None) => None,
        };
        if !is_rewritten && expected.is_some_and(|expected| expected != frame.header.commit) {
            let reason = "a frame is out of order";
            return Err(Damage { path: path.to_owned(), offset: at, reason }.into());
        }
        at += frame.header.frame_bytes();
        let (is_whole, number) = (is_rewritten || frame.header.last_of_commit, frame.header.commit);
        commit.push(frame);
        if is_whole {
            scan.last_commit = Some(number);
            scan.end = at;
            for frame in commit.drain(..) {
                visit(frame)?;
            }
        }
    }
    if scan.torn.is_none() && !commit.is_empty() {
        scan.torn = Some("the last commit is incomplete");
    }
    let Some(reason) = scan.torn else { return Ok(scan) };
    let damage = Damage { path: path.to_owned(), offset: at.min(length), reason };
    if !is_last {
        return Err(damage.into());
    }
    // Which commit was being written when the tail was torn, if it was. The first commit of a segment is unknown when
    // its first frame is unreadable; then any two different commits behind it are proof enough.
    let torn_commit =
        commit.first().map(|first| first.header.commit).or(scan.last_commit.map(|last| last + 1));
    if later_commit_follows(file, seed, at, length, torn_commit).map_err(io_error("read", path))? {
        return Err(damage.into());
    }
    Ok(scan)
}

/// Whether the bytes from `from` on hold the header of a frame of a later commit than `torn_commit`.
fn later_commit_follows(
    file: &dyn DiskFile,
    seed: u32,
    from: u64,
    length: u64,
    mut torn_commit: Option<u64>,
) -> io::Result<bool> {
    let mut rest = vec![0; (length - from) as usize];
    file.read_exact_at(&mut rest, from)?;
    for at in memchr::memmem::find_iter(&rest, &FRAME_MAGIC) {
        if let Some(header) = FrameHeader::decode(seed, &rest[at..]) {
            match torn_commit {
                Some(torn) if header.commit > torn => return Ok(true),
                Some(_) => {}
                None => torn_commit = Some(header.commit),
            }
        }
    }
    Ok(false)
}

/// A piece of a file that moves forward.
struct Window<'file> {
    file: &'file dyn DiskFile,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The header of the frame at `at` if frame and checksums are whole, else why not.
    fn frame(&mut self, seed: u32, at: u64) -> io::Result<Result<FrameHeader, &'static str>> {
        let Some(header) = self.get(at, FRAME_HEADER_BYTES)? else {
            return Ok(Err("the file ends within the header of a frame"));
        };
        let Some(header) = FrameHeader::decode(seed, header) else {
            return Ok(Err("the header of a frame does not match its checksum"));
        };
        let Some(payload) = self.get(at + FRAME_HEADER_BYTES as u64, header.payload_bytes as usize)? else {
            return Ok(Err("the file ends within a frame"));
        };
        if !header.payload_matches(payload) {
            return Ok(Err("the records of a frame do not match their checksum"));
        }
        Ok(Ok(header))
    }

    /// The payload of the frame at `at`, which was just found whole.
    fn payload(&mut self, header: &FrameHeader, at: u64) -> io::Result<Vec<u8>> {
        let payload = self.get(at + FRAME_HEADER_BYTES as u64, header.payload_bytes as usize)?;
        Ok(payload.map(<[u8]>::to_vec).unwrap_or_default())
    }

    /// `count` bytes at `at`; `None` beyond the end of the file.
    fn get(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if at + count as u64 > self.length {
            return Ok(None);
        }
        let held = self.start + self.bytes.len() as u64;
        if at < self.start || at + count as u64 > held {
            let fetched = (count.max(WINDOW_BYTES) as u64).min(self.length - at);
            self.bytes.resize(fetched as usize, 0);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.start = at;
        }
        let within = (at - self.start) as usize;
        Ok(Some(&self.bytes[within..within + count]))
    }
}

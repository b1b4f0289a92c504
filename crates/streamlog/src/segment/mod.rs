//! A segment: one file of the log, and every byte in it.
//!
//! ```text
//!  0        8         12         16          24        32             36     40
//!  │magic   │format   │0         │number     │log id   │header crc    │0     │ frame │ frame │ … │ index frame │ trailer │
//!  └─────────────────────────── header, 40 bytes ──────────────────────────┘
//! ```
//!
//! All numbers are little-endian. `frame.rs` has the frame, `footer.rs` the index frame and the trailer that a sealed
//! segment ends with, `producers.rs` the frame that counts what producers appended, `write.rs` the records within a
//! frame, `recover.rs` what is left after a crash.
//!
//! | format | |
//! |---|---|
//! | 1 | without producers; the index has fixed lengths |
//! | 2 | begins with a commit of all producers; the index is exact to the frame, and has the producers too |
//! | 3 | as 2, but frames that nobody wants any more were taken out, and with them the first commit and ends of commits |
//!
//! A segment of format 1 is read for ever and never written to: the next append seals it and begins the next one.

pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod producers;
pub(crate) mod recover;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_host::{Disk, DiskFile, Open, Timestamp};

use crate::error::{Damage, FileError, OpenError, io_error};

/// The length of the header at the start of a segment.
pub(crate) const HEADER_BYTES: u32 = 40;
/// The format written.
pub(crate) const FORMAT: u32 = 2;
/// Of a segment from which unwanted frames were taken; the newest format read.
pub(crate) const REWRITTEN_FORMAT: u32 = 3;
const MAGIC: &[u8; 8] = b"MSTRMLOG";

/// Which segment of which log. Every frame's CRC depends on it, so a frame copied from elsewhere is never taken for
/// one of this segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) log_id: u64,
    pub(crate) number: u64,
}

/// What a segment holds of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The index of the first record.
    pub(crate) first_index: u64,
    /// One past the index of the last record.
    pub(crate) next_index: u64,
    /// The arrival of the last record.
    pub(crate) last_arrival: Timestamp,
}

/// A shard anywhere in the log: stream id and shard number.
pub(crate) type ShardKey = (u32, u32);

/// What a segment holds of every shard.
pub(crate) type Spans = BTreeMap<ShardKey, Span>;

/// Widens the span of a shard by a stretch that follows it.
pub(crate) fn extend_span(spans: &mut Spans, key: ShardKey, stretch: Span) {
    spans
        .entry(key)
        .and_modify(|span| {
            span.next_index = stretch.next_index;
            span.last_arrival = stretch.last_arrival;
        })
        .or_insert(stretch);
}

impl Identity {
    /// What the CRC of this segment's frame headers starts from.
    pub(crate) fn seed(self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.log_id.to_le_bytes());
        hasher.update(&self.number.to_le_bytes());
        hasher.finalize()
    }

    pub(crate) fn header(self, format: u32) -> [u8; HEADER_BYTES as usize] {
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&format.to_le_bytes());
        header[16..24].copy_from_slice(&self.number.to_le_bytes());
        header[24..32].copy_from_slice(&self.log_id.to_le_bytes());
        let crc = crc32fast::hash(&header[..32]);
        header[32..36].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Checks the header of a segment file that is at least a header long. Gives its format.
    pub(crate) fn check_header(
        self,
        path: &Path,
        header: &[u8; HEADER_BYTES as usize],
    ) -> Result<u32, OpenError> {
        let damage = |reason| Damage { path: path.to_owned(), offset: 0, reason };
        if &header[..8] != MAGIC || u32_at(header, 32) != crc32fast::hash(&header[..32]) {
            return Err(damage("this is not the header of a segment").into());
        }
        let found = u32_at(header, 8);
        if found > REWRITTEN_FORMAT {
            return Err(OpenError::Format { path: path.to_owned(), found, known: REWRITTEN_FORMAT });
        }
        if header[..] != self.header(found)[..] {
            return Err(damage("it is a segment of another log, or has been renamed").into());
        }
        Ok(found)
    }
}

/// The folder of the segments.
pub(crate) fn folder(directory: &Path) -> PathBuf {
    directory.join("segments")
}

/// The path of a segment.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    folder(directory).join(format!("{number:020}.log"))
}

/// The number in a segment's file name.
pub(crate) fn number_of(file_name: &str) -> Option<u64> {
    file_name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Creates a segment that holds its header and `first_commit`, durably and under its name only once it is whole. Gives
/// the file and its length.
pub(crate) fn create(
    directory: &Path,
    identity: Identity,
    first_commit: &[u8],
    disk: &dyn Disk,
) -> Result<(Arc<dyn DiskFile>, u64), FileError> {
    let path = path(directory, identity.number);
    let new = path.with_extension("new");
    let file = disk.open(&new, Open::Create).map_err(io_error("create", &new))?;
    let mut bytes = identity.header(FORMAT).to_vec();
    bytes.extend_from_slice(first_commit);
    file.write_all_at(&bytes, 0).map_err(io_error("write", &new))?;
    file.sync().map_err(io_error("sync", &new))?;
    disk.rename(&new, &path).map_err(io_error("name", &new))?;
    sync_folder(disk, &folder(directory))?;
    Ok((file, bytes.len() as u64))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(disk: &dyn Disk, folder: &Path) -> Result<(), FileError> {
    disk.sync_folder(folder).map_err(io_error("sync", folder))
}

/// The number at `offset`. The caller has checked the length.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes were sliced"))
}

/// The number at `offset`. The caller has checked the length.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes were sliced"))
}

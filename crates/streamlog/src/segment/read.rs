//! From a stretch of a segment back to the records of one shard.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use millstream_host::Timestamp;

use crate::error::{Damage, ReadError, io_error};
use crate::index::IndexEntry;
use crate::segment::ShardKey;
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::segment::write::RECORD_OVERHEAD;

/// A record as it lies in a frame.
#[derive(Debug)]
pub(crate) struct StoredRecord {
    pub(crate) index: u64,
    pub(crate) arrival: Timestamp,
    pub(crate) partition_key: String,
    pub(crate) data: Bytes,
}

/// Reads the stretch of an index entry and hands the records of `shard` from `first_index` on to `take`, in order,
/// until it answers `false`.
pub(crate) fn read_entry(
    file: &File,
    path: &Path,
    seed: u32,
    entry: &IndexEntry,
    shard: ShardKey,
    first_index: u64,
    mut take: impl FnMut(StoredRecord) -> bool,
) -> Result<(), ReadError> {
    let mut stretch = vec![0; (entry.end - entry.offset) as usize];
    file.read_exact_at(&mut stretch, u64::from(entry.offset)).map_err(io_error("read", path))?;
    let stretch = Bytes::from(stretch);
    let damage = |at: usize, reason| Damage {
        path: path.to_owned(),
        offset: u64::from(entry.offset) + at as u64,
        reason,
    };
    let mut at = 0;
    while at < stretch.len() {
        let header = FrameHeader::decode(seed, &stretch[at..])
            .ok_or_else(|| damage(at, "the header of a frame does not match its checksum"))?;
        let payload_at = at + FRAME_HEADER_BYTES;
        let end = payload_at + header.payload_bytes as usize;
        if end > stretch.len() {
            return Err(damage(at, "a frame is longer than the index says").into());
        }
        if (header.stream, header.shard) == shard && header.next_index() > first_index {
            let payload = stretch.slice(payload_at..end);
            if !header.payload_matches(&payload) {
                return Err(damage(at, "the records of a frame do not match their checksum").into());
            }
            let mut rest = payload;
            for record in 0..header.count {
                let (partition_key, data, after) =
                    split_record(&rest).ok_or_else(|| damage(at, "a record is malformed"))?;
                rest = after;
                let index = header.first_index + u64::from(record);
                if index < first_index {
                    continue;
                }
                let partition_key = std::str::from_utf8(&partition_key)
                    .map_err(|_| damage(at, "a partition key is not UTF-8"))?
                    .to_owned();
                if !take(StoredRecord { index, arrival: header.arrival, partition_key, data }) {
                    return Ok(());
                }
            }
        }
        at = end;
    }
    Ok(())
}

/// Partition key, data, and what follows.
fn split_record(bytes: &Bytes) -> Option<(Bytes, Bytes, Bytes)> {
    let head = bytes.get(..RECORD_OVERHEAD)?;
    let key_bytes = usize::from(u16::from_le_bytes([head[0], head[1]]));
    let data_bytes = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
    let data_at = RECORD_OVERHEAD + key_bytes;
    let end = data_at.checked_add(data_bytes)?;
    if end > bytes.len() {
        return None;
    }
    Some((bytes.slice(RECORD_OVERHEAD..data_at), bytes.slice(data_at..end), bytes.slice(end..)))
}

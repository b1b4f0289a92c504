//! From records to frames. Runs on the caller's thread; the writer only fills in the header.

use crate::record::NewRecord;
use crate::segment::frame::FRAME_HEADER_BYTES;

/// What a record takes beside its partition key and data: their lengths.
pub(crate) const RECORD_OVERHEAD: usize = 6;
/// A frame that has reached this size takes no further record: what a read must fetch and check as one.
const FRAME_TARGET_BYTES: usize = 256 << 10;

/// A frame whose header is still blank: index, arrival and commit are assigned by the writer.
#[derive(Debug)]
pub(crate) struct PendingFrame {
    /// Place of the shard in its stream's list.
    pub(crate) shard: usize,
    /// How many records.
    pub(crate) count: u32,
    /// The CRC of the payload.
    pub(crate) payload_crc: u32,
    /// Room for the header, then the payload.
    pub(crate) bytes: Vec<u8>,
}

/// Where a record of an append went: which frame, and which record in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) frame: u32,
    pub(crate) record: u32,
}

/// Encodes the records of one append, each with the place of its shard. Returns the frames in order of their shards'
/// first records, and for each record its placement.
pub(crate) fn encode(records: &[NewRecord], shards: &[usize]) -> (Vec<PendingFrame>, Vec<Placement>) {
    let mut frames: Vec<PendingFrame> = Vec::new();
    let mut placements = Vec::with_capacity(records.len());
    // The open frame of each shard met so far; appends meet few shards, so a list is searched faster than a map.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (record, &shard) in records.iter().zip(shards) {
        let record_bytes = RECORD_OVERHEAD + record.partition_key.len() + record.data.len();
        let place = open.iter().position(|&(of, _)| of == shard);
        let fits = place.is_some_and(|place| frames[open[place].1].bytes.len() < FRAME_TARGET_BYTES);
        let frame = match place {
            Some(place) if fits => open[place].1,
            other => {
                let whole = records.len() * record_bytes + FRAME_HEADER_BYTES;
                let mut bytes = Vec::with_capacity(whole.min(FRAME_TARGET_BYTES + record_bytes));
                bytes.resize(FRAME_HEADER_BYTES, 0);
                frames.push(PendingFrame { shard, count: 0, payload_crc: 0, bytes });
                let frame = frames.len() - 1;
                match other {
                    Some(place) => open[place].1 = frame,
                    None => open.push((shard, frame)),
                }
                frame
            }
        };
        let pending = &mut frames[frame];
        placements.push(Placement { frame: frame as u32, record: pending.count });
        pending.count += 1;
        pending.bytes.extend_from_slice(&(record.partition_key.len() as u16).to_le_bytes());
        pending.bytes.extend_from_slice(&(record.data.len() as u32).to_le_bytes());
        pending.bytes.extend_from_slice(record.partition_key.as_bytes());
        pending.bytes.extend_from_slice(&record.data);
    }
    for frame in &mut frames {
        frame.payload_crc = crc32fast::hash(&frame.bytes[FRAME_HEADER_BYTES..]);
    }
    (frames, placements)
}

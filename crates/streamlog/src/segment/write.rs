//! From records to frames. Runs on the caller's thread; the writer adds the headers.

use bytes::Bytes;

use crate::record_batch::{RECORD_OVERHEAD, RecordBatch, Records};

/// A frame that has reached this size takes no further record: what a read must fetch and check as one.
const FRAME_TARGET_BYTES: usize = 256 << 10;

/// A frame without its header: index, arrival and commit are assigned by the writer.
#[derive(Clone, Debug)]
pub(crate) struct PendingFrame {
    /// Place of the shard in its stream's list.
    pub(crate) shard: usize,
    /// How many records.
    pub(crate) count: u32,
    /// The CRC of the payload.
    pub(crate) payload_crc: u32,
    pub(crate) payload: Bytes,
}

impl PendingFrame {
    fn new(shard: usize, count: u32, payload: Bytes) -> PendingFrame {
        PendingFrame { shard, count, payload_crc: crc32fast::hash(&payload), payload }
    }

    /// The same without its first `count` records.
    pub(crate) fn without_first(&self, count: u32) -> PendingFrame {
        let mut at = 0;
        for _ in 0..count {
            let head = &self.payload[at..at + RECORD_OVERHEAD];
            let key_bytes = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let data_bytes = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
            at += RECORD_OVERHEAD + key_bytes + data_bytes;
        }
        PendingFrame::new(self.shard, self.count - count, self.payload.slice(at..))
    }
}

/// Where the records of an append went: which frame, and which record in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placements {
    /// One after the other: the first record of each frame.
    InOrder(Vec<u32>),
    /// Frame and record, for each record.
    Scattered(Vec<(u32, u32)>),
}

impl Placements {
    /// Frame and record in it.
    pub(crate) fn get(&self, record: usize) -> (usize, u32) {
        match self {
            Placements::InOrder(firsts) => {
                let record = record as u32;
                let frame = firsts.partition_point(|&first| first <= record).saturating_sub(1);
                (frame, record - firsts.get(frame).copied().unwrap_or(0))
            }
            Placements::Scattered(places) => (places[record].0 as usize, places[record].1),
        }
    }
}

/// Encodes an append that goes to one shard: frames are pieces of its buffer.
pub(crate) fn encode_in_order(batch: &RecordBatch, shard: usize) -> (Vec<PendingFrame>, Placements) {
    let slots = batch.slots();
    let (mut frames, mut firsts) = (Vec::new(), Vec::new());
    let mut first = 0;
    while first < slots.len() {
        let start = slots[first].start();
        let mut next = first + 1;
        while next < slots.len()
            && slots[next].start() == slots[next - 1].end as usize
            && slots[next - 1].end as usize - start < FRAME_TARGET_BYTES
        {
            next += 1;
        }
        let payload = batch.buffer().slice(start..slots[next - 1].end as usize);
        frames.push(PendingFrame::new(shard, (next - first) as u32, payload));
        firsts.push(first as u32);
        first = next;
    }
    (frames, Placements::InOrder(firsts))
}

/// Encodes an append that goes to several shards, each record with the place of its own. Gives the frames in order of
/// their shards' first records.
pub(crate) fn encode<R: Records + ?Sized>(records: &R, shards: &[usize]) -> (Vec<PendingFrame>, Placements) {
    let mut frames: Vec<(usize, u32, Vec<u8>)> = Vec::new();
    let mut placements = Vec::with_capacity(records.len());
    // The open frame of each shard met so far, and what is still to come of it; appends meet few shards, so a list is
    // searched faster than a map.
    let mut open: Vec<OpenFrame> = Vec::new();
    for (place, &shard) in shards.iter().enumerate() {
        let bytes = records.stored_bytes(place);
        match open.iter_mut().find(|open| open.shard == shard) {
            Some(open) => open.bytes_left += bytes,
            None => open.push(OpenFrame { shard, frame: None, bytes_left: bytes }),
        }
    }
    for (place, &shard) in shards.iter().enumerate() {
        let Some(open) = open.iter_mut().find(|open| open.shard == shard) else { continue };
        let bytes = records.stored_bytes(place);
        let frame = match open.frame {
            Some(frame) if frames[frame].2.len() < FRAME_TARGET_BYTES => frame,
            _ => {
                let capacity = open.bytes_left.min(FRAME_TARGET_BYTES + bytes);
                frames.push((shard, 0, Vec::with_capacity(capacity)));
                frames.len() - 1
            }
        };
        open.frame = Some(frame);
        open.bytes_left -= bytes;
        let (_, count, payload) = &mut frames[frame];
        placements.push((frame as u32, *count));
        *count += 1;
        records.store(place, payload);
    }
    let pending =
        |(shard, count, bytes): (usize, u32, Vec<u8>)| PendingFrame::new(shard, count, bytes.into());
    (frames.into_iter().map(pending).collect(), Placements::Scattered(placements))
}

struct OpenFrame {
    shard: usize,
    frame: Option<usize>,
    bytes_left: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::NewRecord;

    fn batch(count: usize) -> RecordBatch {
        let records: Vec<_> = (0..count).map(|place| NewRecord::new("k", format!("{place:03}"))).collect();
        RecordBatch::from(records)
    }

    #[test]
    fn one_shard_takes_the_buffer_as_it_is() {
        let batch = batch(5);
        let (frames, placements) = encode_in_order(&batch, 2);
        assert_eq!((frames.len(), frames[0].count, frames[0].shard), (1, 5, 2));
        assert_eq!(frames[0].payload, batch.buffer());
        assert_eq!(placements.get(4), (0, 4));
        let big = RecordBatch::from(vec![NewRecord::new("k", vec![0; 200 << 10]); 5]);
        let (frames, placements) = encode_in_order(&big, 0);
        assert_eq!(frames.iter().map(|frame| frame.count).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!((placements.get(3), placements.get(4)), ((1, 1), (2, 0)));
    }

    #[test]
    fn several_shards_keep_the_order_of_each() {
        let (frames, placements) = encode(&batch(4), &[1, 0, 1, 1]);
        assert_eq!(
            frames.iter().map(|frame| (frame.shard, frame.count)).collect::<Vec<_>>(),
            [(1, 3), (0, 1)]
        );
        assert_eq!(
            (0..4).map(|place| placements.get(place)).collect::<Vec<_>>(),
            [(0, 0), (1, 0), (0, 1), (0, 2)]
        );
    }

    #[test]
    fn the_first_records_can_be_taken_off() {
        let (frames, _) = encode_in_order(&batch(4), 0);
        let (rest, _) = encode_in_order(&batch(4), 0);
        let shorter = rest[0].without_first(3);
        assert_eq!(shorter.count, 1);
        assert!(shorter.payload.ends_with(b"k003") && frames[0].payload.ends_with(&shorter.payload));
        assert_eq!(shorter.payload_crc, crc32fast::hash(&shorter.payload));
    }
}

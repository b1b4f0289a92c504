//! The index at the end of a sealed segment, so that opening a log need not read the segment.
//!
//! It is a frame of the stream [`INDEX_STREAM`], followed by a trailer of 16 bytes that says where it starts:
//! offset (8), CRC of the offset (4), magic (4).
//!
//! Payload: number of producers (4) and each of them as in `producers.rs`; then for each shard stream id (4), shard (4),
//! first index (8), next index (8), last arrival (8), number of entries (4), and for each entry in `varint.rs` form:
//! offset less the end of the entry before, length, first index less the next index of the entry before, number of
//! records, arrival of its last record less that of the entry before. Such an entry takes 5 to 10 bytes.
//!
//! In format 1 there are no producers, and an entry has offset (4), end (4), first index (8), next index (8), last
//! arrival (8).

use std::io;

use millstream_host::{DiskFile, Timestamp};

use crate::index::IndexEntry;
use crate::producer::ProducerChange;
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader, INDEX_STREAM};
use crate::segment::producers::{PRODUCER_BYTES, decode_entries, encode_entries};
use crate::segment::{HEADER_BYTES, Identity, ShardKey, Span, u32_at, u64_at};
use crate::varint;

/// The length of the trailer.
pub(crate) const TRAILER_BYTES: u64 = 16;
const TRAILER_MAGIC: [u8; 4] = *b"MSIX";
const SHARD_BYTES: usize = 36;
const ENTRY_BYTES: usize = 32;

/// What a sealed segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    /// All producers of all streams when the segment was sealed.
    pub(crate) producers: Vec<ProducerChange>,
    pub(crate) shards: Vec<(ShardKey, Span, Vec<IndexEntry>)>,
}

/// A footer with the commit it was written in, and the newest arrival by then.
pub(crate) struct FoundFooter {
    pub(crate) footer: Footer,
    pub(crate) commit: u64,
    pub(crate) arrival: Timestamp,
}

impl Footer {
    /// The bytes to put at `offset`, the end of the segment's frames.
    pub(crate) fn encode(
        &self,
        identity: Identity,
        format: u32,
        offset: u64,
        commit: u64,
        arrival: Timestamp,
    ) -> Vec<u8> {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        if format > 1 {
            bytes.extend_from_slice(&(self.producers.len() as u32).to_le_bytes());
            encode_entries(self.producers.iter().copied(), &mut bytes);
        }
        for (key, span, entries) in &self.shards {
            bytes.extend_from_slice(&key.0.to_le_bytes());
            bytes.extend_from_slice(&key.1.to_le_bytes());
            bytes.extend_from_slice(&span.first_index.to_le_bytes());
            bytes.extend_from_slice(&span.next_index.to_le_bytes());
            bytes.extend_from_slice(&span.last_arrival.millis().to_le_bytes());
            bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            if format > 1 {
                encode_exact(entries, &mut bytes);
            } else {
                encode_fixed(entries, &mut bytes);
            }
        }
        let header = FrameHeader {
            payload_bytes: (bytes.len() - FRAME_HEADER_BYTES) as u32,
            payload_crc: crc32fast::hash(&bytes[FRAME_HEADER_BYTES..]),
            stream: INDEX_STREAM,
            shard: 0,
            first_index: 0,
            arrival,
            commit,
            count: self.shards.len() as u32,
            last_of_commit: true,
        };
        header.encode(identity.seed(), &mut bytes);
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&offset.to_le_bytes()).to_le_bytes());
        bytes.extend_from_slice(&TRAILER_MAGIC);
        bytes
    }

    /// Reads the footer of a segment of `length` bytes. `None` when the segment does not end with a whole one.
    pub(crate) fn read(
        file: &dyn DiskFile,
        identity: Identity,
        format: u32,
        length: u64,
    ) -> io::Result<Option<FoundFooter>> {
        let least = u64::from(HEADER_BYTES) + FRAME_HEADER_BYTES as u64 + TRAILER_BYTES;
        if length < least {
            return Ok(None);
        }
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact_at(&mut trailer, length - TRAILER_BYTES)?;
        let offset = u64_at(&trailer, 0);
        if trailer[12..] != TRAILER_MAGIC
            || u32_at(&trailer, 8) != crc32fast::hash(&trailer[..8])
            || offset < u64::from(HEADER_BYTES)
            || offset > length - TRAILER_BYTES - FRAME_HEADER_BYTES as u64
        {
            return Ok(None);
        }
        let mut frame = vec![0; (length - TRAILER_BYTES - offset) as usize];
        file.read_exact_at(&mut frame, offset)?;
        let payload = &frame[FRAME_HEADER_BYTES..];
        let Some(header) = FrameHeader::decode(identity.seed(), &frame)
            .filter(|header| header.stream == INDEX_STREAM && header.payload_matches(payload))
        else {
            return Ok(None);
        };
        let footer = Footer::decode(payload, identity.number, format);
        Ok(footer.map(|footer| FoundFooter { footer, commit: header.commit, arrival: header.arrival }))
    }

    fn decode(mut payload: &[u8], segment: u64, format: u32) -> Option<Footer> {
        let mut footer = Footer::default();
        if format > 1 {
            let (count, rest) = payload.split_at_checked(4)?;
            let (producers, rest) = rest.split_at_checked(u32_at(count, 0) as usize * PRODUCER_BYTES)?;
            footer.producers = decode_entries(producers)?;
            payload = rest;
        }
        while !payload.is_empty() {
            let (shard, mut rest) = payload.split_at_checked(SHARD_BYTES)?;
            let key = (u32_at(shard, 0), u32_at(shard, 4));
            let span = Span {
                first_index: u64_at(shard, 8),
                next_index: u64_at(shard, 16),
                last_arrival: Timestamp(u64_at(shard, 24) as i64),
            };
            let count = u32_at(shard, 32);
            let entries = if format > 1 {
                decode_exact(&mut rest, segment, count)?
            } else {
                decode_fixed(&mut rest, segment, count)?
            };
            footer.shards.push((key, span, entries));
            payload = rest;
        }
        Some(footer)
    }
}

fn encode_exact(entries: &[IndexEntry], bytes: &mut Vec<u8>) {
    let (mut end, mut next_index, mut arrival) = (0, 0, 0);
    for entry in entries {
        varint::put(u64::from(entry.offset - end), bytes);
        varint::put(u64::from(entry.end - entry.offset), bytes);
        varint::put(entry.first_index - next_index, bytes);
        varint::put(entry.next_index - entry.first_index, bytes);
        varint::put_signed(entry.last_arrival.millis().wrapping_sub(arrival), bytes);
        (end, next_index, arrival) = (entry.end, entry.next_index, entry.last_arrival.millis());
    }
}

fn decode_exact(bytes: &mut &[u8], segment: u64, count: u32) -> Option<Vec<IndexEntry>> {
    // An entry has at least five bytes: a count that lies takes no memory.
    let mut entries = Vec::with_capacity((count as usize).min(bytes.len() / 5));
    let (mut end, mut index, mut arrival) = (0_u32, 0_u64, 0_i64);
    for _ in 0..count {
        let offset = end.checked_add(u32::try_from(varint::take(bytes)?).ok()?)?;
        end = offset.checked_add(u32::try_from(varint::take(bytes)?).ok()?)?;
        let first_index = index.checked_add(varint::take(bytes)?)?;
        index = first_index.checked_add(varint::take(bytes)?)?;
        arrival = arrival.wrapping_add(varint::take_signed(bytes)?);
        let last_arrival = Timestamp(arrival);
        entries.push(IndexEntry { segment, offset, end, first_index, next_index: index, last_arrival });
    }
    Some(entries)
}

fn encode_fixed(entries: &[IndexEntry], bytes: &mut Vec<u8>) {
    for entry in entries {
        bytes.extend_from_slice(&entry.offset.to_le_bytes());
        bytes.extend_from_slice(&entry.end.to_le_bytes());
        bytes.extend_from_slice(&entry.first_index.to_le_bytes());
        bytes.extend_from_slice(&entry.next_index.to_le_bytes());
        bytes.extend_from_slice(&entry.last_arrival.millis().to_le_bytes());
    }
}

fn decode_fixed(bytes: &mut &[u8], segment: u64, count: u32) -> Option<Vec<IndexEntry>> {
    let (entries, rest) = bytes.split_at_checked(count as usize * ENTRY_BYTES)?;
    *bytes = rest;
    let entry = |entry: &[u8]| IndexEntry {
        segment,
        offset: u32_at(entry, 0),
        end: u32_at(entry, 4),
        first_index: u64_at(entry, 8),
        next_index: u64_at(entry, 16),
        last_arrival: Timestamp(u64_at(entry, 24) as i64),
    };
    Some(entries.chunks_exact(ENTRY_BYTES).map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        let entry = |offset, first_index, millis| IndexEntry {
            segment: 3,
            offset,
            end: offset + 100,
            first_index,
            next_index: first_index + 10,
            last_arrival: Timestamp(millis),
        };
        let span = Span { first_index: 5, next_index: 35, last_arrival: Timestamp(1_700_000_000_009) };
        let entries = vec![
            entry(40, 5, 1_700_000_000_000),
            entry(140, 15, 1_699_999_999_000),
            entry(9_000_000, 25, 1_700_000_000_009),
        ];
        Footer { producers: Vec::new(), shards: vec![((1, 2), span, entries)] }
    }

    #[test]
    fn both_formats_round_trip_and_any_cut_is_noticed() {
        let identity = Identity { log_id: 1, number: 3 };
        for format in [1, 2] {
            let mut footer = footer();
            if format > 1 {
                footer.producers.push(ProducerChange { stream: 1, producer: 9, next_number: Some(77) });
            }
            let bytes = footer.encode(identity, format, 40, 1, Timestamp(8));
            let payload = &bytes[FRAME_HEADER_BYTES..bytes.len() - TRAILER_BYTES as usize];
            assert_eq!(Footer::decode(payload, 3, format).as_ref(), Some(&footer));
            for cut in 0..payload.len() {
                assert_ne!(Footer::decode(&payload[..cut], 3, format).as_ref(), Some(&footer), "{cut}");
            }
        }
    }
}

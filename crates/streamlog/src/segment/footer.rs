//! The index at the end of a sealed segment, so that opening a log need not read the segment.
//!
//! It is a frame of the stream [`INDEX_STREAM`], followed by a trailer of 16 bytes that says where it starts:
//! offset (8), CRC of the offset (4), magic (4). Payload: for each shard stream id (4), shard (4), first index (8),
//! next index (8), last arrival (8), number of entries (4); for each entry offset (4), end (4), first index (8), next
//! index (8), last arrival (8).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use millstream_host::Timestamp;

use crate::index::IndexEntry;
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader, INDEX_STREAM};
use crate::segment::{HEADER_BYTES, Identity, ShardKey, Span, u32_at, u64_at};

/// The length of the trailer.
pub(crate) const TRAILER_BYTES: u64 = 16;
const TRAILER_MAGIC: [u8; 4] = *b"MSIX";
const SHARD_BYTES: usize = 36;
const ENTRY_BYTES: usize = 32;

/// What a sealed segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) shards: Vec<(ShardKey, Span, Vec<IndexEntry>)>,
}

impl Footer {
    /// The bytes to put at `offset`, the end of the segment's frames.
    pub(crate) fn encode(&self, identity: Identity, offset: u64, commit: u64) -> Vec<u8> {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        for (key, span, entries) in &self.shards {
            bytes.extend_from_slice(&key.0.to_le_bytes());
            bytes.extend_from_slice(&key.1.to_le_bytes());
            bytes.extend_from_slice(&span.first_index.to_le_bytes());
            bytes.extend_from_slice(&span.next_index.to_le_bytes());
            bytes.extend_from_slice(&span.last_arrival.millis().to_le_bytes());
            bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            for entry in entries {
                bytes.extend_from_slice(&entry.offset.to_le_bytes());
                bytes.extend_from_slice(&entry.end.to_le_bytes());
                bytes.extend_from_slice(&entry.first_index.to_le_bytes());
                bytes.extend_from_slice(&entry.next_index.to_le_bytes());
                bytes.extend_from_slice(&entry.last_arrival.millis().to_le_bytes());
            }
        }
        let header = FrameHeader {
            payload_bytes: (bytes.len() - FRAME_HEADER_BYTES) as u32,
            payload_crc: crc32fast::hash(&bytes[FRAME_HEADER_BYTES..]),
            stream: INDEX_STREAM,
            shard: 0,
            first_index: 0,
            arrival: Timestamp(0),
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

    /// Reads the footer of a segment of `length` bytes, with the commit it was written in. `None` when the segment
    /// does not end with a whole one.
    pub(crate) fn read(file: &File, identity: Identity, length: u64) -> io::Result<Option<(Footer, u64)>> {
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
        let footer = FrameHeader::decode(identity.seed(), &frame)
            .filter(|header| header.stream == INDEX_STREAM && header.payload_matches(payload))
            .and_then(|header| Some((Footer::decode(payload, identity.number)?, header.commit)));
        Ok(footer)
    }

    fn decode(mut payload: &[u8], segment: u64) -> Option<Footer> {
        let mut footer = Footer::default();
        while !payload.is_empty() {
            let (shard, rest) = payload.split_at_checked(SHARD_BYTES)?;
            let key = (u32_at(shard, 0), u32_at(shard, 4));
            let span = Span {
                first_index: u64_at(shard, 8),
                next_index: u64_at(shard, 16),
                last_arrival: Timestamp(u64_at(shard, 24) as i64),
            };
            let (entries, rest) = rest.split_at_checked(u32_at(shard, 32) as usize * ENTRY_BYTES)?;
            let entries = entries.chunks_exact(ENTRY_BYTES).map(|entry| IndexEntry {
                segment,
                offset: u32_at(entry, 0),
                end: u32_at(entry, 4),
                first_index: u64_at(entry, 8),
                next_index: u64_at(entry, 16),
                last_arrival: Timestamp(u64_at(entry, 24) as i64),
            });
            footer.shards.push((key, span, entries.collect()));
            payload = rest;
        }
        Some(footer)
    }
}

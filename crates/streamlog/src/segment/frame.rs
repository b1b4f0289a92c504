//! A frame: the records of one shard in one append, or a part of them, under two CRCs.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic |
//! | 4..8 | CRC of bytes 8..56, which starts from the segment's identity |
//! | 8..12 | payload length |
//! | 12..16 | CRC of the payload |
//! | 16..20 | stream id; `u32::MAX` for the index at the end of a sealed segment, one less for producers |
//! | 20..24 | shard number |
//! | 24..32 | index of the first record; the others follow without gap |
//! | 32..40 | arrival of all its records, ms since the epoch |
//! | 40..48 | commit: which write-and-sync it belongs to; counts up by one |
//! | 48..52 | how many records |
//! | 52..56 | flags: bit 0 = the last frame of its commit |

use millstream_host::Timestamp;

use crate::segment::{u32_at, u64_at};

/// The length of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 56;
/// Starts every frame.
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"MSF1";
/// The stream id of a sealed segment's index.
pub(crate) const INDEX_STREAM: u32 = u32::MAX;
/// The stream id of the frames that carry how far producers have come.
pub(crate) const PRODUCER_STREAM: u32 = u32::MAX - 1;
const LAST_OF_COMMIT: u32 = 1;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_bytes: u32,
    pub(crate) payload_crc: u32,
    pub(crate) stream: u32,
    pub(crate) shard: u32,
    pub(crate) first_index: u64,
    pub(crate) arrival: Timestamp,
    pub(crate) commit: u64,
    pub(crate) count: u32,
    pub(crate) last_of_commit: bool,
}

impl FrameHeader {
    /// Writes the header to the first bytes of `frame`, which must be at least a header long.
    pub(crate) fn encode(&self, seed: u32, frame: &mut [u8]) {
        frame[..4].copy_from_slice(&FRAME_MAGIC);
        frame[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        frame[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        frame[16..20].copy_from_slice(&self.stream.to_le_bytes());
        frame[20..24].copy_from_slice(&self.shard.to_le_bytes());
        frame[24..32].copy_from_slice(&self.first_index.to_le_bytes());
        frame[32..40].copy_from_slice(&self.arrival.millis().to_le_bytes());
        frame[40..48].copy_from_slice(&self.commit.to_le_bytes());
        frame[48..52].copy_from_slice(&self.count.to_le_bytes());
        let flags = if self.last_of_commit { LAST_OF_COMMIT } else { 0 };
        frame[52..56].copy_from_slice(&flags.to_le_bytes());
        let crc = header_crc(seed, frame);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header; `None` when these bytes do not start with one.
    pub(crate) fn decode(seed: u32, bytes: &[u8]) -> Option<FrameHeader> {
        if bytes.len() < FRAME_HEADER_BYTES
            || bytes[..4] != FRAME_MAGIC
            || u32_at(bytes, 4) != header_crc(seed, bytes)
        {
            return None;
        }
        Some(FrameHeader {
            payload_bytes: u32_at(bytes, 8),
            payload_crc: u32_at(bytes, 12),
            stream: u32_at(bytes, 16),
            shard: u32_at(bytes, 20),
            first_index: u64_at(bytes, 24),
            arrival: Timestamp(u64_at(bytes, 32) as i64),
            commit: u64_at(bytes, 40),
            count: u32_at(bytes, 48),
            last_of_commit: u32_at(bytes, 52) & LAST_OF_COMMIT != 0,
        })
    }

    /// Header and payload together.
    pub(crate) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// Whether `payload` is what was written.
    pub(crate) fn payload_matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes as usize && crc32fast::hash(payload) == self.payload_crc
    }

    /// One past the index of the last record.
    pub(crate) fn next_index(&self) -> u64 {
        self.first_index.saturating_add(u64::from(self.count))
    }
}

fn header_crc(seed: u32, frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&frame[8..FRAME_HEADER_BYTES]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_round_trips_and_any_flipped_bit_shows() {
        let header = FrameHeader {
            payload_bytes: 7,
            payload_crc: 8,
            stream: 9,
            shard: 10,
            first_index: 11,
            arrival: Timestamp(-12),
            commit: 13,
            count: 14,
            last_of_commit: true,
        };
        let mut bytes = [0; FRAME_HEADER_BYTES];
        header.encode(77, &mut bytes);
        assert_eq!(FrameHeader::decode(77, &bytes), Some(header));
        assert_eq!(FrameHeader::decode(78, &bytes), None, "another segment");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(77, &flipped), None, "bit {bit}");
        }
    }
}

//! The frame that carries how far producers have come.
//!
//! It is a frame of the stream [`PRODUCER_STREAM`], part of the commit whose records it counts. Its shard field says
//! whether it holds changes (0) or everything (1): every segment begins with the latter in a commit of its own, so the
//! segments before may be deleted. Payload: for each producer stream id (4), producer id (8), one past its highest
//! number (8; all ones when the producer is forgotten).

use millstream_host::Timestamp;

use crate::producer::ProducerChange;
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader, PRODUCER_STREAM};
use crate::segment::{Identity, u32_at, u64_at};

pub(crate) const PRODUCER_BYTES: usize = 20;
const FORGOTTEN: u64 = u64::MAX;

/// What a frame of producers holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProducerFrame {
    /// The producers whose position changed in this commit.
    Changes = 0,
    /// All producers of all streams.
    Everything = 1,
}

/// Appends the entries to `bytes`.
pub(crate) fn encode_entries(changes: impl IntoIterator<Item = ProducerChange>, bytes: &mut Vec<u8>) {
    for change in changes {
        bytes.extend_from_slice(&change.stream.to_le_bytes());
        bytes.extend_from_slice(&change.producer.to_le_bytes());
        bytes.extend_from_slice(&change.next_number.unwrap_or(FORGOTTEN).to_le_bytes());
    }
}

/// The entries in a payload; `None` when it is cut.
pub(crate) fn decode_entries(payload: &[u8]) -> Option<Vec<ProducerChange>> {
    let entries = payload.chunks_exact(PRODUCER_BYTES);
    if !entries.remainder().is_empty() {
        return None;
    }
    let entry = |bytes: &[u8]| ProducerChange {
        stream: u32_at(bytes, 0),
        producer: u64_at(bytes, 4),
        next_number: Some(u64_at(bytes, 12)).filter(|&next| next != FORGOTTEN),
    };
    Some(entries.map(entry).collect())
}

/// Appends a whole frame to `bytes`.
pub(crate) fn encode_frame(
    kind: ProducerFrame,
    changes: impl IntoIterator<Item = ProducerChange>,
    identity: Identity,
    arrival: Timestamp,
    commit: u64,
    bytes: &mut Vec<u8>,
) {
    let start = bytes.len();
    bytes.resize(start + FRAME_HEADER_BYTES, 0);
    encode_entries(changes, bytes);
    let payload = &bytes[start + FRAME_HEADER_BYTES..];
    let header = FrameHeader {
        payload_bytes: payload.len() as u32,
        payload_crc: crc32fast::hash(payload),
        stream: PRODUCER_STREAM,
        shard: kind as u32,
        first_index: 0,
        arrival,
        commit,
        count: (payload.len() / PRODUCER_BYTES) as u32,
        last_of_commit: true,
    };
    header.encode(identity.seed(), &mut bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip() {
        let changes = [
            ProducerChange { stream: 1, producer: u64::MAX, next_number: Some(0) },
            ProducerChange { stream: 2, producer: 7, next_number: None },
        ];
        let mut bytes = Vec::new();
        encode_entries(changes, &mut bytes);
        assert_eq!(decode_entries(&bytes).as_deref(), Some(&changes[..]));
        assert_eq!(decode_entries(&bytes[1..]), None);
    }
}

//! What a checkpoint is made of: a small manifest, and parts that it names by their content.
//!
//! ```text
//!   manifest ─┬─ pump ─── operator ─── piece 0 ─── part, part, …      a piece is what an operator writes at once:
//!             │                   └─── piece 1 ─── part               it stays until the operator replaces it
//!             └─ stream ── rows that wait ─── piece ─── part          a part has at most 8 MiB
//! ```

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

/// The newest format of manifests. Those of format 2 were one blob; see [`super::format_2`].
pub(super) const FORMAT: u16 = 3;

/// Most bytes of a part.
pub const PART_BYTES: usize = 8 << 20;

/// The name of a part: 128 bits that follow from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartId([u8; 16]);

/// A part as a manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// Follows from its bytes: it is the checksum, too.
    pub id: PartId,
    /// Its length.
    pub bytes: u64,
}

/// A whole checkpoint but for the bytes of its parts. A few kilobytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest itself.
    pub(super) format: u16,
    /// The pumps that ran.
    pub(super) pumps: Vec<PumpManifest>,
    /// All streams of the program.
    pub(super) streams: Vec<StreamManifest>,
    /// Rows of the error stream so far.
    pub(super) errors_emitted: u64,
}

/// The state of a pump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PumpManifest {
    pub(super) name: String,
    /// CURRENT_TIMESTAMP of its query, in milliseconds since the epoch.
    pub(super) query_started: i64,
    /// Of a pump that was saved in format 2: the fingerprint of all of it. Its operators have none then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format_2: Option<u64>,
    /// The streams that it reads, with the fingerprint of the columns of each.
    #[serde(default)]
    pub(super) reads: Vec<(String, u64)>,
    /// The operators that have a state, in the order of the plan.
    pub(super) operators: Vec<OperatorManifest>,
}

/// The state of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OperatorManifest {
    /// What it is, as an author calls it: `GROUP BY`.
    pub(super) kind: String,
    /// Version of its encoding.
    pub(super) version: u16,
    /// Fingerprint of what it and all below it compute.
    pub(super) plan: u64,
    pub(super) pieces: Vec<PieceManifest>,
}

/// Bytes that an operator wrote at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceManifest {
    /// Its number within the operator.
    pub(super) key: u64,
    /// Its bytes, one part behind the other.
    pub(super) parts: Vec<PartRef>,
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StreamManifest {
    pub(super) name: String,
    /// Fingerprint of its columns.
    pub(super) columns: u64,
    /// The largest ROWTIME or bound of an input.
    pub(super) latest: i64,
    /// Rows that have come out of it so far.
    #[serde(default)]
    pub(super) rows_emitted: u64,
    /// The bound that its pumps have given together.
    pub(super) given: i64,
    /// How far each pump that writes it has come.
    pub(super) writers: Vec<WriterManifest>,
    /// Version of the encoding of rows that wait.
    pub(super) version: u16,
    /// Rows that wait for other writers.
    pub(super) waiting: Vec<PieceManifest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WriterManifest {
    pub(super) pump: String,
    pub(super) bound: i64,
}

/// Why bytes are not a manifest that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are damaged, or something else.
    #[error("these bytes are not the manifest of a checkpoint: {0}")]
    NotAManifest(#[from] serde_json::Error),
    /// Written by a later version.
    #[error(
        "the manifest of the checkpoint has format {found}; this build reads formats up to {FORMAT}: use a newer one"
    )]
    Format {
        /// Format of the manifest.
        found: u16,
    },
}

impl Manifest {
    /// The manifest as JSON, which later versions can read.
    ///
    /// # Panics
    /// Never: it holds nothing that JSON does not.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest holds texts, numbers and lists")
    }

    /// Reads what [`Manifest::to_bytes`] gave.
    ///
    /// # Errors
    /// When the bytes are damaged or of a later format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            format: u16,
        }
        let Head { format } = serde_json::from_slice(bytes)?;
        if format > FORMAT {
            return Err(ManifestError::Format { found: format });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// All parts that the checkpoint is made of. A part may be named more than once.
    pub fn parts(&self) -> impl Iterator<Item = &PartRef> {
        let operators = self.pumps.iter().flat_map(|pump| &pump.operators);
        let pieces = operators.flat_map(|operator| &operator.pieces);
        let waiting = self.streams.iter().flat_map(|stream| &stream.waiting);
        pieces.chain(waiting).flat_map(|piece| &piece.parts)
    }

    /// Bytes of all parts.
    pub fn part_bytes(&self) -> u64 {
        self.parts().map(|part| part.bytes).sum()
    }

    /// How many rows each stream has given so far, by its name: the next row of an output has that number, from 0.
    pub fn rows_emitted(&self) -> impl Iterator<Item = (&str, u64)> {
        self.streams.iter().map(|stream| (stream.name.as_str(), stream.rows_emitted))
    }

    /// How many rows the error stream has given so far.
    pub fn errors_emitted(&self) -> u64 {
        self.errors_emitted
    }
}

impl PartId {
    /// The name of a part with these bytes. Costs about a second for a gigabyte.
    pub fn of(bytes: &[u8]) -> PartId {
        let mut hasher = SipHasher13::new_with_keys(0x6d69_6c6c_7374_7265, 0x616d_2070_6172_7473);
        hasher.write(bytes);
        PartId(hasher.finish128().as_bytes())
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PartId({self})")
    }
}

/// A text that is not the name of a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a part: 32 hexadecimal digits")]
pub struct PartIdError(String);

impl FromStr for PartId {
    type Err = PartIdError;

    fn from_str(text: &str) -> Result<PartId, PartIdError> {
        let wrong = || PartIdError(text.chars().take(64).collect());
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        for (index, byte) in id.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2).filter(|digits| !digits.starts_with('+'));
            *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
        }
        Ok(PartId(id))
    }
}

impl TryFrom<String> for PartId {
    type Error = PartIdError;

    fn try_from(text: String) -> Result<PartId, PartIdError> {
        text.parse()
    }
}

impl From<PartId> for String {
    fn from(id: PartId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_part_follows_from_its_bytes_for_ever() {
        let id = PartId::of(b"millstream");
        assert_eq!(id.to_string(), "ecd3d3ad273ef8a5cfd535a07c98721a");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, PartId::of(b"millstreaM"));
        for wrong in ["", "ecd3", "+cd3d3fbbd2e9c7d3d04ab8a7f1a0b4b", "zz"] {
            assert!(wrong.parse::<PartId>().is_err(), "{wrong}");
        }
    }
}

//! What a checkpoint is made of: a small manifest, and parts that it names by their content.
//!
//! ```text
//!   manifest ─┬─ pump ─── operator ─── piece 0 ─── part, part, …      a piece is what an operator writes at once:
//!             │                   └─── piece 1 ─── part               it stays until the operator replaces it
//!             └─ stream ── rows that wait ─── piece ─── part          a part has at most 8 MiB
//! ```

use crate::state::PartRef;
use serde::{Deserialize, Serialize};

/// The newest format of manifests. Those of format 2 were one blob; see [`super::format_2`].
pub(super) const FORMAT: u16 = 3;

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

//! A whole checkpoint as bytes of one blob: a manifest and its parts, one behind the other.
//!
//! Layout: `MSCP`, a format (`u16`, little-endian), the length of the manifest (`u32`), the manifest, then the parts in the
//! order in which it names them first. For small states and tests: [`Application::snapshot`] writes only what has changed.

use super::manifest::{FORMAT, Manifest, ManifestError};
use super::{Application, ApplicationSettings, RestoreReport, SnapshotError, format_2};
use crate::expression::CompileError;
use crate::state::{PartError, PartId, StateError};
use millstream_columns::ValueTypeError;
use millstream_sql::Program;
use std::collections::HashMap;
use std::convert::Infallible;

const MAGIC: &[u8; 4] = b"MSCP";

/// Why a checkpoint could not be written or taken over.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are not a checkpoint.
    #[error("these bytes are not a checkpoint of an application")]
    NotACheckpoint,
    /// Written by a version that this build does not know.
    #[error("the checkpoint has format {found}; this build reads formats 2 to {FORMAT}")]
    Version {
        /// Format of the bytes.
        found: u16,
    },
    /// The bytes are damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    /// The manifest is damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An operator cannot read its state, or a part is missing.
    #[error(transparent)]
    Operator(#[from] StateError),
    /// Rows that waited are not of their types.
    #[error("a waiting row of the checkpoint is damaged: {0}")]
    Row(#[from] ValueTypeError),
    /// The program cannot be built.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl CheckpointError {
    /// The part that is missing or damaged, if that is what is wrong: an earlier checkpoint may do without it.
    pub fn part(&self) -> Option<&PartError> {
        match self {
            CheckpointError::Operator(StateError::Part(error)) => Some(error),
            _ => None,
        }
    }
}

/// No such part in the blob.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint ends before it")]
struct Missing;

impl Application {
    /// The whole state as one blob. Rows not yet taken by `take_output` and `take_errors` are not part of it: take them
    /// first. The next [`Application::snapshot`] then has to write everything.
    ///
    /// # Errors
    /// When an operator cannot write its state.
    pub fn save(&mut self) -> Result<Vec<u8>, CheckpointError> {
        // In a snapshot that is never marked as stored, for its parts are nowhere but here.
        let mut parts = HashMap::new();
        let stored = self.take_snapshot(false)?.store(|id, bytes| {
            parts.insert(*id, bytes.to_vec());
            Ok::<(), Infallible>(())
        });
        self.forget_stored_parts();
        let manifest = match stored {
            Ok(manifest) => manifest,
            Err(SnapshotError::Part { error, .. }) => match error {},
            Err(SnapshotError::Unstored) => return Err(StateError::Damaged("a part was not written").into()),
        };
        let head = manifest.to_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&head);
        for part in manifest.parts() {
            // One that is named twice is written once.
            bytes.extend_from_slice(&parts.remove(&part.id).unwrap_or_default());
        }
        Ok(bytes)
    }

    /// Builds the program and takes over a state that [`Application::save`] gave, also in earlier versions of the
    /// program.
    ///
    /// # Errors
    /// When the bytes are no checkpoint, are damaged, or of a later version.
    pub fn restore_saved(
        program: Program,
        settings: ApplicationSettings,
        bytes: &[u8],
    ) -> Result<(Application, RestoreReport), CheckpointError> {
        let (manifest, mut parts) = read(bytes, &program)?;
        Application::restore(program, settings, &manifest, &mut |id| {
            // A part may be named twice.
            parts.get_mut(id).map(|part| part.clone()).ok_or_else(|| Missing.into())
        })
    }
}

/// The manifest and the parts of a checkpoint that is one blob, of format 2 or later.
///
/// # Errors
/// When the bytes are no checkpoint, are damaged, or of a later version.
pub fn read(
    bytes: &[u8],
    program: &Program,
) -> Result<(Manifest, HashMap<PartId, Vec<u8>>), CheckpointError> {
    let body = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::NotACheckpoint)?;
    let (format, body) = body.split_first_chunk::<2>().ok_or(CheckpointError::NotACheckpoint)?;
    match u16::from_le_bytes(*format) {
        2 => return format_2::converted(body, program),
        FORMAT => {}
        found => return Err(CheckpointError::Version { found }),
    }
    let (length, body) = body.split_first_chunk::<4>().ok_or(CheckpointError::NotACheckpoint)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (manifest, mut rest) = body.split_at_checked(length).ok_or(CheckpointError::NotACheckpoint)?;
    let manifest = Manifest::from_bytes(manifest)?;
    let mut parts = HashMap::new();
    for part in manifest.parts() {
        if parts.contains_key(&part.id) {
            continue;
        }
        let length = usize::try_from(part.bytes).unwrap_or(usize::MAX).min(rest.len());
        let (bytes, behind) = rest.split_at(length);
        parts.insert(part.id, bytes.to_vec());
        rest = behind;
    }
    Ok((manifest, parts))
}

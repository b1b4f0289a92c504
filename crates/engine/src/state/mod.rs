//! How operators write their state into a checkpoint, and read it back.
//!
//! An operator's state is a set of numbered pieces. In each snapshot it says of every piece whether it is as it was, or
//! gives its bytes; what it does not name is gone. Bytes become parts of a checkpoint later, on another thread: a piece
//! counts as stored only when all its parts are, and an operator is asked again for one that is not.

pub(crate) mod keyed;
mod part;
pub(crate) mod runs;

pub use part::{PART_BYTES, PartId, PartIdError, PartRef};

use millstream_columns::ValueTypeError;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A saved state that does not belong to the operator that reads it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are damaged.
    #[error("the saved state of an operator cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    /// The bytes say what cannot be.
    #[error("the saved state of an operator cannot be read: {0}")]
    Damaged(&'static str),
    /// Saved rows are not of their types.
    #[error("the saved rows of an operator are damaged: {0}")]
    Value(#[from] ValueTypeError),
    /// Saved rows have other columns than the operator.
    #[error("the saved rows of an operator do not have its columns")]
    Columns,
    /// A part is missing or damaged.
    #[error(transparent)]
    Part(#[from] PartError),
}

/// A part of a checkpoint that cannot be used: an earlier checkpoint may do without it.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It could not be read.
    #[error("part {id} of the checkpoint cannot be read: {error}")]
    Unreadable {
        /// The part.
        id: PartId,
        /// What whoever keeps the parts says.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its bytes are not those that were stored.
    #[error(
        "part {id} of the checkpoint is damaged: it has {found} bytes where {expected} were stored, or other ones"
    )]
    Damaged {
        /// The part.
        id: PartId,
        /// Bytes that were stored.
        expected: u64,
        /// Bytes that were read.
        found: u64,
    },
}

/// Where the bytes of parts come from.
pub(crate) type Fetch<'f> =
    dyn FnMut(&PartId) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> + 'f;

/// What the state of an operator is called, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateKind {
    /// As an author calls the operator.
    pub(crate) name: &'static str,
    /// Version of the encoding that is written; all before it, from 1, can be read.
    pub(crate) version: u16,
}

/// A piece, with its parts once they are stored.
pub(crate) type PieceSlot = Arc<OnceLock<Vec<PartRef>>>;

/// The pieces of one operator by their numbers.
pub(crate) type Pieces = BTreeMap<u64, PieceSlot>;

/// A piece that is to be stored.
pub(crate) struct NewPiece {
    pub(crate) slot: PieceSlot,
    pub(crate) bytes: Vec<u8>,
}

/// Takes the pieces of one operator.
pub(crate) struct StateWriter<'w> {
    former: &'w Pieces,
    /// Rows or bounds have come since the last snapshot.
    is_touched: bool,
    /// A keyed state of no more bytes is written whole.
    whole_bytes: u64,
    pieces: Pieces,
    new: &'w mut Vec<NewPiece>,
}

/// The only piece of an operator that writes its state whole.
const WHOLE: u64 = 0;

impl<'w> StateWriter<'w> {
    pub(crate) fn new(
        former: &'w Pieces,
        is_touched: bool,
        whole_bytes: u64,
        new: &'w mut Vec<NewPiece>,
    ) -> StateWriter<'w> {
        StateWriter { former, is_touched, whole_bytes, pieces: Pieces::new(), new }
    }

    /// A keyed state of no more bytes is written whole.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Whether the piece is in the last snapshot and all its parts are stored.
    pub(crate) fn is_stored(&self, key: u64) -> bool {
        self.former.get(&key).is_some_and(|slot| slot.get().is_some())
    }

    /// The piece is as it was. False, and nothing done, when it must be written again.
    #[must_use]
    pub(crate) fn keep(&mut self, key: u64) -> bool {
        match self.former.get(&key).filter(|slot| slot.get().is_some()) {
            Some(slot) => {
                self.pieces.insert(key, Arc::clone(slot));
                true
            }
            None => false,
        }
    }

    /// The piece has these bytes now.
    pub(crate) fn put(&mut self, key: u64, bytes: Vec<u8>) {
        let slot = PieceSlot::default();
        self.pieces.insert(key, Arc::clone(&slot));
        self.new.push(NewPiece { slot, bytes });
    }

    /// The piece has these bytes: those that it had, or others.
    pub(crate) fn put_if_new(&mut self, key: u64, bytes: Vec<u8>) {
        let is_same = |slot: &PieceSlot| {
            let parts = slot.get().map_or(&[][..], Vec::as_slice);
            bytes.len() <= PART_BYTES && matches!(parts, [part] if part.id == PartId::of(&bytes))
        };
        if !self.former.get(&key).is_some_and(is_same) || !self.keep(key) {
            self.put(key, bytes);
        }
    }

    /// A state that is one piece, which may have changed whenever rows or bounds have come.
    pub(crate) fn whole(
        &mut self,
        encode: impl FnOnce() -> Result<Vec<u8>, postcard::Error>,
    ) -> Result<(), StateError> {
        if self.is_touched || !self.keep(WHOLE) {
            self.put(WHOLE, encode()?);
        }
        Ok(())
    }

    /// The pieces of this snapshot.
    pub(crate) fn into_pieces(self) -> Pieces {
        self.pieces
    }
}

/// Gives the pieces of one operator, in the order of their numbers.
pub(crate) struct StateReader<'r> {
    version: u16,
    pieces: std::vec::IntoIter<(u64, Vec<PartRef>)>,
    fetch: &'r mut Fetch<'r>,
}

impl<'r> StateReader<'r> {
    pub(crate) fn new(
        version: u16,
        mut pieces: Vec<(u64, Vec<PartRef>)>,
        fetch: &'r mut Fetch<'r>,
    ) -> StateReader<'r> {
        pieces.sort_by_key(|(key, _)| *key);
        StateReader { version, pieces: pieces.into_iter(), fetch }
    }

    /// Version of the encoding.
    pub(crate) fn version(&self) -> u16 {
        self.version
    }

    /// The next piece with its number.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, StateError> {
        let Some((key, parts)) = self.pieces.next() else { return Ok(None) };
        let mut bytes = Vec::new();
        for part in parts {
            let read =
                (self.fetch)(&part.id).map_err(|error| PartError::Unreadable { id: part.id, error })?;
            if read.len() as u64 != part.bytes || PartId::of(&read) != part.id {
                return Err(PartError::Damaged {
                    id: part.id,
                    expected: part.bytes,
                    found: read.len() as u64,
                }
                .into());
            }
            if bytes.is_empty() { bytes = read } else { bytes.extend_from_slice(&read) }
        }
        Ok(Some((key, bytes)))
    }

    /// Whether the state is written whole, before anything of it is read.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.pieces.as_slice(), [(WHOLE, _)])
    }

    /// The only piece of a state that is written whole.
    pub(crate) fn whole(&mut self) -> Result<Vec<u8>, StateError> {
        match self.next()? {
            Some((WHOLE, bytes)) => Ok(bytes),
            _ => Err(StateError::Damaged("it is not written as one piece")),
        }
    }
}

//! Errors of single rows: a bad row leaves the query for the error stream, its neighbours go on.

use std::fmt;
use std::sync::Arc;

/// The kinds of row errors, as `ERROR_NAME` of the error stream spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorName {
    /// A record is not what its format says.
    ParseError,
    /// A value of a record does not fit its column.
    CoercionError,
    /// A zero divisor.
    DivisionByZero,
    /// A ROWTIME that goes backwards.
    OutOfOrder,
    /// NULL for a NOT NULL column.
    NullViolation,
    /// A number out of the range of its type.
    Overflow,
    /// A CAST that the value does not allow.
    CastError,
    /// A function refuses its arguments.
    FunctionError,
    /// The row needs more memory than the application may take.
    MemoryLimit,
    /// The row is larger than a row of a stream may be.
    RowTooLarge,
}

impl ErrorName {
    /// The text in the error stream, e.g. `DIVISION_BY_ZERO`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorName::ParseError => "PARSE_ERROR",
            ErrorName::CoercionError => "COERCION_ERROR",
            ErrorName::DivisionByZero => "DIVISION_BY_ZERO",
            ErrorName::OutOfOrder => "OUT_OF_ORDER",
            ErrorName::NullViolation => "NULL_VIOLATION",
            ErrorName::Overflow => "OVERFLOW",
            ErrorName::CastError => "CAST_ERROR",
            ErrorName::FunctionError => "FUNCTION_ERROR",
            ErrorName::MemoryLimit => "MEMORY_LIMIT",
            ErrorName::RowTooLarge => "ROW_TOO_LARGE",
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a row has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct RowError {
    /// What kind of error.
    pub name: ErrorName,
    /// What failed and why. Shared, because a constant that fails does so in every row.
    pub message: Arc<str>,
}

impl RowError {
    /// An error with its text.
    pub fn new(name: ErrorName, message: impl Into<Arc<str>>) -> RowError {
        RowError { name, message: message.into() }
    }

    /// [`ErrorName::FunctionError`].
    pub fn function(message: impl Into<Arc<str>>) -> RowError {
        RowError::new(ErrorName::FunctionError, message)
    }

    /// [`ErrorName::CastError`].
    pub fn cast(message: impl Into<Arc<str>>) -> RowError {
        RowError::new(ErrorName::CastError, message)
    }

    /// [`ErrorName::Overflow`].
    pub fn overflow(message: impl Into<Arc<str>>) -> RowError {
        RowError::new(ErrorName::Overflow, message)
    }

    /// [`ErrorName::DivisionByZero`].
    pub fn division_by_zero() -> RowError {
        RowError::new(ErrorName::DivisionByZero, "division by zero")
    }
}

/// The rows of a batch that failed. Empty, and without an allocation, when none did.
///
/// While an expression runs, entries stand in the order of evaluation and a row may have several; [`RowErrors::settle`]
/// sorts them and keeps the first of each row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowErrors {
    entries: Vec<(u32, RowError)>,
}

impl RowErrors {
    /// True when no row failed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of entries; after `settle`, of failed rows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The failed rows, ascending after `settle`.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &RowError)> {
        self.entries.iter().map(|(row, error)| (*row as usize, error))
    }

    /// The error of one row.
    pub fn get(&self, row: usize) -> Option<&RowError> {
        self.iter().find(|(failed, _)| *failed == row).map(|(_, error)| error)
    }

    /// Adds an error of `row`.
    pub fn push(&mut self, row: usize, error: RowError) {
        self.entries.push((row as u32, error));
    }

    /// Adds the same error for each of `rows` rows.
    pub fn push_for_all(&mut self, rows: usize, error: &RowError) {
        self.entries.extend((0..rows as u32).map(|row| (row, error.clone())));
    }

    /// Adds all of `other`, whose errors happened later.
    pub fn append(&mut self, mut other: RowErrors) {
        self.entries.append(&mut other.entries);
    }

    /// Keeps the errors of those rows only.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        self.entries.retain(|(row, _)| keep(*row as usize));
    }

    /// Sorts by row and keeps the first error of each.
    pub fn settle(&mut self) {
        if self.entries.len() > 1 {
            self.entries.sort_by_key(|(row, _)| *row);
            self.entries.dedup_by_key(|(row, _)| *row);
        }
    }
}

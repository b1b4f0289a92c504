//! How much an operator may hold of rows and groups, and which rows are refused when it holds that much.
//!
//! The limit of an application is shared out evenly among its operators that hold rows. Shares are fixed, for what one
//! operator has taken when another asks would depend on how rows are cut into batches and on the number of threads;
//! this way the same rows are refused whatever the batches.
//!
//! ```text
//!   batch ─▶ fits even if every row is as large as can be? ─ yes ─▶ the operator takes it whole
//!                │ no
//!                └─▶ halves, down to single rows: the operator looks for each whether it needs more than is left
//! ```
//!
//! Bytes are counted, not measured: values and texts as they are, and for what surrounds them what it is on the average,
//! lists and tables being between half full and full. What does not grow with its input (forests and other sketches) is
//! taken off the limit before it is shared out: see `application::fixed_memory`.

use super::RunContext;
use arrow_array::cast::AsArray;
use millstream_columns::Batch;
use millstream_columns::values::most_value_bytes;
use millstream_columns::{ErrorName, RowError};
use millstream_sql::{SqlType, Value};

/// Bytes that stand around a group or a partition: its entries in tables and lists.
pub(super) const GROUP_OVERHEAD: usize = 96;

/// What an operator may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryShare {
    /// Bytes of the application; `None` without a limit.
    limit: Option<usize>,
    /// Bytes of those that forests and other sketches take.
    sketches: usize,
    /// Operators that share the rest.
    operators: usize,
}

impl MemoryShare {
    /// The share of one of several operators in what sketches leave of the limit. A limit of 0 is none.
    pub(crate) fn new(limit: u64, sketches: u64, operators: usize) -> MemoryShare {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let limit = (limit > 0).then(|| bytes(limit));
        MemoryShare { limit, sketches: bytes(sketches), operators: operators.max(1) }
    }

    fn bytes(self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.sketches) / self.operators)
    }

    /// So many bytes, or the limit if that is less.
    pub(crate) fn limited(self, bytes: usize) -> usize {
        self.limit.map_or(bytes, |limit| limit.min(bytes))
    }

    /// Whether an operator may hold so many bytes.
    pub(crate) fn has_room_for(self, bytes: usize) -> bool {
        bytes <= self.bytes()
    }
}

impl MemoryShare {
    /// The error of a row that would have to wait in a stream for the rows of other pumps, and finds no room.
    pub(crate) fn no_room_to_wait(self, stream: &str, held: usize) -> RowError {
        let message = format!(
            "the row would wait in stream \"{stream}\" for the other pumps that write it, where rows of {held} bytes wait \
             already; there is room for {} bytes; raise the memory limit of the application, or see that all these pumps get \
             rows or bounds of time",
            self.bytes()
        );
        RowError::new(ErrorName::MemoryLimit, message)
    }
}

/// Whether the rows that a row matches in a join fit the memory limit.
pub(super) enum Matches {
    Fit,
    /// They do not: the row becomes this error.
    TooMany(RowError),
    /// Neither do those of another row that came of the same row of an input, and that is an error already.
    StillTooMany,
}

/// What is made of one row of an input on its way through a pump.
#[derive(Debug, Default)]
pub(crate) struct MadeOfRow {
    /// Bytes of the rows that joins have made.
    bytes: usize,
    /// A join has refused to make more.
    is_refused: bool,
    /// Error rows.
    pub(super) errors: usize,
}

impl RunContext<'_> {
    /// Whether rows of so many bytes can be joined, whichever of them match.
    pub(super) fn has_room_for_matches(&self, bytes: usize) -> bool {
        let Some((made, limit)) = self.made_of_row.as_ref().zip(self.share.limit) else { return true };
        made.bytes.saturating_add(bytes) <= limit
    }

    /// Takes account of rows that match, for which there is room.
    pub(super) fn note_matches(&mut self, bytes: impl FnOnce() -> usize) {
        if let Some(made) = &mut self.made_of_row {
            made.bytes = made.bytes.saturating_add(bytes());
        }
    }

    /// Takes account of the rows that a row matches, `bytes` together, before they are made. Where one row of an input goes
    /// through a pump alone, what all joins make of it counts together; otherwise each row counts alone. Either way the same
    /// rows are refused whatever the batches.
    pub(super) fn take_matches(&mut self, rows: usize, bytes: usize) -> Matches {
        let Some(limit) = self.share.limit.filter(|_| rows > 0) else { return Matches::Fit };
        let before = self.made_of_row.as_ref().map_or(0, |made| made.bytes);
        let all = before.saturating_add(bytes);
        if all <= limit {
            self.made_of_row.iter_mut().for_each(|made| made.bytes = all);
            return Matches::Fit;
        }
        if let Some(made) = &mut self.made_of_row
            && std::mem::replace(&mut made.is_refused, true)
        {
            return Matches::StillTooMany;
        }
        let after = if before > 0 { format!(" after others of {before} bytes") } else { String::new() };
        let message = format!(
            "the row matches {rows} rows in a join of pump \"{}\", which makes {bytes} bytes of rows{after}; the memory limit \
             of the application is {limit} bytes; join on more keys, shorten the windows, or raise the limit",
            self.pump
        );
        Matches::TooMany(RowError::new(ErrorName::MemoryLimit, message))
    }

    /// The error of every row that a relation of so many bytes would be looked into for, if it finds no room.
    pub(super) fn relation_refusal(&self, bytes: usize) -> Option<RowError> {
        if self.share.has_room_for(bytes) {
            return None;
        }
        let message = format!(
            "the reference rows that pump \"{}\" looks into take {bytes} bytes, and there is room for {}; raise the memory \
             limit of the application, or select fewer rows and columns of them",
            self.pump,
            self.share.bytes()
        );
        Some(RowError::new(ErrorName::MemoryLimit, message))
    }

    /// The error of a row that needs `needed` bytes more than an operator holds, if they are not there.
    pub(super) fn refusal(&self, held: usize, needed: usize) -> Option<RowError> {
        if needed == 0 || self.share.has_room_for(held.saturating_add(needed)) {
            return None;
        }
        let MemoryShare { limit, operators, .. } = self.share;
        let share = match operators {
            1 => "the limit".to_owned(),
            several => format!("the share of each of its {several} operators that keep rows in the limit"),
        };
        let message = format!(
            "pump \"{}\" holds {held} bytes of rows and groups and needs {needed} more for this row; {share} of {} bytes \
             is {} bytes; raise the memory limit of the application, shorten the window, or group by fewer keys",
            self.pump,
            limit.unwrap_or(usize::MAX),
            self.share.bytes(),
        );
        Some(RowError::new(ErrorName::MemoryLimit, message))
    }
}

/// How large rows are in columns.
#[derive(Clone)]
pub(crate) struct RowSize {
    fixed: usize,
    /// Columns of texts or bytes.
    texts: Vec<usize>,
    most: usize,
}

impl RowSize {
    /// Of rows with these types.
    pub(crate) fn of_types(types: &[SqlType]) -> RowSize {
        let is_text = |sql_type: &SqlType| most_value_bytes(*sql_type) > size_of::<Value>();
        let texts = (0..types.len()).filter(|column| is_text(&types[*column])).collect();
        RowSize {
            fixed: size_of::<i64>() + 16 * types.len(),
            texts,
            most: types.iter().map(|sql_type| most_value_bytes(*sql_type)).sum::<usize>() + 64,
        }
    }

    /// The most bytes of a row.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Bytes of a row.
    pub(crate) fn of(&self, batch: &Batch, row: usize) -> usize {
        let text = |column: &usize| {
            let column = &batch.columns[*column];
            match column.as_string_opt::<i32>() {
                Some(texts) => texts.value_length(row) as usize,
                None => column.as_binary_opt::<i32>().map_or(0, |bytes| bytes.value_length(row) as usize),
            }
        };
        self.fixed + self.texts.iter().map(text).sum::<usize>()
    }

    /// Bytes of all rows of a batch. Costs no more than a look at each column.
    pub(crate) fn of_all(&self, batch: &Batch) -> usize {
        self.fixed * batch.len() + self.texts_of_all(batch)
    }

    /// No row of a batch is larger. Costs no more than a look at each column.
    pub(crate) fn bound_of_each(&self, batch: &Batch) -> usize {
        self.fixed + self.texts_of_all(batch)
    }

    fn texts_of_all(&self, batch: &Batch) -> usize {
        let text = |column: &usize| {
            let column = &batch.columns[*column];
            let offsets = match column.as_string_opt::<i32>() {
                Some(texts) => texts.value_offsets(),
                None => column.as_binary_opt::<i32>().map_or(&[0][..], |bytes| bytes.value_offsets()),
            };
            offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as usize)
        };
        self.texts.iter().map(text).sum()
    }
}

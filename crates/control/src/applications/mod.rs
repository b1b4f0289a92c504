//! Running applications.
//!
//! ```text
//!  log ─▶ LogInput ─▶ preprocessing function ─▶ parser ─▶ ROWTIME ─▶ engine ─▶ OutputQueue ─▶ function, stream,
//!            │        (in parts when it fails)      (arrival)          │       numbered rows    delivery stream
//!            └──── checkpoint: positions, state, numbers, waiting rows ┴──▶ parts in files, then the catalog
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `worker.rs` | the loop of one application, on a thread of its own |
//! | `input.rs` | reading all shards of its source |
//! | `intake.rs` | from raw records to rows of the input streams |
//! | `slice_length.rs` | how many records go into the engine at once |
//! | `preprocess.rs` | the function that every record goes through first |
//! | `reference_table.rs`, `table_pieces.rs` | the rows of reference tables |
//! | `checkpointing.rs`, `parts.rs` | storing and reading checkpoints |
//! | `handle.rs` | what others ask of an application that runs |
//! | `incarnation.rs` | which start of an application may store its state |
//! | `outputs.rs`, `output_queue.rs`, `destination.rs` | rows on their way out |
//! | `error_stream.rs` | rows of `error_stream` |
//! | `retrying.rs` | what fails now and is tried again |
//! | `row_reader.rs` | records to columns of rows, also for `replay` |
//! | `tail.rs` | rows for people who follow a stream |
//! | `rows_depend_on.rs` | what rows depend on besides the records |
//! | `wrong_shape.rs` | records of another shape than their schema says |
//! | `window_end.rs` | when the windows that are open now will be closed |
//!
//! Invariants: a record's position is stored only together with the state that has seen it and the rows that came of
//! it; rows leave the queue only when their destination has acknowledged them. Records are read in one order and stamped
//! with their arrival, so a second reading after a crash gives the same rows with the same numbers: the log drops what it
//! has, functions see the same ids.

mod checkpointing;
mod cut_texts;
mod destination;
mod empty_columns;
mod error_stream;
mod failed_row;
mod handle;
mod incarnation;
mod input;
mod intake;
mod output_queue;
mod outputs;
mod parts;
mod preprocess;
mod reference_table;
mod retrying;
mod row_reader;
mod rows_depend_on;
mod slice_length;
mod table_pieces;
mod tail;
mod window_end;
mod worker;
mod wrong_shape;

pub(crate) use checkpointing::Checkpoints;
pub(crate) use destination::Destination;
pub use empty_columns::EmptyColumn;
pub(crate) use empty_columns::EmptyColumns;
pub(crate) use error_stream::ERROR_STREAM;
pub use failed_row::{FailedRow, SourceRecord};
pub(crate) use handle::{ApplicationHandle, EndedEarly, Guard};
pub(crate) use incarnation::{Incarnation, Incarnations};
pub(crate) use input::{BeyondEnd, ENGINE_RECORDS, EVENT_RECORDS, LogInput, RawRecord};
pub(crate) use outputs::OutputPlan;
pub(crate) use parts::{PartStore, erase_all_but};
pub(crate) use preprocess::{Preprocessed, Preprocessor};
pub(crate) use reference_table::{ReadTableError, ReferenceTableRows, read_file, read_object, table_of};
pub(crate) use retrying::Retrying;
pub(crate) use row_reader::{Failure, RowReader, TextColumn};
pub(crate) use rows_depend_on::{RowsDependOn, functions_before, functions_hash};
pub(crate) use slice_length::{MOST_MADE, SliceLength};
pub use tail::{RowTail, TailedRow, TailedRows};
pub(crate) use tail::{Tail, WaitingTails};
pub(crate) use worker::{ApplicationComponents, BuildError, Worker};
pub(crate) use wrong_shape::{HEADER_OF_INPUT, wrong_shape};

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_engine::ErrorRow;

use parking_lot::Mutex;
use serde::Serialize;

/// What an application has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplicationStatus {
    /// Records read.
    pub records_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Records that were older than the retention before they could be read.
    pub lost_records: u64,
    /// Records that the preprocessing function dropped.
    pub dropped_records: u64,
    /// Records that became no rows, or of which a row was none.
    pub failed_records: u64,
    /// Rows given to the engine.
    pub rows_in: u64,
    /// Rows that came out for a destination.
    pub rows_out: u64,
    /// Rows that destinations have acknowledged.
    pub rows_delivered: u64,
    /// Rows of the error stream.
    pub error_rows: u64,
    /// Checkpoints stored.
    pub checkpoints: u64,
    /// When the newest checkpoint was stored, in milliseconds since the epoch.
    pub checkpointed_at: Option<i64>,
}

/// The columns of `error_stream`: name and type.
pub(crate) fn error_columns() -> Vec<(String, millstream_sql::SqlType)> {
    error_stream::columns().into_iter().map(|column| (column.name, column.sql_type)).collect()
}

/// The counters of one application. The locks guard a few numbers.
#[derive(Default)]
pub(crate) struct Counters {
    status: Mutex<ApplicationStatus>,
    /// Rows that came out, by in-application stream: of those that pumps write, and of those with outputs.
    rows_by_stream: Mutex<BTreeMap<String, u64>>,
    /// Error rows, by their name.
    errors_by_name: Mutex<BTreeMap<String, u64>>,
    /// Texts that columns have cut to their lengths, by stream and column.
    cut_texts: Mutex<BTreeMap<String, u64>>,
    lag_records: AtomicU64,
    waiting_rows: AtomicU64,
    windows_close_at: Mutex<Option<i64>>,
    /// Why the newest checkpoint failed, if it did.
    checkpoint_error: Mutex<Option<String>>,
    /// What fails now and is tried again.
    retrying: Retrying,
}

impl Counters {
    pub(crate) fn status(&self) -> ApplicationStatus {
        *self.status.lock()
    }

    pub(crate) fn add(&self, change: impl FnOnce(&mut ApplicationStatus)) {
        change(&mut self.status.lock());
    }

    pub(crate) fn rows_by_stream(&self) -> BTreeMap<String, u64> {
        self.rows_by_stream.lock().clone()
    }

    pub(crate) fn set_rows(&self, stream: &str, rows: u64) {
        let mut by_stream = self.rows_by_stream.lock();
        match by_stream.get_mut(stream) {
            Some(known) => *known = rows,
            None => drop(by_stream.insert(stream.to_owned(), rows)),
        }
    }

    pub(crate) fn add_errors(&self, rows: &[ErrorRow]) {
        self.status.lock().error_rows += rows.len() as u64;
        let mut errors = self.errors_by_name.lock();
        for row in rows {
            *errors.entry(row.error_name.clone()).or_default() += 1;
        }
    }

    pub(crate) fn set_cut_texts(&self, by_column: BTreeMap<String, u64>) {
        *self.cut_texts.lock() = by_column;
    }

    pub(crate) fn cut_texts(&self) -> BTreeMap<String, u64> {
        self.cut_texts.lock().clone()
    }

    pub(crate) fn set_lag_records(&self, records: u64) {
        self.lag_records.store(records, Ordering::Relaxed);
    }

    pub(crate) fn set_windows_close_at(&self, at: Option<i64>) {
        *self.windows_close_at.lock() = at;
    }

    pub(crate) fn windows_close_at(&self) -> Option<i64> {
        *self.windows_close_at.lock()
    }

    pub(crate) fn set_waiting_rows(&self, rows: u64) {
        self.waiting_rows.store(rows, Ordering::Relaxed);
    }

    pub(crate) fn waiting_rows(&self) -> u64 {
        self.waiting_rows.load(Ordering::Relaxed)
    }

    pub(crate) fn lag_records(&self) -> u64 {
        self.lag_records.load(Ordering::Relaxed)
    }

    pub(crate) fn errors_by_name(&self) -> BTreeMap<String, u64> {
        self.errors_by_name.lock().clone()
    }

    /// What fails now and is tried again.
    pub(crate) fn retrying(&self) -> &Retrying {
        &self.retrying
    }

    pub(crate) fn set_checkpoint_error(&self, error: Option<String>) {
        *self.checkpoint_error.lock() = error;
    }

    pub(crate) fn checkpoint_error(&self) -> Option<String> {
        self.checkpoint_error.lock().clone()
    }
}

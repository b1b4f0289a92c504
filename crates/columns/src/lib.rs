//! Rows in columns: how each SQL type is held, and records of text in and out.
//!
//! ```text
//!   sample of records ─▶ discover ─▶ InputSchema
//!   record bytes ─▶ formats ─▶ columns + RecordErrors ─▶ Batch ─▶ formats ─▶ record bytes
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`batch`] | [`Batch`]: rows in columns with their ROWTIMEs; how each SQL type is held |
//! | [`values`] | single values in and out of columns |
//! | [`row_error`] | errors of single rows: [`RowErrors`] |
//! | [`formats`] | records of CSV, TSV and JSON in, CSV and JSON out |
//! | [`discover`] | a schema for records of which only a sample is known |
//! | [`number_text`], [`datetime_text`] | numbers and datetimes as text, both ways |
//! | [`decimal`], [`calendar`] | scaled digits; days and months |
//! | [`text_builder`] | a column of text in one buffer |
//!
//! Invariants:
//! - No I/O, no clock, no randomness, and nothing of how a plan runs.
//! - A bad record never stops its neighbours and never panics: it becomes an error of that record.
//! - Any slicing of the same records gives the same values.

pub mod batch;
pub mod calendar;
pub mod datetime_text;
pub mod decimal;
pub mod discover;
pub mod formats;
pub mod number_text;
pub mod row_error;
pub mod text_builder;
pub mod values;

pub use batch::{Batch, physical_type, primitive_array};
pub use row_error::{ErrorName, RowError, RowErrors};
pub use values::{ValueTypeError, array_from_values, value_at};

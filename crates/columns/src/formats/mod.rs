//! Record formats: bytes of records in, columns out, and back.
//!
//! ```text
//!   InputSchema ─▶ RecordParser ── parse(record) … ──▶ finish ─▶ ParsedBatch { columns, row_to_record, errors }
//!   columns ─▶ OutputWriter ─▶ EncodedRows: one byte string for each row
//! ```

mod columns;
mod csv;
mod json;
mod json_path;
mod json_scan;
mod near_member;
mod output;
mod output_csv;
mod output_json;
mod parser;
mod schema;

#[cfg(test)]
mod tests;

pub use json::not_json;
pub(crate) use json_path::push_member;
pub use near_member::near_member;
pub use output_csv::write_fields;
pub use output_json::push_json_text;

pub use output::{EncodedRows, OutputColumn, OutputFormat, OutputWriter};
pub use parser::{ParsedBatch, RecordError, RecordParser};
pub use schema::{Delimiter, InputColumn, InputSchema, RecordFormat, SchemaError};

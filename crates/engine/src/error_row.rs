//! Rows of the error stream.

use crate::evaluation_context::EvaluationContext;
use millstream_columns::{Batch, ErrorName, RowError};
use millstream_sql::SqlType;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest MESSAGE, in characters.
const MESSAGE_LENGTH: usize = 4_096;

/// Longest DATA_ROW, in characters: two for each byte.
const DATA_ROW_LENGTH: usize = 49_152;

/// A row that left a query, as `error_stream` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// ERROR_TIME: when it happened, in milliseconds since the epoch.
    pub error_time: i64,
    /// ERROR_NAME, such as `DIVISION_BY_ZERO`.
    pub error_name: String,
    /// MESSAGE, at most 4096 characters.
    pub message: String,
    /// DATA_ROWTIME: the ROWTIME of the row, in milliseconds since the epoch.
    pub data_rowtime: Option<i64>,
    /// DATA_ROW: the row, its fields as CSV, as hex digits, at most 49152 of them.
    pub data_row: String,
    /// PUMP_NAME; empty for records that did not become rows.
    pub pump_name: String,
}

impl ErrorRow {
    /// ERROR_LEVEL of every row.
    pub const LEVEL: &'static str = "ERROR";

    /// A record that could not become rows of an input.
    pub fn of_record(name: ErrorName, message: &str, record: &[u8], rowtime: i64, now: i64) -> ErrorRow {
        ErrorRow {
            error_time: now,
            error_name: name.as_str().to_owned(),
            message: message.chars().take(MESSAGE_LENGTH).collect(),
            data_rowtime: Some(rowtime),
            data_row: hex(record),
            pump_name: String::new(),
        }
    }

    pub(crate) fn of_batch_row(
        error: &RowError,
        batch: &Batch,
        row: usize,
        types: &[SqlType],
        pump: &Arc<str>,
        clock: EvaluationContext,
    ) -> ErrorRow {
        let mut fields = Vec::new();
        millstream_columns::formats::write_fields(types.iter().copied(), &batch.columns, row, &mut fields);
        ErrorRow {
            error_time: clock.time_of(batch.rowtimes[row]),
            error_name: error.name.as_str().to_owned(),
            message: error.message.chars().take(MESSAGE_LENGTH).collect(),
            data_rowtime: Some(batch.rowtimes[row]),
            data_row: hex(&fields),
            pump_name: pump.to_string(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::new();
    for byte in bytes.iter().take(DATA_ROW_LENGTH / 2) {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

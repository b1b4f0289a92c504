//! Rows as CSV: commas between, a newline behind, no header; NULL is empty; fields with a comma, a quote or a line break
//! are quoted.

use crate::formats::OutputWriter;
use crate::formats::output_json::write_plain;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use millstream_sql::SqlType;

pub(super) fn write_row(writer: &OutputWriter, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
    write_fields(writer.columns.iter().map(|column| column.sql_type), columns, row, out);
    out.push(b'\n');
}

/// The fields of a row with commas between.
pub fn write_fields(
    types: impl Iterator<Item = SqlType>,
    columns: &[ArrayRef],
    row: usize,
    out: &mut Vec<u8>,
) {
    for (index, (sql_type, array)) in types.zip(columns).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if sql_type == SqlType::Null || array.is_null(row) {
            continue;
        }
        if sql_type.is_character() {
            write_field(out, array.as_string::<i32>().value(row));
        } else {
            write_plain(array, sql_type, row, out);
        }
    }
}

fn write_field(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

//! Rows as CSV: commas between, a newline behind, no header; NULL is empty; fields with a comma, a quote or a line break
//! are quoted.

use crate::formats::OutputWriter;
use crate::formats::output_json::write_plain;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

pub(super) fn write_row(writer: &OutputWriter, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
    for (index, (column, array)) in writer.columns.iter().zip(columns).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if array.is_null(row) {
            continue;
        }
        if column.sql_type.is_character() {
            write_field(out, array.as_string::<i32>().value(row));
        } else {
            write_plain(array, column.sql_type, row, out);
        }
    }
    out.push(b'\n');
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

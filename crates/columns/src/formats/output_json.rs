//! Rows as JSON objects.

use crate::datetime_text::{
    write_date, write_interval_millis, write_interval_months, write_time, write_timestamp,
};
use crate::formats::OutputWriter;
use crate::number_text::{write_decimal, write_integer};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use base64::Engine as _;
use millstream_sql::SqlType;

pub(super) fn write_row(writer: &OutputWriter, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
    for ((column, prefix), array) in writer.columns.iter().zip(&writer.prefixes).zip(columns) {
        out.extend_from_slice(prefix);
        if array.is_null(row) || column.sql_type == SqlType::Null {
            out.extend_from_slice(b"null");
        } else if let SqlType::Char { .. } | SqlType::Varchar { .. } = column.sql_type {
            write_string(out, array.as_string::<i32>().value(row));
        } else {
            let quoted = !(column.sql_type.is_numeric() || column.sql_type == SqlType::Boolean);
            if quoted {
                out.push(b'"');
            }
            if !write_plain(array, column.sql_type, row, out) {
                out.extend_from_slice(b"null");
            }
            if quoted {
                out.push(b'"');
            }
        }
    }
    out.push(b'}');
}

/// Writes a value that is neither NULL nor text, without quotes; `false`, and nothing written, for a float that is not
/// finite.
pub(super) fn write_plain(array: &ArrayRef, sql_type: SqlType, row: usize, out: &mut Vec<u8>) -> bool {
    match sql_type {
        SqlType::Boolean => {
            let text: &[u8] = if array.as_boolean().value(row) { b"true" } else { b"false" };
            out.extend_from_slice(text);
        }
        SqlType::TinyInt => write_integer(out, i64::from(array.as_primitive::<Int8Type>().value(row))),
        SqlType::SmallInt => write_integer(out, i64::from(array.as_primitive::<Int16Type>().value(row))),
        SqlType::Integer => write_integer(out, i64::from(array.as_primitive::<Int32Type>().value(row))),
        SqlType::BigInt => write_integer(out, array.as_primitive::<Int64Type>().value(row)),
        SqlType::Decimal { scale, .. } => {
            write_decimal(out, array.as_primitive::<Decimal128Type>().value(row), scale);
        }
        SqlType::Real => {
            let value = array.as_primitive::<Float32Type>().value(row);
            if !value.is_finite() {
                return false;
            }
            out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        SqlType::Double => {
            let value = array.as_primitive::<Float64Type>().value(row);
            if !value.is_finite() {
                return false;
            }
            out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => {
            let text = base64::engine::general_purpose::STANDARD.encode(array.as_binary::<i32>().value(row));
            out.extend_from_slice(text.as_bytes());
        }
        SqlType::Date => write_date(out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        SqlType::Time => write_time(out, i64::from(array.as_primitive::<Time32MillisecondType>().value(row))),
        SqlType::Timestamp => {
            write_timestamp(out, array.as_primitive::<TimestampMillisecondType>().value(row), true);
        }
        SqlType::Interval(qualifier) if qualifier.is_year_month() => {
            write_interval_months(out, array.as_primitive::<Int32Type>().value(row), qualifier);
        }
        SqlType::Interval(qualifier) => {
            let millis = array.as_primitive::<DurationMillisecondType>().value(row);
            write_interval_millis(out, millis, qualifier);
        }
        SqlType::Char { .. } | SqlType::Varchar { .. } => {
            out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
        }
        SqlType::Null => return false,
    }
    true
}

/// Adds a text as a JSON string, with its quotes, to a text that is put together elsewhere.
pub fn push_json_text(out: &mut String, text: &str) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    write_string(&mut bytes, text);
    out.push_str(std::str::from_utf8(&bytes).expect("escapes of a text are text"));
}

/// Writes a string with its quotes, escaping quotes, backslashes and control characters.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut kept = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[kept..at]);
        kept = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&text.as_bytes()[kept..]);
    out.push(b'"');
}

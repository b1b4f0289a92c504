//! Key columns as bytes or numbers that are equal exactly when the keys are.
//!
//! NULL equals NULL, `-0.0` equals `0.0`, NaN equals NaN. A single column of numbers or times without NULL stays numbers, a
//! single text column without NULL stays text; everything else becomes one byte string a row.
//!
//! The bytes of a key do not depend on the other rows of its batch: a column that holds a NULL in one batch and none in
//! the next gives equal keys the same bytes in both.

use super::PackedKey;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use millstream_sql::Value;

/// The keys of a batch of rows.
#[derive(Debug)]
pub(crate) enum EncodedKeys {
    /// No key columns: all rows are one group.
    None,
    /// One number a row.
    Numbers(Vec<u64>),
    /// One text a row.
    Texts(StringArray),
    /// One byte string a row: `bytes[ends[row - 1]..ends[row]]`.
    Bytes { bytes: Vec<u8>, ends: Vec<usize> },
}

impl EncodedKeys {
    /// Encodes `rows` rows of these columns.
    pub(crate) fn new(columns: &[ArrayRef], rows: usize) -> EncodedKeys {
        match columns {
            [] => EncodedKeys::None,
            [column] => match (column.data_type(), column.null_count() > 0) {
                (DataType::Utf8, false) => EncodedKeys::Texts(column.as_string::<i32>().clone()),
                (DataType::Utf8, true) => {
                    let texts = column.as_string::<i32>();
                    EncodedKeys::nullable(column, |row, bytes| {
                        bytes.extend_from_slice(texts.value(row).as_bytes())
                    })
                }
                (_, has_nulls) => match numbers(column) {
                    Some(numbers) if has_nulls => EncodedKeys::nullable(column, |row, bytes| {
                        bytes.extend_from_slice(&numbers[row].to_le_bytes());
                    }),
                    Some(numbers) => EncodedKeys::Numbers(numbers),
                    None => EncodedKeys::rows(columns, rows),
                },
            },
            _ => EncodedKeys::rows(columns, rows),
        }
    }

    /// One column with NULLs: a value is its own bytes, as in a column without.
    fn nullable(column: &ArrayRef, encode: impl Fn(usize, &mut Vec<u8>)) -> EncodedKeys {
        /// No text holds this byte, and no number is so short.
        const NULL_KEY: u8 = 0xff;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(column.len()));
        for row in 0..column.len() {
            if column.is_null(row) {
                bytes.push(NULL_KEY);
            } else {
                encode(row, &mut bytes);
            }
            ends.push(bytes.len());
        }
        EncodedKeys::Bytes { bytes, ends }
    }

    fn rows(columns: &[ArrayRef], rows: usize) -> EncodedKeys {
        let mut bytes = Vec::with_capacity(rows * columns.len() * 9);
        let mut ends = Vec::with_capacity(rows);
        for row in 0..rows {
            for column in columns {
                encode_element(column, row, &mut bytes);
            }
            ends.push(bytes.len());
        }
        EncodedKeys::Bytes { bytes, ends }
    }

    /// The key of a row as one number, if it is short.
    pub(crate) fn packed(&self, row: usize) -> Option<PackedKey> {
        match self {
            EncodedKeys::None => PackedKey::of(&[], 0, 0),
            EncodedKeys::Numbers(numbers) => Some(PackedKey::of_number(numbers[row])),
            EncodedKeys::Texts(texts) => {
                let offsets = texts.value_offsets();
                PackedKey::of(texts.value_data(), offsets[row] as usize, offsets[row + 1] as usize)
            }
            EncodedKeys::Bytes { bytes, ends } => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                PackedKey::of(bytes, start, ends[row])
            }
        }
    }

    /// The bytes of a row in the general encoding, as they are stored.
    pub(crate) fn row_bytes<'a>(&'a self, row: usize, scratch: &'a mut [u8; 8]) -> &'a [u8] {
        match self {
            EncodedKeys::None => &[],
            EncodedKeys::Numbers(numbers) => {
                *scratch = numbers[row].to_le_bytes();
                scratch
            }
            EncodedKeys::Texts(texts) => texts.value(row).as_bytes(),
            EncodedKeys::Bytes { bytes, ends } => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &bytes[start..ends[row]]
            }
        }
    }
}

fn numbers(column: &ArrayRef) -> Option<Vec<u64>> {
    let numbers = match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().values().iter().map(|v| *v as u64).collect(),
        DataType::Int16 => column.as_primitive::<Int16Type>().values().iter().map(|v| *v as u64).collect(),
        DataType::Int32 => column.as_primitive::<Int32Type>().values().iter().map(|v| *v as u64).collect(),
        DataType::Int64 => column.as_primitive::<Int64Type>().values().iter().map(|v| *v as u64).collect(),
        DataType::Date32 => column.as_primitive::<Date32Type>().values().iter().map(|v| *v as u64).collect(),
        DataType::Timestamp(_, _) => {
            column.as_primitive::<TimestampMillisecondType>().values().iter().map(|v| *v as u64).collect()
        }
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>().values();
            values.iter().map(|v| canonical_bits(f64::from(*v))).collect()
        }
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().values().iter().map(|v| canonical_bits(*v)).collect()
        }
        _ => return None,
    };
    Some(numbers)
}

fn encode_element(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    if column.data_type() == &DataType::Null || column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match column.data_type() {
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        DataType::Int8 => out.extend_from_slice(&column.as_primitive::<Int8Type>().value(row).to_le_bytes()),
        DataType::Int16 => {
            out.extend_from_slice(&column.as_primitive::<Int16Type>().value(row).to_le_bytes())
        }
        DataType::Int32 => {
            out.extend_from_slice(&column.as_primitive::<Int32Type>().value(row).to_le_bytes())
        }
        DataType::Int64 => {
            out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes())
        }
        DataType::Date32 => {
            out.extend_from_slice(&column.as_primitive::<Date32Type>().value(row).to_le_bytes())
        }
        DataType::Time32(_) => {
            out.extend_from_slice(&column.as_primitive::<Time32MillisecondType>().value(row).to_le_bytes());
        }
        DataType::Timestamp(_, _) => {
            out.extend_from_slice(
                &column.as_primitive::<TimestampMillisecondType>().value(row).to_le_bytes(),
            );
        }
        DataType::Duration(_) => {
            out.extend_from_slice(&column.as_primitive::<DurationMillisecondType>().value(row).to_le_bytes());
        }
        DataType::Decimal128(_, _) => {
            out.extend_from_slice(&column.as_primitive::<Decimal128Type>().value(row).to_le_bytes());
        }
        DataType::Float32 => {
            let value = f64::from(column.as_primitive::<Float32Type>().value(row));
            out.extend_from_slice(&canonical_bits(value).to_le_bytes());
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            out.extend_from_slice(&canonical_bits(value).to_le_bytes());
        }
        DataType::Utf8 => encode_bytes(column.as_string::<i32>().value(row).as_bytes(), out),
        DataType::Binary => encode_bytes(column.as_binary::<i32>().value(row), out),
        other => unreachable!("the engine holds no columns of {other}"),
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Bits that are equal for values that compare equal, and for all NaN.
fn canonical_bits(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

/// A single value as bytes: equal for equal values.
pub(crate) fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Value::Integer(value) | Value::Timestamp(value) | Value::IntervalMillis(value) => {
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Decimal(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Double(value) => out.extend_from_slice(&canonical_bits(*value).to_le_bytes()),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Binary(bytes) => out.extend_from_slice(bytes),
        Value::Date(value) | Value::Time(value) | Value::IntervalMonths(value) => {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

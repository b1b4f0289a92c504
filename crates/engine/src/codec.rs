//! Numbers, texts and rows as bytes of a checkpoint: compact, the same for the same values, checked when they are read.

use crate::state::StateError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, NullArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, ToByteSlice};
use arrow_schema::DataType;
use millstream_columns::{Batch, physical_type};
use millstream_sql::{SqlType, Value};
use std::sync::Arc;

/// Appends a number, the smaller the shorter: seven bits a byte, the lowest first.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number with a sign: the nearer to 0 the shorter.
pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    put_u64(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// As [`put_i64`], for a number of up to 16 bytes.
pub(crate) fn put_i128(out: &mut Vec<u8>, number: i128) {
    let mut rest = ((number << 1) ^ (number >> 127)) as u128;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a float.
pub(crate) fn put_f64(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value with its kind.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Value::Integer(value) => put_kind(out, 2, *value),
        Value::Decimal(value) => {
            out.push(3);
            put_i128(out, *value);
        }
        Value::Double(value) => {
            out.push(4);
            put_f64(out, *value);
        }
        Value::Text(text) => {
            out.push(5);
            put_bytes(out, text.as_bytes());
        }
        Value::Binary(bytes) => {
            out.push(6);
            put_bytes(out, bytes);
        }
        Value::Date(value) => put_kind(out, 7, i64::from(*value)),
        Value::Time(value) => put_kind(out, 8, i64::from(*value)),
        Value::Timestamp(value) => put_kind(out, 9, *value),
        Value::IntervalMillis(value) => put_kind(out, 10, *value),
        Value::IntervalMonths(value) => put_kind(out, 11, i64::from(*value)),
    }
}

fn put_kind(out: &mut Vec<u8>, kind: u8, number: i64) {
    out.push(kind);
    put_i64(out, number);
}

/// Reads what the functions above wrote.
#[derive(Clone)]
pub(crate) struct Decoder<'b> {
    rest: &'b [u8],
}

const TOO_SHORT: StateError = StateError::Damaged("it ends too early");

impl<'b> Decoder<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Decoder<'b> {
        Decoder { rest: bytes }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Whether all has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything has been read: what is left would be damage.
    pub(crate) fn end(&self) -> Result<(), StateError> {
        if self.is_empty() { Ok(()) } else { Err(StateError::Damaged("it goes on behind its end")) }
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'b [u8], StateError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TOO_SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(TOO_SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StateError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn bool(&mut self) -> Result<bool, StateError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StateError::Damaged("a truth value is neither 0 nor 1")),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StateError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(StateError::Damaged("a number is too long"))
    }

    /// A number that is a place in memory.
    pub(crate) fn usize(&mut self) -> Result<usize, StateError> {
        usize::try_from(self.u64()?).map_err(|_| StateError::Damaged("a number is too large"))
    }

    /// A number of things that take at least a byte each: no more than there are bytes.
    pub(crate) fn count(&mut self) -> Result<usize, StateError> {
        let count = self.usize()?;
        if count <= self.rest.len() { Ok(count) } else { Err(TOO_SHORT) }
    }

    pub(crate) fn i64(&mut self) -> Result<i64, StateError> {
        let number = self.u64()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn i128(&mut self) -> Result<i128, StateError> {
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.u8()?;
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1) as i128 ^ -((number & 1) as i128));
            }
        }
        Err(StateError::Damaged("a number is too long"))
    }

    pub(crate) fn f64(&mut self) -> Result<f64, StateError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    pub(crate) fn value(&mut self) -> Result<Value, StateError> {
        let small =
            |number: i64| i32::try_from(number).map_err(|_| StateError::Damaged("a value is too large"));
        Ok(match self.u8()? {
            0 => Value::Null,
            1 => Value::Boolean(self.bool()?),
            2 => Value::Integer(self.i64()?),
            3 => Value::Decimal(self.i128()?),
            4 => Value::Double(self.f64()?),
            5 => {
                let text = String::from_utf8(self.bytes()?.to_vec());
                Value::Text(text.map_err(|_| StateError::Damaged("a text is not UTF-8"))?)
            }
            6 => Value::Binary(self.bytes()?.to_vec()),
            7 => Value::Date(small(self.i64()?)?),
            8 => Value::Time(small(self.i64()?)?),
            9 => Value::Timestamp(self.i64()?),
            10 => Value::IntervalMillis(self.i64()?),
            11 => Value::IntervalMonths(small(self.i64()?)?),
            _ => return Err(StateError::Damaged("a value is of an unknown kind")),
        })
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], StateError> {
        let length = self.usize()?;
        self.take(length)
    }
}

/// Appends rows: their number, their ROWTIMEs, then column by column what is NULL and the values.
pub(crate) fn put_batch(out: &mut Vec<u8>, batch: &Batch) {
    put_u64(out, batch.len() as u64);
    let mut before = 0;
    for rowtime in batch.rowtimes.iter() {
        put_i64(out, rowtime.wrapping_sub(before));
        before = *rowtime;
    }
    for column in &batch.columns {
        put_column(out, column);
    }
}

/// Does `$with!(Type)` for the type of the values of a column of numbers.
macro_rules! by_number_type {
    ($data_type:expr, $with:ident, $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => $with!(Int8Type),
            DataType::Int16 => $with!(Int16Type),
            DataType::Int32 => $with!(Int32Type),
            DataType::Int64 => $with!(Int64Type),
            DataType::Float32 => $with!(Float32Type),
            DataType::Float64 => $with!(Float64Type),
            DataType::Decimal128(_, _) => $with!(Decimal128Type),
            DataType::Date32 => $with!(Date32Type),
            DataType::Time32(_) => $with!(Time32MillisecondType),
            DataType::Timestamp(_, _) => $with!(TimestampMillisecondType),
            DataType::Duration(_) => $with!(DurationMillisecondType),
            _ => $otherwise,
        }
    };
}

fn put_column(out: &mut Vec<u8>, column: &ArrayRef) {
    if column.data_type() == &DataType::Null {
        return;
    }
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    out.push(u8::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        put_bits(out, nulls.iter());
    }
    let is_valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    macro_rules! numbers {
        ($of:ty) => {{
            let values = column.as_primitive::<$of>().values();
            match nulls {
                None => out.extend_from_slice(values.to_byte_slice()),
                Some(_) => {
                    for (row, value) in values.iter().enumerate() {
                        let value = if is_valid(row) { *value } else { Default::default() };
                        out.extend_from_slice(value.to_byte_slice());
                    }
                }
            }
        }};
    }
    by_number_type!(column.data_type(), numbers, {
        match column.data_type() {
            DataType::Boolean => {
                let values = column.as_boolean();
                put_bits(out, (0..column.len()).map(|row| is_valid(row) && values.value(row)));
            }
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                put_texts(
                    out,
                    (0..column.len())
                        .map(|row| if is_valid(row) { texts.value(row).as_bytes() } else { &[] }),
                );
            }
            _ => {
                let values = column.as_binary::<i32>();
                put_texts(
                    out,
                    (0..column.len()).map(|row| if is_valid(row) { values.value(row) } else { &[] }),
                );
            }
        }
    });
}

fn put_texts<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t [u8]> + Clone) {
    texts.clone().for_each(|text| put_u64(out, text.len() as u64));
    texts.for_each(|text| out.extend_from_slice(text));
}

fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let (mut byte, mut filled) = (0_u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.push(byte);
    }
}

/// Reads rows that [`put_batch`] wrote.
pub(crate) fn take_batch(from: &mut Decoder<'_>, types: &[SqlType]) -> Result<Batch, StateError> {
    let rows = from.count()?;
    let mut rowtimes = Vec::with_capacity(rows);
    let mut before = 0_i64;
    for _ in 0..rows {
        before = before.wrapping_add(from.i64()?);
        rowtimes.push(before);
    }
    let columns = types.iter().map(|sql_type| take_column(from, *sql_type, rows));
    Ok(Batch::new(ScalarBuffer::from(rowtimes), columns.collect::<Result<_, _>>()?))
}

fn take_column(from: &mut Decoder<'_>, sql_type: SqlType, rows: usize) -> Result<ArrayRef, StateError> {
    let data_type = physical_type(sql_type);
    if data_type == DataType::Null {
        return Ok(Arc::new(NullArray::new(rows)));
    }
    let nulls = if from.bool()? { Some(NullBuffer::new(take_bits(from, rows)?)) } else { None };
    macro_rules! numbers {
        ($of:ty) => {{ Ok(Arc::new(take_numbers::<$of>(from, rows, nulls)?.with_data_type(data_type.clone()))) }};
    }
    by_number_type!(data_type, numbers, {
        match data_type {
            DataType::Boolean => Ok(Arc::new(BooleanArray::new(take_bits(from, rows)?, nulls))),
            DataType::Utf8 => {
                let (offsets, bytes) = take_texts(from, rows)?;
                let texts = StringArray::try_new(offsets, bytes, nulls);
                Ok(Arc::new(texts.map_err(|_| StateError::Damaged("a text is not UTF-8"))?))
            }
            _ => {
                let (offsets, bytes) = take_texts(from, rows)?;
                let values = BinaryArray::try_new(offsets, bytes, nulls);
                Ok(Arc::new(values.map_err(|_| StateError::Damaged("bytes are not where they should be"))?))
            }
        }
    })
}

fn take_numbers<T: ArrowPrimitiveType>(
    from: &mut Decoder<'_>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<PrimitiveArray<T>, StateError> {
    let bytes = from.take(rows.checked_mul(size_of::<T::Native>()).ok_or(TOO_SHORT)?)?;
    // The copy begins where a cache line does, as every buffer does, so its numbers are aligned.
    Ok(PrimitiveArray::new(ScalarBuffer::new(Buffer::from(bytes), 0, rows), nulls))
}

fn take_texts(from: &mut Decoder<'_>, rows: usize) -> Result<(OffsetBuffer<i32>, Buffer), StateError> {
    let mut lengths = Vec::with_capacity(rows);
    let mut total = 0_usize;
    for _ in 0..rows {
        let length = from.usize()?;
        total = total.checked_add(length).filter(|total| i32::try_from(*total).is_ok()).ok_or(TOO_SHORT)?;
        lengths.push(length);
    }
    Ok((OffsetBuffer::from_lengths(lengths), Buffer::from(from.take(total)?)))
}

fn take_bits(from: &mut Decoder<'_>, rows: usize) -> Result<BooleanBuffer, StateError> {
    Ok(BooleanBuffer::new(Buffer::from(from.take(rows.div_ceil(8))?), 0, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_columns::array_from_values;
    use millstream_sql::{IntervalQualifier, TimeUnit};

    fn every_type() -> Vec<(SqlType, Value)> {
        vec![
            (SqlType::Null, Value::Null),
            (SqlType::Boolean, Value::Boolean(true)),
            (SqlType::TinyInt, Value::Integer(-128)),
            (SqlType::SmallInt, Value::Integer(-300)),
            (SqlType::Integer, Value::Integer(70_000)),
            (SqlType::BigInt, Value::Integer(i64::MIN)),
            (SqlType::Decimal { precision: 5, scale: 2 }, Value::Decimal(12345)),
            (SqlType::Real, Value::Double(0.5)),
            (SqlType::Double, Value::Double(-0.1)),
            (SqlType::Varchar { length: 3 }, Value::Text("äb".into())),
            (SqlType::Varbinary { length: 3 }, Value::Binary(vec![0, 255])),
            (SqlType::Date, Value::Date(-1)),
            (SqlType::Time, Value::Time(1)),
            (SqlType::Timestamp, Value::Timestamp(-5)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Year)), Value::IntervalMonths(12)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Day)), Value::IntervalMillis(12)),
        ]
    }

    fn batch(rows: usize, with_nulls: bool) -> (Batch, Vec<SqlType>) {
        let types: Vec<SqlType> = every_type().iter().map(|(sql_type, _)| *sql_type).collect();
        let columns = every_type().into_iter().map(|(sql_type, value)| {
            let value = |row: usize| if with_nulls && row % 3 == 1 { Value::Null } else { value.clone() };
            let values: Vec<Value> = (0..rows).map(value).collect();
            array_from_values(sql_type, &values).unwrap()
        });
        let rowtimes: Vec<i64> = (0..rows as i64).map(|row| row * row - 5).collect();
        (Batch::new(rowtimes.into(), columns.collect()), types)
    }

    #[test]
    fn rows_survive_the_way_through_bytes_also_as_a_slice() {
        for (rows, with_nulls) in [(0, false), (1, false), (1, true), (29, true), (30, false)] {
            let (whole, types) = batch(rows, with_nulls);
            for (from, length) in [(0, rows), (rows / 3, rows / 2)] {
                let batch = whole.slice(from, length);
                let mut bytes = Vec::new();
                put_batch(&mut bytes, &batch);
                let mut decoder = Decoder::new(&bytes);
                let again = take_batch(&mut decoder, &types).unwrap();
                decoder.end().unwrap();
                assert_eq!(again.rowtimes, batch.rowtimes);
                assert_eq!(again.columns, batch.columns);
                // Any cut is noticed, and nothing panics.
                for end in 0..bytes.len() {
                    assert!(take_batch(&mut Decoder::new(&bytes[..end]), &types).is_err(), "{end}");
                }
            }
        }
    }

    #[test]
    fn numbers_survive_the_way_through_bytes() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 16_384, u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX];
        let long = [0, -1, 1, i128::MIN, i128::MAX];
        let values: Vec<Value> = every_type().into_iter().map(|(_, value)| value).collect();
        numbers.iter().for_each(|number| put_u64(&mut bytes, *number));
        signed.iter().for_each(|number| put_i64(&mut bytes, *number));
        long.iter().for_each(|number| put_i128(&mut bytes, *number));
        values.iter().for_each(|value| put_value(&mut bytes, value));
        let mut decoder = Decoder::new(&bytes);
        assert!(numbers.iter().all(|number| decoder.u64().unwrap() == *number));
        assert!(signed.iter().all(|number| decoder.i64().unwrap() == *number));
        assert!(long.iter().all(|number| decoder.i128().unwrap() == *number));
        assert!(values.iter().all(|value| decoder.value().unwrap() == *value));
        assert!(decoder.is_empty());
        assert!(Decoder::new(&[0xff; 11]).u64().is_err());
    }
}

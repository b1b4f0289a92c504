//! Columns under construction, and how values of records become SQL values (the coercion table of the input).

use crate::batch::physical_type;
use crate::batch::primitive_array;
use crate::datetime_text::{parse_record_date, parse_record_time, parse_record_timestamp};
use crate::decimal::fits_precision;
use crate::number_text::{DecimalText, parse_double, parse_integer, trim_blanks};
use crate::text_builder::{TextBuilder, character_boundary};
use arrow_array::builder::BinaryBuilder;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::NullBufferBuilder;
use millstream_sql::SqlType;
use std::sync::Arc;

/// The value does not fit the column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfit;

/// A value of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecordValue<'a> {
    Null,
    Boolean(bool),
    /// The digits as they stand in the record.
    Number(&'a str),
    Text(&'a str),
    /// The compact source of an array or object.
    Source(&'a str),
}

/// A column of numbers and where it is NULL.
pub(super) struct Numbers<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Copy + Default> Numbers<T> {
    fn new() -> Numbers<T> {
        Numbers { values: Vec::new(), nulls: NullBufferBuilder::new(1024) }
    }

    #[inline(always)]
    fn push(&mut self, value: T) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    fn push_null(&mut self) {
        self.values.push(T::default());
        self.nulls.append_null();
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }

    fn finish<A: ArrowPrimitiveType<Native = T>>(&mut self, sql_type: SqlType) -> ArrayRef {
        let nulls = self.nulls.finish();
        // The next batch is probably as large.
        let next = Vec::with_capacity(self.values.len());
        primitive_array::<A>(std::mem::replace(&mut self.values, next), nulls, &physical_type(sql_type))
    }
}

enum Data {
    Boolean(Numbers<bool>),
    TinyInt(Numbers<i8>),
    SmallInt(Numbers<i16>),
    Integer(Numbers<i32>),
    BigInt(Numbers<i64>),
    Decimal(Numbers<i128>),
    Real(Numbers<f32>),
    Double(Numbers<f64>),
    Text(TextBuilder),
    Binary(Vec<Option<Vec<u8>>>),
    Date(Numbers<i32>),
    Time(Numbers<i32>),
    Timestamp(Numbers<i64>),
}

/// A column under construction.
pub(super) struct ColumnBuilder {
    sql_type: SqlType,
    length: usize,
    pad: bool,
    data: Data,
    /// The rows whose text or bytes were longer than the column.
    cut_rows: Vec<usize>,
}

impl ColumnBuilder {
    pub(super) fn new(sql_type: SqlType) -> ColumnBuilder {
        let data = match sql_type {
            SqlType::Boolean => Data::Boolean(Numbers::new()),
            SqlType::TinyInt => Data::TinyInt(Numbers::new()),
            SqlType::SmallInt => Data::SmallInt(Numbers::new()),
            SqlType::Integer => Data::Integer(Numbers::new()),
            SqlType::BigInt => Data::BigInt(Numbers::new()),
            SqlType::Decimal { .. } => Data::Decimal(Numbers::new()),
            SqlType::Real => Data::Real(Numbers::new()),
            SqlType::Double => Data::Double(Numbers::new()),
            SqlType::Binary { .. } | SqlType::Varbinary { .. } => Data::Binary(Vec::new()),
            SqlType::Date => Data::Date(Numbers::new()),
            SqlType::Time => Data::Time(Numbers::new()),
            SqlType::Timestamp => Data::Timestamp(Numbers::new()),
            SqlType::Char { .. } | SqlType::Varchar { .. } | SqlType::Null | SqlType::Interval(_) => {
                Data::Text(TextBuilder::with_capacity(0, 0))
            }
        };
        let pad = matches!(sql_type, SqlType::Char { .. } | SqlType::Binary { .. });
        ColumnBuilder {
            sql_type,
            length: sql_type.length().unwrap_or(u32::MAX) as usize,
            pad,
            data,
            cut_rows: Vec::new(),
        }
    }

    pub(super) fn sql_type(&self) -> SqlType {
        self.sql_type
    }

    /// Adds a value, converted by the coercion table.
    pub(super) fn push(&mut self, value: RecordValue<'_>) -> Result<(), Misfit> {
        match value {
            RecordValue::Null => {
                self.push_null();
                Ok(())
            }
            RecordValue::Text(text) => self.push_text(text),
            RecordValue::Number(digits) => self.push_number(digits),
            RecordValue::Boolean(value) => self.push_boolean(value),
            RecordValue::Source(source) => match &mut self.data {
                Data::Text(_) => self.push_text(source),
                _ => Err(Misfit),
            },
        }
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.data {
            Data::Boolean(column) => column.push_null(),
            Data::TinyInt(column) => column.push_null(),
            Data::SmallInt(column) => column.push_null(),
            Data::Integer(column) => column.push_null(),
            Data::BigInt(column) => column.push_null(),
            Data::Decimal(column) => column.push_null(),
            Data::Real(column) => column.push_null(),
            Data::Double(column) => column.push_null(),
            Data::Text(column) => column.push_null(),
            Data::Binary(column) => column.push(None),
            Data::Date(column) | Data::Time(column) => column.push_null(),
            Data::Timestamp(column) => column.push_null(),
        }
    }

    /// The text `source[start..end]`.
    #[inline]
    pub(super) fn push_text_within(&mut self, source: &str, start: usize, end: usize) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Text(column) if end - start <= self.length && !self.pad && column.has_room(end - start) => {
                column.write_within(source, start, end);
                column.finish_value();
                Ok(())
            }
            _ => self.push_text(&source[start..end]),
        }
    }

    /// The field `source[start..end]` of a CSV row: an empty one is NULL unless the column is text.
    #[inline]
    pub(super) fn push_field_within(&mut self, source: &str, start: usize, end: usize) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Integer(column) => {
                if let Some(value) = parse_integer(&source.as_bytes()[start..end])
                    && let Ok(value) = i32::try_from(value)
                {
                    column.push(value);
                    return Ok(());
                }
                self.push_field(&source[start..end])
            }
            Data::Text(_) => self.push_text_within(source, start, end),
            _ => self.push_field(&source[start..end]),
        }
    }

    /// A field of a CSV row: an empty one is NULL unless the column is text.
    #[inline]
    pub(super) fn push_field(&mut self, text: &str) -> Result<(), Misfit> {
        if text.is_empty() && !matches!(self.data, Data::Text(_)) {
            self.push_null();
            return Ok(());
        }
        self.push_text(text)
    }

    #[inline]
    fn push_text(&mut self, text: &str) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Text(column) => {
                let cut = if text.len() <= self.length {
                    text
                } else {
                    &text[..character_boundary(text, self.length)]
                };
                if !column.has_room(cut.len() + if self.pad { self.length } else { 0 }) {
                    return Err(Misfit);
                }
                if cut.len() < text.len() {
                    self.cut_rows.push(column.len());
                }
                column.write(cut);
                if self.pad {
                    (cut.chars().count()..self.length).for_each(|_| column.write(" "));
                }
                column.finish_value();
                Ok(())
            }
            Data::Boolean(column) => {
                column.push(text.trim_matches(' ').eq_ignore_ascii_case("true"));
                Ok(())
            }
            Data::Binary(column) => {
                let bytes = hexadecimal(trim_blanks(text.as_bytes())).ok_or(Misfit)?;
                if bytes.len() > self.length {
                    self.cut_rows.push(column.len());
                }
                column.push(Some(sized(bytes, self.length, self.pad)));
                Ok(())
            }
            Data::Date(column) => {
                column.push(parse_record_date(trim_blanks(text.as_bytes())).ok_or(Misfit)?);
                Ok(())
            }
            Data::Time(column) => {
                column.push(parse_record_time(trim_blanks(text.as_bytes())).ok_or(Misfit)?);
                Ok(())
            }
            Data::Timestamp(column) => {
                column.push(parse_record_timestamp(trim_blanks(text.as_bytes())).ok_or(Misfit)?);
                Ok(())
            }
            _ => self.push_digits(text.as_bytes()),
        }
    }

    fn push_number(&mut self, digits: &str) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Text(_) => self.push_text(digits),
            Data::Boolean(column) => {
                let number = DecimalText::parse(digits.as_bytes()).ok_or(Misfit)?;
                column.push(number.digits != 0);
                Ok(())
            }
            Data::Binary(_) | Data::Date(_) | Data::Time(_) | Data::Timestamp(_) => Err(Misfit),
            _ => self.push_digits(digits.as_bytes()),
        }
    }

    fn push_boolean(&mut self, value: bool) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Text(_) => self.push_text(if value { "true" } else { "false" }),
            Data::Boolean(column) => {
                column.push(value);
                Ok(())
            }
            Data::Binary(column) => {
                let mut bytes = vec![0; if self.pad { self.length } else { 1 }];
                if let Some(last) = bytes.last_mut() {
                    *last = u8::from(value);
                }
                column.push(Some(bytes));
                Ok(())
            }
            Data::Date(_) | Data::Time(_) | Data::Timestamp(_) => Err(Misfit),
            _ => self.push_digits(if value { b"1" } else { b"0" }),
        }
    }

    /// Digits into a column of numbers: they must fit without losing any, save fractions of DECIMAL, REAL and DOUBLE.
    #[inline]
    fn push_digits(&mut self, digits: &[u8]) -> Result<(), Misfit> {
        match &mut self.data {
            Data::Integer(column) => column.push(i32::try_from(whole_number(digits)?).map_err(|_| Misfit)?),
            Data::BigInt(column) => column.push(whole_number(digits)?),
            Data::SmallInt(column) => column.push(i16::try_from(whole_number(digits)?).map_err(|_| Misfit)?),
            Data::TinyInt(column) => column.push(i8::try_from(whole_number(digits)?).map_err(|_| Misfit)?),
            Data::Double(column) => {
                let value = parse_double(trim_blanks(digits)).filter(|value| value.is_finite());
                column.push(value.ok_or(Misfit)?);
            }
            Data::Real(column) => {
                let value = parse_double(trim_blanks(digits)).ok_or(Misfit)? as f32;
                if !value.is_finite() {
                    return Err(Misfit);
                }
                column.push(value);
            }
            Data::Decimal(column) => {
                let SqlType::Decimal { precision, scale } = self.sql_type else { return Err(Misfit) };
                let number = DecimalText::parse(trim_blanks(digits)).ok_or(Misfit)?;
                let scaled = number.to_scale(scale).filter(|digits| fits_precision(*digits, precision));
                column.push(scaled.ok_or(Misfit)?);
            }
            _ => return Err(Misfit),
        }
        Ok(())
    }

    /// Drops rows from the end until `rows` are left.
    pub(super) fn truncate(&mut self, rows: usize) {
        while self.cut_rows.last().is_some_and(|row| *row >= rows) {
            self.cut_rows.pop();
        }
        match &mut self.data {
            Data::Boolean(column) => column.truncate(rows),
            Data::TinyInt(column) => column.truncate(rows),
            Data::SmallInt(column) => column.truncate(rows),
            Data::Integer(column) => column.truncate(rows),
            Data::BigInt(column) => column.truncate(rows),
            Data::Decimal(column) => column.truncate(rows),
            Data::Real(column) => column.truncate(rows),
            Data::Double(column) => column.truncate(rows),
            Data::Text(column) => column.truncate_rows(rows),
            Data::Binary(column) => column.truncate(rows),
            Data::Date(column) | Data::Time(column) => column.truncate(rows),
            Data::Timestamp(column) => column.truncate(rows),
        }
    }

    /// The rows whose values were cut to the length of the column since the last call, ascending.
    pub(super) fn take_cut_rows(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.cut_rows)
    }

    /// The column; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let sql_type = self.sql_type;
        match &mut self.data {
            Data::Boolean(column) => {
                let nulls = column.nulls.finish();
                Arc::new(BooleanArray::new(std::mem::take(&mut column.values).into(), nulls))
            }
            Data::TinyInt(column) => column.finish::<Int8Type>(sql_type),
            Data::SmallInt(column) => column.finish::<Int16Type>(sql_type),
            Data::Integer(column) => column.finish::<Int32Type>(sql_type),
            Data::BigInt(column) => column.finish::<Int64Type>(sql_type),
            Data::Decimal(column) => column.finish::<Decimal128Type>(sql_type),
            Data::Real(column) => column.finish::<Float32Type>(sql_type),
            Data::Double(column) => column.finish::<Float64Type>(sql_type),
            Data::Text(column) => {
                let fresh = TextBuilder::with_capacity(column.len(), column.byte_len());
                Arc::new(std::mem::replace(column, fresh).finish())
            }
            Data::Binary(column) => {
                let mut builder = BinaryBuilder::new();
                column.drain(..).for_each(|value| builder.append_option(value));
                Arc::new(builder.finish())
            }
            Data::Date(column) => column.finish::<Date32Type>(sql_type),
            Data::Time(column) => column.finish::<Time32MillisecondType>(sql_type),
            Data::Timestamp(column) => column.finish::<TimestampMillisecondType>(sql_type),
        }
    }
}

#[inline]
fn whole_number(digits: &[u8]) -> Result<i64, Misfit> {
    if let Some(value) = parse_integer(digits) {
        return Ok(value);
    }
    let trimmed = trim_blanks(digits);
    if let Some(value) = parse_integer(trimmed) {
        return Ok(value);
    }
    let number = DecimalText::parse(trimmed).ok_or(Misfit)?;
    if number.has_fraction() {
        return Err(Misfit);
    }
    number.to_scale(0).and_then(|value| i64::try_from(value).ok()).ok_or(Misfit)
}

/// `X'3F67'` with an even number of digits.
fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"X'").or(text.strip_prefix(b"x'"))?.strip_suffix(b"'")?;
    if digits.len() % 2 != 0 {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

fn sized(mut bytes: Vec<u8>, length: usize, pad: bool) -> Vec<u8> {
    bytes.truncate(length);
    if pad {
        bytes.resize(length, 0);
    }
    bytes
}

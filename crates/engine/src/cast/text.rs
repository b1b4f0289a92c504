//! Anything to CHAR and VARCHAR.
//!
//! Too long a result: texts and intervals are cut, numbers, datetimes and booleans are row errors. CHAR is filled
//! up with blanks.

use crate::cast::Cast;
use crate::datum::{Arguments, Kernel};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, StringArray};
use millstream_columns::datetime_text::{
    write_date, write_interval_millis, write_interval_months, write_millis, write_time, write_timestamp,
};
use millstream_columns::number_text::{write_decimal, write_integer, write_java_double, write_java_float};
use millstream_columns::text_builder::{TextBuilder, character_boundary};
use millstream_columns::{RowError, RowErrors};
use millstream_sql::{CastMode, SqlType};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The conversion; `None` when there is none, `Some(None)` when the values stay as they are.
pub(super) fn to_text(from: SqlType, to: SqlType, _mode: CastMode) -> Option<Option<Cast>> {
    let length = to.length()? as usize;
    let pad = matches!(to, SqlType::Char { .. });
    if from.is_character() {
        let fits = from.length().is_some_and(|from| from as usize <= length);
        if fits && !pad {
            return Some(None);
        }
        return Some(Cast::safe(text_to_text(length, pad, None)));
    }
    let target = Target { length, pad, cut: from.is_interval(), from, to };
    let kernel: Kernel = match from {
        SqlType::Boolean => Box::new(move |arguments, errors| {
            let array = arguments.boolean(0);
            let mut builder = TextBuilder::with_capacity(arguments.rows, arguments.rows * 5);
            for row in 0..arguments.rows {
                if array.is_null(row) {
                    builder.push_null();
                } else {
                    let text = if array.value(row) { "TRUE" } else { "FALSE" };
                    target.push(&mut builder, text, row, errors);
                }
            }
            Arc::new(builder.finish())
        }),
        SqlType::TinyInt => written::<Int8Type>(target, |out, value| write_integer(out, i64::from(value))),
        SqlType::SmallInt => written::<Int16Type>(target, |out, value| write_integer(out, i64::from(value))),
        SqlType::Integer => written::<Int32Type>(target, |out, value| write_integer(out, i64::from(value))),
        SqlType::BigInt => written::<Int64Type>(target, write_integer),
        SqlType::Decimal { scale, .. } => {
            written::<Decimal128Type>(target, move |out, value| write_decimal(out, value, scale))
        }
        SqlType::Real => written::<Float32Type>(target, write_java_float),
        SqlType::Double => written::<Float64Type>(target, write_java_double),
        SqlType::Date => written::<Date32Type>(target, |out, days| write_date(out, i64::from(days))),
        SqlType::Time => written::<Time32MillisecondType>(target, |out, millis| {
            write_time(out, i64::from(millis));
            if millis % 1_000 != 0 {
                write_millis(out, i64::from(millis));
            }
        }),
        SqlType::Timestamp => {
            written::<TimestampMillisecondType>(target, |out, millis| write_timestamp(out, millis, false))
        }
        SqlType::Interval(qualifier) if qualifier.is_year_month() => {
            written::<Int32Type>(target, move |out, months| write_interval_months(out, months, qualifier))
        }
        SqlType::Interval(qualifier) => written::<DurationMillisecondType>(target, move |out, millis| {
            write_interval_millis(out, millis, qualifier);
        }),
        _ => return None,
    };
    Some(Cast::failing(kernel))
}

#[derive(Clone, Copy)]
struct Target {
    length: usize,
    pad: bool,
    cut: bool,
    from: SqlType,
    to: SqlType,
}

impl Target {
    /// Adds a row of ASCII text: cut, filled up or refused as the types demand.
    fn push(&self, builder: &mut TextBuilder, text: &str, row: usize, errors: &mut RowErrors) {
        if text.len() > self.length && !self.cut {
            errors.push(row, RowError::cast(format!("{} {text} does not fit {}", self.from, self.to)));
            builder.push_null();
            return;
        }
        builder.write(&text[..text.len().min(self.length)]);
        if self.pad {
            (text.len()..self.length).for_each(|_| builder.write(" "));
        }
        builder.finish_value();
    }
}

/// Writes each number with `write`, which makes ASCII.
fn written<T: ArrowPrimitiveType>(
    target: Target,
    write: impl Fn(&mut Vec<u8>, T::Native) + Send + Sync + 'static,
) -> Kernel {
    Box::new(move |arguments: &Arguments<'_>, errors: &mut RowErrors| {
        let values = arguments.lane::<T>(0);
        let nulls = arguments.array(0).nulls();
        let mut builder = TextBuilder::with_capacity(arguments.rows, arguments.rows * 8);
        let mut scratch = Vec::with_capacity(40);
        for row in 0..arguments.rows {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                builder.push_null();
                continue;
            }
            scratch.clear();
            write(&mut scratch, values.get(row));
            let text = std::str::from_utf8(&scratch).unwrap_or_default();
            target.push(&mut builder, text, row, errors);
        }
        Arc::new(builder.finish())
    })
}

/// The conversion of texts into a column of another length, with `cut` counting the texts that are cut; `None` for other
/// types, and where no text can be too long.
pub(crate) fn counted_text(from: SqlType, to: SqlType, cut: Arc<AtomicU64>) -> Option<Kernel> {
    let length = to.length()?;
    let can_cut = from.is_character() && to.is_character() && from.length().is_none_or(|from| from > length);
    can_cut.then(|| text_to_text(length as usize, matches!(to, SqlType::Char { .. }), Some(cut)))
}

/// Cuts texts to `length` characters; fills them up with blanks when `pad`.
fn text_to_text(length: usize, pad: bool, cut: Option<Arc<AtomicU64>>) -> Kernel {
    Box::new(move |arguments, _| {
        let array = arguments.text(0).array();
        if !pad && longest(array) <= length {
            return Arc::clone(arguments.array(0));
        }
        let mut builder =
            TextBuilder::with_capacity(array.len(), array.values().len().min(i32::MAX as usize));
        for text in array.iter() {
            let Some(text) = text else {
                builder.push_null();
                continue;
            };
            if let Some(cut) = &cut
                && text.len() > length
                && character_boundary(text, length) < text.len()
            {
                // Only a number for people: nothing waits for it.
                cut.fetch_add(1, Ordering::Relaxed);
            }
            push_sized(&mut builder, text, length, pad);
        }
        Arc::new(builder.finish()) as ArrayRef
    })
}

/// Adds a text, cut to `length` characters and filled up to them when `pad`.
pub(crate) fn push_sized(builder: &mut TextBuilder, text: &str, length: usize, pad: bool) {
    let cut = &text[..character_boundary(text, length)];
    builder.write(cut);
    if pad {
        (cut.chars().count()..length).for_each(|_| builder.write(" "));
    }
    builder.finish_value();
}

/// Bytes of the longest text.
fn longest(array: &StringArray) -> usize {
    let offsets = array.value_offsets();
    offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) as usize
}

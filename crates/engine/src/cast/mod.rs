//! CAST: every documented conversion between SQL types, in the three modes of the plan.
//!
//! | file | conversions |
//! |---|---|
//! | [`numbers`] | numbers to numbers, texts to numbers and booleans |
//! | [`text`] | anything to CHAR and VARCHAR |
//! | [`datetimes`] | datetimes to datetimes, texts to datetimes |
//! | [`intervals`] | intervals to intervals and numbers, texts to intervals |

mod datetimes;
mod intervals;
mod numbers;
pub(crate) mod text;

use crate::datum::Kernel;
use crate::expression::CompileError;
use arrow_array::cast::AsArray;
use millstream_columns::text_builder::binary_array;
use millstream_sql::{CastMode, SqlType};
use std::sync::Arc;

/// A conversion ready to run.
pub(crate) struct Cast {
    pub(crate) kernel: Kernel,
    pub(crate) can_fail: bool,
    /// The result depends on the current date.
    pub(crate) uses_clock: bool,
}

impl Cast {
    fn safe(kernel: Kernel) -> Option<Cast> {
        Some(Cast { kernel, can_fail: false, uses_clock: false })
    }

    fn failing(kernel: Kernel) -> Option<Cast> {
        Some(Cast { kernel, can_fail: true, uses_clock: false })
    }
}

/// The conversion from one type to another; `None` when the values stay as they are.
pub(crate) fn cast(from: SqlType, to: SqlType, mode: CastMode) -> Result<Option<Cast>, CompileError> {
    if from == to {
        return Ok(None);
    }
    let unsupported = || CompileError::Cast { from, to };
    if to.is_character() {
        return text::to_text(from, to, mode).ok_or_else(unsupported);
    }
    match (from, to) {
        (from, to) if from.is_numeric() && to.is_numeric() => numbers::number_to_number(from, to),
        (from, SqlType::Boolean) if from.is_character() => Ok(numbers::text_to_boolean()),
        (from, to) if from.is_character() && to.is_numeric() => numbers::text_to_number(to),
        (from, to) if from.is_character() && to.is_datetime() => datetimes::text_to_datetime(to),
        (from, SqlType::Interval(qualifier)) if from.is_character() => {
            Ok(intervals::text_to_interval(qualifier))
        }
        (from, to) if from.is_datetime() && to.is_datetime() => datetimes::datetime_to_datetime(from, to),
        (SqlType::Interval(from), SqlType::Interval(to)) if from.is_year_month() == to.is_year_month() => {
            Ok(intervals::interval_to_interval(from, to, mode))
        }
        (SqlType::Interval(qualifier), to) if to.is_numeric() => intervals::interval_to_number(qualifier, to),
        (
            SqlType::Binary { .. } | SqlType::Varbinary { .. },
            SqlType::Binary { length } | SqlType::Varbinary { length },
        ) => Ok(Cast::safe(binary(length as usize, matches!(to, SqlType::Binary { .. })))),
        _ => Err(unsupported()),
    }
}

/// Cuts byte strings to `length`, or fills them with zeros up to it.
fn binary(length: usize, pad: bool) -> Kernel {
    Box::new(move |arguments, _| {
        let array = arguments.array(0).as_binary::<i32>();
        let rows: Vec<Option<Vec<u8>>> = array
            .iter()
            .map(|bytes| {
                bytes.map(|bytes| {
                    let mut bytes = bytes[..bytes.len().min(length)].to_vec();
                    if pad {
                        bytes.resize(length, 0);
                    }
                    bytes
                })
            })
            .collect();
        Arc::new(binary_array(rows.iter().map(Option::as_deref)))
    })
}

//! Numbers to numbers, texts to numbers and booleans. Fractions round half away from zero; what does not fit is a
//! row error.

use crate::cast::Cast;
use crate::datum::{Arguments, Kernel, checked_unary, unary};
use crate::expression::CompileError;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::NullBufferBuilder;
use millstream_columns::decimal::{divide_half_up, fits_precision, power_of_ten, rescale};
use millstream_columns::number_text::{DecimalText, parse_double, parse_integer, trim_blanks};
use millstream_columns::{RowError, RowErrors, physical_type, primitive_array};
use millstream_sql::SqlType;
use std::sync::Arc;

fn out_of_range(value: impl std::fmt::Display, to: SqlType) -> RowError {
    RowError::overflow(format!("{value} is out of the range of {to}"))
}

/// Rounds half away from zero; the flag says that the result does not fit 64 bits.
#[inline(always)]
fn round_double(value: f64) -> (i64, bool) {
    // The largest double below one half: adding 0.5 itself would lift 0.49999999999999994 to 1.
    const ALMOST_HALF: f64 = 0.499_999_999_999_999_94;
    const TWO_TO_63: f64 = -(i64::MIN as f64);
    let rounded = value + ALMOST_HALF.copysign(value);
    (rounded as i64, !(-TWO_TO_63..TWO_TO_63).contains(&rounded))
}

pub(super) fn number_to_number(from: SqlType, to: SqlType) -> Result<Option<Cast>, CompileError> {
    let data_type = physical_type(to);
    macro_rules! to_integer {
        ($source:ty, $target:ty, $native:ty, $widen:expr) => {{
            let kernel: Kernel = Box::new(move |arguments, errors| {
                checked_unary::<$source, $target>(
                    arguments,
                    &data_type,
                    errors,
                    |value| {
                        let (wide, bad): (i64, bool) = $widen(value);
                        let narrow = wide as $native;
                        (narrow, bad | (i64::from(narrow) != wide))
                    },
                    |value| out_of_range(value, to),
                )
            });
            kernel
        }};
    }
    macro_rules! integer_source {
        ($source:ty) => {
            match to {
                SqlType::TinyInt => to_integer!($source, Int8Type, i8, |value| (i64::from(value), false)),
                SqlType::SmallInt => to_integer!($source, Int16Type, i16, |value| (i64::from(value), false)),
                SqlType::Integer => to_integer!($source, Int32Type, i32, |value| (i64::from(value), false)),
                SqlType::BigInt => to_integer!($source, Int64Type, i64, |value| (i64::from(value), false)),
                SqlType::Decimal { precision, scale } => {
                    let unit = power_of_ten(u32::from(scale)).unwrap_or(i128::MAX);
                    Box::new(move |arguments, errors| {
                        checked_unary::<$source, Decimal128Type>(
                            arguments,
                            &data_type,
                            errors,
                            |value| match i128::from(value).checked_mul(unit) {
                                Some(digits) if fits_precision(digits, precision) => (digits, false),
                                _ => (0, true),
                            },
                            |value| out_of_range(value, to),
                        )
                    })
                }
                SqlType::Real => Box::new(move |arguments, _| {
                    unary::<$source, Float32Type>(arguments, &data_type, |value| value as f32)
                }),
                _ => Box::new(move |arguments, _| {
                    unary::<$source, Float64Type>(arguments, &data_type, |value| value as f64)
                }),
            }
        };
    }
    macro_rules! float_source {
        ($source:ty, $decimal:path) => {
            match to {
                SqlType::TinyInt => {
                    to_integer!($source, Int8Type, i8, |value| round_double(f64::from(value)))
                }
                SqlType::SmallInt => {
                    to_integer!($source, Int16Type, i16, |value| round_double(f64::from(value)))
                }
                SqlType::Integer => {
                    to_integer!($source, Int32Type, i32, |value| round_double(f64::from(value)))
                }
                SqlType::BigInt => {
                    to_integer!($source, Int64Type, i64, |value| round_double(f64::from(value)))
                }
                SqlType::Decimal { precision, scale } => Box::new(move |arguments, errors| {
                    checked_unary::<$source, Decimal128Type>(
                        arguments,
                        &data_type,
                        errors,
                        |value| match $decimal(value).and_then(|text| text.to_scale(scale)) {
                            Some(digits) if fits_precision(digits, precision) => (digits, false),
                            _ => (0, true),
                        },
                        |value| out_of_range(value, to),
                    )
                }),
                SqlType::Real => Box::new(move |arguments, errors| {
                    checked_unary::<$source, Float32Type>(
                        arguments,
                        &data_type,
                        errors,
                        |value| {
                            let narrow = value as f32;
                            (narrow, narrow.is_infinite() & value.is_finite())
                        },
                        |value| out_of_range(value, to),
                    )
                }),
                _ => Box::new(move |arguments, _| {
                    unary::<$source, Float64Type>(arguments, &data_type, |value| f64::from(value))
                }),
            }
        };
    }
    let kernel: Kernel = match from {
        SqlType::TinyInt => integer_source!(Int8Type),
        SqlType::SmallInt => integer_source!(Int16Type),
        SqlType::Integer => integer_source!(Int32Type),
        SqlType::BigInt => integer_source!(Int64Type),
        SqlType::Real => float_source!(Float32Type, DecimalText::from_float),
        SqlType::Double => float_source!(Float64Type, DecimalText::from_double),
        SqlType::Decimal { scale, .. } => decimal_to_number(scale, to),
        _ => return Err(CompileError::Cast { from, to }),
    };
    let widening = matches!((from.numeric_rank(), to.numeric_rank()), (Some(from), Some(to)) if from < to);
    let can_fail = !widening || matches!(to, SqlType::Decimal { .. });
    Ok(Some(Cast { kernel, can_fail, uses_clock: false }))
}

fn decimal_to_number(scale: u8, to: SqlType) -> Kernel {
    let data_type = physical_type(to);
    let unit = power_of_ten(u32::from(scale)).unwrap_or(i128::MAX);
    macro_rules! to_integer {
        ($target:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                checked_unary::<Decimal128Type, $target>(
                    arguments,
                    &data_type,
                    errors,
                    |digits| {
                        let rounded = divide_half_up(digits, unit);
                        match rounded.and_then(|rounded| <$native>::try_from(rounded).ok()) {
                            Some(value) => (value, false),
                            None => (0, true),
                        }
                    },
                    |digits| out_of_range(decimal_display(digits, scale), to),
                )
            })
        };
    }
    match to {
        SqlType::TinyInt => to_integer!(Int8Type, i8),
        SqlType::SmallInt => to_integer!(Int16Type, i16),
        SqlType::Integer => to_integer!(Int32Type, i32),
        SqlType::BigInt => to_integer!(Int64Type, i64),
        SqlType::Decimal { precision, scale: to_scale } => Box::new(move |arguments, errors| {
            checked_unary::<Decimal128Type, Decimal128Type>(
                arguments,
                &data_type,
                errors,
                |digits| match rescale(digits, scale, to_scale) {
                    Some(digits) if fits_precision(digits, precision) => (digits, false),
                    _ => (0, true),
                },
                |digits| out_of_range(decimal_display(digits, scale), to),
            )
        }),
        SqlType::Real => Box::new(move |arguments, _| {
            unary::<Decimal128Type, Float32Type>(arguments, &data_type, |digits| {
                decimal_to_double(digits, scale) as f32
            })
        }),
        _ => Box::new(move |arguments, _| {
            unary::<Decimal128Type, Float64Type>(arguments, &data_type, |digits| {
                decimal_to_double(digits, scale)
            })
        }),
    }
}

fn decimal_display(digits: i128, scale: u8) -> String {
    let mut out = Vec::new();
    millstream_columns::number_text::write_decimal(&mut out, digits, scale);
    String::from_utf8_lossy(&out).into_owned()
}

/// The double nearest to a DECIMAL: one division when both sides are exact, else by way of text.
pub(crate) fn decimal_to_double(digits: i128, scale: u8) -> f64 {
    const EXACT: u128 = 1 << 53;
    if digits.unsigned_abs() <= EXACT && scale <= 22 {
        return digits as f64 / 10f64.powi(i32::from(scale));
    }
    parse_double(decimal_display(digits, scale).as_bytes()).unwrap_or(f64::NAN)
}

/// Converts each text by `convert`; its error is the row's.
pub(super) fn from_texts<T: ArrowPrimitiveType>(
    arguments: &Arguments<'_>,
    errors: &mut RowErrors,
    to: SqlType,
    convert: impl Fn(&str) -> Result<T::Native, RowError>,
) -> ArrayRef {
    let texts = arguments.text(0);
    let mut nulls = NullBufferBuilder::new(arguments.rows);
    let values = (0..arguments.rows)
        .map(|row| match texts.get(row).map(&convert) {
            Some(Ok(value)) => {
                nulls.append_non_null();
                value
            }
            Some(Err(error)) => {
                errors.push(row, error);
                nulls.append_null();
                T::Native::default()
            }
            None => {
                nulls.append_null();
                T::Native::default()
            }
        })
        .collect();
    primitive_array::<T>(values, nulls.finish(), &physical_type(to))
}

fn not_a_number(text: &str, to: SqlType) -> RowError {
    RowError::cast(format!("'{text}' is not a number, so it cannot become {to}"))
}

fn text_to_integer(text: &str, to: SqlType) -> Result<i64, RowError> {
    let trimmed = trim_blanks(text.as_bytes());
    if let Some(value) = parse_integer(trimmed) {
        return Ok(value);
    }
    let number = DecimalText::parse(trimmed).ok_or_else(|| not_a_number(text, to))?;
    let rounded = number.to_scale(0).and_then(|digits| i64::try_from(digits).ok());
    rounded.ok_or_else(|| out_of_range(text, to))
}

pub(super) fn text_to_number(to: SqlType) -> Result<Option<Cast>, CompileError> {
    macro_rules! to_integer {
        ($target:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                from_texts::<$target>(arguments, errors, to, |text| {
                    let value = text_to_integer(text, to)?;
                    <$native>::try_from(value).map_err(|_| out_of_range(text, to))
                })
            })
        };
    }
    let kernel: Kernel = match to {
        SqlType::TinyInt => to_integer!(Int8Type, i8),
        SqlType::SmallInt => to_integer!(Int16Type, i16),
        SqlType::Integer => to_integer!(Int32Type, i32),
        SqlType::BigInt => to_integer!(Int64Type, i64),
        SqlType::Decimal { precision, scale } => Box::new(move |arguments, errors| {
            from_texts::<Decimal128Type>(arguments, errors, to, |text| {
                let number =
                    DecimalText::parse(trim_blanks(text.as_bytes())).ok_or_else(|| not_a_number(text, to))?;
                number
                    .to_scale(scale)
                    .filter(|digits| fits_precision(*digits, precision))
                    .ok_or_else(|| out_of_range(text, to))
            })
        }),
        SqlType::Real => Box::new(move |arguments, errors| {
            from_texts::<Float32Type>(arguments, errors, to, |text| {
                let value =
                    parse_double(trim_blanks(text.as_bytes())).ok_or_else(|| not_a_number(text, to))?;
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(out_of_range(text, to));
                }
                Ok(narrow)
            })
        }),
        SqlType::Double => Box::new(move |arguments, errors| {
            from_texts::<Float64Type>(arguments, errors, to, |text| {
                parse_double(trim_blanks(text.as_bytes())).ok_or_else(|| not_a_number(text, to))
            })
        }),
        _ => return Err(CompileError::Cast { from: SqlType::Varchar { length: 1 }, to }),
    };
    Ok(Cast::failing(kernel))
}

/// TRUE and FALSE in any case; nothing else.
pub(super) fn text_to_boolean() -> Option<Cast> {
    Cast::failing(Box::new(|arguments, errors| {
        let texts = arguments.text(0);
        let values: Vec<Option<bool>> = (0..arguments.rows)
            .map(|row| {
                let text = texts.get(row)?;
                let trimmed = text.trim_matches(' ');
                if trimmed.eq_ignore_ascii_case("true") {
                    return Some(true);
                }
                if trimmed.eq_ignore_ascii_case("false") {
                    return Some(false);
                }
                errors.push(row, RowError::cast(format!("'{text}' is neither TRUE nor FALSE")));
                None
            })
            .collect();
        Arc::new(BooleanArray::from(values))
    }))
}

//! Intervals to intervals and numbers, texts to intervals.

use crate::cast::Cast;
use crate::cast::numbers::from_texts;
use crate::datum::{Kernel, checked_unary};
use crate::expression::CompileError;
use crate::expression::datetime::resolution;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type,
};
use millstream_columns::RowError;
use millstream_columns::datetime_text::parse_interval;
use millstream_columns::decimal::{divide_half_up, fits_precision, power_of_ten};
use millstream_columns::number_text::trim_blanks;
use millstream_columns::physical_type;
use millstream_sql::{CastMode, IntervalQualifier, SqlType, TimeUnit};

/// Milliseconds, or months, of one unit of an interval's leading field.
fn leading_unit(qualifier: IntervalQualifier) -> i64 {
    match qualifier.leading {
        TimeUnit::Year => 12,
        TimeUnit::Month => 1,
        unit => unit.millis().unwrap_or(1),
    }
}

/// Drops the fields below the target's last; a written CAST also checks the digits of the leading field.
pub(super) fn interval_to_interval(
    from: IntervalQualifier,
    to: IntervalQualifier,
    mode: CastMode,
) -> Option<Cast> {
    let check = mode == CastMode::Explicit;
    if !check && from.trailing <= to.trailing {
        return None;
    }
    let unit = leading_unit(to);
    let limit = 10i64.pow(u32::from(to.leading_precision.min(10)));
    let too_long = move || {
        RowError::cast(format!(
            "the interval has more than {} digits in its field {}",
            to.leading_precision,
            to.leading.name()
        ))
    };
    let data_type = physical_type(SqlType::Interval(to));
    let kernel: Kernel = if to.is_year_month() {
        let cut = if to.trailing == TimeUnit::Year { 12 } else { 1 };
        Box::new(move |arguments, errors| {
            checked_unary::<Int32Type, Int32Type>(
                arguments,
                &data_type,
                errors,
                |months| (months / cut * cut, check && i64::from(months).abs() / unit >= limit),
                |_| too_long(),
            )
        })
    } else {
        let fraction = match to.trailing {
            TimeUnit::Second => 10i64.pow(3 - u32::from(to.fraction_precision.min(3))),
            _ => resolution(to),
        };
        Box::new(move |arguments, errors| {
            checked_unary::<DurationMillisecondType, DurationMillisecondType>(
                arguments,
                &data_type,
                errors,
                |millis| {
                    let leading = (millis / unit).unsigned_abs();
                    (millis / fraction * fraction, check && leading >= limit as u64)
                },
                |_| too_long(),
            )
        })
    };
    Some(Cast { kernel, can_fail: check, uses_clock: false })
}

/// The number of units of an interval of one field; seconds keep their fraction where the number can hold it.
pub(super) fn interval_to_number(
    qualifier: IntervalQualifier,
    to: SqlType,
) -> Result<Option<Cast>, CompileError> {
    let kernel = if qualifier.is_year_month() {
        to_number::<Int32Type>(qualifier, to)?
    } else {
        to_number::<DurationMillisecondType>(qualifier, to)?
    };
    Ok(Cast::failing(kernel))
}

fn to_number<S: ArrowPrimitiveType>(qualifier: IntervalQualifier, to: SqlType) -> Result<Kernel, CompileError>
where
    S::Native: Into<i128>,
{
    let data_type = physical_type(to);
    let unit = i128::from(leading_unit(qualifier));
    let single = qualifier.is_single();
    let error = move || {
        if single {
            RowError::cast(format!("the interval does not fit {to}"))
        } else {
            RowError::cast(format!(
                "only an interval of one field becomes a number, not INTERVAL {qualifier}"
            ))
        }
    };
    macro_rules! to_integer {
        ($target:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                checked_unary::<S, $target>(
                    arguments,
                    &data_type,
                    errors,
                    |value| {
                        let units = divide_half_up(value.into(), unit);
                        match units.and_then(|units| <$native>::try_from(units).ok()) {
                            Some(units) if single => (units, false),
                            _ => (0, true),
                        }
                    },
                    |_| error(),
                )
            })
        };
    }
    let kernel: Kernel = match to {
        SqlType::TinyInt => to_integer!(Int8Type, i8),
        SqlType::SmallInt => to_integer!(Int16Type, i16),
        SqlType::Integer => to_integer!(Int32Type, i32),
        SqlType::BigInt => to_integer!(Int64Type, i64),
        SqlType::Decimal { precision, scale } => {
            let factor = power_of_ten(u32::from(scale)).unwrap_or(i128::MAX);
            Box::new(move |arguments, errors| {
                checked_unary::<S, Decimal128Type>(
                    arguments,
                    &data_type,
                    errors,
                    |value| {
                        let scaled = value.into().checked_mul(factor);
                        match scaled.and_then(|scaled| divide_half_up(scaled, unit)) {
                            Some(digits) if single && fits_precision(digits, precision) => (digits, false),
                            _ => (0, true),
                        }
                    },
                    |_| error(),
                )
            })
        }
        SqlType::Real => Box::new(move |arguments, errors| {
            checked_unary::<S, Float32Type>(
                arguments,
                &data_type,
                errors,
                |value| ((value.into() as f64 / unit as f64) as f32, !single),
                |_| error(),
            )
        }),
        SqlType::Double => Box::new(move |arguments, errors| {
            checked_unary::<S, Float64Type>(
                arguments,
                &data_type,
                errors,
                |value| (value.into() as f64 / unit as f64, !single),
                |_| error(),
            )
        }),
        _ => return Err(CompileError::Cast { from: SqlType::Interval(qualifier), to }),
    };
    Ok(kernel)
}

pub(super) fn text_to_interval(qualifier: IntervalQualifier) -> Option<Cast> {
    let to = SqlType::Interval(qualifier);
    let refused = move |text: &str| RowError::cast(format!("'{text}' is not an interval {qualifier}"));
    if qualifier.is_year_month() {
        return Cast::failing(Box::new(move |arguments, errors| {
            from_texts::<Int32Type>(arguments, errors, to, |text| {
                parse_interval(trim_blanks(text.as_bytes()), qualifier)
                    .and_then(|months| i32::try_from(months).ok())
                    .ok_or_else(|| refused(text))
            })
        }));
    }
    Cast::failing(Box::new(move |arguments, errors| {
        from_texts::<DurationMillisecondType>(arguments, errors, to, |text| {
            parse_interval(trim_blanks(text.as_bytes()), qualifier).ok_or_else(|| refused(text))
        })
    }))
}

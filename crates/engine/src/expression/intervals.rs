//! Arithmetic of intervals: sums, and products with numbers.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary};
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, DurationMillisecondType, Float64Type, Int32Type, Int64Type,
};
use millstream_columns::RowError;
use millstream_columns::decimal::power_of_ten;
use millstream_columns::physical_type;
use millstream_sql::{IntervalQualifier, SqlType};

fn out_of_range() -> RowError {
    RowError::overflow("the interval is out of range")
}

/// `interval + interval` and `interval - interval`.
pub(crate) fn sum(qualifier: IntervalQualifier, subtract: bool) -> Kernel {
    let result = physical_type(SqlType::Interval(qualifier));
    if qualifier.is_year_month() {
        return Box::new(move |arguments, errors| {
            checked_binary::<Int32Type, Int32Type, Int32Type>(
                arguments,
                &result,
                errors,
                |left, right| {
                    if subtract { left.overflowing_sub(right) } else { left.overflowing_add(right) }
                },
                |_, _| out_of_range(),
            )
        });
    }
    Box::new(move |arguments, errors| {
        checked_binary::<DurationMillisecondType, DurationMillisecondType, DurationMillisecondType>(
            arguments,
            &result,
            errors,
            |left, right| if subtract { left.overflowing_sub(right) } else { left.overflowing_add(right) },
            |_, _| out_of_range(),
        )
    })
}

/// `interval * number` and `interval / number`, toward zero.
pub(crate) fn scale(
    qualifier: IntervalQualifier,
    factor: SqlType,
    divide: bool,
) -> Result<Kernel, CompileError> {
    if qualifier.is_year_month() {
        scale_of::<Int32Type>(qualifier, factor, divide, |value| i32::try_from(value).ok())
    } else {
        scale_of::<DurationMillisecondType>(qualifier, factor, divide, |value| i64::try_from(value).ok())
    }
}

fn scale_of<T: ArrowPrimitiveType>(
    qualifier: IntervalQualifier,
    factor: SqlType,
    divide: bool,
    narrow: fn(i128) -> Option<T::Native>,
) -> Result<Kernel, CompileError>
where
    T::Native: Into<i128>,
{
    let result = physical_type(SqlType::Interval(qualifier));
    let outcome = move |value: Option<i128>| match value.and_then(narrow) {
        Some(value) => (value, false),
        None => (T::Native::default(), true),
    };
    let reason = move |zero: bool| if divide && zero { RowError::division_by_zero() } else { out_of_range() };
    let kernel: Kernel = match factor {
        SqlType::BigInt => Box::new(move |arguments, errors| {
            checked_binary::<T, Int64Type, T>(
                arguments,
                &result,
                errors,
                |interval, factor| {
                    let (interval, factor) = (interval.into(), i128::from(factor));
                    let value =
                        if divide { interval.checked_div(factor) } else { interval.checked_mul(factor) };
                    outcome(value)
                },
                |_, factor| reason(factor == 0),
            )
        }),
        SqlType::Decimal { scale, .. } => {
            let unit = power_of_ten(u32::from(scale)).unwrap_or(i128::MAX);
            Box::new(move |arguments, errors| {
                checked_binary::<T, Decimal128Type, T>(
                    arguments,
                    &result,
                    errors,
                    |interval, factor| {
                        let interval: i128 = interval.into();
                        let value = if divide {
                            interval.checked_mul(unit).and_then(|value| value.checked_div(factor))
                        } else {
                            interval.checked_mul(factor).map(|value| value / unit)
                        };
                        outcome(value)
                    },
                    |_, factor| reason(factor == 0),
                )
            })
        }
        SqlType::Double => Box::new(move |arguments, errors| {
            checked_binary::<T, Float64Type, T>(
                arguments,
                &result,
                errors,
                |interval, factor| {
                    let interval = Into::<i128>::into(interval) as f64;
                    let value = if divide { interval / factor } else { interval * factor };
                    outcome((value.abs() < 1e19).then_some(value.trunc() as i128))
                },
                |_, factor| reason(factor == 0.0),
            )
        }),
        other => {
            return Err(CompileError::OperandTypes {
                operation: "scaling of an interval",
                types: other.to_string(),
            });
        }
    };
    Ok(kernel)
}

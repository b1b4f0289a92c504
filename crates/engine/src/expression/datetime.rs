//! Datetimes: shifting by intervals, differences, FLOOR / CEIL to a unit, STEP, EXTRACT.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary, checked_unary, unary};
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMillisecondType,
};
use millstream_columns::RowError;
use millstream_columns::calendar::{
    MILLIS_PER_DAY, add_months, civil_from_days, first_day_of_month, month_number, split_millis,
};
use millstream_columns::physical_type;
use millstream_sql::{IntervalQualifier, RoundingDirection, SqlType, TimeUnit, Value};

fn types_error(operation: &'static str, types: impl ToString) -> CompileError {
    CompileError::OperandTypes { operation, types: types.to_string() }
}

fn out_of_range() -> RowError {
    RowError::overflow("the datetime is out of range")
}

fn outcome<T: Default>(value: Option<T>) -> (T, bool) {
    match value {
        Some(value) => (value, false),
        None => (T::default(), true),
    }
}

/// `datetime + interval` or `datetime - interval`.
pub(crate) fn shift(
    datetime: SqlType,
    interval: IntervalQualifier,
    subtract: bool,
) -> Result<Kernel, CompileError> {
    let result = physical_type(datetime);
    let months = move |months: i32| if subtract { -i64::from(months) } else { i64::from(months) };
    let kernel: Kernel = match (datetime, interval.is_year_month()) {
        (SqlType::Timestamp, false) => Box::new(move |arguments, errors| {
            checked_binary::<TimestampMillisecondType, DurationMillisecondType, TimestampMillisecondType>(
                arguments,
                &result,
                errors,
                |instant, span| {
                    if subtract { instant.overflowing_sub(span) } else { instant.overflowing_add(span) }
                },
                |_, _| out_of_range(),
            )
        }),
        (SqlType::Timestamp, true) => Box::new(move |arguments, errors| {
            checked_binary::<TimestampMillisecondType, Int32Type, TimestampMillisecondType>(
                arguments,
                &result,
                errors,
                |instant, span| {
                    let (days, millis) = split_millis(instant);
                    outcome(
                        add_months(days, months(span))
                            .and_then(|days| days.checked_mul(MILLIS_PER_DAY)?.checked_add(millis)),
                    )
                },
                |_, _| out_of_range(),
            )
        }),
        (SqlType::Date, false) => Box::new(move |arguments, errors| {
            checked_binary::<Date32Type, DurationMillisecondType, Date32Type>(
                arguments,
                &result,
                errors,
                |days, span| {
                    let span = span / MILLIS_PER_DAY;
                    let shifted = i64::from(days) + if subtract { -span } else { span };
                    outcome(i32::try_from(shifted).ok())
                },
                |_, _| out_of_range(),
            )
        }),
        (SqlType::Date, true) => Box::new(move |arguments, errors| {
            checked_binary::<Date32Type, Int32Type, Date32Type>(
                arguments,
                &result,
                errors,
                |days, span| {
                    let shifted = add_months(i64::from(days), months(span));
                    outcome(shifted.and_then(|days| i32::try_from(days).ok()))
                },
                |_, _| out_of_range(),
            )
        }),
        (SqlType::Time, false) => Box::new(move |arguments, errors| {
            checked_binary::<Time32MillisecondType, DurationMillisecondType, Time32MillisecondType>(
                arguments,
                &result,
                errors,
                |millis, span| {
                    let span = span % MILLIS_PER_DAY;
                    let shifted = i64::from(millis) + if subtract { -span } else { span };
                    (shifted.rem_euclid(MILLIS_PER_DAY) as i32, false)
                },
                |_, _| out_of_range(),
            )
        }),
        _ => return Err(types_error("datetime arithmetic", format!("{datetime} and INTERVAL {interval}"))),
    };
    Ok(kernel)
}

/// Length in milliseconds of the smallest field of a day-time qualifier: 1 when it ends with seconds.
pub(crate) fn resolution(qualifier: IntervalQualifier) -> i64 {
    match qualifier.trailing {
        TimeUnit::Second => 1,
        unit => unit.millis().unwrap_or(1),
    }
}

/// `(left - right) qualifier`: fields below the qualifier's last are dropped; seconds keep their milliseconds.
pub(crate) fn difference(datetime: SqlType, qualifier: IntervalQualifier) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::Interval(qualifier));
    if qualifier.is_year_month() {
        let whole_months = move |left: i64, right: i64| -> (i32, bool) {
            let months = months_between(left, right);
            let months = if qualifier.trailing == TimeUnit::Year { months / 12 * 12 } else { months };
            outcome(i32::try_from(months).ok())
        };
        return match datetime {
            SqlType::Timestamp => Ok(Box::new(move |arguments, errors| {
                checked_binary::<TimestampMillisecondType, TimestampMillisecondType, Int32Type>(
                    arguments,
                    &result,
                    errors,
                    whole_months,
                    |_, _| out_of_range(),
                )
            })),
            SqlType::Date => Ok(Box::new(move |arguments, errors| {
                checked_binary::<Date32Type, Date32Type, Int32Type>(
                    arguments,
                    &result,
                    errors,
                    |left, right| {
                        whole_months(i64::from(left) * MILLIS_PER_DAY, i64::from(right) * MILLIS_PER_DAY)
                    },
                    |_, _| out_of_range(),
                )
            })),
            other => Err(types_error("a difference in months", other)),
        };
    }
    let resolution = resolution(qualifier);
    let cut = move |millis: i64| millis / resolution * resolution;
    match datetime {
        SqlType::Timestamp => Ok(Box::new(move |arguments, errors| {
            checked_binary::<TimestampMillisecondType, TimestampMillisecondType, DurationMillisecondType>(
                arguments,
                &result,
                errors,
                |left, right| {
                    let (difference, overflow) = left.overflowing_sub(right);
                    (cut(difference), overflow)
                },
                |_, _| out_of_range(),
            )
        })),
        SqlType::Date => Ok(Box::new(move |arguments, errors| {
            checked_binary::<Date32Type, Date32Type, DurationMillisecondType>(
                arguments,
                &result,
                errors,
                |left, right| (cut((i64::from(left) - i64::from(right)) * MILLIS_PER_DAY), false),
                |_, _| out_of_range(),
            )
        })),
        SqlType::Time => Ok(Box::new(move |arguments, errors| {
            checked_binary::<Time32MillisecondType, Time32MillisecondType, DurationMillisecondType>(
                arguments,
                &result,
                errors,
                |left, right| (cut(i64::from(left) - i64::from(right)), false),
                |_, _| out_of_range(),
            )
        })),
        other => Err(types_error("a difference of datetimes", other)),
    }
}

/// Whole months from `right` to `left`, toward zero.
fn months_between(left: i64, right: i64) -> i64 {
    let position = |millis: i64| {
        let (days, of_day) = split_millis(millis);
        let (_, _, day) = civil_from_days(days);
        (month_number(days), i64::from(day) * MILLIS_PER_DAY + of_day)
    };
    let ((left_month, left_rest), (right_month, right_rest)) = (position(left), position(right));
    let months = left_month - right_month;
    match months.signum() {
        1 if left_rest < right_rest => months - 1,
        -1 if left_rest > right_rest => months + 1,
        _ => months,
    }
}

/// Milliseconds since the epoch rounded to a unit.
fn round_millis(millis: i64, unit: TimeUnit, direction: RoundingDirection) -> Option<i64> {
    let up = direction == RoundingDirection::Ceil;
    match unit.millis() {
        Some(length) => {
            let floor = millis.checked_sub(millis.rem_euclid(length))?;
            if up && floor < millis { floor.checked_add(length) } else { Some(floor) }
        }
        None => {
            let (days, of_day) = split_millis(millis);
            let floor = floor_to_calendar(days, unit);
            let rounded = if up && (floor < days || of_day > 0) {
                add_months(floor, if unit == TimeUnit::Year { 12 } else { 1 })?
            } else {
                floor
            };
            rounded.checked_mul(MILLIS_PER_DAY)
        }
    }
}

fn floor_to_calendar(days: i64, unit: TimeUnit) -> i64 {
    let month = month_number(days);
    first_day_of_month(if unit == TimeUnit::Year { month.div_euclid(12) * 12 } else { month })
}

/// FLOOR and CEIL of a datetime or interval to a unit.
pub(crate) fn round_to(
    sql_type: SqlType,
    unit: TimeUnit,
    direction: RoundingDirection,
) -> Result<Kernel, CompileError> {
    let result = physical_type(sql_type);
    let kernel: Kernel = match sql_type {
        SqlType::Timestamp => Box::new(move |arguments, errors| {
            checked_unary::<TimestampMillisecondType, TimestampMillisecondType>(
                arguments,
                &result,
                errors,
                |millis| outcome(round_millis(millis, unit, direction)),
                |_| out_of_range(),
            )
        }),
        SqlType::Date => Box::new(move |arguments, errors| {
            checked_unary::<Date32Type, Date32Type>(
                arguments,
                &result,
                errors,
                |days| {
                    if !unit.is_calendar() {
                        return (days, false);
                    }
                    let rounded = round_millis(i64::from(days) * MILLIS_PER_DAY, unit, direction);
                    outcome(rounded.and_then(|millis| i32::try_from(millis / MILLIS_PER_DAY).ok()))
                },
                |_| out_of_range(),
            )
        }),
        SqlType::Time => Box::new(move |arguments, _| {
            unary::<Time32MillisecondType, Time32MillisecondType>(arguments, &result, |millis| {
                let length = unit.millis().unwrap_or(MILLIS_PER_DAY) as i32;
                let floor = millis - millis % length;
                let up = direction == RoundingDirection::Ceil && floor < millis;
                let rounded = if up { floor + length } else { floor };
                rounded % MILLIS_PER_DAY as i32
            })
        }),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => Box::new(move |arguments, _| {
            unary::<Int32Type, Int32Type>(arguments, &result, |months| {
                if unit == TimeUnit::Year { months / 12 * 12 } else { months }
            })
        }),
        SqlType::Interval(_) => {
            let length = unit.millis().unwrap_or(1);
            Box::new(move |arguments, _| {
                unary::<DurationMillisecondType, DurationMillisecondType>(arguments, &result, |millis| {
                    millis / length * length
                })
            })
        }
        other => return Err(types_error("FLOOR or CEIL to a unit", other)),
    };
    Ok(kernel)
}

/// `STEP(datetime BY interval)`.
pub(crate) fn step_datetime(sql_type: SqlType, step: &Value) -> Result<Kernel, CompileError> {
    let result = physical_type(sql_type);
    let bad_step = || CompileError::Step(step.clone());
    let kernel: Kernel = match (sql_type, step) {
        (SqlType::Timestamp, Value::IntervalMillis(step)) if *step > 0 => {
            let step = *step;
            Box::new(move |arguments, errors| {
                checked_unary::<TimestampMillisecondType, TimestampMillisecondType>(
                    arguments,
                    &result,
                    errors,
                    |millis| millis.overflowing_sub(millis.rem_euclid(step)),
                    |_| out_of_range(),
                )
            })
        }
        (SqlType::Timestamp, Value::IntervalMonths(step)) if *step > 0 => {
            let step = i64::from(*step);
            Box::new(move |arguments, errors| {
                checked_unary::<TimestampMillisecondType, TimestampMillisecondType>(
                    arguments,
                    &result,
                    errors,
                    |millis| outcome(step_months(split_millis(millis).0, step).checked_mul(MILLIS_PER_DAY)),
                    |_| out_of_range(),
                )
            })
        }
        (SqlType::Date, Value::IntervalMillis(step)) if *step > 0 => {
            let step = *step;
            Box::new(move |arguments, errors| {
                checked_unary::<Date32Type, Date32Type>(
                    arguments,
                    &result,
                    errors,
                    |days| {
                        let millis = i64::from(days) * MILLIS_PER_DAY;
                        let stepped = (millis - millis.rem_euclid(step)).div_euclid(MILLIS_PER_DAY);
                        outcome(i32::try_from(stepped).ok())
                    },
                    |_| out_of_range(),
                )
            })
        }
        (SqlType::Date, Value::IntervalMonths(step)) if *step > 0 => {
            let step = i64::from(*step);
            Box::new(move |arguments, errors| {
                checked_unary::<Date32Type, Date32Type>(
                    arguments,
                    &result,
                    errors,
                    |days| outcome(i32::try_from(step_months(i64::from(days), step)).ok()),
                    |_| out_of_range(),
                )
            })
        }
        (SqlType::Time, Value::IntervalMillis(step)) if *step > 0 => {
            let step = *step;
            Box::new(move |arguments, _| {
                unary::<Time32MillisecondType, Time32MillisecondType>(arguments, &result, |millis| {
                    (i64::from(millis) - i64::from(millis) % step) as i32
                })
            })
        }
        (SqlType::Timestamp | SqlType::Date | SqlType::Time, _) => return Err(bad_step()),
        (other, _) => return Err(types_error("STEP", other)),
    };
    Ok(kernel)
}

fn step_months(days: i64, step: i64) -> i64 {
    first_day_of_month(month_number(days).div_euclid(step) * step)
}

/// `STEP(number BY step)`: the largest multiple of the step that is not above the number.
pub(crate) fn step_number(sql_type: SqlType) -> Result<Kernel, CompileError> {
    let result = physical_type(sql_type);
    macro_rules! integers {
        ($arrow:ty) => {
            Box::new(move |arguments, errors| {
                checked_binary::<$arrow, $arrow, $arrow>(
                    arguments,
                    &result,
                    errors,
                    |value, step| {
                        if step <= 0 {
                            return (0, true);
                        }
                        value.overflowing_sub(value.rem_euclid(step))
                    },
                    |_, step| step_error(step <= 0),
                )
            })
        };
    }
    macro_rules! floats {
        ($arrow:ty) => {
            Box::new(move |arguments, errors| {
                checked_binary::<$arrow, $arrow, $arrow>(
                    arguments,
                    &result,
                    errors,
                    |value, step| ((value / step).floor() * step, step <= 0.0 || step.is_nan()),
                    |_, _| step_error(true),
                )
            })
        };
    }
    let kernel: Kernel = match sql_type {
        SqlType::TinyInt => integers!(Int8Type),
        SqlType::SmallInt => integers!(Int16Type),
        SqlType::Integer => integers!(Int32Type),
        SqlType::BigInt => integers!(Int64Type),
        SqlType::Decimal { .. } => integers!(Decimal128Type),
        SqlType::Real => floats!(arrow_array::types::Float32Type),
        SqlType::Double => floats!(arrow_array::types::Float64Type),
        other => return Err(types_error("STEP", other)),
    };
    Ok(kernel)
}

fn step_error(bad_step: bool) -> RowError {
    if bad_step {
        RowError::function("the step of STEP must be above zero")
    } else {
        RowError::overflow("STEP goes below the range of its type")
    }
}

/// `EXTRACT(unit FROM x)`: BIGINT, or DECIMAL(5,3) for seconds.
pub(crate) fn extract(unit: TimeUnit, operand: SqlType, result: SqlType) -> Result<Kernel, CompileError> {
    if let SqlType::Decimal { scale, .. } = result {
        if unit != TimeUnit::Second || scale != 3 {
            return Err(types_error("EXTRACT", result));
        }
        return extract_seconds(operand, result);
    }
    if result != SqlType::BigInt {
        return Err(types_error("EXTRACT", result));
    }
    let data_type = physical_type(SqlType::BigInt);
    let kernel: Kernel = match operand {
        SqlType::Timestamp => Box::new(move |arguments, _| {
            unary::<TimestampMillisecondType, Int64Type>(arguments, &data_type, |millis| {
                let (days, of_day) = split_millis(millis);
                match unit {
                    TimeUnit::Year | TimeUnit::Month | TimeUnit::Day => date_field(days, unit),
                    _ => time_field(of_day, unit),
                }
            })
        }),
        SqlType::Date => Box::new(move |arguments, _| {
            unary::<Date32Type, Int64Type>(arguments, &data_type, |days| date_field(i64::from(days), unit))
        }),
        SqlType::Time => Box::new(move |arguments, _| {
            unary::<Time32MillisecondType, Int64Type>(arguments, &data_type, |millis| {
                time_field(i64::from(millis), unit)
            })
        }),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => Box::new(move |arguments, _| {
            unary::<Int32Type, Int64Type>(arguments, &data_type, |months| {
                let months = i64::from(months);
                match unit {
                    TimeUnit::Year => months / 12,
                    TimeUnit::Month => months % 12,
                    _ => 0,
                }
            })
        }),
        SqlType::Interval(_) => Box::new(move |arguments, _| {
            unary::<DurationMillisecondType, Int64Type>(arguments, &data_type, |millis| match unit {
                TimeUnit::Day => millis / MILLIS_PER_DAY,
                _ => time_field(millis % MILLIS_PER_DAY, unit),
            })
        }),
        other => return Err(types_error("EXTRACT", other)),
    };
    Ok(kernel)
}

fn extract_seconds(operand: SqlType, result: SqlType) -> Result<Kernel, CompileError> {
    let data_type = physical_type(result);
    let kernel: Kernel = match operand {
        SqlType::Timestamp => Box::new(move |arguments, _| {
            unary::<TimestampMillisecondType, Decimal128Type>(arguments, &data_type, |millis| {
                i128::from(millis.rem_euclid(60_000))
            })
        }),
        SqlType::Date => {
            Box::new(move |arguments, _| unary::<Date32Type, Decimal128Type>(arguments, &data_type, |_| 0))
        }
        SqlType::Time => Box::new(move |arguments, _| {
            unary::<Time32MillisecondType, Decimal128Type>(arguments, &data_type, |millis| {
                i128::from(millis % 60_000)
            })
        }),
        SqlType::Interval(qualifier) if !qualifier.is_year_month() => Box::new(move |arguments, _| {
            unary::<DurationMillisecondType, Decimal128Type>(arguments, &data_type, |millis| {
                i128::from(millis % 60_000)
            })
        }),
        SqlType::Interval(_) => {
            Box::new(move |arguments, _| unary::<Int32Type, Decimal128Type>(arguments, &data_type, |_| 0))
        }
        other => return Err(types_error("EXTRACT", other)),
    };
    Ok(kernel)
}

fn date_field(days: i64, unit: TimeUnit) -> i64 {
    let (year, month, day) = civil_from_days(days);
    match unit {
        TimeUnit::Year => year,
        TimeUnit::Month => i64::from(month),
        TimeUnit::Day => i64::from(day),
        TimeUnit::Hour | TimeUnit::Minute | TimeUnit::Second => 0,
    }
}

fn time_field(of_day: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Hour => of_day / 3_600_000,
        TimeUnit::Minute => of_day / 60_000 % 60,
        TimeUnit::Second => of_day / 1_000 % 60,
        TimeUnit::Year | TimeUnit::Month | TimeUnit::Day => 0,
    }
}

//! `+ - * /` and negation of numbers.
//!
//! Integers check for overflow without a branch and look at rows again only when some lane overflowed. DECIMAL
//! computes in 128 bits and rounds half away from zero to the scale of the result.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary, checked_unary, unary};
use arrow_array::types::{
    Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use millstream_columns::RowError;
use millstream_columns::decimal::{divide_half_up, fits_precision, power_of_ten, rescale};
use millstream_columns::physical_type;
use millstream_sql::{ArithmeticOperator, SqlType};

/// The kernel of an arithmetic operation and whether it can fail.
pub(crate) fn arithmetic(
    operator: ArithmeticOperator,
    left: SqlType,
    right: SqlType,
    result: SqlType,
) -> Result<(Kernel, bool), CompileError> {
    if let (
        SqlType::Decimal { scale: left_scale, .. },
        SqlType::Decimal { scale: right_scale, .. },
        SqlType::Decimal { precision, scale },
    ) = (left, right, result)
    {
        return Ok((decimal(operator, left_scale, right_scale, precision, scale), true));
    }
    if left != right || left != result {
        return Err(CompileError::OperandTypes {
            operation: "arithmetic",
            types: format!("{left} and {right} for {result}"),
        });
    }
    let kernel = match result {
        SqlType::TinyInt => integer_i8(operator, result),
        SqlType::SmallInt => integer_i16(operator, result),
        SqlType::Integer => integer_i32(operator, result),
        SqlType::BigInt => integer_i64(operator, result),
        SqlType::Real => float_f32(operator, result),
        SqlType::Double => float_f64(operator, result),
        _ => {
            return Err(CompileError::OperandTypes { operation: "arithmetic", types: left.to_string() });
        }
    };
    let can_fail = operator == ArithmeticOperator::Divide || result.is_integer();
    Ok((kernel, can_fail))
}

fn symbol(operator: ArithmeticOperator) -> char {
    match operator {
        ArithmeticOperator::Add => '+',
        ArithmeticOperator::Subtract => '-',
        ArithmeticOperator::Multiply => '*',
        ArithmeticOperator::Divide => '/',
    }
}

macro_rules! integer_kernels {
    ($name:ident, $arrow:ty, $native:ty, $multiply:expr) => {
        fn $name(operator: ArithmeticOperator, sql_type: SqlType) -> Kernel {
            let result = physical_type(sql_type);
            let overflow = move |left: $native, right: $native| {
                RowError::overflow(format!(
                    "{left} {} {right} is out of the range of {sql_type}",
                    symbol(operator)
                ))
            };
            match operator {
                ArithmeticOperator::Add => Box::new(move |arguments, errors| {
                    let add = |left: $native, right: $native| {
                        let sum = left.wrapping_add(right);
                        (sum, ((left ^ sum) & (right ^ sum)) < 0)
                    };
                    checked_binary::<$arrow, $arrow, $arrow>(arguments, &result, errors, add, overflow)
                }),
                ArithmeticOperator::Subtract => Box::new(move |arguments, errors| {
                    let subtract = |left: $native, right: $native| {
                        let difference = left.wrapping_sub(right);
                        (difference, ((left ^ right) & (left ^ difference)) < 0)
                    };
                    checked_binary::<$arrow, $arrow, $arrow>(arguments, &result, errors, subtract, overflow)
                }),
                ArithmeticOperator::Multiply => Box::new(move |arguments, errors| {
                    checked_binary::<$arrow, $arrow, $arrow>(arguments, &result, errors, $multiply, overflow)
                }),
                ArithmeticOperator::Divide => Box::new(move |arguments, errors| {
                    let divide = |left: $native, right: $native| match left.checked_div(right) {
                        Some(quotient) => (quotient, false),
                        None => (0, true),
                    };
                    checked_binary::<$arrow, $arrow, $arrow>(
                        arguments,
                        &result,
                        errors,
                        divide,
                        |left, right| {
                            if right == 0 { RowError::division_by_zero() } else { overflow(left, right) }
                        },
                    )
                }),
            }
        }
    };
}

integer_kernels!(integer_i8, Int8Type, i8, |left: i8, right: i8| {
    let product = i16::from(left) * i16::from(right);
    (product as i8, i16::from(product as i8) != product)
});
integer_kernels!(integer_i16, Int16Type, i16, |left: i16, right: i16| {
    let product = i32::from(left) * i32::from(right);
    (product as i16, i32::from(product as i16) != product)
});
integer_kernels!(integer_i32, Int32Type, i32, |left: i32, right: i32| {
    let product = i64::from(left) * i64::from(right);
    (product as i32, i64::from(product as i32) != product)
});
integer_kernels!(integer_i64, Int64Type, i64, |left: i64, right: i64| left.overflowing_mul(right));

macro_rules! float_kernels {
    ($name:ident, $arrow:ty, $native:ty) => {
        fn $name(operator: ArithmeticOperator, sql_type: SqlType) -> Kernel {
            let result = physical_type(sql_type);
            let apply = match operator {
                ArithmeticOperator::Divide => {
                    return Box::new(move |arguments, errors| {
                        checked_binary::<$arrow, $arrow, $arrow>(
                            arguments,
                            &result,
                            errors,
                            |left, right| (left / right, right == 0.0),
                            |_, _| RowError::division_by_zero(),
                        )
                    });
                }
                other => other,
            };
            Box::new(move |arguments, errors| {
                let never = |_: $native, _: $native| RowError::function("floats do not overflow");
                match apply {
                    ArithmeticOperator::Add => checked_binary::<$arrow, $arrow, $arrow>(
                        arguments,
                        &result,
                        errors,
                        |left, right| (left + right, false),
                        never,
                    ),
                    ArithmeticOperator::Subtract => checked_binary::<$arrow, $arrow, $arrow>(
                        arguments,
                        &result,
                        errors,
                        |left, right| (left - right, false),
                        never,
                    ),
                    _ => checked_binary::<$arrow, $arrow, $arrow>(
                        arguments,
                        &result,
                        errors,
                        |left, right| (left * right, false),
                        never,
                    ),
                }
            })
        }
    };
}

float_kernels!(float_f32, Float32Type, f32);
float_kernels!(float_f64, Float64Type, f64);

fn decimal_operation(
    operator: ArithmeticOperator,
    left: i128,
    right: i128,
    (left_scale, right_scale, scale): (u8, u8, u8),
) -> Option<i128> {
    match operator {
        ArithmeticOperator::Add | ArithmeticOperator::Subtract => {
            let common = left_scale.max(right_scale);
            let left = rescale(left, left_scale, common)?;
            let right = rescale(right, right_scale, common)?;
            let sum = match operator {
                ArithmeticOperator::Add => left.checked_add(right)?,
                _ => left.checked_sub(right)?,
            };
            rescale(sum, common, scale)
        }
        ArithmeticOperator::Multiply => rescale(left.checked_mul(right)?, left_scale + right_scale, scale),
        ArithmeticOperator::Divide => {
            let shift = i32::from(scale) + i32::from(right_scale) - i32::from(left_scale);
            let factor = power_of_ten(shift.unsigned_abs())?;
            if shift >= 0 {
                divide_half_up(left.checked_mul(factor)?, right)
            } else {
                divide_half_up(left, right.checked_mul(factor)?)
            }
        }
    }
}

fn decimal(
    operator: ArithmeticOperator,
    left_scale: u8,
    right_scale: u8,
    precision: u8,
    scale: u8,
) -> Kernel {
    let sql_type = SqlType::Decimal { precision, scale };
    let result = physical_type(sql_type);
    let scales = (left_scale, right_scale, scale);
    Box::new(move |arguments, errors| {
        checked_binary::<Decimal128Type, Decimal128Type, Decimal128Type>(
            arguments,
            &result,
            errors,
            |left, right| match decimal_operation(operator, left, right, scales) {
                Some(digits) if fits_precision(digits, precision) => (digits, false),
                _ => (0, true),
            },
            |_, right| {
                if operator == ArithmeticOperator::Divide && right == 0 {
                    RowError::division_by_zero()
                } else {
                    RowError::overflow(format!(
                        "the result of {} is out of the range of {sql_type}",
                        symbol(operator)
                    ))
                }
            },
        )
    })
}

/// `-x` of a number or an interval.
pub(crate) fn negate(sql_type: SqlType) -> Result<(Kernel, bool), CompileError> {
    let result = physical_type(sql_type);
    let overflow = move |value: String| {
        RowError::overflow(format!("the negative of {value} is out of the range of {sql_type}"))
    };
    macro_rules! integers {
        ($arrow:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                checked_unary::<$arrow, $arrow>(
                    arguments,
                    &result,
                    errors,
                    |value| (value.wrapping_neg(), value == <$native>::MIN),
                    |value| overflow(value.to_string()),
                )
            })
        };
    }
    let kernel: Kernel = match sql_type {
        SqlType::TinyInt => integers!(Int8Type, i8),
        SqlType::SmallInt => integers!(Int16Type, i16),
        SqlType::Integer => integers!(Int32Type, i32),
        SqlType::BigInt => integers!(Int64Type, i64),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => integers!(Int32Type, i32),
        SqlType::Interval(_) => integers!(DurationMillisecondType, i64),
        SqlType::Decimal { .. } => integers!(Decimal128Type, i128),
        SqlType::Real => {
            return Ok((
                Box::new(move |arguments, _| {
                    unary::<Float32Type, Float32Type>(arguments, &result, |value| -value)
                }),
                false,
            ));
        }
        SqlType::Double => {
            return Ok((
                Box::new(move |arguments, _| {
                    unary::<Float64Type, Float64Type>(arguments, &result, |value| -value)
                }),
                false,
            ));
        }
        other => {
            return Err(CompileError::OperandTypes { operation: "unary minus", types: other.to_string() });
        }
    };
    Ok((kernel, true))
}

//! `ABS(number)`, `ABS(interval)`.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_unary, unary};
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::{
    Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use millstream_columns::{RowError, physical_type};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "ABS", signature, compile, can_fail: true, uses_clock: false }];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    let sql_type = signature::number_or_interval(arguments, 0)?;
    Ok(Signature { parameters: vec![sql_type], returns: sql_type })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(site.returns);
    macro_rules! signed {
        ($arrow:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                checked_unary::<$arrow, $arrow>(
                    arguments,
                    &result,
                    errors,
                    |value| (value.wrapping_abs(), value == <$native>::MIN),
                    |value| RowError::overflow(format!("ABS({value}) is out of the range of its type")),
                )
            })
        };
    }
    let kernel: Kernel = match site.returns {
        SqlType::TinyInt => signed!(Int8Type, i8),
        SqlType::SmallInt => signed!(Int16Type, i16),
        SqlType::Integer => signed!(Int32Type, i32),
        SqlType::BigInt => signed!(Int64Type, i64),
        SqlType::Decimal { .. } => signed!(Decimal128Type, i128),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => signed!(Int32Type, i32),
        SqlType::Interval(_) => signed!(DurationMillisecondType, i64),
        SqlType::Real => {
            Box::new(move |arguments, _| unary::<Float32Type, Float32Type>(arguments, &result, f32::abs))
        }
        SqlType::Double => {
            Box::new(move |arguments, _| unary::<Float64Type, Float64Type>(arguments, &result, f64::abs))
        }
        _ => return Err(site.wrong_types("ABS")),
    };
    Ok(kernel)
}

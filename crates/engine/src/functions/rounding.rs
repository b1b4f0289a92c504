//! `FLOOR(number)`, `CEIL(number)`, `CEILING(number)`: integers stay, DECIMAL loses its fraction, floats become DOUBLE.
//! An interval stays as it is: it is rounded only to a unit.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, unary};
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::{Decimal128Type, Float64Type};
use millstream_columns::decimal::power_of_ten;
use millstream_columns::physical_type;
use millstream_sql::{Argument, Signature, SignatureError, SqlType};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "FLOOR", signature, compile, can_fail: false, uses_clock: false },
    Function { name: "CEIL", signature, compile, can_fail: false, uses_clock: false },
    Function { name: "CEILING", signature, compile, can_fail: false, uses_clock: false },
];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    let (parameter, returns) = match signature::number_or_interval(arguments, 0)? {
        SqlType::Decimal { precision, scale } => {
            (SqlType::Decimal { precision, scale }, SqlType::Decimal { precision, scale: 0 })
        }
        SqlType::Real | SqlType::Double => (SqlType::Double, SqlType::Double),
        other => (other, other),
    };
    Ok(Signature { parameters: vec![parameter], returns })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(site.returns);
    let up = site.function != "FLOOR";
    let kernel: Kernel = match site.parameters[0] {
        SqlType::Decimal { scale, .. } => {
            let unit = power_of_ten(u32::from(scale)).unwrap_or(i128::MAX);
            Box::new(move |arguments, _| {
                unary::<Decimal128Type, Decimal128Type>(arguments, &result, |digits| {
                    let floor = digits.div_euclid(unit);
                    if up && floor * unit < digits { floor + 1 } else { floor }
                })
            })
        }
        SqlType::Double if up => {
            Box::new(move |arguments, _| unary::<Float64Type, Float64Type>(arguments, &result, f64::ceil))
        }
        SqlType::Double => {
            Box::new(move |arguments, _| unary::<Float64Type, Float64Type>(arguments, &result, f64::floor))
        }
        same if same == site.returns => Box::new(|arguments, _| Arc::clone(arguments.array(0))),
        _ => return Err(site.wrong_types("FLOOR and CEIL")),
    };
    Ok(kernel)
}

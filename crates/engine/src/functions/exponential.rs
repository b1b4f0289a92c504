//! `EXP`, `LN`, `LOG10`, `POWER`, `SQRT`: in DOUBLE; arguments outside the domain are row errors.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary, checked_unary};
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::Float64Type;
use millstream_columns::{RowError, physical_type};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "EXP", signature: one, compile: exp, can_fail: false, uses_clock: false },
    Function { name: "LN", signature: one, compile: ln, can_fail: true, uses_clock: false },
    Function { name: "LOG10", signature: one, compile: log10, can_fail: true, uses_clock: false },
    Function { name: "SQRT", signature: one, compile: sqrt, can_fail: true, uses_clock: false },
    Function { name: "POWER", signature: two, compile: power, can_fail: true, uses_clock: false },
];

fn one(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    signature::number(arguments, 0)?;
    Ok(Signature { parameters: vec![SqlType::Double], returns: SqlType::Double })
}

fn two(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    signature::number(arguments, 0)?;
    signature::number(arguments, 1)?;
    Ok(Signature { parameters: vec![SqlType::Double; 2], returns: SqlType::Double })
}

/// A function of one DOUBLE, defined where `domain` holds.
fn real_function(
    site: &CallSite<'_>,
    function: fn(f64) -> f64,
    domain: fn(f64) -> bool,
    needs: &'static str,
) -> Kernel {
    let result = physical_type(SqlType::Double);
    let name = site.function.to_owned();
    Box::new(move |arguments, errors| {
        checked_unary::<Float64Type, Float64Type>(
            arguments,
            &result,
            errors,
            |value| (function(value), !domain(value)),
            |value| RowError::function(format!("{name}({value}) does not exist: it takes {needs}")),
        )
    })
}

fn exp(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(real_function(site, f64::exp, |_| true, "any number"))
}

/// NaN passes: the result is NaN.
fn above_zero(value: f64) -> bool {
    value > 0.0 || value.is_nan()
}

fn ln(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(real_function(site, f64::ln, above_zero, "numbers above 0"))
}

fn log10(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(real_function(site, f64::log10, above_zero, "numbers above 0"))
}

fn sqrt(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(real_function(site, f64::sqrt, |value| value >= 0.0 || value.is_nan(), "numbers from 0 up"))
}

fn power(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::Double);
    Ok(Box::new(move |arguments, errors| {
        checked_binary::<Float64Type, Float64Type, Float64Type>(
            arguments,
            &result,
            errors,
            |base, exponent| {
                let zero_inverted = base == 0.0 && exponent < 0.0;
                let complex = base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0;
                (base.powf(exponent), zero_inverted || complex)
            },
            |base, exponent| {
                RowError::function(format!(
                    "POWER({base}, {exponent}) does not exist: 0 takes no negative exponent, a negative base no \
                     fraction"
                ))
            },
        )
    }))
}

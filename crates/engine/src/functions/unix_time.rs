//! `UNIX_TIMESTAMP`, `TO_TIMESTAMP`, `TSDIFF`: milliseconds since 1970-01-01 00:00:00.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary, unary};
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use millstream_columns::{RowError, physical_type};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "UNIX_TIMESTAMP",
        signature: from_timestamp,
        compile: unix_timestamp,
        can_fail: false,
        uses_clock: false,
    },
    Function {
        name: "TO_TIMESTAMP",
        signature: from_number,
        compile: to_timestamp,
        can_fail: false,
        uses_clock: false,
    },
    Function { name: "TSDIFF", signature: of_two, compile: magnitude, can_fail: true, uses_clock: false },
];

/// `TSDIFF` under the switch `tsdiff end-minus-start`: what lies before the other counts. No text can call it by this name.
pub(super) const SIGNED_DIFFERENCE: Function = Function {
    name: "TSDIFF end-minus-start",
    signature: of_two,
    compile: end_minus_start,
    can_fail: true,
    uses_clock: false,
};

fn from_timestamp(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    signature::exactly(arguments, 0, SqlType::Timestamp, "a TIMESTAMP")?;
    Ok(Signature { parameters: vec![SqlType::Timestamp], returns: SqlType::BigInt })
}

fn from_number(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    signature::number(arguments, 0)?;
    Ok(Signature { parameters: vec![SqlType::BigInt], returns: SqlType::Timestamp })
}

/// Two TIMESTAMPs or two numbers of milliseconds.
fn of_two(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let numbers = arguments.iter().any(|argument| argument.sql_type.is_numeric());
    let parameter = if numbers { SqlType::BigInt } else { SqlType::Timestamp };
    for index in 0..2 {
        if numbers {
            signature::number(arguments, index)?;
        } else {
            signature::exactly(arguments, index, SqlType::Timestamp, "a TIMESTAMP")?;
        }
    }
    Ok(Signature { parameters: vec![parameter; 2], returns: SqlType::BigInt })
}

fn unix_timestamp(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::BigInt);
    Ok(Box::new(move |arguments, _| {
        unary::<TimestampMillisecondType, Int64Type>(arguments, &result, |millis| millis)
    }))
}

fn to_timestamp(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::Timestamp);
    Ok(Box::new(move |arguments, _| {
        unary::<Int64Type, TimestampMillisecondType>(arguments, &result, |millis| millis)
    }))
}

/// The reference takes the start of a period first; deployed applications write either first, and go on with a number
/// above 0.
fn magnitude(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    difference(site, |one, other| {
        let millis = one.abs_diff(other);
        (millis.cast_signed(), millis > i64::MAX.cast_unsigned())
    })
}

fn end_minus_start(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    difference(site, |start, end| end.overflowing_sub(start))
}

/// `between` gives a difference, and whether it is out of range.
fn difference(site: &CallSite<'_>, between: fn(i64, i64) -> (i64, bool)) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::BigInt);
    let out_of_range = |_: i64, _: i64| RowError::overflow("TSDIFF is out of the range of BIGINT");
    Ok(if site.parameters[0] == SqlType::BigInt {
        Box::new(move |arguments, errors| {
            checked_binary::<Int64Type, Int64Type, Int64Type>(
                arguments,
                &result,
                errors,
                between,
                out_of_range,
            )
        })
    } else {
        Box::new(move |arguments, errors| {
            checked_binary::<TimestampMillisecondType, TimestampMillisecondType, Int64Type>(
                arguments,
                &result,
                errors,
                between,
                out_of_range,
            )
        })
    })
}

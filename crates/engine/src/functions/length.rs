//! `CHAR_LENGTH(text)`, `CHARACTER_LENGTH(text)`: characters, the blanks of a CHAR included.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::expression::null_array;
use crate::functions::{CallSite, Function, signature};
use arrow_array::Array;
use arrow_array::types::Int32Type;
use millstream_columns::{physical_type, primitive_array};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "CHAR_LENGTH", signature, compile, can_fail: false, uses_clock: false },
    Function { name: "CHARACTER_LENGTH", signature, compile, can_fail: false, uses_clock: false },
];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    let text = signature::text(arguments, 0)?;
    Ok(Signature { parameters: vec![text], returns: SqlType::Integer })
}

fn compile(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::Integer);
    Ok(Box::new(move |arguments, _| {
        if arguments.has_null_constant() {
            return null_array(SqlType::Integer, arguments.rows);
        }
        let text = arguments.text(0);
        let array = text.array();
        let lengths: Vec<i32> = if text.bytes().is_ascii() {
            array.value_offsets().windows(2).map(|pair| pair[1] - pair[0]).collect()
        } else {
            (0..array.len()).map(|row| array.value(row).chars().count() as i32).collect()
        };
        primitive_array::<Int32Type>(lengths, array.nulls().cloned(), &result)
    }))
}

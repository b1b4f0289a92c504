//! `OVERLAY(text PLACING replacement FROM start [FOR length])`.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::functions::{CallSite, Function, signature, text_rows};
use arrow_array::types::Int64Type;
use millstream_columns::RowError;
use millstream_columns::text_builder::character_boundary;
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "OVERLAY", signature, compile, can_fail: true, uses_clock: false }];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 3..=4, "3 or 4")?;
    let text = signature::text(arguments, 0)?;
    let replacement = signature::text(arguments, 1)?;
    let mut parameters = vec![text, replacement];
    for index in 2..arguments.len() {
        signature::number(arguments, index)?;
        parameters.push(SqlType::BigInt);
    }
    let length = text.length().unwrap_or(1).saturating_add(replacement.length().unwrap_or(1));
    Ok(Signature { parameters, returns: SqlType::Varchar { length: length.min(signature::LONGEST) } })
}

/// Characters `start` to `start + length - 1` of the text give way to the replacement. What lies before the text counts
/// as empty places: a start below 1 puts the replacement in front and overlays what remains of the range.
fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let with_length = site.parameters.len() > 3;
    Ok(Box::new(move |arguments, errors| {
        let (texts, replacements) = (arguments.text(0), arguments.text(1));
        let capacity = texts.bytes().len() + replacements.bytes().len();
        text_rows(arguments, errors, capacity, |row, builder| {
            let text = texts.get(row).unwrap_or_default();
            let replacement = replacements.get(row).unwrap_or_default();
            let start = arguments.lane::<Int64Type>(2).get(row);
            let length = if with_length {
                arguments.lane::<Int64Type>(3).get(row)
            } else {
                replacement.chars().count() as i64
            };
            if length < 0 {
                return Err(RowError::function(format!("OVERLAY takes no negative length ({length})")));
            }
            let kept = start.saturating_sub(1).max(0) as usize;
            let resumed = start.saturating_sub(1).saturating_add(length).max(0) as usize;
            builder.write(&text[..character_boundary(text, kept)]);
            builder.write(replacement);
            builder.write(&text[character_boundary(text, resumed)..]);
            Ok(true)
        })
    }))
}

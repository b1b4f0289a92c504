//! `TRIM(LEADING | TRAILING | BOTH c FROM text)`: drops the character `c` from the ends.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::functions::{CallSite, Function, signature, text_rows};
use millstream_columns::RowError;
use millstream_sql::{Argument, Signature, SignatureError};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "TRIM_LEADING", signature, compile, can_fail: true, uses_clock: false },
    Function { name: "TRIM_TRAILING", signature, compile, can_fail: true, uses_clock: false },
    Function { name: "TRIM_BOTH", signature, compile, can_fail: true, uses_clock: false },
];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let character = signature::text(arguments, 0)?;
    let text = signature::text(arguments, 1)?;
    Ok(Signature { parameters: vec![character, text], returns: signature::varchar_of(text) })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let leading = site.function != "TRIM_TRAILING";
    let trailing = site.function != "TRIM_LEADING";
    Ok(Box::new(move |arguments, errors| {
        let (characters, texts) = (arguments.text(0), arguments.text(1));
        text_rows(arguments, errors, texts.bytes().len(), |row, builder| {
            let mut dropped = characters.get(row).unwrap_or_default().chars();
            let (Some(character), None) = (dropped.next(), dropped.next()) else {
                return Err(RowError::function(
                    "TRIM drops exactly one character: give it a text of length 1",
                ));
            };
            let mut text = texts.get(row).unwrap_or_default();
            if leading {
                text = text.trim_start_matches(character);
            }
            if trailing {
                text = text.trim_end_matches(character);
            }
            builder.write(text);
            Ok(true)
        })
    }))
}

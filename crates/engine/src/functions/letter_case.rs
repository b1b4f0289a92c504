//! `UPPER`, `LOWER`, `INITCAP`. ASCII columns are converted as one run of bytes.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::functions::{CallSite, Function, signature, text_rows};
use arrow_array::{Array, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use millstream_sql::{Argument, Signature, SignatureError};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "UPPER", signature, compile: upper, can_fail: false, uses_clock: false },
    Function { name: "LOWER", signature, compile: lower, can_fail: false, uses_clock: false },
    Function { name: "INITCAP", signature, compile: initcap, can_fail: false, uses_clock: false },
];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 1..=1, "1")?;
    let text = signature::text(arguments, 0)?;
    Ok(Signature { parameters: vec![text], returns: text })
}

fn upper(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(converted(<[u8]>::make_ascii_uppercase, |text| text.to_uppercase()))
}

fn lower(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(converted(<[u8]>::make_ascii_lowercase, |text| text.to_lowercase()))
}

fn converted(ascii: fn(&mut [u8]), unicode: fn(&str) -> String) -> Kernel {
    Box::new(move |arguments, errors| {
        let lane = arguments.text(0);
        let bytes = lane.bytes();
        if !bytes.is_ascii() {
            return text_rows(arguments, errors, bytes.len(), |row, builder| {
                builder.write(&unicode(lane.get(row).unwrap_or_default()));
                Ok(true)
            });
        }
        let array = lane.array();
        let mut converted = bytes.to_vec();
        ascii(&mut converted);
        let offsets = array.offsets();
        let first = offsets[0];
        let offsets = if first == 0 {
            offsets.clone()
        } else {
            OffsetBuffer::new(ScalarBuffer::from_iter(offsets.iter().map(|offset| offset - first)))
        };
        let nulls = array.nulls().cloned();
        let array = StringArray::try_new(offsets, Buffer::from_vec(converted), nulls);
        Arc::new(array.expect("ASCII stays ASCII under a change of case"))
    })
}

/// The first letter of each word between blanks is upper case, the others lower case.
fn initcap(_: &CallSite<'_>) -> Result<Kernel, CompileError> {
    Ok(Box::new(|arguments, errors| {
        let lane = arguments.text(0);
        text_rows(arguments, errors, lane.bytes().len(), |row, builder| {
            let mut word_starts = true;
            for character in lane.get(row).unwrap_or_default().chars() {
                if word_starts {
                    character.to_uppercase().for_each(|character| builder.write_char(character));
                } else {
                    character.to_lowercase().for_each(|character| builder.write_char(character));
                }
                word_starts = character == ' ';
            }
            Ok(true)
        })
    }))
}

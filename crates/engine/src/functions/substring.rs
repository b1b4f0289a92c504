//! `SUBSTRING(s FROM p FOR n)` and `SUBSTRING(s, p, n)`: the characters at the positions p to p+n-1 that exist.
//!
//! The two forms differ only where p lies beyond the end: the FROM form gives an empty text, the comma form NULL.

use crate::expression::CompileError;
use crate::expression::datum::{Arguments, Kernel, Lane};
use crate::functions::{CallSite, Function, signature, text_rows};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, StringArray};
use millstream_columns::text_builder::{binary_array, character_boundary};
use millstream_columns::{RowError, RowErrors};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "SUBSTRING", signature, compile, can_fail: true, uses_clock: false },
    Function { name: "SUBSTRING_FROM", signature, compile, can_fail: true, uses_clock: false },
];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=3, "2 or 3")?;
    let whole = signature::text_or_binary(arguments, 0)?;
    let mut parameters = vec![whole];
    for index in 1..arguments.len() {
        signature::number(arguments, index)?;
        parameters.push(SqlType::BigInt);
    }
    let length = whole.length().unwrap_or(1);
    let returns =
        if whole.is_character() { SqlType::Varchar { length } } else { SqlType::Varbinary { length } };
    Ok(Signature { parameters, returns })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let beyond_is_null = site.function == "SUBSTRING";
    if !site.parameters[0].is_character() {
        return Ok(Box::new(move |arguments, errors| bytes(arguments, errors, beyond_is_null)));
    }
    Ok(Box::new(move |arguments, errors| texts(arguments, errors, beyond_is_null)))
}

/// The positions of all rows.
struct Ranges<'a> {
    starts: Lane<'a, i64>,
    lengths: Option<Lane<'a, i64>>,
}

impl<'a> Ranges<'a> {
    /// The operands after the first; none of them may be a constant NULL.
    fn of(arguments: &Arguments<'a>) -> Ranges<'a> {
        Ranges {
            starts: arguments.lane::<Int64Type>(1),
            lengths: (arguments.operands.len() > 2).then(|| arguments.lane::<Int64Type>(2)),
        }
    }

    /// The range of a row in characters (or bytes): from, inclusive, and to, exclusive, counted from 0.
    #[inline(always)]
    fn of_row(&self, row: usize) -> Result<(usize, usize), RowError> {
        let start = self.starts.get(row).saturating_sub(1);
        let end = match &self.lengths {
            Some(lengths) => {
                let length = lengths.get(row);
                if length < 0 {
                    return Err(negative_length(length));
                }
                start.saturating_add(length)
            }
            None => i64::MAX,
        };
        let from = start.max(0) as usize;
        Ok((from, (end.max(0) as usize).max(from)))
    }
}

#[cold]
fn negative_length(length: i64) -> RowError {
    RowError::function(format!("SUBSTRING takes no negative length ({length})"))
}

fn texts(arguments: &Arguments<'_>, errors: &mut RowErrors, beyond_is_null: bool) -> ArrayRef {
    if arguments.has_null_constant() {
        return Arc::new(StringArray::new_null(arguments.rows));
    }
    let lane = arguments.text(0);
    let ascii = lane.bytes().is_ascii();
    let ranges = Ranges::of(arguments);
    let capacity = if lane.is_constant() { arguments.rows * lane.bytes().len() } else { lane.bytes().len() };
    text_rows(arguments, errors, capacity, |row, builder| {
        let text = lane.get(row).unwrap_or_default();
        let (from, to) = ranges.of_row(row)?;
        let start = if ascii { from.min(text.len()) } else { character_boundary(text, from) };
        if beyond_is_null && start == text.len() && beyond(text, from, ascii) {
            return Ok(false);
        }
        let rest = &text[start..];
        let length = to - from;
        let end = if ascii { length.min(rest.len()) } else { character_boundary(rest, length) };
        builder.write_within(text, start, start + end);
        Ok(true)
    })
}

/// Whether position `from + 1` lies beyond the end of the text. The end itself counts as beyond.
fn beyond(text: &str, from: usize, ascii: bool) -> bool {
    from >= if ascii { text.len() } else { text.chars().count() } && from > 0
}

fn bytes(arguments: &Arguments<'_>, errors: &mut RowErrors, beyond_is_null: bool) -> ArrayRef {
    if arguments.has_null_constant() {
        return Arc::new(binary_array(vec![None; arguments.rows]));
    }
    let array = arguments.array(0).as_binary::<i32>();
    let constant = arguments.operands[0].is_constant();
    let nulls = arguments.strict_nulls();
    let ranges = Ranges::of(arguments);
    let rows = (0..arguments.rows).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let whole = array.value(if constant { 0 } else { row });
        match ranges.of_row(row) {
            Ok((from, _)) if beyond_is_null && from > 0 && from >= whole.len() => None,
            Ok((from, to)) => Some(&whole[from.min(whole.len())..to.min(whole.len())]),
            Err(error) => {
                errors.push(row, error);
                None
            }
        }
    });
    Arc::new(binary_array(rows))
}

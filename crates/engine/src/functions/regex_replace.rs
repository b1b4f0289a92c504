//! `REGEX_REPLACE(text, regex, replacement, start, occurrence)` with Java's syntax on both sides: `$1` and `${name}` in
//! the replacement are groups, a backslash makes the next character literal.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::expression::java_regex::{Groups, JavaRegex, StepBudget};
use crate::functions::{CallSite, Function, signature, text_rows};
use arrow_array::types::Int64Type;
use millstream_columns::RowError;
use millstream_columns::text_builder::{TextBuilder, character_boundary};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "REGEX_REPLACE", signature, compile, can_fail: true, uses_clock: false }];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 5..=5, "5")?;
    let mut parameters =
        (0..3).map(|index| signature::text(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    signature::compiles(arguments, 1, JavaRegex::new)?;
    for index in 3..5 {
        signature::number(arguments, index)?;
        parameters.push(SqlType::BigInt);
    }
    Ok(Signature { parameters, returns: SqlType::Varchar { length: signature::LONGEST } })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let fixed = site.constant_text(1).map(JavaRegex::new);
    Ok(Box::new(move |arguments, errors| {
        let (texts, patterns, replacements) = (arguments.text(0), arguments.text(1), arguments.text(2));
        let mut cache: Option<(String, Result<JavaRegex, RowError>)> = None;
        text_rows(arguments, errors, texts.bytes().len(), |row, builder| {
            let text = texts.get(row).unwrap_or_default();
            let start = arguments.lane::<Int64Type>(3).get(row);
            let occurrence = arguments.lane::<Int64Type>(4).get(row);
            if start < 1 {
                return Err(RowError::function(format!("REGEX_REPLACE starts at 1 or later, not {start}")));
            }
            if occurrence < 0 {
                return Err(RowError::function(format!(
                    "REGEX_REPLACE takes the occurrence 0 (all), 1, 2, …, not {occurrence}"
                )));
            }
            let regex = match &fixed {
                Some(regex) => regex,
                None => {
                    let pattern = patterns.get(row).unwrap_or_default();
                    if cache.as_ref().is_none_or(|(known, _)| known != pattern) {
                        cache = Some((pattern.to_owned(), JavaRegex::new(pattern)));
                    }
                    &cache.as_ref().expect("filled above").1
                }
            };
            let regex = regex.as_ref().map_err(RowError::clone)?;
            let from = character_boundary(text, usize::try_from(start - 1).unwrap_or(usize::MAX));
            if from == text.len() && start > 1 {
                builder.write(text);
                return Ok(true);
            }
            let replacement = replacements.get(row).unwrap_or_default();
            replace(regex, text, from, replacement, occurrence, builder)?;
            if builder.current().len() > signature::LONGEST as usize {
                let written = std::str::from_utf8(builder.current()).unwrap_or_default();
                let cut = character_boundary(written, signature::LONGEST as usize);
                builder.truncate_current(cut);
            }
            Ok(true)
        })
    }))
}

fn replace(
    regex: &JavaRegex,
    text: &str,
    from: usize,
    replacement: &str,
    occurrence: i64,
    builder: &mut TextBuilder,
) -> Result<(), RowError> {
    let mut copied = 0;
    let mut search = from;
    let mut found = 0;
    let mut budget = StepBudget::of_row();
    while search <= text.len() {
        let Some(groups) = regex.groups_at(text, search, &mut budget)? else { break };
        let (start, end) = groups[0].expect("group 0 is the match");
        found += 1;
        if occurrence == 0 || found == occurrence {
            builder.write(&text[copied..start]);
            write_replacement(regex, text, &groups, replacement, builder)?;
            copied = end;
        }
        if found == occurrence {
            break;
        }
        search = if end > start { end } else { end + character_boundary(&text[end..], 1).max(1) };
    }
    builder.write(&text[copied..]);
    Ok(())
}

fn write_replacement(
    regex: &JavaRegex,
    text: &str,
    groups: &Groups,
    replacement: &str,
    builder: &mut TextBuilder,
) -> Result<(), RowError> {
    let refused = |reason: &str| {
        RowError::function(format!("'{replacement}' is not a replacement of REGEX_REPLACE: {reason}"))
    };
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(literal) => builder.write_char(literal),
                None => return Err(refused("nothing follows the backslash")),
            },
            '$' => {
                let group = if characters.peek() == Some(&'{') {
                    characters.next();
                    let name: String =
                        characters.by_ref().take_while(|character| *character != '}').collect();
                    regex.group_named(&name).ok_or_else(|| refused("there is no group of that name"))?
                } else {
                    let first = characters
                        .next()
                        .and_then(|digit| digit.to_digit(10))
                        .ok_or_else(|| refused("a group number follows $; write \\$ for the sign itself"))?;
                    let mut group = first as usize;
                    while let Some(digit) = characters.peek().and_then(|digit| digit.to_digit(10)) {
                        let longer = group * 10 + digit as usize;
                        if longer >= regex.group_count() {
                            break;
                        }
                        group = longer;
                        characters.next();
                    }
                    group
                };
                match groups.get(group) {
                    Some(Some((start, end))) => builder.write(&text[*start..*end]),
                    Some(None) => {}
                    None => return Err(refused(&format!("the pattern has no group {group}"))),
                }
            }
            literal => builder.write_char(literal),
        }
    }
    Ok(())
}

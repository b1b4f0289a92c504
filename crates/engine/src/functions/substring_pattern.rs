//! `SUBSTRING(s FROM 'regex')`: the first match of a Java regular expression, and
//! `SUBSTRING(s SIMILAR 'before e"wanted e"after' ESCAPE 'e')`: what lies between the marks. NULL without a match.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::expression::java_regex::JavaRegex;
use crate::expression::like::escape_character;
use crate::expression::similar;
use crate::functions::{CallSite, Function, signature, text_rows};
use millstream_columns::RowError;
use millstream_sql::{Argument, Signature, SignatureError, Value};
use regex::Regex;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "SUBSTRING_REGEX",
        signature: with_regex,
        compile: compile_regex,
        can_fail: true,
        uses_clock: false,
    },
    Function {
        name: "SUBSTRING_SIMILAR",
        signature: with_similar,
        compile: compile_similar,
        can_fail: true,
        uses_clock: false,
    },
];

fn with_regex(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    let signature = texts(arguments, 2, "2")?;
    signature::compiles(arguments, 1, JavaRegex::new)?;
    Ok(signature)
}

fn with_similar(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    let signature = texts(arguments, 3, "3")?;
    if let Some(Value::Text(escape)) = &arguments[2].literal {
        signature::compiles(arguments, 1, |pattern| marked(pattern, escape))?;
    }
    Ok(signature)
}

fn texts(arguments: &[Argument], count: usize, text: &'static str) -> Result<Signature, SignatureError> {
    signature::count(arguments, count..=count, text)?;
    let parameters =
        (0..count).map(|index| signature::text(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    let returns = signature::varchar_of(parameters[0]);
    Ok(Signature { parameters, returns })
}

/// A prepared pattern and the text that it was prepared from, so that a run of equal patterns is prepared once.
struct Prepared<P> {
    source: Option<String>,
    pattern: Option<Result<P, RowError>>,
}

impl<P> Prepared<P> {
    fn get(&mut self, source: String, prepare: impl Fn() -> Result<P, RowError>) -> Result<&P, RowError> {
        if self.source.as_ref() != Some(&source) {
            self.source = Some(source);
            self.pattern = Some(prepare());
        }
        match self.pattern.as_ref().expect("prepared above") {
            Ok(pattern) => Ok(pattern),
            Err(error) => Err(error.clone()),
        }
    }
}

fn compile_regex(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let fixed = site.constant_text(1).map(JavaRegex::new);
    Ok(Box::new(move |arguments, errors| {
        let lane = arguments.text(0);
        let patterns = arguments.text(1);
        let mut cache = Prepared { source: None, pattern: None };
        text_rows(arguments, errors, lane.bytes().len() / 2, |row, builder| {
            let text = lane.get(row).unwrap_or_default();
            let regex = match &fixed {
                Some(regex) => regex.as_ref().map_err(RowError::clone)?,
                None => {
                    let pattern = patterns.get(row).unwrap_or_default();
                    cache.get(pattern.to_owned(), || JavaRegex::new(pattern))?
                }
            };
            match regex.find_at(text, 0)? {
                Some((start, end)) => {
                    builder.write(&text[start..end]);
                    Ok(true)
                }
                None => Ok(false),
            }
        })
    }))
}

fn compile_similar(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let fixed = match (site.constant_text(1), site.constant_text(2)) {
        (Some(pattern), Some(escape)) => Some(marked(pattern, escape)),
        _ => None,
    };
    Ok(Box::new(move |arguments, errors| {
        let lane = arguments.text(0);
        let (patterns, escapes) = (arguments.text(1), arguments.text(2));
        let mut cache = Prepared { source: None, pattern: None };
        text_rows(arguments, errors, lane.bytes().len() / 2, |row, builder| {
            let text = lane.get(row).unwrap_or_default();
            let regex = match &fixed {
                Some(regex) => regex.as_ref().map_err(RowError::clone)?,
                None => {
                    let pattern = patterns.get(row).unwrap_or_default();
                    let escape = escapes.get(row).unwrap_or_default();
                    cache.get(format!("{escape}\u{0}{pattern}"), || marked(pattern, escape))?
                }
            };
            match regex.captures(text).and_then(|found| found.get(1)) {
                Some(wanted) => {
                    builder.write(wanted.as_str());
                    Ok(true)
                }
                None => Ok(false),
            }
        })
    }))
}

/// The regular expression of a pattern with two marks; group 1 is what lies between them.
fn marked(pattern: &str, escape: &str) -> Result<Regex, RowError> {
    let escape = escape_character(escape)?;
    let mut parts = vec![String::new()];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let last = parts.last_mut().expect("there is always a part");
        if character != escape {
            last.push(character);
            continue;
        }
        match characters.next() {
            Some('"') => parts.push(String::new()),
            Some(other) => last.extend([escape, other]),
            None => last.push(escape),
        }
    }
    let [before, wanted, after] = parts.as_slice() else {
        return Err(RowError::function(format!(
            "the pattern '{pattern}' of SUBSTRING needs two marks {escape}\" around the wanted part"
        )));
    };
    let translate = |part: &str| similar::translate(part, Some(escape));
    let translated = format!("(?:{})({})(?:{})", translate(before)?, translate(wanted)?, translate(after)?);
    similar::build(&translated, pattern)
}

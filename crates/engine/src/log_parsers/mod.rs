//! Log parsers: functions that take a text apart into the fields of a record. Each file holds one: what fields it gives
//! for its constant arguments, and how it splits a text.
//!
//! To add one: write its file with a [`LogParser`], and name it in [`PARSERS`]; nothing else knows the list.

mod column_list;
mod fast_regex;
mod fixed_column;
mod regex_log;
mod sys_log;
mod variable_column;
mod w3c;

use millstream_columns::RowError;
use millstream_sql::{Argument, RecordField, SignatureError, SqlType, Value};
use std::borrow::Cow;

/// All log parsers.
pub(crate) const PARSERS: &[LogParser] = &[
    fast_regex::PARSER,
    fast_regex::LONGER_NAME,
    fixed_column::PARSER,
    regex_log::PARSER,
    sys_log::PARSER,
    variable_column::PARSER,
    w3c::PARSER,
];

/// A log parser.
pub(crate) struct LogParser {
    /// Upper case, as calls name it.
    pub(crate) name: &'static str,
    /// Checks the arguments of a call, the text being the first, and makes what runs.
    pub(crate) prepare: fn(&[Argument]) -> Result<Prepared, SignatureError>,
}

/// A call, ready to run.
pub(crate) struct Prepared {
    /// What it gives.
    pub(crate) fields: Vec<RecordField>,
    /// How it takes a text apart.
    pub(crate) split: Split,
}

/// Takes a text apart; the second argument is the ROWTIME of its row. `None` when the text does not match; a field may
/// be absent.
pub(crate) type Split =
    Box<dyn for<'t> Fn(&'t str, i64) -> Result<Option<Fields<'t>>, RowError> + Send + Sync>;

/// The texts of the fields.
pub(crate) type Fields<'t> = Vec<Option<Cow<'t, str>>>;

/// The type of a field that the call does not name.
const DEFAULT_FIELD: SqlType = SqlType::Varchar { length: 1_024 };

/// The log parser of that name.
pub(crate) fn find(name: &str) -> Option<&'static LogParser> {
    PARSERS.iter().find(|parser| parser.name == name)
}

/// `COLUMN1` to `COLUMNn`.
fn numbered_fields(count: usize) -> Vec<RecordField> {
    (1..=count).map(|number| plain_field(format!("COLUMN{number}"), DEFAULT_FIELD)).collect()
}

fn plain_field(name: String, sql_type: SqlType) -> RecordField {
    RecordField { name, sql_type, format: None, not_null: false }
}

/// Requires a text as the first argument and `allowed` arguments in all.
fn check_arguments(
    arguments: &[Argument],
    allowed: std::ops::RangeInclusive<usize>,
    text: &'static str,
) -> Result<(), SignatureError> {
    if !allowed.contains(&arguments.len()) {
        return Err(SignatureError::ArgumentCount(text));
    }
    match arguments[0].sql_type {
        SqlType::Null => Ok(()),
        sql_type if sql_type.is_character() => Ok(()),
        _ => Err(SignatureError::ArgumentType { index: 0, expected: "text" }),
    }
}

fn refused(index: usize, message: impl Into<String>) -> SignatureError {
    SignatureError::ArgumentValue { index, message: message.into() }
}

/// The constant text at `index`.
fn constant_text<'a>(arguments: &'a [Argument], index: usize, what: &str) -> Result<&'a str, SignatureError> {
    match &arguments[index].literal {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(refused(index, format!("{what} is a constant text in single quotes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments of a call: a text column, then constants.
    pub(super) fn arguments(constants: &[Value]) -> Vec<Argument> {
        let column = Argument { sql_type: SqlType::Varchar { length: 512 }, literal: None };
        let constants = constants.iter().map(|value| {
            let sql_type = match value {
                Value::Integer(_) => SqlType::Integer,
                _ => SqlType::Varchar { length: 64 },
            };
            Argument { sql_type, literal: Some(value.clone()) }
        });
        std::iter::once(column).chain(constants).collect()
    }

    /// The fields of a text, absent ones as `-`, joined by `|`; `no match` without one.
    pub(super) fn split(parser: &LogParser, constants: &[&str], text: &str) -> String {
        let constants: Vec<Value> = constants.iter().map(|text| Value::Text((*text).to_owned())).collect();
        let prepared = (parser.prepare)(&arguments(&constants)).unwrap();
        match (prepared.split)(text, 0).unwrap() {
            None => "no match".to_owned(),
            Some(fields) => {
                assert_eq!(fields.len(), prepared.fields.len());
                let shown: Vec<&str> = fields.iter().map(|field| field.as_deref().unwrap_or("-")).collect();
                shown.join("|")
            }
        }
    }

    #[test]
    fn every_parser_has_a_name_of_its_own_and_refuses_no_arguments() {
        for parser in PARSERS {
            assert_eq!(PARSERS.iter().filter(|other| other.name == parser.name).count(), 1);
            assert!(
                matches!((parser.prepare)(&[]), Err(SignatureError::ArgumentCount(_))),
                "{}",
                parser.name
            );
        }
    }
}

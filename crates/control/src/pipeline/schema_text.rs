//! Columns as text: `review_id VARCHAR(64), star_rating INTEGER`.

use std::collections::HashSet;
use std::ops::Range;

use millstream_sql::{Column, InputStream, SqlType, parse_sql_type};

/// A text that does not declare columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct SchemaTextError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
    /// Bytes of the text that are wrong.
    pub span: Range<usize>,
}

/// How columns are written.
const FORM: &str = "write columns as NAME TYPE, such as: ticker VARCHAR(8), price DOUBLE";

/// A column as it is declared: its name, its type, and the path of a JSON column.
pub type DeclaredColumn = (String, SqlType, Option<String>);

/// Parses `NAME TYPE, …`. Names keep their case, as if quoted; quotes around a name are allowed. The third part is what
/// stands behind the type: the path of a JSON column.
///
/// # Errors
/// What is wrong with each column.
pub fn parse_columns(text: &str) -> Result<Vec<DeclaredColumn>, Vec<SchemaTextError>> {
    let mut columns: Vec<DeclaredColumn> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut errors = Vec::new();
    for untrimmed in split_outside_parentheses(text) {
        let part = untrimmed.trim();
        match parse_column(text, untrimmed) {
            Ok(column) if known.insert(column.0.clone()) => columns.push(column),
            Ok((name, ..)) => errors.push(wrong(text, part, format!("column \"{name}\" is declared twice"))),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}

/// Where a text declares a column, with its type.
pub(super) fn column_place(text: &str, column: &str) -> Option<Range<usize>> {
    let mut parts = split_outside_parentheses(text).into_iter().map(str::trim);
    let part = parts.find(|part| split_name(part).is_ok_and(|(name, _)| name == column))?;
    Some(place_of(text, part))
}

/// The place of a part of a text, by where it is in memory.
fn place_of(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

/// What is wrong with a part of a text.
fn wrong(text: &str, part: &str, message: String) -> SchemaTextError {
    SchemaTextError { message, hint: FORM.to_owned(), span: place_of(text, part) }
}

fn parse_column(text: &str, untrimmed: &str) -> Result<DeclaredColumn, SchemaTextError> {
    let part = untrimmed.trim();
    let wrong = |part: &str, message: String| wrong(text, part, message);
    if part.is_empty() {
        return Err(wrong(untrimmed, "a column is empty".to_owned()));
    }
    let (name, rest) = split_name(part).map_err(|message| wrong(part, message))?;
    let (type_text, mapping) = match rest.find('$') {
        Some(at) => (rest[..at].trim(), Some(rest[at..].trim().to_owned())),
        None => (rest.trim(), None),
    };
    if type_text.is_empty() {
        return Err(wrong(part, format!("column \"{name}\" has no type")));
    }
    if let Some(at) =
        type_text.find([' ', '\t']).filter(|at| type_text[*at..].trim_start().starts_with(['.', '[']))
    {
        let path = type_text[at..].trim_start();
        let message = format!("column \"{name}\": a path begins with $: write ${path}");
        return Err(wrong(path, message));
    }
    if let Some(next) = column_behind_blank(rest.trim()) {
        return Err(wrong(next, format!("a comma is missing before column \"{}\"", name_of(next))));
    }
    let sql_type = parse_sql_type(type_text).map_err(|mistake| {
        let error = wrong(type_text, format!("column \"{name}\": {}", mistake.message));
        SchemaTextError { hint: mistake.hint.unwrap_or(error.hint), ..error }
    })?;
    Ok((name, sql_type, mapping))
}

/// What looks like another column behind a type and its path, when a comma is missing.
fn column_behind_blank(rest: &str) -> Option<&str> {
    let is_column = |part: &str| {
        let (_, rest) = split_name(part).ok()?;
        let type_text = rest.split_once('$').map_or(rest, |(type_text, _)| type_text).trim();
        // Behind this one there may be another that lacks its comma.
        (parse_sql_type(type_text).is_ok() || column_behind_blank(rest.trim()).is_some()).then_some(())
    };
    let is_whole = |before: &str| match before.split_once('$') {
        Some((type_text, path)) => {
            let is_closed = path.matches('[').count() == path.matches(']').count();
            parse_sql_type(type_text.trim()).is_ok() && is_closed && !path.contains(char::is_whitespace)
        }
        None => parse_sql_type(before).is_ok(),
    };
    let blanks = rest.char_indices().filter(|(_, character)| character.is_whitespace());
    let mut splits = blanks.map(|(at, _)| (rest[..at].trim(), rest[at..].trim()));
    splits.find(|(before, part)| is_whole(before) && is_column(part).is_some()).map(|(_, part)| part)
}

/// The name that a column begins with.
fn name_of(part: &str) -> String {
    split_name(part).map_or_else(|_| part.to_owned(), |(name, _)| name)
}

/// Parses `NAME (COLUMN TYPE, …)`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_input_stream(text: &str) -> Result<InputStream, SchemaTextError> {
    parse_declared_stream(text).map(|(stream, _)| stream)
}

/// The same, with the columns as they are declared.
pub(super) fn parse_declared_stream(
    text: &str,
) -> Result<(InputStream, Vec<DeclaredColumn>), SchemaTextError> {
    let inner = text.trim().split_once('(').and_then(|(name, rest)| {
        rest.trim_end().strip_suffix(')').map(|columns| (name.trim().trim_matches('"'), columns))
    });
    let Some((name, columns)) = inner.filter(|(name, _)| !name.is_empty()) else {
        let message = format!("\"{text}\" is not of the form NAME (COLUMN TYPE, …)");
        return Err(SchemaTextError { message, hint: FORM.to_owned(), span: 0..text.len() });
    };
    if !text.trim_start().starts_with('"') && name.contains(char::is_whitespace) {
        // The parentheses are those of a type.
        let (name, columns) = text.trim().split_once(char::is_whitespace).unwrap_or((name, columns));
        let message = format!("\"{text}\" is not of the form NAME (COLUMN TYPE, …)");
        let hint = format!("put the columns in parentheses: {name} ({})", columns.trim());
        return Err(SchemaTextError { message, hint, span: 0..text.len() });
    }
    let declared = parse_columns(columns).map_err(|mut errors| errors.swap_remove(0))?;
    let columns = declared.iter().map(|(name, sql_type, _)| Column {
        name: name.clone(),
        sql_type: *sql_type,
        not_null: false,
    });
    let stream = InputStream { name: name.to_owned(), columns: columns.collect(), metadata_columns: 0 };
    Ok((stream, declared))
}

fn split_name(part: &str) -> Result<(String, &str), String> {
    if let Some(rest) = part.strip_prefix('"') {
        let end = name_end(rest).ok_or_else(|| format!("the quote of {part} is not closed"))?;
        return Ok((rest[..end].replace("\"\"", "\""), &rest[end + 1..]));
    }
    let end = part.find(char::is_whitespace).unwrap_or(part.len());
    let name = &part[..end];
    match name.strip_suffix(':') {
        Some(bare) => {
            Err(format!("a blank stands between a name and its type, no colon: {bare}{}", &part[end..]))
        }
        None => Ok((name.to_owned(), &part[end..])),
    }
}

/// The place of the quote that ends a quoted name; two are one of the name.
fn name_end(after_quote: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += after_quote[at..].find('"')?;
        if !after_quote[at + 1..].starts_with('"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The place of the quote that ends a quoted member of a path; a backslash keeps the next character.
fn member_end(after_quote: &str, quote: char) -> Option<usize> {
    let mut characters = after_quote.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            end if end == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The parts between commas, but for those in parentheses, in the quoted name that begins a part, or in a quoted member of a
/// path.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_i32, 0, 0);
    while let Some(character) = text[at..].chars().next() {
        let after = at + character.len_utf8();
        let quoted = match character {
            '"' if text[start..at].trim().is_empty() => name_end(&text[after..]),
            '"' | '\'' if text[start..at].ends_with('[') => member_end(&text[after..], character),
            _ => None,
        };
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = after;
            }
            _ => {}
        }
        at = quoted.map_or(after, |end| after + end + 1);
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_stream_stand_in_parentheses() {
        for (text, hint) in [
            ("S sensor VARCHAR(4)", "put the columns in parentheses: S (sensor VARCHAR(4))"),
            (" S  a INTEGER, b VARCHAR(4) ", "put the columns in parentheses: S (a INTEGER, b VARCHAR(4))"),
            ("S a INTEGER", "write columns as NAME TYPE, such as: ticker VARCHAR(8), price DOUBLE"),
        ] {
            let error = parse_input_stream(text).unwrap_err();
            assert_eq!(error.message, format!("\"{text}\" is not of the form NAME (COLUMN TYPE, …)"));
            assert_eq!(error.hint, hint);
        }
        assert_eq!(parse_input_stream("\"two words\" (a INTEGER)").unwrap().name, "two words");
    }

    #[test]
    fn columns_are_read() {
        let stream =
            parse_input_stream("S_001 (\"star rating\" INTEGER, price DECIMAL(5,2), t VARCHAR(4))").unwrap();
        assert_eq!(stream.name, "S_001");
        assert_eq!(stream.columns[0].name, "star rating");
        assert_eq!(stream.columns[1].sql_type, SqlType::Decimal { precision: 5, scale: 2 });
        let columns = parse_columns("ticker VARCHAR(4) $.quote.ticker").unwrap();
        assert_eq!(columns[0].2.as_deref(), Some("$.quote.ticker"));
    }

    #[test]
    fn quoted_names_and_members_hold_any_characters() {
        let text = "\"a.b\" INTEGER, \"say \"\"(it)\"\", or not\" DECIMAL(5,2) $['x, (y'].z , it's INTEGER $[\"a\\\", b\"], c DOUBLE, \
            d INTEGER $['a b INTEGER c']";
        let columns = parse_columns(text).unwrap();
        let read: Vec<(&str, Option<&str>)> =
            columns.iter().map(|(name, _, path)| (name.as_str(), path.as_deref())).collect();
        let expected = [
            ("a.b", None),
            ("say \"(it)\", or not", Some("$['x, (y'].z")),
            ("it's", Some("$[\"a\\\", b\"]")),
            ("c", None),
            ("d", Some("$['a b INTEGER c']")),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("a", "column \"a\" has no type"),
            ("a INTEGR", "column \"a\""),
            ("a INTEGER,", "a column is empty"),
            ("a INTEGER, a INTEGER", "column \"a\" is declared twice"),
            ("\"a INTEGER", "the quote of"),
            ("a INTEGER b VARCHAR(8)", "a comma is missing before column \"b\""),
            ("a DOUBLE PRECISION b DECIMAL(5,2) c DATE", "a comma is missing before column \"b\""),
            ("a INTEGER $.a \"b c\" INTEGER $.b", "a comma is missing before column \"b c\""),
            ("a TIMESTAMP WITH TIME ZONE", "column \"a\""),
        ] {
            let error = parse_columns(text).unwrap_err()[0].to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!(parse_input_stream("nothing").is_err());
        for (text, marked) in [
            ("a INTEGER,\n  b INTEGR, c DOUBLE", "INTEGR"),
            ("a DOUBLE .CHANGE", ".CHANGE"),
            ("a INTEGER, , b INTEGER", " "),
            ("a INTEGER, \"b\" DOUBLE [0].x", "[0].x"),
        ] {
            let error = parse_columns(text).unwrap_err().remove(0);
            assert_eq!(&text[error.span.clone()], marked, "{text}: {error}");
        }
        let error = parse_columns("a DOUBLE .CHANGE").unwrap_err()[0].to_string();
        assert!(error.contains("a path begins with $: write $.CHANGE"), "{error}");
        let errors = parse_columns("a INTEGR, b DOUBLE, b REAL, , c").unwrap_err();
        let messages: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
        let expected = [
            "column \"a\": there is no type INTEGR",
            "column \"b\" is declared twice",
            "a column is empty",
            "column \"c\" has no type",
        ];
        assert_eq!(messages, expected);
    }
}

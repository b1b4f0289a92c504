//! Columns as text: `review_id VARCHAR(64), star_rating INTEGER`.

use millstream_sql::{Column, InputStream, SqlType, parse_sql_type};

/// A text that does not declare columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write columns as NAME TYPE, such as: ticker VARCHAR(8), price DOUBLE")]
pub struct SchemaTextError(String);

/// Parses `NAME TYPE, …`. Names keep their case, as if quoted; quotes around a name are allowed. The third part is what
/// stands behind the type: the path of a JSON column.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_columns(text: &str) -> Result<Vec<(String, SqlType, Option<String>)>, SchemaTextError> {
    let mut columns: Vec<(String, SqlType, Option<String>)> = Vec::new();
    for part in split_outside_parentheses(text) {
        let part = part.trim();
        if part.is_empty() {
            return Err(SchemaTextError("a column is empty".to_owned()));
        }
        let (name, rest) = split_name(part)?;
        let (type_text, mapping) = match rest.find('$') {
            Some(at) => (rest[..at].trim(), Some(rest[at..].trim().to_owned())),
            None => (rest.trim(), None),
        };
        if type_text.is_empty() {
            return Err(SchemaTextError(format!("column \"{name}\" has no type")));
        }
        let sql_type = parse_sql_type(type_text)
            .map_err(|mistake| SchemaTextError(format!("column \"{name}\": {}", mistake.message)))?;
        if columns.iter().any(|(known, _, _)| *known == name) {
            return Err(SchemaTextError(format!("column \"{name}\" is there twice")));
        }
        columns.push((name, sql_type, mapping));
    }
    Ok(columns)
}

/// Parses `NAME (COLUMN TYPE, …)`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_input_stream(text: &str) -> Result<InputStream, SchemaTextError> {
    let inner = text.trim().split_once('(').and_then(|(name, rest)| {
        rest.trim_end().strip_suffix(')').map(|columns| (name.trim().trim_matches('"'), columns))
    });
    let Some((name, columns)) = inner.filter(|(name, _)| !name.is_empty()) else {
        return Err(SchemaTextError(format!("\"{text}\" is not of the form NAME (COLUMN TYPE, …)")));
    };
    let columns = parse_columns(columns)?
        .into_iter()
        .map(|(name, sql_type, _)| Column { name, sql_type, not_null: false })
        .collect();
    Ok(InputStream { name: name.to_owned(), columns, metadata_columns: 0 })
}

fn split_name(part: &str) -> Result<(String, &str), SchemaTextError> {
    if let Some(rest) = part.strip_prefix('"') {
        let Some((name, rest)) = rest.split_once('"') else {
            return Err(SchemaTextError(format!("the quote of {part} is not closed")));
        };
        return Ok((name.to_owned(), rest));
    }
    let end = part.find(char::is_whitespace).unwrap_or(part.len());
    Ok((part[..end].to_owned(), &part[end..]))
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn mistakes_are_named() {
        for (text, expected) in [
            ("a", "column \"a\" has no type"),
            ("a INTEGR", "column \"a\""),
            ("a INTEGER,", "a column is empty"),
            ("a INTEGER, a INTEGER", "column \"a\" is there twice"),
            ("\"a INTEGER", "the quote of"),
        ] {
            let error = parse_columns(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!(parse_input_stream("nothing").is_err());
    }
}

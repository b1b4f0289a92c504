//! The number in a row that a query sends to a function, found by the name of its column.

use millstream_wording::counted;
use serde_json::Value;

use crate::json_text::read_json;

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("the row is not UTF-8 text")]
    NotText,
    #[error("the row is not a JSON object: {0}")]
    NotJson(String),
    #[error("the row has no column \"{column}\"; it has {present}")]
    NoMember { column: String, present: String },
    #[error(
        "the row has {} and column \"{column}\" is its field {field}, counted from 1",
        counted(*.present, "field")
    )]
    NoField { column: String, field: usize, present: usize },
    #[error("the value {0} is not a finite number")]
    NotANumber(String),
}

/// The number in the column of a row; `None` when it is null. The fields of a CSV row are named by `columns`; without
/// them the row is one JSON object. Names are compared exactly: a query's column is in upper case unless quoted.
pub(crate) fn number_of(
    row: &[u8],
    column: &str,
    columns: Option<&[String]>,
) -> Result<Option<f64>, RowError> {
    let text = std::str::from_utf8(row).map_err(|_| RowError::NotText)?;
    let Some(columns) = columns else { return json_number(text, column) };
    let Some(field) = columns.iter().position(|name| name == column) else {
        let present = shorten(&columns.join(", "));
        return Err(RowError::NoMember { column: column.to_owned(), present });
    };
    csv_number(text, column, field)
}

fn json_number(text: &str, column: &str) -> Result<Option<f64>, RowError> {
    let row: serde_json::Map<String, Value> = read_json(text).map_err(RowError::NotJson)?;
    match row.get(column) {
        Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number
            .as_f64()
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| RowError::NotANumber(number.to_string())),
        Some(Value::String(text)) => number(text),
        Some(other) => Err(RowError::NotANumber(shorten(&other.to_string()))),
        None => Err(RowError::NoMember {
            column: column.to_owned(),
            present: shorten(&row.keys().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")),
        }),
    }
}

/// The columns of a row by name, for people; empty when it cannot be read.
pub(crate) fn columns_of(row: &[u8], columns: Option<&[String]>) -> Vec<(String, String)> {
    let Ok(text) = std::str::from_utf8(row) else { return Vec::new() };
    if let Some(columns) = columns {
        return columns.iter().cloned().zip(csv_fields(text.trim_end_matches(['\r', '\n']))).collect();
    }
    let object: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let shown = object.into_iter().map(|(name, value)| match value {
        Value::String(text) => (name, text),
        other => (name, other.to_string()),
    });
    shown.collect()
}

fn csv_number(text: &str, column: &str, place: usize) -> Result<Option<f64>, RowError> {
    let fields =
        csv_fields(text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)));
    match fields.get(place) {
        Some(field) if field.is_empty() => Ok(None),
        Some(field) => number(field),
        None => Err(RowError::NoField { column: column.to_owned(), field: place + 1, present: fields.len() }),
    }
}

/// The fields of one CSV line: `,` separates, `"` quotes, `""` is a quote inside quotes.
fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is always a field");
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

fn number(text: &str) -> Result<Option<f64>, RowError> {
    let number: Option<f64> = text.trim().parse().ok();
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Some(number)),
        None => Err(RowError::NotANumber(shorten(&format!("\"{text}\"")))),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_numbers_are_found_by_name_in_both_formats() {
        let names = ["B".to_owned(), "A".to_owned()];
        let csv = Some(names.as_slice());
        let found = [
            (None, r#"{"B":1,"A":3.7}"#, Some(3.7)),
            (None, r#"{"A":"4"}"#, Some(4.0)),
            (None, r#"{"A":null}"#, None),
            (csv, "x,3.5\r\n", Some(3.5)),
            (csv, "\"a,\"\"b\",1e1,z", Some(10.0)),
            (csv, "x,", None),
        ];
        for (columns, row, expected) in found {
            assert_eq!(number_of(row.as_bytes(), "A", columns), Ok(expected), "{row}");
        }
        let moved = ["A".to_owned(), "B".to_owned()];
        assert_eq!(number_of(b"7,8", "A", Some(&moved)), Ok(Some(7.0)));
        type Refused<'a> = (Option<&'a [String]>, &'a [u8], &'a str);
        let refused: [Refused<'_>; 8] = [
            (None, b"{\"B\":1}", "no column \"A\"; it has \"B\""),
            (None, b"{\"A\":[1]}", "not a finite number"),
            (None, b"{\"A\":\"NaN\"}", "not a finite number"),
            (None, b"[1]", "not a JSON object"),
            (None, b"\xff", "UTF-8"),
            (csv, b"3", "1 field and"),
            (csv, b"1,two", "\"two\""),
            (csv, b"1,inf", "not a finite number"),
        ];
        for (columns, row, reason) in refused {
            let error = number_of(row, "A", columns).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = number_of(b"1", "Z", csv).unwrap_err().to_string();
        assert!(error.contains("no column \"Z\"; it has B, A"), "{error}");
    }
}

//! The number in a row that a query sends to a function.

use serde_json::Value;

/// How rows arrive and where the number stands in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON object; the number is the member of this name, exactly.
    Json {
        /// The name, as the query's column is named (upper case unless quoted).
        column: String,
    },
    /// One line of comma-separated values; the number is the field at this place.
    Csv {
        /// Counted from 0.
        column: usize,
    },
}

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("the row is not UTF-8 text")]
    NotText,
    #[error("the row is not a JSON object: {0}")]
    NotJson(String),
    #[error("the row has no column \"{column}\"; it has {present}")]
    NoMember { column: String, present: String },
    #[error("the row has {present} fields and the number is expected in field {column}, counted from 0")]
    NoField { column: usize, present: usize },
    #[error("the value {0} is not a finite number")]
    NotANumber(String),
}

impl RowFormat {
    /// The number of a row; `None` when it is null.
    pub(crate) fn number(&self, row: &[u8]) -> Result<Option<f64>, RowError> {
        let text = std::str::from_utf8(row).map_err(|_| RowError::NotText)?;
        match self {
            RowFormat::Json { column } => json_number(text, column),
            RowFormat::Csv { column } => csv_number(text, *column),
        }
    }
}

fn json_number(text: &str, column: &str) -> Result<Option<f64>, RowError> {
    let row: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| RowError::NotJson(error.to_string()))?;
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

fn csv_number(text: &str, column: usize) -> Result<Option<f64>, RowError> {
    let fields =
        csv_fields(text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)));
    match fields.get(column) {
        Some(field) if field.is_empty() => Ok(None),
        Some(field) => number(field),
        None => Err(RowError::NoField { column, present: fields.len() }),
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
    fn numbers_are_found_in_both_formats() {
        let json = RowFormat::Json { column: "A".to_owned() };
        let csv = RowFormat::Csv { column: 1 };
        let found = [
            (&json, r#"{"B":1,"A":3.7}"#, Some(3.7)),
            (&json, r#"{"A":"4"}"#, Some(4.0)),
            (&json, r#"{"A":null}"#, None),
            (&csv, "x,3.5\r\n", Some(3.5)),
            (&csv, "\"a,\"\"b\",1e1,z", Some(10.0)),
            (&csv, "x,", None),
        ];
        for (format, row, expected) in found {
            assert_eq!(format.number(row.as_bytes()), Ok(expected), "{row}");
        }
        let refused: [(&RowFormat, &[u8], &str); 8] = [
            (&json, b"{\"B\":1}", "no column \"A\"; it has \"B\""),
            (&json, b"{\"A\":[1]}", "not a finite number"),
            (&json, b"{\"A\":\"NaN\"}", "not a finite number"),
            (&json, b"[1]", "not a JSON object"),
            (&json, b"\xff", "UTF-8"),
            (&csv, b"3", "1 fields"),
            (&csv, b"1,two", "\"two\""),
            (&csv, b"1,inf", "not a finite number"),
        ];
        for (format, row, reason) in refused {
            let error = format.number(row).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

//! A record, its text, and its answer.

use std::borrow::Cow;

use millstream_wording::counted;
use serde_json::{Map, Value, json};

use super::{Added, ClassifySettings, LabelOutput, TextInput};
use crate::classifier::Prediction;
use crate::json_text::read_json;

/// The rest of a record, for its answer.
pub(super) enum Fields {
    /// Of a whole line or delimited columns, in the order of the input's columns.
    Columns(Vec<String>),
    /// A JSON object: as it came, on one line, and parsed.
    Json(String, Map<String, Value>),
}

/// A record without the line end behind it and a byte order mark before it.
fn line_of(record: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(record).map_err(|_| "the record is not UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line)))
}

/// The text of a record, and what its answer is made of.
pub(super) fn read(settings: &ClassifySettings, record: &[u8]) -> Result<(Fields, String), String> {
    let line = line_of(record)?;
    let (fields, text) = match &settings.input {
        TextInput::Line => (Fields::Columns(vec![line.to_owned()]), line.to_owned()),
        TextInput::Delimited { columns, delimiter, text } => {
            let fields = split(line, columns, *delimiter, text)?;
            let place = columns.iter().position(|column| column == text);
            let text = place.and_then(|place| fields.get(place)).cloned().unwrap_or_default();
            (Fields::Columns(fields), text)
        }
        TextInput::Json { text } => {
            let document: Value =
                read_json(line).map_err(|reason| format!("the record is not JSON: {reason}"))?;
            let found = match text.find(&document) {
                Some(Value::String(found)) => found.clone(),
                Some(other) => return Err(format!("{} at {text} is no text", kind_of(other))),
                None => return Err(format!("the record has nothing at {text}")),
            };
            let Value::Object(members) = document else {
                return Err(format!("the record is {} and a JSON object is needed", kind_of(&document)));
            };
            // A line end within JSON is white space: inside texts it is escaped.
            (Fields::Json(line.trim().replace(['\n', '\r'], " "), members), found)
        }
    };
    if text.trim().is_empty() {
        return Err("the record has no text: there is nothing to classify".to_owned());
    }
    let (bytes, limit) = (text.len(), settings.max_text_bytes);
    if bytes > limit {
        return Err(format!("the text has {bytes} bytes and the limit is {limit}"));
    }
    Ok((fields, text))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of a line. The text takes the rest of the line when it is the last column, delimiters and all.
fn split(line: &str, columns: &[String], delimiter: char, text: &str) -> Result<Vec<String>, String> {
    let takes_the_rest = columns.last().is_some_and(|last| last == text);
    let most = if takes_the_rest { columns.len() } else { usize::MAX };
    let fields: Vec<String> = line.splitn(most, delimiter).map(str::to_owned).collect();
    if fields.len() == columns.len() {
        return Ok(fields);
    }
    Err(format!("the record has {} and {} are declared", counted(fields.len(), "column"), columns.len()))
}

/// The answer to a record, with a line feed at its end.
pub(super) fn write(settings: &ClassifySettings, fields: Fields, prediction: &Prediction) -> String {
    match &settings.output {
        LabelOutput::Json => write_json(&settings.input, fields, prediction),
        LabelOutput::Delimited { columns, delimiter } => {
            let mut line = String::new();
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    line.push(*delimiter);
                }
                let field = field(&settings.input, &fields, prediction, column);
                line.push_str(&field.replace([*delimiter, '\n', '\r'], " "));
            }
            line.push('\n');
            line
        }
    }
}

/// One field of a delimited answer; empty where the record has none.
fn field<'a>(
    input: &TextInput,
    fields: &'a Fields,
    prediction: &'a Prediction,
    column: &str,
) -> Cow<'a, str> {
    if let Some(added) = Added::named(column) {
        return match added {
            Added::Label => Cow::Borrowed(&prediction.label),
            Added::LabelIndex => Cow::Owned(prediction.label_index.to_string()),
            Added::Probability => Cow::Owned(rounded(prediction.probability).to_string()),
        };
    }
    match fields {
        Fields::Columns(values) => {
            let value = input.columns().position(|name| name == column).and_then(|place| values.get(place));
            Cow::Borrowed(value.map_or("", String::as_str))
        }
        Fields::Json(_, members) => match members.get(column) {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::String(text)) => Cow::Borrowed(text),
            Some(other) => Cow::Owned(other.to_string()),
        },
    }
}

fn write_json(input: &TextInput, fields: Fields, prediction: &Prediction) -> String {
    let added = format!(
        "\"{}\":{},\"{}\":{},\"{}\":{}}}\n",
        Added::Label.name(),
        json!(prediction.label),
        Added::LabelIndex.name(),
        prediction.label_index,
        Added::Probability.name(),
        rounded(prediction.probability),
    );
    let mut object = match fields {
        Fields::Columns(values) => {
            let mut object = String::from("{");
            for (name, value) in input.columns().zip(values) {
                object.push_str(&format!("{}:{},", json!(name), json!(value)));
            }
            object
        }
        // As it came: numbers keep their digits and members their order.
        Fields::Json(text, members) if !members.keys().any(|name| Added::named(name).is_some()) => {
            let mut object = text.strip_suffix('}').unwrap_or(&text).trim_end().to_owned();
            object.push(',');
            object
        }
        Fields::Json(_, mut members) => {
            members.retain(|name, _| Added::named(name).is_none());
            let object = Value::Object(members).to_string();
            let separator = if object == "{}" { "" } else { "," };
            format!("{}{separator}", object.strip_suffix('}').unwrap_or(&object))
        }
    };
    object.push_str(&added);
    object
}

/// A probability with six digits: a model says no more than that.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e6).round() / 1e6
}

//! What the reader of declarations says of a value, in words for people.

use toml::de::DeValue;

use super::similar_name::nearest;

/// A mistake in words: what a key needs, and what it has.
pub(super) fn reworded(message: &str, key: &str, value: Option<&DeValue<'_>>) -> String {
    // What there is instead stands in the hint.
    if let Some((wrong, _)) = unknown(message) {
        let what = if message.starts_with("unknown variant") { "value" } else { "key" };
        return format!("unknown {what} `{wrong}`");
    }
    let Some(value) = value else { return message.to_owned() };
    // What the reader says of the value of a word.
    if message.starts_with("wanted ") {
        return format!("{key} needs a string in quotes, not {}", shown(value));
    }
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((_, expected)) = rest.and_then(|rest| rest.split_once(", expected ")) else {
        return message.to_owned();
    };
    let is_too_large = matches!(value, DeValue::Integer(number) if !number.as_str().starts_with('-'));
    let expected = match expected {
        "u16" if is_too_large => "a whole number from 0 to 65535",
        "u32" if is_too_large => "a whole number from 0 to 4294967295",
        "f64" | "f32" => "a number, such as 3.0",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, such as 3",
        "a nonzero usize" => "a whole number above 0",
        "i64" | "i32" => "a whole number, such as 3 or -3",
        "a boolean" => "true or false",
        "a string" => "a string in quotes",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "a map" => "a section or table",
        other if other.starts_with("struct ") => "a section or table",
        other => other,
    };
    format!("{key} needs {expected}, not {}", shown(value))
}

/// A value as a message shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The first of the words that a value may be.
pub(super) fn expected_word(message: &str) -> Option<&str> {
    let (_, expected) =
        message.split_once(", expected ").filter(|_| message.starts_with("unknown variant"))?;
    expected.split('`').nth(1)
}

/// "unknown field `x`, expected one of `a`, `b`": what is wrong, and all that would be right.
fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let (unknown, expected) = message.split_once(", expected ")?;
    let wrong = unknown.strip_prefix("unknown ")?.split('`').nth(1)?;
    Some((wrong, expected.split('`').skip(1).step_by(2).collect()))
}

/// The nearest to what is wrong.
pub(super) fn meant_by(message: &str) -> Option<&str> {
    let (wrong, known) = unknown(message)?;
    nearest(wrong, known)
}

pub(super) fn hint_for(message: &str) -> Option<String> {
    let (_, known) = unknown(message)?;
    match meant_by(message) {
        Some(name) => Some(format!("did you mean \"{name}\"?")),
        None if known.is_empty() => None,
        None => Some(format!("there are: {}", known.join(", "))),
    }
}

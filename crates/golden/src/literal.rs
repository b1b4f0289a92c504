//! Values as golden files write them.

use millstream_columns::datetime_text::{parse_record_date, parse_record_time};
use millstream_sql::civil::{MILLIS_PER_DAY, civil_from_days, parse_timestamp};
use millstream_sql::{SqlType, Value};
use std::fmt;

/// What an `expect` line allows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// `*`
    Anything,
    /// `~0.92 +- 0.05`
    About {
        center: f64,
        tolerance: f64,
    },
    /// `NULL`
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Binary(Vec<u8>),
    Date(i32),
    Time(i32),
    Timestamp(i64),
}

/// 2024-01-01 00:00:00: the day of times without a date.
pub(crate) const DEFAULT_DAY_MILLIS: i64 = 1_704_067_200_000;

/// As a golden file writes it.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = match self {
            Expected::Anything => "*".to_owned(),
            Expected::About { center, tolerance } => format!("~{center} +- {tolerance}"),
            Expected::Null => "NULL".to_owned(),
            Expected::Boolean(value) => write_value(&Value::Boolean(*value), SqlType::Boolean),
            Expected::Number(text) => text.clone(),
            Expected::Text(text) => text_literal(text),
            Expected::Binary(bytes) => binary_literal(bytes),
            Expected::Date(days) => write_value(&Value::Date(*days), SqlType::Date),
            Expected::Time(millis) => write_value(&Value::Time(*millis), SqlType::Time),
            Expected::Timestamp(millis) => write_value(&Value::Timestamp(*millis), SqlType::Timestamp),
        };
        f.write_str(&written)
    }
}

/// A time: `2024-01-01 00:00:05.000`, or `00:00:05` on 2024-01-01.
pub(crate) fn parse_time_of_row(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is not a time: write 2024-01-01 00:00:05.000 or 00:00:05");
    time_of_row(text).ok_or_else(wrong)
}

/// The time that a row begins with.
pub(crate) fn parse_rowtime(text: &str) -> Result<i64, String> {
    time_of_row(text).ok_or_else(|| {
        format!(
            "\"{text}\" is not a time: a row begins with its ROWTIME, such as 2024-01-01 00:00:05.000 or 00:00:05"
        )
    })
}

fn time_of_row(text: &str) -> Option<i64> {
    let of_day = |text| millstream_sql::civil::parse_time(text).map(i64::from);
    parse_timestamp(text).or_else(|| Some(DEFAULT_DAY_MILLIS + of_day(text)?))
}

/// Splits a data line at its bars, leaving those inside quotes.
pub(crate) fn split_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        if character == '\'' {
            quoted = !quoted;
        }
        if character == '|' && !quoted {
            fields.push(String::new());
        } else if let Some(field) = fields.last_mut() {
            field.push(character);
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}

/// Parses a value of an `expect` line.
pub(crate) fn parse_expected(text: &str) -> Result<Expected, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(Expected::Anything);
    }
    if let Some(about) = text.strip_prefix('~') {
        let (center, tolerance) = about.split_once("+-").ok_or("write a tolerance as ~0.92 +- 0.05")?;
        let number = |text: &str| {
            text.trim().parse::<f64>().map_err(|_| format!("\"{}\" is not a number", text.trim()))
        };
        return Ok(Expected::About { center: number(center)?, tolerance: number(tolerance)? });
    }
    match text.to_ascii_uppercase().as_str() {
        "NULL" | "UNKNOWN" => return Ok(Expected::Null),
        "TRUE" => return Ok(Expected::Boolean(true)),
        "FALSE" => return Ok(Expected::Boolean(false)),
        _ => {}
    }
    for (prefix, kind) in [("DATE", 'd'), ("TIMESTAMP", 's'), ("TIME", 't')] {
        if let Some(rest) = text.strip_prefix(prefix)
            && rest.trim_start().starts_with('\'')
        {
            let content = quoted(rest.trim())?;
            let parsed = match kind {
                'd' => parse_record_date(content.as_bytes()).map(Expected::Date),
                't' => parse_record_time(content.as_bytes()).map(Expected::Time),
                _ => parse_timestamp(&content).map(Expected::Timestamp),
            };
            return parsed.ok_or_else(|| format!("{prefix} '{content}' does not exist"));
        }
    }
    if let Some(rest) = text.strip_prefix('X')
        && rest.starts_with('\'')
    {
        return hex(&quoted(rest)?).map(Expected::Binary);
    }
    if let Some(rest) = text.strip_prefix('e')
        && rest.starts_with('\'')
    {
        return Ok(Expected::Text(quoted(rest)?.replace("\\t", "\t").replace("\\n", "\n")));
    }
    if text.starts_with('\'') {
        return quoted(text).map(Expected::Text);
    }
    if text.parse::<f64>().is_ok() {
        return Ok(Expected::Number(text.to_owned()));
    }
    let literal = text_literal(text);
    Err(format!(
        "\"{text}\" is not a value: write {literal} if it is a text; else 42, TRUE, NULL, DATE '…', TIMESTAMP '…', X'…' \
         or *"
    ))
}

fn quoted(text: &str) -> Result<String, String> {
    text.strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .map(|content| content.replace("''", "'"))
        .ok_or_else(|| format!("the text {text} is not closed by a quote"))
}

fn hex(digits: &str) -> Result<Vec<u8>, String> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("X'{digits}' is not hex"));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("X'{digits}' has an odd number of digits"));
    }
    let byte = |index| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).expect("they are digits");
    Ok((0..digits.len() / 2).map(byte).collect())
}

/// Parses a value of a `rows` line for a column.
pub(crate) fn parse_value(text: &str, sql_type: SqlType) -> Result<Value, String> {
    let expected = parse_expected(text)?;
    let wrong = || format!("{text} is not of its type, {sql_type}");
    Ok(match (expected, sql_type) {
        (Expected::Null, _) => Value::Null,
        (Expected::Boolean(value), SqlType::Boolean) => Value::Boolean(value),
        (Expected::Number(text), integer) if integer.is_integer() => {
            Value::Integer(text.parse().ok().filter(|number| holds(integer, *number)).ok_or_else(wrong)?)
        }
        (Expected::Number(text), SqlType::Real | SqlType::Double) => {
            Value::Double(text.parse().map_err(|_| wrong())?)
        }
        (Expected::Number(text), SqlType::Decimal { precision, scale }) => {
            let has_place = |unscaled: &i128| unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision));
            Value::Decimal(decimal_at(&text, u32::from(scale)).filter(has_place).ok_or_else(wrong)?)
        }
        (Expected::Text(text), character) if character.is_character() => {
            let length = character.length().unwrap_or(u32::MAX) as usize;
            let mut text: String = text.chars().take(length).collect();
            if let SqlType::Char { .. } = character {
                text.extend(std::iter::repeat_n(' ', length - text.chars().count()));
            }
            Value::Text(text)
        }
        (Expected::Binary(bytes), SqlType::Binary { .. } | SqlType::Varbinary { .. }) => Value::Binary(bytes),
        (Expected::Date(days), SqlType::Date) => Value::Date(days),
        (Expected::Time(millis), SqlType::Time) => Value::Time(millis),
        (Expected::Timestamp(millis), SqlType::Timestamp) => Value::Timestamp(millis),
        _ => return Err(wrong()),
    })
}

/// Whether an integer type has this number.
fn holds(sql_type: SqlType, number: i64) -> bool {
    match sql_type {
        SqlType::TinyInt => i8::try_from(number).is_ok(),
        SqlType::SmallInt => i16::try_from(number).is_ok(),
        SqlType::Integer => i32::try_from(number).is_ok(),
        _ => true,
    }
}

/// A decimal text as an integer of the given scale; `None` when digits would be lost.
pub(crate) fn decimal_at(text: &str, scale: u32) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut shift = i32::try_from(scale).ok()? + exponent - i32::try_from(fraction.len()).ok()?;
    while shift > 0 {
        unscaled = unscaled.checked_mul(10)?;
        shift -= 1;
    }
    while shift < 0 {
        if unscaled % 10 != 0 {
            return None;
        }
        unscaled /= 10;
        shift += 1;
    }
    Some(if negative { -unscaled } else { unscaled })
}

/// A value as a golden file writes it.
pub(crate) fn write_value(value: &Value, sql_type: SqlType) -> String {
    match (value, sql_type) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Boolean(value), _) => value.to_string().to_ascii_uppercase(),
        (Value::Integer(value), _) => value.to_string(),
        (Value::Decimal(unscaled), SqlType::Decimal { scale, .. }) => decimal_text(*unscaled, scale),
        (Value::Decimal(unscaled), _) => unscaled.to_string(),
        (Value::Double(value), SqlType::Real) => (*value as f32).to_string(),
        (Value::Double(value), _) => value.to_string(),
        (Value::Text(text), _) => text_literal(text),
        (Value::Binary(bytes), _) => binary_literal(bytes),
        (Value::Date(days), _) => {
            let (year, month, day) = civil_from_days(i64::from(*days));
            format!("DATE '{year:04}-{month:02}-{day:02}'")
        }
        (Value::Time(millis), _) => format!("TIME '{}'", time_text(i64::from(*millis))),
        (Value::Timestamp(millis), _) => format!("TIMESTAMP '{}'", timestamp_text(*millis)),
        (Value::IntervalMillis(_) | Value::IntervalMonths(_), _) => {
            format!("'{}'", interval_text(value, sql_type).unwrap_or_default())
        }
    }
}

/// `'it''s'`; with tabs and newlines `e'a\tb\n'`.
fn text_literal(text: &str) -> String {
    let content = text.replace('\'', "''");
    match content.contains(['\t', '\n']) {
        true => format!("e'{}'", content.replace('\t', "\\t").replace('\n', "\\n")),
        false => format!("'{content}'"),
    }
}

fn binary_literal(bytes: &[u8]) -> String {
    format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
}

/// An interval as CAST to VARCHAR gives it.
pub(crate) fn interval_text(value: &Value, sql_type: SqlType) -> Option<String> {
    let SqlType::Interval(qualifier) = sql_type else { return None };
    let mut out = Vec::new();
    match value {
        Value::IntervalMillis(millis) => {
            millstream_columns::datetime_text::write_interval_millis(&mut out, *millis, qualifier);
        }
        Value::IntervalMonths(months) => {
            millstream_columns::datetime_text::write_interval_months(&mut out, *months, qualifier);
        }
        _ => return None,
    }
    String::from_utf8(out).ok()
}

fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn time_text(millis: i64) -> String {
    let (seconds, fraction) = (millis / 1_000, millis % 1_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { clock } else { format!("{clock}.{fraction:03}") }
}

fn timestamp_text(millis: i64) -> String {
    let (year, month, day) = civil_from_days(millis.div_euclid(MILLIS_PER_DAY));
    format!("{year:04}-{month:02}-{day:02} {}", time_text(millis.rem_euclid(MILLIS_PER_DAY)))
}

/// A ROWTIME as a golden file writes it: without the day when it is 2024-01-01.
pub(crate) fn write_rowtime(millis: i64) -> String {
    let of_day = millis - DEFAULT_DAY_MILLIS;
    if (0..MILLIS_PER_DAY).contains(&of_day) { time_text(of_day) } else { timestamp_text(millis) }
}

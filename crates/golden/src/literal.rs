//! Values as golden files write them.

use millstream_columns::datetime_text::{parse_record_date, parse_record_time};
use millstream_sql::civil::{MILLIS_PER_DAY, civil_from_days, parse_timestamp};
use millstream_sql::{SqlType, Value};

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

/// A time: `2024-01-01 00:00:05.000`, or `00:00:05` on 2024-01-01.
pub(crate) fn parse_time_of_row(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Some(millis) = parse_timestamp(text) {
        return Ok(millis);
    }
    match millstream_sql::civil::parse_time(text) {
        Some(millis) => Ok(DEFAULT_DAY_MILLIS + i64::from(millis)),
        None => Err(format!("'{text}' is not a time: write 2024-01-01 00:00:05.000 or 00:00:05")),
    }
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
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("'{text}' is not a number"));
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
    Err(format!("'{text}' is not a value: write 'text', 42, TRUE, NULL, DATE '…', TIMESTAMP '…', X'…' or *"))
}

fn quoted(text: &str) -> Result<String, String> {
    text.strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .map(|content| content.replace("''", "'"))
        .ok_or_else(|| format!("{text} is not closed by a quote"))
}

fn hex(digits: &str) -> Result<Vec<u8>, String> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(format!("X'{digits}' has an odd number of digits"));
    }
    (0..digits.len() / 2)
        .map(|index| {
            u8::from_str_radix(&digits[2 * index..2 * index + 2], 16)
                .map_err(|_| format!("X'{digits}' is not hex"))
        })
        .collect()
}

/// Parses a value of a `rows` line for a column.
pub(crate) fn parse_value(text: &str, sql_type: SqlType) -> Result<Value, String> {
    let expected = parse_expected(text)?;
    let wrong = || format!("{} does not fit a column of type {sql_type}", text.trim());
    Ok(match (expected, sql_type) {
        (Expected::Null, _) => Value::Null,
        (Expected::Boolean(value), SqlType::Boolean) => Value::Boolean(value),
        (Expected::Number(text), integer) if integer.is_integer() => {
            Value::Integer(text.parse().map_err(|_| wrong())?)
        }
        (Expected::Number(text), SqlType::Real | SqlType::Double) => {
            Value::Double(text.parse().map_err(|_| wrong())?)
        }
        (Expected::Number(text), SqlType::Decimal { scale, .. }) => {
            Value::Decimal(decimal_at(&text, u32::from(scale)).ok_or_else(wrong)?)
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
        (Value::Text(text), _) if text.contains(['\t', '\n']) => {
            format!("e'{}'", text.replace('\'', "''").replace('\t', "\\t").replace('\n', "\\n"))
        }
        (Value::Text(text), _) => format!("'{}'", text.replace('\'', "''")),
        (Value::Binary(bytes), _) => {
            format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
        }
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

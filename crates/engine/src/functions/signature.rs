//! The checks that signatures share. A bare NULL fits every place.

use millstream_columns::RowError;
use millstream_sql::{Argument, SignatureError, SqlType, Value};

/// The longest VARCHAR.
pub(super) const LONGEST: u32 = 65_535;

/// Refuses another number of arguments; `text` says how many there should be.
pub(super) fn count(
    arguments: &[Argument],
    allowed: std::ops::RangeInclusive<usize>,
    text: &'static str,
) -> Result<(), SignatureError> {
    if allowed.contains(&arguments.len()) { Ok(()) } else { Err(SignatureError::ArgumentCount(text)) }
}

fn expect(
    arguments: &[Argument],
    index: usize,
    expected: &'static str,
    null: SqlType,
    fits: impl Fn(SqlType) -> bool,
) -> Result<SqlType, SignatureError> {
    match arguments[index].sql_type {
        SqlType::Null => Ok(null),
        sql_type if fits(sql_type) => Ok(sql_type),
        _ => Err(SignatureError::ArgumentType { index, expected }),
    }
}

/// Any number.
pub(super) fn number(arguments: &[Argument], index: usize) -> Result<SqlType, SignatureError> {
    expect(arguments, index, "a number", SqlType::Integer, SqlType::is_numeric)
}

/// Any text.
pub(super) fn text(arguments: &[Argument], index: usize) -> Result<SqlType, SignatureError> {
    expect(arguments, index, "text", SqlType::Varchar { length: 1 }, SqlType::is_character)
}

/// Text or bytes.
pub(super) fn text_or_binary(arguments: &[Argument], index: usize) -> Result<SqlType, SignatureError> {
    expect(arguments, index, "text or bytes", SqlType::Varchar { length: 1 }, |sql_type| {
        sql_type.length().is_some()
    })
}

/// Exactly this type.
pub(super) fn exactly(
    arguments: &[Argument],
    index: usize,
    sql_type: SqlType,
    expected: &'static str,
) -> Result<SqlType, SignatureError> {
    expect(arguments, index, expected, sql_type, |found| found == sql_type)
}

/// A number or an interval.
pub(super) fn number_or_interval(arguments: &[Argument], index: usize) -> Result<SqlType, SignatureError> {
    expect(arguments, index, "a number or an interval", SqlType::Integer, |sql_type| {
        sql_type.is_numeric() || sql_type.is_interval()
    })
}

/// A VARCHAR as long as that type.
pub(super) fn varchar_of(sql_type: SqlType) -> SqlType {
    SqlType::Varchar { length: sql_type.length().unwrap_or(1).min(LONGEST) }
}

/// A constant text that can be compiled; any other argument passes.
pub(super) fn compiles<T>(
    arguments: &[Argument],
    index: usize,
    compile: impl FnOnce(&str) -> Result<T, RowError>,
) -> Result<(), SignatureError> {
    let Some(Value::Text(text)) = arguments.get(index).and_then(|argument| argument.literal.as_ref()) else {
        return Ok(());
    };
    compile(text)
        .map(|_| ())
        .map_err(|error| SignatureError::ArgumentValue { index, message: error.message.to_string() })
}

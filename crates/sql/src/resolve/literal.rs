//! Literals: numbers, datetimes, intervals.

use super::Resolver;
use crate::civil::{fraction_millis, parse_date, parse_time, parse_timestamp};
use crate::{Expression, ExpressionKind, IntervalQualifier, Span, SqlType, TimeUnit, Value};

/// The digits that a DECIMAL literal may have.
const MAX_LITERAL_DIGITS: usize = 38;

impl Resolver<'_> {
    pub(super) fn integer_literal(&mut self, digits: &str, span: Span) -> Option<Expression> {
        match digits.parse::<i64>() {
            Ok(value) => {
                let sql_type = if i32::try_from(value).is_ok() { SqlType::Integer } else { SqlType::BigInt };
                Some(literal(Value::Integer(value), sql_type, span))
            }
            Err(_) => {
                let message = format!("{digits} is larger than the largest BIGINT");
                self.error_with_hint(span, message, "write it with a point (DECIMAL) or an exponent (DOUBLE)")
            }
        }
    }

    pub(super) fn decimal_literal(&mut self, digits: &str, span: Span) -> Option<Expression> {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0');
        if whole.len() + fraction.len() > MAX_LITERAL_DIGITS {
            let message = format!("a DECIMAL literal has at most {MAX_LITERAL_DIGITS} digits");
            return self.error_with_hint(span, message, "write it with an exponent (DOUBLE)");
        }
        let narrow = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let (precision, scale) = (narrow((whole.len() + fraction.len()).max(1)), narrow(fraction.len()));
        let unscaled = format!("{whole}{fraction}").parse::<i128>().unwrap_or(0);
        Some(literal(Value::Decimal(unscaled), SqlType::Decimal { precision, scale }, span))
    }

    pub(super) fn approximate_literal(&mut self, digits: &str, span: Span) -> Option<Expression> {
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(literal(Value::Double(value), SqlType::Double, span)),
            _ => self.error(span, format!("{digits} is outside the range of DOUBLE")),
        }
    }

    pub(super) fn text_literal(&mut self, text: &str, span: Span) -> Expression {
        let length = u32::try_from(text.chars().count().max(1)).unwrap_or(u32::MAX);
        literal(Value::Text(text.to_owned()), SqlType::Char { length }, span)
    }

    pub(super) fn date_literal(&mut self, text: &str, span: Span) -> Option<Expression> {
        match parse_date(text) {
            Some(days) => Some(literal(Value::Date(days), SqlType::Date, span)),
            None => {
                let message = format!("'{text}' is not a DATE");
                self.error_with_hint(
                    span,
                    message,
                    "write DATE 'yyyy-MM-dd', with a day that exists and no blanks",
                )
            }
        }
    }

    pub(super) fn time_literal(&mut self, text: &str, span: Span) -> Option<Expression> {
        match parse_time(text) {
            Some(millis) => Some(literal(Value::Time(millis), SqlType::Time, span)),
            None => self.error_with_hint(
                span,
                format!("'{text}' is not a TIME"),
                "write TIME 'HH:mm:ss' or 'HH:mm:ss.SSS'",
            ),
        }
    }

    pub(super) fn timestamp_literal(&mut self, text: &str, span: Span) -> Option<Expression> {
        match parse_timestamp(text) {
            Some(millis) => Some(literal(Value::Timestamp(millis), SqlType::Timestamp, span)),
            None => {
                let message = format!("'{text}' is not a TIMESTAMP");
                self.error_with_hint(span, message, "write all six fields: TIMESTAMP 'yyyy-MM-dd HH:mm:ss'")
            }
        }
    }

    pub(super) fn interval_literal(
        &mut self,
        negative: bool,
        text: &str,
        qualifier: IntervalQualifier,
        span: Span,
    ) -> Option<Expression> {
        match parse_interval(text, qualifier) {
            Ok(value) => {
                let value = if negative { negated(value) } else { value };
                Some(literal(value, SqlType::Interval(qualifier), span))
            }
            Err(message) => {
                let hint = format!("write it in the shape of {qualifier}: {}", shape(qualifier));
                self.error_with_hint(span, message, hint)
            }
        }
    }
}

pub(super) fn literal(value: Value, sql_type: SqlType, span: Span) -> Expression {
    Expression::new(ExpressionKind::Literal(value), sql_type, span)
}

fn negated(value: Value) -> Value {
    match value {
        Value::IntervalMillis(millis) => Value::IntervalMillis(-millis),
        Value::IntervalMonths(months) => Value::IntervalMonths(-months),
        other => other,
    }
}

/// The usual form of an interval's text.
fn shape(qualifier: IntervalQualifier) -> &'static str {
    match (qualifier.leading, qualifier.trailing) {
        (TimeUnit::Year, TimeUnit::Month) => "'Y-M'",
        (TimeUnit::Day, TimeUnit::Hour) => "'D H'",
        (TimeUnit::Day, TimeUnit::Minute) => "'D H:M'",
        (TimeUnit::Day, TimeUnit::Second) => "'D H:M:S.fff'",
        (TimeUnit::Hour, TimeUnit::Minute) => "'H:M'",
        (TimeUnit::Hour, TimeUnit::Second) => "'H:M:S.fff'",
        (TimeUnit::Minute, TimeUnit::Second) => "'M:S.fff'",
        (TimeUnit::Second, _) => "'S.fff'",
        _ => "digits, with a precision when there are more than two: 'n' UNIT(p)",
    }
}

const UNITS: [TimeUnit; 6] =
    [TimeUnit::Year, TimeUnit::Month, TimeUnit::Day, TimeUnit::Hour, TimeUnit::Minute, TimeUnit::Second];

/// Parses the text of an interval in the shape of its qualifier.
pub(crate) fn parse_interval(text: &str, qualifier: IntervalQualifier) -> Result<Value, String> {
    let wrong = || format!("'{text}' is not an interval of {qualifier}");
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let units: Vec<TimeUnit> =
        UNITS.into_iter().filter(|unit| (qualifier.leading..=qualifier.trailing).contains(unit)).collect();
    let mut total: i64 = 0;
    let mut rest = digits;
    for (index, unit) in units.iter().enumerate() {
        let field = match units.get(index + 1) {
            None => std::mem::take(&mut rest),
            Some(_) => {
                let separator = match unit {
                    TimeUnit::Year => '-',
                    TimeUnit::Day => ' ',
                    _ => ':',
                };
                let (field, tail) = rest.split_once(separator).ok_or_else(wrong)?;
                rest = tail;
                field
            }
        };
        let (whole, fraction) = match field.split_once('.') {
            Some((whole, fraction)) if *unit == TimeUnit::Second => (whole, Some(fraction)),
            Some(_) => return Err(wrong()),
            None => (field, None),
        };
        if whole.is_empty() || whole.len() > 10 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let value: i64 = whole.parse().map_err(|_| wrong())?;
        if index == 0 {
            let significant = whole.trim_start_matches('0').len();
            if significant > usize::from(qualifier.leading_precision) {
                return Err(format!(
                    "Interval field value {value} exceeds precision of {}({}) field",
                    unit.name(),
                    qualifier.leading_precision
                ));
            }
        } else {
            let limit = match unit {
                TimeUnit::Month => 11,
                TimeUnit::Hour => 23,
                _ => 59,
            };
            if value > limit {
                return Err(format!("{} of an interval is at most {limit}, not {value}", unit.name()));
            }
        }
        total += match unit {
            TimeUnit::Year => value * 12,
            TimeUnit::Month => value,
            _ => value * unit.millis().unwrap_or(0),
        };
        if let Some(fraction) = fraction {
            total += i64::from(fraction_millis(fraction).ok_or_else(wrong)?);
        }
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    let total = if negative { -total } else { total };
    if qualifier.is_year_month() {
        i32::try_from(total).map(Value::IntervalMonths).map_err(|_| wrong())
    } else {
        Ok(Value::IntervalMillis(total))
    }
}

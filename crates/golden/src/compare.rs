//! Whether a value is the one expected.

use crate::literal::{Expected, decimal_at, interval_text};
use millstream_sql::{SqlType, Value};

/// DOUBLE compares within this relative distance.
const DOUBLE_TOLERANCE: f64 = 1e-9;

/// REAL compares within this relative distance.
const REAL_TOLERANCE: f64 = 1e-6;

/// Whether `actual`, of type `sql_type`, is what `expected` allows.
pub(super) fn matches(expected: &Expected, actual: &Value, sql_type: SqlType) -> bool {
    match (expected, actual) {
        (Expected::Anything, _) | (Expected::Null, Value::Null) => true,
        (Expected::About { center, tolerance }, _) => {
            as_double(actual, sql_type).is_some_and(|value| (value - center).abs() <= *tolerance)
        }
        (Expected::Boolean(expected), Value::Boolean(actual)) => expected == actual,
        (Expected::Number(text), Value::Integer(actual)) => decimal_at(text, 0) == Some(i128::from(*actual)),
        (Expected::Number(text), Value::Decimal(actual)) => {
            let SqlType::Decimal { scale, .. } = sql_type else { return false };
            decimal_at(text, u32::from(scale)) == Some(*actual)
        }
        (Expected::Number(text), Value::Double(actual)) => {
            let Ok(expected) = text.parse::<f64>() else { return false };
            let relative = if sql_type == SqlType::Real { REAL_TOLERANCE } else { DOUBLE_TOLERANCE };
            (actual - expected).abs() <= relative * expected.abs().max(actual.abs())
        }
        (Expected::Text(expected), Value::Text(actual)) => expected == actual,
        (Expected::Text(expected), Value::IntervalMillis(_) | Value::IntervalMonths(_)) => {
            interval_text(actual, sql_type).as_ref() == Some(expected)
        }
        (Expected::Binary(expected), Value::Binary(actual)) => expected == actual,
        (Expected::Date(expected), Value::Date(actual)) => expected == actual,
        (Expected::Time(expected), Value::Time(actual)) => expected == actual,
        (Expected::Timestamp(expected), Value::Timestamp(actual)) => expected == actual,
        _ => false,
    }
}

fn as_double(value: &Value, sql_type: SqlType) -> Option<f64> {
    match (value, sql_type) {
        (Value::Integer(value), _) => Some(*value as f64),
        (Value::Double(value), _) => Some(*value),
        (Value::Decimal(value), SqlType::Decimal { scale, .. }) => {
            Some(*value as f64 / 10_f64.powi(i32::from(scale)))
        }
        _ => None,
    }
}

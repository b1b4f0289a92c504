//! Constant values of a plan.

use serde::{Deserialize, Serialize};

/// A value; its [`crate::SqlType`] stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL of any type.
    #[default]
    Null,
    /// A truth value.
    Boolean(bool),
    /// A TINYINT, SMALLINT, INTEGER or BIGINT.
    Integer(i64),
    /// A DECIMAL: the digits without the point; the scale is the type's.
    Decimal(i128),
    /// A REAL or a DOUBLE.
    Double(f64),
    /// A CHAR or VARCHAR.
    Text(String),
    /// A BINARY or VARBINARY.
    Binary(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds of the day.
    Time(i32),
    /// Milliseconds since 1970-01-01 00:00:00.
    Timestamp(i64),
    /// A day-time interval in milliseconds.
    IntervalMillis(i64),
    /// A year-month interval in months.
    IntervalMonths(i32),
}

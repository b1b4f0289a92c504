//! The SQL types, their families and the rules that combine them.

use crate::IntervalQualifier;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A type of the language. Kinesis Data Analytics has no others as columns; intervals exist in expressions only.
///
/// How the engine holds them: integers, floats and booleans as such; DECIMAL as 128-bit scaled integers; DATE as
/// days, TIME as milliseconds of the day, TIMESTAMP as milliseconds since the epoch; strings as UTF-8; day-time
/// intervals as 64-bit milliseconds, year-month intervals as 32-bit months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// The type of a bare `NULL` before its context gives it one.
    Null,
    /// TRUE, FALSE, UNKNOWN.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Integer,
    /// 64 bits.
    BigInt,
    /// Exact number of `precision` digits, `scale` of them after the point.
    Decimal {
        /// Digits in all, 1 to 38 (1 to 19 in a declaration).
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// 32-bit float.
    Real,
    /// 64-bit float.
    Double,
    /// Blank-padded text of exactly `length` characters.
    Char {
        /// Characters.
        length: u32,
    },
    /// Text of at most `length` characters.
    Varchar {
        /// Characters.
        length: u32,
    },
    /// Zero-padded bytes of exactly `length`.
    Binary {
        /// Bytes.
        length: u32,
    },
    /// At most `length` bytes.
    Varbinary {
        /// Bytes.
        length: u32,
    },
    /// A day.
    Date,
    /// A time of day, to the millisecond.
    Time,
    /// An instant without a zone, to the millisecond.
    Timestamp,
    /// A span of time.
    Interval(IntervalQualifier),
}

/// Types that may be compared and assigned to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeFamily {
    /// A bare NULL fits every family.
    Null,
    /// BOOLEAN.
    Boolean,
    /// All numbers.
    Numeric,
    /// CHAR and VARCHAR.
    Character,
    /// BINARY and VARBINARY.
    Binary,
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// TIMESTAMP.
    Timestamp,
    /// Intervals of days to seconds.
    DayTimeInterval,
    /// Intervals of years and months.
    YearMonthInterval,
}

/// The widest precision that a derived DECIMAL may have.
pub const DERIVED_DECIMAL_PRECISION: u8 = 18;

impl SqlType {
    /// The family of this type.
    pub fn family(self) -> TypeFamily {
        match self {
            SqlType::Null => TypeFamily::Null,
            SqlType::Boolean => TypeFamily::Boolean,
            SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Integer
            | SqlType::BigInt
            | SqlType::Decimal { .. }
            | SqlType::Real
            | SqlType::Double => TypeFamily::Numeric,
            SqlType::Char { .. } | SqlType::Varchar { .. } => TypeFamily::Character,
            SqlType::Binary { .. } | SqlType::Varbinary { .. } => TypeFamily::Binary,
            SqlType::Date => TypeFamily::Date,
            SqlType::Time => TypeFamily::Time,
            SqlType::Timestamp => TypeFamily::Timestamp,
            SqlType::Interval(qualifier) if qualifier.is_year_month() => TypeFamily::YearMonthInterval,
            SqlType::Interval(_) => TypeFamily::DayTimeInterval,
        }
    }

    /// True for all numbers.
    pub fn is_numeric(self) -> bool {
        self.family() == TypeFamily::Numeric
    }

    /// True for TINYINT to BIGINT.
    pub fn is_integer(self) -> bool {
        matches!(self, SqlType::TinyInt | SqlType::SmallInt | SqlType::Integer | SqlType::BigInt)
    }

    /// True for CHAR and VARCHAR.
    pub fn is_character(self) -> bool {
        self.family() == TypeFamily::Character
    }

    /// True for DATE, TIME and TIMESTAMP.
    pub fn is_datetime(self) -> bool {
        matches!(self, SqlType::Date | SqlType::Time | SqlType::Timestamp)
    }

    /// True for intervals of either kind.
    pub fn is_interval(self) -> bool {
        matches!(self, SqlType::Interval(_))
    }

    /// The longest text or byte string that this type holds, for character and binary types.
    pub fn length(self) -> Option<u32> {
        match self {
            SqlType::Char { length }
            | SqlType::Varchar { length }
            | SqlType::Binary { length }
            | SqlType::Varbinary { length } => Some(length),
            _ => None,
        }
    }

    /// Precision and scale that this type has in DECIMAL arithmetic: integers count by their digits.
    pub fn as_decimal(self) -> Option<(u8, u8)> {
        match self {
            SqlType::TinyInt => Some((3, 0)),
            SqlType::SmallInt => Some((5, 0)),
            SqlType::Integer => Some((10, 0)),
            SqlType::BigInt => Some((19, 0)),
            SqlType::Decimal { precision, scale } => Some((precision, scale)),
            _ => None,
        }
    }

    /// Rank among the numeric types; the higher rank is the type of a mixed operation.
    pub fn numeric_rank(self) -> Option<u8> {
        match self {
            SqlType::TinyInt => Some(0),
            SqlType::SmallInt => Some(1),
            SqlType::Integer => Some(2),
            SqlType::BigInt => Some(3),
            SqlType::Decimal { .. } => Some(4),
            SqlType::Real => Some(5),
            SqlType::Double => Some(6),
            _ => None,
        }
    }

    /// The type in which values of both types can be compared, or the branches of a CASE can meet; `None` when
    /// the families do not mix.
    pub fn common(self, other: SqlType) -> Option<SqlType> {
        if self == other {
            return Some(self);
        }
        match (self, other) {
            (SqlType::Null, known) | (known, SqlType::Null) => return Some(known),
            (SqlType::Interval(left), SqlType::Interval(right)) if self.family() == other.family() => {
                return Some(SqlType::Interval(left.spanning(right)));
            }
            _ => {}
        }
        if self.family() != other.family() {
            return None;
        }
        match self.family() {
            TypeFamily::Numeric => common_number(self, other),
            TypeFamily::Character => {
                Some(SqlType::Varchar { length: self.length().max(other.length()).unwrap_or(1) })
            }
            TypeFamily::Binary => {
                Some(SqlType::Varbinary { length: self.length().max(other.length()).unwrap_or(1) })
            }
            _ => Some(self),
        }
    }

    /// Whether a value of this type may be stored in a column of type `target` without a CAST.
    pub fn is_assignable_to(self, target: SqlType) -> bool {
        self == SqlType::Null || self.family() == target.family()
    }
}

fn common_number(left: SqlType, right: SqlType) -> Option<SqlType> {
    let wider = if left.numeric_rank()? >= right.numeric_rank()? { left } else { right };
    if !matches!(wider, SqlType::Decimal { .. }) {
        return Some(wider);
    }
    let (left_precision, left_scale) = left.as_decimal()?;
    let (right_precision, right_scale) = right.as_decimal()?;
    let scale = left_scale.max(right_scale);
    let whole = (left_precision - left_scale).max(right_precision - right_scale);
    Some(SqlType::Decimal { precision: (whole + scale).min(38), scale })
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Null => f.write_str("NULL"),
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::TinyInt => f.write_str("TINYINT"),
            SqlType::SmallInt => f.write_str("SMALLINT"),
            SqlType::Integer => f.write_str("INTEGER"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            SqlType::Real => f.write_str("REAL"),
            SqlType::Double => f.write_str("DOUBLE"),
            SqlType::Char { length } => write!(f, "CHAR({length})"),
            SqlType::Varchar { length } => write!(f, "VARCHAR({length})"),
            SqlType::Binary { length } => write!(f, "BINARY({length})"),
            SqlType::Varbinary { length } => write!(f, "VARBINARY({length})"),
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time => f.write_str("TIME"),
            SqlType::Timestamp => f.write_str("TIMESTAMP"),
            SqlType::Interval(qualifier) => write!(f, "INTERVAL {qualifier}"),
        }
    }
}

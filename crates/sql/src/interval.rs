//! Interval qualifiers: `DAY TO SECOND`, `MINUTE(3)`, `YEAR TO MONTH`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A field of a datetime or an interval, from the largest to the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Calendar years.
    Year,
    /// Calendar months.
    Month,
    /// Days of 24 hours.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds, with a fraction down to a millisecond.
    Second,
}

impl TimeUnit {
    /// The keyword.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Year => "YEAR",
            TimeUnit::Month => "MONTH",
            TimeUnit::Day => "DAY",
            TimeUnit::Hour => "HOUR",
            TimeUnit::Minute => "MINUTE",
            TimeUnit::Second => "SECOND",
        }
    }

    /// The unit of a keyword in any case.
    pub fn from_keyword(word: &str) -> Option<TimeUnit> {
        let unit = match word.to_ascii_uppercase().as_str() {
            "YEAR" => TimeUnit::Year,
            "MONTH" => TimeUnit::Month,
            "DAY" => TimeUnit::Day,
            "HOUR" => TimeUnit::Hour,
            "MINUTE" => TimeUnit::Minute,
            "SECOND" => TimeUnit::Second,
            _ => return None,
        };
        Some(unit)
    }

    /// Length in milliseconds; `None` for the calendar units year and month.
    pub fn millis(self) -> Option<i64> {
        match self {
            TimeUnit::Year | TimeUnit::Month => None,
            TimeUnit::Day => Some(86_400_000),
            TimeUnit::Hour => Some(3_600_000),
            TimeUnit::Minute => Some(60_000),
            TimeUnit::Second => Some(1_000),
        }
    }

    /// True for year and month.
    pub fn is_calendar(self) -> bool {
        self.millis().is_none()
    }
}

/// The fields that an interval has, and how many digits they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IntervalQualifier {
    /// The leading field.
    pub leading: TimeUnit,
    /// The last field; the same as `leading` when there is but one.
    pub trailing: TimeUnit,
    /// Digits of the leading field in a literal, 1 to 10; 2 when not written.
    pub leading_precision: u8,
    /// Digits after the point of the seconds, 0 to 3; 3 when not written.
    pub fraction_precision: u8,
}

impl IntervalQualifier {
    /// A qualifier of one field with the usual precisions.
    pub fn single(unit: TimeUnit) -> IntervalQualifier {
        IntervalQualifier { leading: unit, trailing: unit, leading_precision: 2, fraction_precision: 3 }
    }

    /// A qualifier from `leading` to `trailing` with the usual precisions.
    pub fn range(leading: TimeUnit, trailing: TimeUnit) -> IntervalQualifier {
        IntervalQualifier { leading, trailing, leading_precision: 2, fraction_precision: 3 }
    }

    /// True for intervals of years and months, which are counted in months; the others are milliseconds.
    pub fn is_year_month(self) -> bool {
        self.leading.is_calendar()
    }

    /// True when the interval has but one field.
    pub fn is_single(self) -> bool {
        self.leading == self.trailing
    }

    /// The qualifier that spans both: the larger leading and the smaller trailing field.
    #[must_use]
    pub fn spanning(self, other: IntervalQualifier) -> IntervalQualifier {
        IntervalQualifier {
            leading: self.leading.min(other.leading),
            trailing: self.trailing.max(other.trailing),
            leading_precision: self.leading_precision.max(other.leading_precision),
            fraction_precision: self.fraction_precision.max(other.fraction_precision),
        }
    }
}

impl fmt::Display for IntervalQualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() {
            f.write_str(self.leading.name())
        } else {
            write!(f, "{} TO {}", self.leading.name(), self.trailing.name())
        }
    }
}

//! When each row of recorded data arrived.

use arrow_array::ArrayRef;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use millstream_columns::formats::InputSchema;
use millstream_columns::value_at;
use millstream_sql::{SqlType, Value};

/// A row without a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowtimeError {
    /// No such column.
    #[error("there is no column \"{column}\" to take ROWTIME from; there are: {known}")]
    NoColumn {
        /// Which was asked for.
        column: String,
        /// Which there are.
        known: String,
    },
    /// A column that holds no times.
    #[error(
        "column \"{column}\" cannot give ROWTIME: it needs TIMESTAMP, DATE, BIGINT (milliseconds since 1970) or a text \
         such as 2024-01-01 00:00:05"
    )]
    Type {
        /// Which.
        column: String,
    },
    /// A value that is no time.
    #[error("row {row}: column \"{column}\" holds no time: {found}")]
    Value {
        /// Counted from 1.
        row: u64,
        /// Which column.
        column: String,
        /// What it holds.
        found: String,
    },
    /// A rate of nothing.
    #[error("the rate must be a number above 0")]
    Rate,
}

/// Where ROWTIME comes from.
#[derive(Clone, Debug)]
pub struct Rowtimes {
    source: Source,
    /// Rows so far.
    rows: u64,
    column: Option<(usize, SqlType)>,
}

#[derive(Clone, Debug)]
enum Source {
    Column(String),
    Rate { start: i64, per_second: f64 },
}

impl Rowtimes {
    /// The value of a column, by its exact name.
    pub fn column(name: impl Into<String>) -> Rowtimes {
        Rowtimes { source: Source::Column(name.into()), rows: 0, column: None }
    }

    /// So many rows a second, the first at `start` (milliseconds since the epoch).
    ///
    /// # Errors
    /// [`RowtimeError::Rate`].
    pub fn rate(start: i64, per_second: f64) -> Result<Rowtimes, RowtimeError> {
        if per_second.is_finite() && per_second > 0.0 {
            Ok(Rowtimes { source: Source::Rate { start, per_second }, rows: 0, column: None })
        } else {
            Err(RowtimeError::Rate)
        }
    }

    /// When the data begins, as far as is known.
    pub(super) fn start(&self) -> i64 {
        match self.source {
            Source::Column(_) => 0,
            Source::Rate { start, .. } => start,
        }
    }

    fn find(&self, schema: &InputSchema) -> Result<Option<(usize, SqlType)>, RowtimeError> {
        let Source::Column(name) = &self.source else { return Ok(None) };
        let Some(place) = schema.columns.iter().position(|column| column.name == *name) else {
            let known: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            return Err(RowtimeError::NoColumn { column: name.clone(), known: known.join(", ") });
        };
        let sql_type = schema.columns[place].sql_type;
        let is_fit = matches!(sql_type, SqlType::Timestamp | SqlType::Date | SqlType::BigInt)
            || sql_type.is_character();
        if is_fit { Ok(Some((place, sql_type))) } else { Err(RowtimeError::Type { column: name.clone() }) }
    }

    /// Remembers where the column is.
    pub(super) fn bound_to(mut self, schema: &InputSchema) -> Result<Rowtimes, RowtimeError> {
        self.column = self.find(schema)?;
        Ok(self)
    }

    /// Whether rows come in the order of their times: a rate never goes back.
    pub(super) fn are_in_order(&self) -> bool {
        matches!(self.source, Source::Rate { .. })
    }

    /// The times of rows.
    pub(super) fn of_rows(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<i64>, RowtimeError> {
        let mut rowtimes = Vec::with_capacity(rows);
        for row in 0..rows {
            let time = match (&self.source, self.column) {
                (Source::Rate { start, per_second }, _) => {
                    start.saturating_add((self.rows as f64 * 1_000.0 / per_second) as i64)
                }
                (Source::Column(name), Some((place, sql_type))) => {
                    let value = value_at(&columns[place], sql_type, row);
                    instant(&value).ok_or_else(|| RowtimeError::Value {
                        row: self.rows + 1,
                        column: name.clone(),
                        found: format!("{value:?}"),
                    })?
                }
                (Source::Column(_), None) => unreachable!("the column was found when the replay began"),
            };
            rowtimes.push(time);
            self.rows += 1;
        }
        Ok(rowtimes)
    }
}

/// Milliseconds since the epoch.
fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(millis) => Some(*millis),
        Value::Integer(millis) => Some(*millis),
        Value::Date(days) => i64::from(*days).checked_mul(86_400_000),
        Value::Text(text) => parse_instant(text.trim()),
        _ => None,
    }
}

/// A time as text: with a zone, or taken as UTC; a date alone is its midnight.
pub fn parse_instant(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01 00:00:05", Some(5_000)),
            ("1970-01-01T00:00:05.250", Some(5_250)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("yesterday", None),
        ] {
            assert_eq!(parse_instant(text), millis, "{text}");
        }
    }

    #[test]
    fn a_rate_spreads_rows_evenly() {
        let mut rowtimes = Rowtimes::rate(1_000, 4.0).unwrap();
        assert_eq!(rowtimes.of_rows(&[], 3).unwrap(), [1_000, 1_250, 1_500]);
        assert_eq!(rowtimes.of_rows(&[], 1).unwrap(), [1_750]);
        assert_eq!(Rowtimes::rate(0, 0.0).err(), Some(RowtimeError::Rate));
    }
}

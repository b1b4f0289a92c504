//! When each row of recorded data arrived.

use std::fmt;
use std::ops::RangeInclusive;

use arrow_array::ArrayRef;
use jiff::civil::{Date, DateTime};
use millstream_columns::datetime_text::parse_record_timestamp;
use millstream_columns::formats::InputSchema;
use millstream_columns::value_at;
use millstream_sql::{SqlType, Value};

/// What cannot give times to rows.
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
        "column \"{column}\" cannot give ROWTIME: it needs TIMESTAMP, DATE, BIGINT (milliseconds since 1970) or text \
         such as 2024-01-01 00:00:05"
    )]
    Type {
        /// Which.
        column: String,
    },
    /// A rate of nothing, or of next to nothing.
    #[error("the rate must be a number, at least {LEAST_RATE} (a row in about eleven days)")]
    Rate,
}

/// The fewest rows a second: a row in about eleven days.
pub const LEAST_RATE: f64 = 1e-6;

/// Where ROWTIME comes from.
#[derive(Clone, Debug)]
pub struct Rowtimes {
    source: Source,
    /// Rows so far.
    rows: u64,
    column: Option<(usize, SqlType)>,
    /// Whether the first times of a BIGINT column would be seconds of today.
    looks_like_seconds: Option<bool>,
}

#[derive(Clone, Debug)]
enum Source {
    Column(String),
    Rate { start: i64, per_second: f64 },
}

impl Rowtimes {
    /// The value of a column, by its exact name.
    pub fn column(name: impl Into<String>) -> Rowtimes {
        Rowtimes { source: Source::Column(name.into()), rows: 0, column: None, looks_like_seconds: None }
    }

    /// So many rows a second, at least [`LEAST_RATE`], the first at `start` (milliseconds since the epoch).
    ///
    /// # Errors
    /// [`RowtimeError::Rate`].
    pub fn rate(start: i64, per_second: f64) -> Result<Rowtimes, RowtimeError> {
        if per_second.is_finite() && per_second >= LEAST_RATE {
            Ok(Rowtimes {
                source: Source::Rate { start, per_second },
                rows: 0,
                column: None,
                looks_like_seconds: None,
            })
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

    /// What is odd about the column of the first rows: times of today in seconds are milliseconds of 1970.
    pub(super) fn remark(&self) -> Option<String> {
        let Source::Column(column) = &self.source else { return None };
        (self.looks_like_seconds == Some(true)).then(|| {
            format!(
                "column \"{column}\" looks like seconds since 1970; milliseconds are expected, which puts its rows into the \
                 first months of 1970"
            )
        })
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

    /// The times of rows, and which rows have none.
    pub(super) fn of_rows(&mut self, columns: &[ArrayRef], rows: usize) -> RowTimes {
        let mut of_rows = RowTimes { times: Vec::with_capacity(rows), missing: Vec::new() };
        for row in 0..rows {
            let time = match (&self.source, self.column) {
                (Source::Rate { start, per_second }, _) => {
                    let time = start.saturating_add((self.rows as f64 * 1_000.0 / per_second) as i64);
                    if YEARS_1_TO_9999.contains(&time) {
                        Ok(time)
                    } else {
                        Err(format!("at this rate row {} comes after the year 9999", self.rows + 1))
                    }
                }
                (Source::Column(name), Some((place, sql_type))) => {
                    instant(name, &value_at(&columns[place], sql_type, row))
                }
                (Source::Column(_), None) => unreachable!("the column was found when the replay began"),
            };
            of_rows.times.push(time.unwrap_or_else(|reason| {
                of_rows.missing.push((row, reason));
                0
            }));
            self.rows += 1;
        }
        if let (None, Some((place, SqlType::BigInt))) = (self.looks_like_seconds, self.column) {
            let values = (0..rows).map(|row| value_at(&columns[place], SqlType::BigInt, row));
            let mut whole = values.filter_map(|value| match value {
                Value::Integer(number) => Some(SECONDS_OF_TODAY.contains(&number)),
                _ => None,
            });
            self.looks_like_seconds = whole.next().map(|first| first && whole.all(|other| other));
        }
        of_rows
    }
}

/// When rows arrived.
pub(super) struct RowTimes {
    /// One for each row; 0 for those that have none.
    pub(super) times: Vec<i64>,
    /// The rows that have none, ascending, and why.
    pub(super) missing: Vec<(usize, String)>,
}

/// Milliseconds since the epoch; the reason when a value of a column is no time.
fn instant(column: &str, value: &Value) -> Result<i64, String> {
    let millis = match value {
        Value::Timestamp(millis) | Value::Integer(millis) => Some(*millis),
        Value::Date(days) => i64::from(*days).checked_mul(86_400_000),
        Value::Text(text) => {
            return parse_instant(text.trim()).ok_or_else(|| {
                format!("column \"{column}\": '{}' cannot be ROWTIME: {FORMATS}", Excerpt(text))
            });
        }
        _ => return Err(format!("column \"{column}\" is NULL: a row needs a time to be ROWTIME")),
    };
    millis.filter(|millis| YEARS_1_TO_9999.contains(millis)).ok_or_else(|| {
        format!(
            "column \"{column}\": {} cannot be ROWTIME: a whole number is milliseconds since 1970, in the years 1 to 9999",
            millis.unwrap_or_default()
        )
    })
}

/// How a time is written.
const FORMATS: &str = "write a time such as 2024-01-01 00:00:05, 2024-01-01T00:00:05.250Z or \
                       2024-01-01T01:00:05+01:00, or a date such as 2024-01-01, in the years 1 to 9999";

/// Seconds since the epoch from the year 1973 to 2286, which are milliseconds of the year 1970.
const SECONDS_OF_TODAY: RangeInclusive<i64> = 100_000_000..=10_000_000_000;

/// In milliseconds since the epoch.
const YEARS_1_TO_9999: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The beginning of a text, for a message.
struct Excerpt<'text>(&'text str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST_CHARACTERS: usize = 100;
        let end = self.0.char_indices().nth(MOST_CHARACTERS).map_or(self.0.len(), |(end, _)| end);
        f.write_str(&self.0[..end])?;
        if end < self.0.len() { f.write_str("…") } else { Ok(()) }
    }
}

/// A time as text: with a zone, or taken as UTC; a date alone is its midnight. In milliseconds since the epoch, in the years
/// 1 to 9999.
pub fn parse_instant(text: &str) -> Option<i64> {
    let civil = |text: &str| {
        text.parse::<DateTime>().ok().or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))
    };
    let millis = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Some(instant.as_millisecond()),
        // Instants with a zone end a day earlier than the years do.
        Err(_) => parse_record_timestamp(text.as_bytes()).or_else(|| {
            let since = civil(text)?.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
            i64::try_from(since.as_millis()).ok()
        }),
    };
    millis.filter(|millis| YEARS_1_TO_9999.contains(millis))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use millstream_columns::formats::{InputColumn, RecordFormat};

    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01 00:00:05", Some(5_000)),
            ("1970-01-01T00:00:05.250", Some(5_250)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("9999-12-31", Some(253_402_214_400_000)),
            ("9999-12-31 23:59:59.999", Some(253_402_300_799_999)),
            ("9999-12-31T23:59:59.999Z", Some(253_402_300_799_999)),
            ("9999-12-31T23:59:59.999+01:00", Some(253_402_297_199_999)),
            ("9999-12-31T23:59:59.999-01:00", None),
            ("0001-01-01 00:00:00", Some(-62_135_596_800_000)),
            ("0000-12-31 23:59:59", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_instant(text), millis, "{text}");
        }
    }

    #[test]
    fn a_rate_spreads_rows_evenly() {
        let mut rowtimes = Rowtimes::rate(1_000, 4.0).unwrap();
        assert_eq!(rowtimes.of_rows(&[], 3).times, [1_000, 1_250, 1_500]);
        assert_eq!(rowtimes.of_rows(&[], 1).times, [1_750]);
        for rate in [0.0, 1e-300, LEAST_RATE / 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rowtimes::rate(0, rate).err(), Some(RowtimeError::Rate), "{rate}");
        }
        let mut last = Rowtimes::rate(*YEARS_1_TO_9999.end() - 999, 1.0).unwrap().of_rows(&[], 2);
        assert_eq!(last.times[0], *YEARS_1_TO_9999.end() - 999);
        assert_eq!(last.missing.pop(), Some((1, "at this rate row 2 comes after the year 9999".to_owned())));
    }

    #[test]
    fn whole_numbers_that_would_be_seconds_are_told() {
        let column = InputColumn::of_member("TS", SqlType::BigInt);
        let format = RecordFormat::Json { record_row_path: "$".to_owned() };
        let schema = InputSchema { format, columns: vec![column] };
        let told = "column \"TS\" looks like seconds since 1970; milliseconds are expected, which puts its rows into the first \
                    months of 1970";
        for (first, later, expected) in [
            ([Some(1_704_067_200), Some(1_704_067_201)], 1_704_067_202, Some(told)),
            ([Some(1_704_067_200), None], 5, Some(told)),
            ([Some(1_704_067_200_000), Some(1_704_067_201_000)], 1_704_067_202, None),
            ([Some(5), Some(1_704_067_201)], 1_704_067_202, None),
            ([None, None], 1_704_067_202, Some(told)),
        ] {
            let mut rowtimes = Rowtimes::column("TS").bound_to(&schema).unwrap();
            assert_eq!(rowtimes.remark(), None);
            rowtimes.of_rows(&[], 0);
            for values in [first.to_vec(), vec![Some(later)]] {
                let rows = values.len();
                rowtimes.of_rows(&[Arc::new(Int64Array::from(values))], rows);
            }
            assert_eq!(rowtimes.remark().as_deref(), expected, "{first:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_time_is_named_with_what_would_be_one() {
        let formats = "write a time such as 2024-01-01 00:00:05, 2024-01-01T00:00:05.250Z or 2024-01-01T01:00:05+01:00, or a \
                       date such as 2024-01-01, in the years 1 to 9999";
        let outside = "a whole number is milliseconds since 1970, in the years 1 to 9999";
        let long = "é".repeat(300);
        for (value, expected) in [
            (Value::Text(" 1970-01-01 ".into()), Ok(0)),
            (Value::Integer(5), Ok(5)),
            (Value::Date(1), Ok(86_400_000)),
            (Value::Text("soon".into()), Err(format!("column \"at\": 'soon' cannot be ROWTIME: {formats}"))),
            (Value::Text(String::new()), Err(format!("column \"at\": '' cannot be ROWTIME: {formats}"))),
            (
                Value::Text(long),
                Err(format!("column \"at\": '{}…' cannot be ROWTIME: {formats}", "é".repeat(100))),
            ),
            (Value::Null, Err("column \"at\" is NULL: a row needs a time to be ROWTIME".to_owned())),
            (
                Value::Integer(1_704_067_200_000_000_000),
                Err(format!("column \"at\": 1704067200000000000 cannot be ROWTIME: {outside}")),
            ),
        ] {
            assert_eq!(instant("at", &value), expected, "{value:?}");
        }
    }
}

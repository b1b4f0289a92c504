//! `SYS_LOG_PARSE(text)`: `Mon DD HH:MM:SS server message`. COLUMN1 is the time, COLUMN2 what follows it. The text has no
//! year: it is the one that puts the time closest to ROWTIME, and not more than a day behind it.

use super::{DEFAULT_FIELD, LogParser, Prepared, check_arguments, plain_field};
use millstream_columns::calendar::{MILLIS_PER_DAY, civil_from_days, days_from_civil};
use millstream_sql::{Argument, SignatureError, SqlType};
use std::borrow::Cow;

pub(super) const PARSER: LogParser = LogParser { name: "SYS_LOG_PARSE", prepare };

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 1..=1, "1")?;
    let fields = vec![
        plain_field("COLUMN1".to_owned(), SqlType::Timestamp),
        plain_field("COLUMN2".to_owned(), DEFAULT_FIELD),
    ];
    let split: super::Split = Box::new(|text, rowtime| {
        let Some((time, message)) = parse(text, rowtime) else { return Ok(None) };
        let mut written = Vec::new();
        millstream_columns::datetime_text::write_timestamp(&mut written, time, true);
        let written = String::from_utf8_lossy(&written).into_owned();
        Ok(Some(vec![Some(Cow::Owned(written)), Some(Cow::Borrowed(message))]))
    });
    Ok(Prepared { fields, split })
}

/// The time in milliseconds since the epoch, and the rest of the text.
fn parse(text: &str, rowtime: i64) -> Option<(i64, &str)> {
    let (month, rest) = text.split_once(' ')?;
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let day = number(day, 1..=2, 31).filter(|day| *day > 0)?;
    let (clock, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut parts = clock.split(':');
    let mut part = |most| number(parts.next()?, 2..=2, most);
    let (hour, minute, second) = (part(23)?, part(59)?, part(59)?);
    if parts.next().is_some() {
        return None;
    }
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000;
    let (this_year, _, _) = civil_from_days(rowtime.div_euclid(MILLIS_PER_DAY));
    let month = u32::try_from(month).ok()?;
    let candidates = (this_year - 1..=this_year + 1).filter_map(|year| {
        let days = days_from_civil(year, month, u32::try_from(day).ok()?);
        // The 29th of February does not exist in every year.
        let exists = civil_from_days(days).1 == month;
        exists.then(|| days * MILLIS_PER_DAY + of_day)
    });
    let past = candidates.filter(|time| *time - rowtime <= MILLIS_PER_DAY);
    let time = past.min_by_key(|time| (time - rowtime).abs())?;
    Some((time, message))
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>, most: i64) -> Option<i64> {
    if !digits.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(year: i64, month: u32, day: u32, second_of_day: i64) -> i64 {
        days_from_civil(year, month, day) * MILLIS_PER_DAY + second_of_day * 1_000
    }

    #[test]
    fn the_year_is_the_closest_that_is_not_in_the_future() {
        let new_year = time(2024, 1, 1, 60);
        assert_eq!(parse("Dec 31 23:59:59 host m", new_year), Some((time(2023, 12, 31, 86_399), "host m")));
        assert_eq!(parse("Jan  2 00:00:00 host m", new_year), Some((time(2024, 1, 2, 0), "host m")));
        assert_eq!(parse("Jan  3 00:00:00 host m", new_year), Some((time(2023, 1, 3, 0), "host m")));
        assert_eq!(parse("Feb 29 00:00:00 h", time(2024, 3, 1, 0)), Some((time(2024, 2, 29, 0), "h")));
        for wrong in [
            "",
            "Foo 1 00:00:00 x",
            "Jan 32 00:00:00 x",
            "Jan 1 24:00:00 x",
            "Jan 1 00:00 x",
            "Feb 30 00:00:00 x",
        ] {
            assert_eq!(parse(wrong, new_year), None, "{wrong}");
        }
    }
}

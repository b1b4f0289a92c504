//! Dates, times, timestamps and intervals as text: the fixed forms of SQL.

use crate::calendar::{MILLIS_PER_DAY, checked_date, checked_time, civil_from_days, split_millis};
use crate::number_text::{write_integer, write_padded};
use millstream_sql::{IntervalQualifier, TimeUnit};

/// Writes `yyyy-MM-dd`.
pub fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    write_padded(out, year, 4);
    out.push(b'-');
    write_two(out, month);
    out.push(b'-');
    write_two(out, day);
}

/// Writes `HH:mm:ss`; the milliseconds are written by [`write_millis`].
pub fn write_time(out: &mut Vec<u8>, of_day: i64) {
    write_two(out, (of_day / 3_600_000) as u32);
    out.push(b':');
    write_two(out, (of_day / 60_000 % 60) as u32);
    out.push(b':');
    write_two(out, (of_day / 1_000 % 60) as u32);
}

/// Writes `.SSS`.
pub fn write_millis(out: &mut Vec<u8>, of_day: i64) {
    out.push(b'.');
    write_padded(out, of_day % 1_000, 3);
}

/// Writes `yyyy-MM-dd HH:mm:ss`, with `.SSS` always or only when it is not zero.
pub fn write_timestamp(out: &mut Vec<u8>, millis: i64, always_millis: bool) {
    let (days, of_day) = split_millis(millis);
    write_date(out, days);
    out.push(b' ');
    write_time(out, of_day);
    if always_millis || of_day % 1_000 != 0 {
        write_millis(out, of_day);
    }
}

fn write_two(out: &mut Vec<u8>, value: u32) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

/// Reads digits from the front of a text.
struct Digits<'a> {
    rest: &'a [u8],
}

impl Digits<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let value = self.rest[..count].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
        self.rest = &self.rest[count..];
        Some(value)
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn date(&mut self) -> Option<i32> {
        let year = self.number(4, 4)?;
        self.skip(b'-')?;
        let month = self.number(2, 2)?;
        self.skip(b'-')?;
        let day = self.number(2, 2)?;
        checked_date(i64::from(year), month, day)
    }

    fn time(&mut self) -> Option<i32> {
        let hour = self.number(1, 2)?;
        self.skip(b':')?;
        let minute = self.number(2, 2)?;
        self.skip(b':')?;
        let second = self.number(2, 2)?;
        let millis = if self.skip(b'.').is_some() { self.fraction()? } else { 0 };
        checked_time(hour, minute, second, millis)
    }

    /// The digits of a fraction of a second, at least one, cut to milliseconds.
    fn fraction(&mut self) -> Option<u32> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        let millis = (0..3).fold(0, |value, index| {
            value * 10 + if index < count { u32::from(self.rest[index] - b'0') } else { 0 }
        });
        self.rest = &self.rest[count..];
        Some(millis)
    }

    /// Milliseconds east of UTC of `Z`, `+02`, `+0200`, `+02:00`; 0 when nothing is left.
    fn zone(&mut self) -> Option<i64> {
        let sign = match self.rest.first() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.rest = &self.rest[1..];
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.number(2, 2)?;
        let _ = self.skip(b':');
        let minutes = if self.rest.is_empty() { 0 } else { self.number(2, 2)? };
        (hours <= 18 && minutes <= 59).then_some(sign * i64::from(hours * 60 + minutes) * 60_000)
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.rest.is_empty().then_some(value)
    }
}

/// `yyyy-MM-dd`, nothing else.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let mut digits = Digits { rest: text };
    let days = digits.date()?;
    digits.end(days)
}

/// `H:mm:ss` or `HH:mm:ss`, with a fraction if any, nothing else.
pub fn parse_time(text: &[u8]) -> Option<i32> {
    let mut digits = Digits { rest: text };
    let millis = digits.time()?;
    digits.end(millis)
}

/// `yyyy-MM-dd HH:mm:ss`, with a fraction if any, nothing else.
pub fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let mut digits = Digits { rest: text };
    let days = digits.date()?;
    digits.skip(b' ')?;
    let millis = digits.time()?;
    digits.end(i64::from(days) * MILLIS_PER_DAY + i64::from(millis))
}

/// What records bear: a date, a date and time with a blank or `T` between, an offset or `Z` behind, moved to UTC.
pub fn parse_record_timestamp(text: &[u8]) -> Option<i64> {
    let mut digits = Digits { rest: text };
    let days = i64::from(digits.date()?);
    if digits.rest.is_empty() {
        return Some(days * MILLIS_PER_DAY);
    }
    if digits.skip(b' ').is_none() {
        digits.skip(b'T')?;
    }
    let of_day = i64::from(digits.time()?);
    if digits.rest.first() == Some(&b' ') {
        digits.rest = &digits.rest[1..];
    }
    let zone = digits.zone()?;
    digits.end(days * MILLIS_PER_DAY + of_day - zone)
}

/// A DATE of a record: a date, or the day of a timestamp.
pub fn parse_record_date(text: &[u8]) -> Option<i32> {
    match parse_date(text) {
        Some(days) => Some(days),
        None => i32::try_from(split_millis(parse_record_timestamp(text)?).0).ok(),
    }
}

/// A TIME of a record: a time, or the time of a timestamp.
pub fn parse_record_time(text: &[u8]) -> Option<i32> {
    match parse_time(text) {
        Some(millis) => Some(millis),
        None => Some(split_millis(parse_record_timestamp(text)?).1 as i32),
    }
}

/// Writes a day-time interval: a sign, the leading field as it is, the others with two digits, the fraction
/// when it is not zero.
pub fn write_interval_millis(out: &mut Vec<u8>, millis: i64, qualifier: IntervalQualifier) {
    out.push(if millis < 0 { b'-' } else { b'+' });
    let mut rest = millis.unsigned_abs();
    let units = [TimeUnit::Day, TimeUnit::Hour, TimeUnit::Minute, TimeUnit::Second];
    let within = units.into_iter().filter(|unit| (qualifier.leading..=qualifier.trailing).contains(unit));
    for unit in within {
        let length = unit.millis().unwrap_or(1) as u64;
        let value = rest / length;
        rest %= length;
        if unit == qualifier.leading {
            write_integer(out, value as i64);
        } else {
            out.push(if unit == TimeUnit::Hour && qualifier.leading == TimeUnit::Day { b' ' } else { b':' });
            write_padded(out, value as i64, 2);
        }
    }
    let precision = usize::from(qualifier.fraction_precision.min(3));
    if qualifier.trailing == TimeUnit::Second && rest > 0 && precision > 0 {
        out.push(b'.');
        let start = out.len();
        write_padded(out, rest as i64, 3);
        out.truncate(start + precision);
    }
}

/// Writes a year-month interval, e.g. `+3-04`.
pub fn write_interval_months(out: &mut Vec<u8>, months: i32, qualifier: IntervalQualifier) {
    out.push(if months < 0 { b'-' } else { b'+' });
    let months = i64::from(months).abs();
    match (qualifier.leading, qualifier.trailing) {
        (TimeUnit::Month, _) => write_integer(out, months),
        (_, TimeUnit::Month) => {
            write_integer(out, months / 12);
            out.push(b'-');
            write_padded(out, months % 12, 2);
        }
        _ => write_integer(out, months / 12),
    }
}

/// Reads an interval in the form of its qualifier: milliseconds, or months for year-month qualifiers. The fields
/// after the leading one must be in their ranges, the leading one within its precision.
pub fn parse_interval(text: &[u8], qualifier: IntervalQualifier) -> Option<i64> {
    let (negative, rest) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut digits = Digits { rest };
    let leading_digits = digits.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if leading_digits == 0 || leading_digits > usize::from(qualifier.leading_precision.min(10)) {
        return None;
    }
    let leading =
        digits.rest[..leading_digits].iter().fold(0i64, |value, byte| value * 10 + i64::from(byte - b'0'));
    digits.rest = &digits.rest[leading_digits..];
    let mut total = if qualifier.is_year_month() {
        let months = if qualifier.leading == TimeUnit::Year { leading * 12 } else { leading };
        if qualifier.leading == TimeUnit::Year && qualifier.trailing == TimeUnit::Month {
            digits.skip(b'-')?;
            let month = digits.number(1, 2).filter(|month| *month < 12)?;
            months + i64::from(month)
        } else {
            months
        }
    } else {
        let mut total = leading.checked_mul(qualifier.leading.millis()?)?;
        for unit in [TimeUnit::Hour, TimeUnit::Minute, TimeUnit::Second] {
            if unit <= qualifier.leading || unit > qualifier.trailing {
                continue;
            }
            digits.skip(if unit == TimeUnit::Hour { b' ' } else { b':' })?;
            let limit = if unit == TimeUnit::Hour { 24 } else { 60 };
            let value = digits.number(1, 2).filter(|value| *value < limit)?;
            total = total.checked_add(i64::from(value) * unit.millis()?)?;
        }
        if qualifier.trailing == TimeUnit::Second && digits.skip(b'.').is_some() {
            total = total.checked_add(i64::from(digits.fraction()?))?;
        }
        total
    };
    if negative {
        total = -total;
    }
    digits.end(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_read_what_they_write() {
        for millis in [0, -1, 1_171_920_335_123, -62_135_596_800_000, 253_402_300_799_999] {
            let written = text(|out| write_timestamp(out, millis, true));
            assert_eq!(parse_timestamp(written.as_bytes()), Some(millis), "{written}");
            assert_eq!(parse_record_timestamp(written.as_bytes()), Some(millis));
        }
        assert_eq!(parse_timestamp(b"2007-02-19 21:25"), None);
        assert_eq!(parse_timestamp(b"2007-02-30 21:25:00"), None);
        assert_eq!(parse_time(b"21:23:34:11"), None);
    }

    #[test]
    fn records_bear_iso_texts() {
        let expected = parse_timestamp(b"2018-05-09 12:50:41.337");
        for text in [
            "2018-05-09T12:50:41.337510",
            "2018-05-09T12:50:41.337Z",
            "2018-05-09T14:50:41.337+02:00",
            "2018-05-09T10:20:41.337-0230",
            "2018-05-09 12:50:41.337 +00",
        ] {
            assert_eq!(parse_record_timestamp(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(parse_record_timestamp(b"1992-02-14"), parse_timestamp(b"1992-02-14 00:00:00"));
        assert_eq!(parse_record_date(b"1992-02-14 18:35:44.0"), parse_date(b"1992-02-14"));
        assert_eq!(parse_record_time(b"1992-02-14T18:35:44"), parse_time(b"18:35:44"));
        assert_eq!(parse_record_timestamp(b"yesterday"), None);
    }

    #[test]
    fn intervals_read_what_they_write() {
        let day_to_second = IntervalQualifier::range(TimeUnit::Day, TimeUnit::Second);
        let cases = [
            (day_to_second, 172_800_000 + 371_000, "+2 00:06:11"),
            (day_to_second, -5_678, "-0 00:00:05.678"),
            (IntervalQualifier::range(TimeUnit::Minute, TimeUnit::Second), 371_000, "+6:11"),
            (IntervalQualifier::range(TimeUnit::Day, TimeUnit::Hour), -187_200_000, "-2 04"),
            (IntervalQualifier::single(TimeUnit::Minute), 360_000, "+6"),
        ];
        for (qualifier, millis, expected) in cases {
            assert_eq!(text(|out| write_interval_millis(out, millis, qualifier)), expected);
            assert_eq!(parse_interval(expected.as_bytes(), qualifier), Some(millis));
        }
        let year_to_month = IntervalQualifier::range(TimeUnit::Year, TimeUnit::Month);
        assert_eq!(text(|out| write_interval_months(out, 40, year_to_month)), "+3-04");
        assert_eq!(parse_interval(b"3-4", year_to_month), Some(40));
    }
}

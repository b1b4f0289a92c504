//! Days and the calendar: the proleptic Gregorian calendar of ISO 8601.
//!
//! The algorithm counts days in eras of 400 years with March as the first month (Howard Hinnant, "chrono-compatible
//! low-level date algorithms", sections `days_from_civil` and `civil_from_days`).

/// Milliseconds of a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

/// Days from 1970-01-01 to a date; `month` 1 to 12, `day` from 1 (days past the month's end run on).
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Days of a month, 28 to 31; `month` 1 to 12.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Parses `yyyy-MM-dd` exactly: days since 1970-01-01, or `None`.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i64::from(digits(&bytes[..4])?);
    let (month, day) = (digits(&bytes[5..7])?, digits(&bytes[8..])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Parses `HH:mm:ss` with an optional fraction, one-digit fields allowed: milliseconds of the day, or `None`.
pub fn parse_time(text: &str) -> Option<i32> {
    let mut fields = text.split(':');
    let (hour, minute, seconds) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    let (second, fraction) = seconds.split_once('.').map_or((seconds, None), |(s, f)| (s, Some(f)));
    let field = |text: &str, limit: u32| {
        let value = if matches!(text.len(), 1 | 2) { digits(text.as_bytes())? } else { return None };
        (value < limit).then_some(value)
    };
    let (hour, minute, second) = (field(hour, 24)?, field(minute, 60)?, field(second, 60)?);
    let millis = fraction.map_or(Some(0), fraction_millis)?;
    i32::try_from(((hour * 60 + minute) * 60 + second) * 1_000 + millis).ok()
}

/// Parses `yyyy-MM-dd HH:mm:ss[.f]`: milliseconds since the epoch, or `None`.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    Some(i64::from(parse_date(date)?) * MILLIS_PER_DAY + i64::from(parse_time(time)?))
}

/// Milliseconds of the digits behind the point; further digits are dropped.
pub fn fraction_millis(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut millis = 0;
    for place in 0..3 {
        millis = millis * 10 + fraction.as_bytes().get(place).map_or(0, |byte| u32::from(byte - b'0'));
    }
    Some(millis)
}

fn digits(bytes: &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
    }

    #[test]
    fn texts_are_taken_exactly() {
        assert_eq!(parse_date("1970-01-02"), Some(1));
        for bad in ["1970-1-02", "1970-02-30", "1970-13-01", "19700102", "1970-01-02 ", "197a-01-01"] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
        assert_eq!(parse_time("1:03:34"), Some(3_814_000));
        assert_eq!(parse_time("00:00:00.0426"), Some(42));
        for bad in ["12:03", "25:00:00", "00:61:00", "1:2:3:4", "00:00:00.", "00:00:", "100:00:00"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        assert_eq!(parse_timestamp("1970-01-02 00:00:01.5"), Some(86_401_500));
        assert_eq!(parse_timestamp("1970-01-02"), None);
    }
}

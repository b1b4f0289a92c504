//! The proleptic Gregorian calendar: days and fields, milliseconds and fields, months.
//!
//! The two conversions follow Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms" (`days_from_civil`,
//! `civil_from_days`), with years and days of 64 bits so that no millisecond count of a TIMESTAMP overflows.

/// Milliseconds of a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

/// Days from 1970-01-01 to a date; `month` 1 to 12, `day` from 1 (days past the month's end run on).
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
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

/// True for years of 366 days.
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, 28 to 31; `month` 1 to 12.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Moves a day by months: the day of the month stays, or becomes the last of a shorter month. `None` when the
/// result leaves the 32-bit range of DATE.
pub fn add_months(days: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(days);
    let total = year.checked_mul(12)?.checked_add(i64::from(month) - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    if year.abs() > 300_000_000 {
        return None;
    }
    Some(days_from_civil(year, month, day.min(days_in_month(year, month))))
}

/// Months since January 1970 of a day.
pub fn month_number(days: i64) -> i64 {
    let (year, month, _) = civil_from_days(days);
    (year - 1970) * 12 + i64::from(month) - 1
}

/// The first day of a month counted from January 1970.
pub fn first_day_of_month(month_number: i64) -> i64 {
    days_from_civil(1970 + month_number.div_euclid(12), month_number.rem_euclid(12) as u32 + 1, 1)
}

/// Splits milliseconds since the epoch into the day and the millisecond of the day.
pub fn split_millis(millis: i64) -> (i64, i64) {
    (millis.div_euclid(MILLIS_PER_DAY), millis.rem_euclid(MILLIS_PER_DAY))
}

/// A checked date: `None` for a month or day that does not exist or a year beyond DATE's range.
pub fn checked_date(year: i64, month: u32, day: u32) -> Option<i32> {
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    if !exists || year.abs() > 5_000_000 {
        return None;
    }
    Some(days_from_civil(year, month, day) as i32)
}

/// Milliseconds of the day of a checked time.
pub fn checked_time(hour: u32, minute: u32, second: u32, millis: u32) -> Option<i32> {
    if hour > 23 || minute > 59 || second > 59 || millis > 999 {
        return None;
    }
    Some((((hour * 60 + minute) * 60 + second) * 1000 + millis) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert!(day <= days_in_month(year, month));
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
    }

    #[test]
    fn months_keep_the_day_or_take_the_last() {
        let january = days_from_civil(2024, 1, 31);
        assert_eq!(add_months(january, 1), Some(days_from_civil(2024, 2, 29)));
        assert_eq!(add_months(january, -11), Some(days_from_civil(2023, 2, 28)));
        assert_eq!(add_months(january, i64::MAX), None);
    }
}

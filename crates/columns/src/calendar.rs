//! Days, months and milliseconds, on the front end's calendar ([`millstream_sql::civil`]): years and days have 64 bits, so
//! that no millisecond count of a TIMESTAMP overflows.

pub use millstream_sql::civil::{MILLIS_PER_DAY, civil_from_days, days_from_civil, days_in_month};

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

//! Reading a datetime by a template: from the start of the text, by position, never lenient.

use super::format::{week_of_year, weekday};
use super::{Item, MONTHS, SimpleDateFormat, WEEKDAYS};
use millstream_columns::RowError;
use millstream_columns::calendar::{
    MILLIS_PER_DAY, add_months, civil_from_days, days_from_civil, days_in_month, split_millis,
};

impl SimpleDateFormat {
    /// Milliseconds since the epoch of the front of `text`; what follows the template is ignored. Fields that the
    /// template lacks are those of 1970-01-01 00:00:00. `now` places two-digit years: from 80 years back to 20 ahead.
    ///
    /// # Errors
    /// When the text does not follow the template, or names a date or time that does not exist.
    pub(crate) fn parse(&self, text: &str, now: i64) -> Result<i64, RowError> {
        self.read(text, now).ok_or_else(|| {
            RowError::function(format!("'{text}' is not a datetime of the format '{}'", self.template))
        })
    }

    fn read(&self, text: &str, now: i64) -> Option<i64> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Item::Field { letter, count } => {
                    let touches = self.items.get(index + 1).is_some_and(Item::is_numeric);
                    let limit = if touches { *count } else { usize::MAX };
                    let trimmed = rest.trim_start_matches([' ', '\t']);
                    rest = fields.read(*letter, *count, limit, trimmed, now)?;
                }
            }
        }
        fields.resolve()
    }
}

/// The fields that a text has named.
#[derive(Default)]
struct Fields {
    before_christ: bool,
    year: Option<i64>,
    week_year: Option<i64>,
    month: Option<u32>,
    week_of_year: Option<i64>,
    week_of_month: Option<i64>,
    day_of_year: Option<i64>,
    day: Option<u32>,
    weekday_in_month: Option<i64>,
    weekday: Option<i64>,
    afternoon: Option<bool>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    minute: i64,
    second: i64,
    millis: i64,
    offset: i64,
}

impl Fields {
    fn read<'a>(
        &mut self,
        letter: char,
        count: usize,
        limit: usize,
        text: &'a str,
        now: i64,
    ) -> Option<&'a str> {
        match letter {
            'G' => {
                let (index, rest) = name(text, &["BC", "AD"], 2)?;
                self.before_christ = index == 0;
                return Some(rest);
            }
            'M' if count >= 3 => {
                let (index, rest) = name(text, &MONTHS, 3)?;
                self.month = Some(index as u32 + 1);
                return Some(rest);
            }
            'E' => {
                let (index, rest) = name(text, &WEEKDAYS, 3)?;
                self.weekday = Some(index as i64);
                return Some(rest);
            }
            'a' => {
                let (index, rest) = name(text, &["AM", "PM"], 2)?;
                self.afternoon = Some(index == 1);
                return Some(rest);
            }
            'z' | 'Z' | 'X' => {
                let (offset, rest) = zone(text)?;
                self.offset = offset;
                return Some(rest);
            }
            _ => {}
        }
        let digits = text.bytes().take(limit).take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let value: i64 = text[..digits].parse().ok()?;
        let within = |low: i64, high: i64| (low..=high).contains(&value).then_some(value);
        match letter {
            'y' if count == 2 && digits == 2 => self.year = Some(in_century(value, now)),
            'y' => self.year = Some(value),
            'Y' if count == 2 && digits == 2 => self.week_year = Some(in_century(value, now)),
            'Y' => self.week_year = Some(value),
            'M' => self.month = Some(within(1, 12)? as u32),
            'w' => self.week_of_year = Some(within(1, 53)?),
            'W' => self.week_of_month = Some(within(1, 6)?),
            'D' => self.day_of_year = Some(within(1, 366)?),
            'd' => self.day = Some(within(1, 31)? as u32),
            'F' => self.weekday_in_month = Some(within(1, 5)?),
            'u' => self.weekday = Some(within(1, 7)? % 7),
            'H' => self.hour = Some(within(0, 23)?),
            'k' => self.hour = Some(within(1, 24)? % 24),
            'K' => self.half_day_hour = Some(within(0, 11)?),
            'h' => self.half_day_hour = Some(within(1, 12)? % 12),
            'm' => self.minute = within(0, 59)?,
            's' => self.second = within(0, 59)?,
            _ => self.millis = within(0, 999)?,
        }
        Some(&text[digits..])
    }

    fn resolve(self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        if self.year == Some(0) || year > 200_000_000 {
            return None;
        }
        let year = if self.before_christ { 1 - year } else { year };
        let days = self.date(year)?;
        if self.weekday.is_some_and(|expected| self.day.is_some() && weekday(days) != expected) {
            return None;
        }
        let hour = match (self.hour, self.half_day_hour) {
            (Some(hour), _) => hour,
            (None, half) => half.unwrap_or(0) + if self.afternoon == Some(true) { 12 } else { 0 },
        };
        let of_day = ((hour * 60 + self.minute) * 60 + self.second) * 1_000 + self.millis;
        days.checked_mul(MILLIS_PER_DAY)?.checked_add(of_day - self.offset)
    }

    /// The day, from the fields that fix it: the day of the month first, then the day of the year, then weeks.
    fn date(&self, year: i64) -> Option<i64> {
        let month = self.month.unwrap_or(1);
        let first_of_month = days_from_civil(year, month, 1);
        if let Some(day) = self.day {
            return (day <= days_in_month(year, month)).then_some(first_of_month + i64::from(day) - 1);
        }
        if let (Some(day), None) = (self.day_of_year, self.month) {
            let days = days_from_civil(year, 1, 1) + day - 1;
            return (days < days_from_civil(year + 1, 1, 1)).then_some(days);
        }
        let wanted = self.weekday.unwrap_or(0);
        if let Some(week) = self.week_of_year {
            let week_year = self.week_year.unwrap_or(year);
            let new_year = days_from_civil(week_year, 1, 1);
            let days = new_year - weekday(new_year) + (week - 1) * 7 + wanted;
            let same = week_of_year(days, civil_from_days(days).0) == (week_year, week);
            return same.then_some(days);
        }
        let in_month = |days: i64| {
            let next = add_months(first_of_month, 1)?;
            (first_of_month..next).contains(&days).then_some(days)
        };
        if let Some(week) = self.week_of_month {
            return in_month(first_of_month - weekday(first_of_month) + (week - 1) * 7 + wanted);
        }
        if let Some(occurrence) = self.weekday_in_month {
            let first = first_of_month + (wanted - weekday(first_of_month)).rem_euclid(7);
            return in_month(first + (occurrence - 1) * 7);
        }
        match (self.week_year, self.year) {
            (Some(week_year), None) => Some(days_from_civil(week_year, month, 1)),
            _ => Some(first_of_month),
        }
    }
}

/// The year of two digits within 80 years before and 20 years after now.
fn in_century(two_digits: i64, now: i64) -> i64 {
    let (current, _, _) = civil_from_days(split_millis(now).0);
    let first = current - 80;
    let year = first - first.rem_euclid(100) + two_digits;
    if year < first { year + 100 } else { year }
}

/// One of `names` at the start, whole or as its first `short` letters, in any case: its index and what follows.
fn name<'a>(text: &'a str, names: &[&str], short: usize) -> Option<(usize, &'a str)> {
    let starts = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            .then_some(prefix.len())
    };
    let (index, length) = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((index, starts(name).or_else(|| starts(&name[..short]))?)))
        .max_by_key(|(_, length)| *length)?;
    Some((index, &text[length..]))
}

/// A zone at the start: milliseconds east of UTC and what follows.
fn zone(text: &str) -> Option<(i64, &str)> {
    const NAMES: [(&str, i64); 11] = [
        ("UTC", 0),
        ("GMT", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
        ("Z", 0),
    ];
    let named = NAMES
        .iter()
        .find(|(name, _)| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
    let (base, rest) = match named {
        Some((name, hours)) => (hours * 3_600_000, &text[name.len()..]),
        None => (0, text),
    };
    let sign = match rest.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return named.map(|_| (base, rest)),
    };
    if named.is_some_and(|(name, _)| *name != "GMT" && *name != "UTC") {
        return Some((base, rest));
    }
    let digits = |text: &str, count: usize| -> Option<i64> {
        let part = text.get(..count)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let after_sign = &rest[1..];
    let Some(hours) = digits(after_sign, 2) else {
        return named.map(|_| (base, rest));
    };
    let after_hours = &after_sign[2..];
    let after_colon = after_hours.strip_prefix(':').unwrap_or(after_hours);
    let (minutes, rest) = match digits(after_colon, 2) {
        Some(minutes) => (minutes, &after_colon[2..]),
        None => (0, after_hours),
    };
    (hours <= 23 && minutes <= 59).then_some((base + sign * (hours * 60 + minutes) * 60_000, rest))
}

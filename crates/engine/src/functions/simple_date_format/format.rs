//! Writing a datetime by a template.

use super::{Item, MONTHS, SimpleDateFormat, WEEKDAYS};
use millstream_columns::calendar::{civil_from_days, days_from_civil, split_millis};
use millstream_columns::number_text::write_padded;

impl SimpleDateFormat {
    /// Writes milliseconds since the epoch to the end of `out`.
    pub(crate) fn format(&self, millis: i64, out: &mut Vec<u8>) {
        let moment = Moment::new(millis);
        for item in &self.items {
            match item {
                Item::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Item::Field { letter, count } => moment.write(*letter, *count, out),
            }
        }
    }
}

struct Moment {
    days: i64,
    of_day: i64,
    year: i64,
    month: u32,
    day: u32,
}

/// 0 for Sunday.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Week year and week of the year: weeks begin on Sunday, week 1 is the one with January 1.
pub(super) fn week_of_year(days: i64, year: i64) -> (i64, i64) {
    let next_new_year = days_from_civil(year + 1, 1, 1);
    if days >= next_new_year - weekday(next_new_year) {
        return (year + 1, 1);
    }
    let new_year = days_from_civil(year, 1, 1);
    (year, (days - new_year + weekday(new_year)) / 7 + 1)
}

impl Moment {
    fn new(millis: i64) -> Moment {
        let (days, of_day) = split_millis(millis);
        let (year, month, day) = civil_from_days(days);
        Moment { days, of_day, year, month, day }
    }

    fn write(&self, letter: char, count: usize, out: &mut Vec<u8>) {
        let hour = self.of_day / 3_600_000;
        let first_of_month = self.days - i64::from(self.day) + 1;
        let number = match letter {
            'G' => return out.extend_from_slice(if self.year > 0 { b"AD" } else { b"BC" }),
            'y' => return write_year(era_year(self.year), count, out),
            'Y' => return write_year(era_year(week_of_year(self.days, self.year).0), count, out),
            'M' if count >= 3 => {
                return write_name(MONTHS[self.month as usize - 1], count, out);
            }
            'M' => i64::from(self.month),
            'w' => week_of_year(self.days, self.year).1,
            'W' => (i64::from(self.day) - 1 + weekday(first_of_month)) / 7 + 1,
            'D' => self.days - days_from_civil(self.year, 1, 1) + 1,
            'd' => i64::from(self.day),
            'F' => (i64::from(self.day) - 1) / 7 + 1,
            'E' => return write_name(WEEKDAYS[weekday(self.days) as usize], count, out),
            'u' => (weekday(self.days) + 6) % 7 + 1,
            'a' => return out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
            'H' => hour,
            'k' => (hour + 23) % 24 + 1,
            'K' => hour % 12,
            'h' => (hour + 11) % 12 + 1,
            'm' => self.of_day / 60_000 % 60,
            's' => self.of_day / 1_000 % 60,
            'S' => self.of_day % 1_000,
            'z' => {
                let name: &[u8] = if count >= 4 { b"Coordinated Universal Time" } else { b"UTC" };
                return out.extend_from_slice(name);
            }
            'Z' => return out.extend_from_slice(b"+0000"),
            _ => return out.push(b'Z'),
        };
        write_padded(out, number, count);
    }
}

fn era_year(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

fn write_year(year: i64, count: usize, out: &mut Vec<u8>) {
    if count == 2 { write_padded(out, year % 100, 2) } else { write_padded(out, year, count) }
}

fn write_name(name: &str, count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(if count >= 4 { name.as_bytes() } else { &name.as_bytes()[..3] });
}

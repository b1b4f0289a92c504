//! Time patterns in the manner of Java's `DateTimeFormatter`, as far as keys need them.
//!
//! A run of one letter is a field, its length says how it is written; text in single quotes is literal, two quotes are
//! one; any other character stands for itself.

use jiff::Zoned;

use super::prefix::InvalidPrefix;

/// The longest run of one letter: as many digits as the largest number has.
pub(crate) const MOST_LETTERS: usize = 19;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(char, usize),
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimePattern {
    pieces: Vec<Piece>,
}

impl TimePattern {
    pub(crate) fn parse(pattern: &str) -> Result<TimePattern, InvalidPrefix> {
        let mut pieces = Vec::new();
        let mut letters = pattern.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter == '\'' {
                pieces.push(Piece::Text(quoted(&mut letters)?));
            } else if letter.is_ascii_alphabetic() {
                if !"yuMLdDEaHhKkmsS".contains(letter) {
                    return Err(InvalidPrefix::PatternLetter(letter));
                }
                let mut count = 1;
                while letters.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                if count > MOST_LETTERS {
                    return Err(InvalidPrefix::PatternRun { letter, count });
                }
                pieces.push(Piece::Field(letter, count));
            } else {
                pieces.push(Piece::Text(letter.to_string()));
            }
        }
        Ok(TimePattern { pieces })
    }

    pub(crate) fn write(&self, time: &Zoned, output: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => output.push_str(text),
                Piece::Field(letter, count) => output.push_str(&field(*letter, *count, time)),
            }
        }
    }
}

/// The text up to the closing quote; the opening one has been taken. Nothing between two quotes means a quote.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, InvalidPrefix> {
    let mut text = String::new();
    loop {
        match letters.next().ok_or(InvalidPrefix::PatternQuote)? {
            '\'' if letters.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' if text.is_empty() => return Ok("'".to_owned()),
            '\'' => return Ok(text),
            other => text.push(other),
        }
    }
}

fn field(letter: char, count: usize, time: &Zoned) -> String {
    let padded = |value: i64| format!("{value:0count$}");
    let hour = i64::from(time.hour());
    match (letter, count) {
        ('y' | 'u', 2) => format!("{:02}", time.year().rem_euclid(100)),
        ('y' | 'u', _) => padded(i64::from(time.year())),
        ('M' | 'L', 3) => time.strftime("%b").to_string(),
        ('M' | 'L', 4) => time.strftime("%B").to_string(),
        ('M' | 'L', _) => padded(i64::from(time.month())),
        ('d', _) => padded(i64::from(time.day())),
        ('D', _) => padded(i64::from(time.day_of_year())),
        ('E', 4) => time.strftime("%A").to_string(),
        ('E', _) => time.strftime("%a").to_string(),
        ('a', _) => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        ('H', _) => padded(hour),
        ('k', _) => padded(if hour == 0 { 24 } else { hour }),
        ('K', _) => padded(hour % 12),
        ('h', _) => padded(if hour % 12 == 0 { 12 } else { hour % 12 }),
        ('m', _) => padded(i64::from(time.minute())),
        ('s', _) => padded(i64::from(time.second())),
        // Fraction of the second: as many digits as letters.
        (_, _) => format!("{:09}", time.subsec_nanosecond()).chars().take(count).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_written_as_in_java() {
        let time = jiff::Timestamp::from_millisecond(1_535_365_805_042).unwrap();
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        for (pattern, expected) in [
            ("yyyy/MM/dd/HH/", "2018/08/27/10/"),
            ("yy-M-d H:m:s", "18-8-27 10:30:5"),
            ("yyyyMMddHHmmssSSS", "20180827103005042"),
            ("MMM MMMM E EEEE DDD", "Aug August Mon Monday 239"),
            ("hh a KK kk", "10 AM 10 10"),
            ("'year='yyyy", "year=2018"),
            ("'it''s' ''yyyy''", "it's '2018'"),
            ("", ""),
        ] {
            let mut text = String::new();
            TimePattern::parse(pattern).unwrap().write(&time, &mut text);
            assert_eq!(text, expected, "{pattern}");
        }
    }
}

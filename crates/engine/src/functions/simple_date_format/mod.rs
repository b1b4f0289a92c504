//! Templates of datetimes in the manner of Java's `SimpleDateFormat`, US locale, UTC.
//!
//! Letters: `G` era, `y` year, `Y` week year, `M` month, `w` week of the year, `W` week of the month, `D` day of the
//! year, `d` day of the month, `F` which such weekday of the month, `E` weekday, `u` weekday number from Monday, `a` AM/PM,
//! `H` 0-23, `k` 1-24, `K` 0-11, `h` 1-12, `m`, `s`, `S` millisecond, `z` zone, `Z` offset, `X` ISO offset. Text in single quotes and
//! everything that is no letter stands for itself; `''` is a quote. Weeks begin on Sunday, and the first week is the one
//! with January 1.

mod format;
mod parse;

use millstream_columns::RowError;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Sunday first.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A prepared template.
#[derive(Clone, Debug)]
pub(crate) struct SimpleDateFormat {
    items: Vec<Item>,
    template: String,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(String),
    Field { letter: char, count: usize },
}

impl Item {
    /// Whether it reads digits, so that it must not swallow those of a field that follows at once.
    fn is_numeric(&self) -> bool {
        match self {
            Item::Literal(_) => false,
            Item::Field { letter: 'M', count } => *count <= 2,
            Item::Field { letter, .. } => !matches!(letter, 'G' | 'E' | 'a' | 'z' | 'Z' | 'X'),
        }
    }
}

impl SimpleDateFormat {
    /// Prepares a template.
    ///
    /// # Errors
    /// When it has a letter that means nothing, or a quote that never closes.
    pub(crate) fn new(template: &str) -> Result<SimpleDateFormat, RowError> {
        let mut items: Vec<Item> = Vec::new();
        let mut literal = String::new();
        let mut characters = template.chars().peekable();
        let flush = |literal: &mut String, items: &mut Vec<Item>| {
            if !literal.is_empty() {
                items.push(Item::Literal(std::mem::take(literal)));
            }
        };
        while let Some(character) = characters.next() {
            if character == '\'' {
                if characters.peek() == Some(&'\'') {
                    characters.next();
                    literal.push('\'');
                    continue;
                }
                loop {
                    match characters.next() {
                        Some('\'') if characters.peek() == Some(&'\'') => {
                            characters.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(quoted) => literal.push(quoted),
                        None => return Err(refused(template, "a quote is not closed")),
                    }
                }
            } else if character.is_ascii_alphabetic() {
                if !"GyYMwWDdFEuaHkKhmsSzZX".contains(character) {
                    return Err(refused(template, &format!("the letter {character} means nothing")));
                }
                flush(&mut literal, &mut items);
                let mut count = 1;
                while characters.peek() == Some(&character) {
                    characters.next();
                    count += 1;
                }
                items.push(Item::Field { letter: character, count: count.min(100) });
            } else {
                literal.push(character);
            }
        }
        flush(&mut literal, &mut items);
        Ok(SimpleDateFormat { items, template: template.to_owned() })
    }
}

fn refused(template: &str, reason: &str) -> RowError {
    RowError::function(format!("'{template}' is not a datetime format: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_columns::datetime_text::parse_timestamp;
    use proptest::prelude::*;

    const NOW: i64 = 1_704_067_200_000;

    fn parse(template: &str, text: &str) -> Option<i64> {
        SimpleDateFormat::new(template).unwrap().parse(text, NOW).ok()
    }

    fn format(template: &str, timestamp: &str) -> String {
        let mut out = Vec::new();
        let millis = parse_timestamp(timestamp.as_bytes()).unwrap();
        SimpleDateFormat::new(template).unwrap().format(millis, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_read_by_position() {
        let cases = [
            ("yyyy-hh-mm", "2009-09-16 03:15:24", "2009-01-01 09:16:00"),
            ("yyyy-MM-dd ss", "2009-09-16 03:15:24", "2009-09-16 00:00:03"),
            ("MMM dd,", "March 7, 2010", "1970-03-07 00:00:00"),
            ("yyyy-ss-mm", "2012-02-08 07:23:19", "2012-01-01 00:08:02"),
            ("MM/dd/yy hh:mm:ss", "12/19/11 12:11:10", "2011-12-19 00:11:10"),
            ("yy-dd-MM ss:hh:mm", "06-23-11 12:10:11", "2006-11-23 10:11:12"),
            ("dd-MM-yy", "23-06-1", "0001-06-23 00:00:00"),
            ("yyyy", "09-16 03:15", "0009-01-01 00:00:00"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2018-05-09T12:50:41.007", "2018-05-09 12:50:41.007"),
            ("hh:mm a", "03:15 PM", "1970-01-01 15:15:00"),
            ("yyyyMMddHHmmss", "20200305235959", "2020-03-05 23:59:59"),
            ("yyyy-MM-dd HH:mm:ss Z", "2020-01-01 10:00:00 +0200", "2020-01-01 08:00:00"),
            ("yyyy-MM-dd HH:mm z", "2020-01-01 10:00 EST", "2020-01-01 15:00:00"),
            ("yyyy-MM-dd'T'HH:mmXXX", "2020-01-01T10:00-01:30", "2020-01-01 11:30:00"),
            ("EEE, d MMM yyyy", "Thu, 5 mar 2020", "2020-03-05 00:00:00"),
            ("yyyy D", "2020 60", "2020-02-29 00:00:00"),
            ("k:mm", "24:05", "1970-01-01 00:05:00"),
            ("yyyy G", "1 BC", "0000-01-01 00:00:00"),
            ("yyyy.MM.dd 'o''clock'", "2020.01.02 o'clock", "2020-01-02 00:00:00"),
        ];
        for (template, text, expected) in cases {
            assert_eq!(parse(template, text), parse_timestamp(expected.as_bytes()), "{template} on {text}");
        }
        let failures = [
            ("yyyy hh", "2009-09-16 03:15:24"),
            ("yyyy-MM-dd", "2021-02-30"),
            ("yyyy-MM-dd hh:mm", "2020-01-01 13:05"),
            ("HH:mm", "25:00"),
            ("EEE d MMM yyyy", "Mon 5 Mar 2020"),
            ("MM dd yyyy", "2009 09 16"),
            ("yyyy", ""),
            ("yyyy D", "2021 366"),
        ];
        for (template, text) in failures {
            assert_eq!(parse(template, text), None, "{template} on {text}");
        }
        assert!(SimpleDateFormat::new("yyyy-b").is_err());
        assert!(SimpleDateFormat::new("'open").is_err());
    }

    #[test]
    fn values_are_written() {
        let at = "2018-05-09 13:50:41.007";
        let cases = [
            ("yyyy-MM-dd hh:mm:ss", "2018-05-09 01:50:41"),
            ("EEEE, MMMM d, yyyy G", "Wednesday, May 9, 2018 AD"),
            ("yy M EEE", "18 5 Wed"),
            ("D w W F u", "129 19 2 2 3"),
            ("k K h a", "13 1 1 PM"),
            ("S SSS SSSS", "7 007 0007"),
            ("z Z X XXX", "UTC +0000 Z Z"),
            ("'Y'YYYY", "Y2018"),
        ];
        for (template, expected) in cases {
            assert_eq!(format(template, at), expected);
        }
        assert_eq!(format("YYYY-w", "2019-12-31 00:00:00"), "2020-1");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(millis in -62_135_596_800_000i64..253_402_300_799_999) {
            for template in ["yyyy-MM-dd HH:mm:ss.SSS", "EEEE dd MMMM yyyy K:mm:ss.S a", "yyyy D k m s S Z"] {
                let format = SimpleDateFormat::new(template).unwrap();
                let mut out = Vec::new();
                format.format(millis, &mut out);
                let text = String::from_utf8(out).unwrap();
                prop_assert_eq!(format.parse(&text, NOW).unwrap(), millis, "{}", text);
            }
        }

        #[test]
        fn no_template_or_text_panics(template in "[GyYMwWDdFEuaHkKhmsSzZX'/: -]{0,12}", text in "\\PC{0,20}") {
            if let Ok(format) = SimpleDateFormat::new(&template) {
                let _ = format.parse(&text, NOW);
                let mut out = Vec::new();
                format.format(NOW, &mut out);
            }
        }
    }
}

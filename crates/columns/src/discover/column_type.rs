//! The type of a column that takes everything that was seen.

use super::Types;
use millstream_sql::SqlType;

/// What a value of the sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    /// No value.
    Null,
    /// `true` or `false` of JSON.
    Boolean,
    /// A number as it is written.
    Number(&'a str),
    /// A text.
    Text(&'a str),
    /// JSON source.
    Source(&'a str),
}

/// Gathers what a column holds.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnType {
    booleans: usize,
    integers: usize,
    fractions: usize,
    /// Numbers with an exponent, or with more digits than DECIMAL has.
    floats: usize,
    texts: usize,
    /// Texts of nothing but digits that a BIGINT holds.
    digit_texts: usize,
    largest_digits: i64,
    timestamps: usize,
    smallest: i64,
    largest: i64,
    /// Digits before and behind the point, at most.
    whole_digits: u8,
    fraction_digits: u8,
    longest_text: usize,
}

/// Digits of DECIMAL.
const DECIMAL_DIGITS: u8 = 18;

impl ColumnType {
    pub(super) fn see(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Null => return,
            Seen::Boolean => self.booleans += 1,
            Seen::Number(text) => self.number(text),
            Seen::Text(text) => {
                self.texts += 1;
                if let Some(number) = digits(text) {
                    self.digit_texts += 1;
                    self.largest_digits = self.largest_digits.max(number);
                }
                self.timestamps += usize::from(is_timestamp(text));
            }
            Seen::Source(_) => self.texts += 1,
        }
        self.longest_text = self.longest_text.max(match seen {
            Seen::Number(text) | Seen::Text(text) | Seen::Source(text) => text.chars().count(),
            Seen::Boolean | Seen::Null => 5,
        });
    }

    fn number(&mut self, text: &str) {
        let unsigned = text.trim_start_matches(['-', '+']);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole)
            || !is_digits(fraction)
            || whole.len() + fraction.len() > usize::from(DECIMAL_DIGITS)
        {
            // A whole number beyond DECIMAL may still be a BIGINT.
            match text.parse::<i64>() {
                Ok(number) => self.integer(number),
                Err(_) => self.floats += 1,
            }
            return;
        }
        let digits = |part: &str| u8::try_from(part.len()).unwrap_or(DECIMAL_DIGITS);
        self.whole_digits = self.whole_digits.max(digits(whole));
        self.fraction_digits = self.fraction_digits.max(digits(fraction));
        match text.parse::<i64>() {
            Ok(number) => self.integer(number),
            Err(_) => self.fractions += 1,
        }
    }

    fn integer(&mut self, number: i64) {
        if self.integers == 0 {
            (self.smallest, self.largest) = (number, number);
        }
        self.smallest = self.smallest.min(number);
        self.largest = self.largest.max(number);
        self.integers += 1;
    }

    /// The type.
    pub(super) fn sql_type(&self, types: Types) -> SqlType {
        match types {
            Types::Service | Types::Roomy => self.wide_type(types),
            Types::Narrow => self.narrow_type(),
        }
    }

    /// As the service infers: INTEGER or BIGINT of whole numbers, texts of digits included; BOOLEAN; DOUBLE; else VARCHAR.
    fn wide_type(&self, types: Types) -> SqlType {
        let texts = self.texts - self.digit_texts;
        let numbers = self.integers + self.fractions + self.floats + self.digit_texts;
        let fits = |number: i64| i32::try_from(number).is_ok();
        match (self.booleans, numbers, texts) {
            (1.., 0, 0) => SqlType::Boolean,
            (0, 1.., 0) if self.fractions + self.floats > 0 => SqlType::Double,
            (0, 1.., 0) if fits(self.smallest) && fits(self.largest) && fits(self.largest_digits) => {
                SqlType::Integer
            }
            (0, 1.., 0) => SqlType::BigInt,
            _ => SqlType::Varchar { length: width(self.longest_text, types) },
        }
    }

    /// The narrowest type, TIMESTAMP included.
    fn narrow_type(&self) -> SqlType {
        let numbers = self.integers + self.fractions + self.floats;
        let kinds = usize::from(self.booleans > 0) + usize::from(numbers > 0) + usize::from(self.texts > 0);
        if kinds > 1 || (self.texts > 0 && self.timestamps < self.texts) || kinds == 0 {
            return SqlType::Varchar { length: width(self.longest_text, Types::Narrow) };
        }
        if self.texts > 0 {
            return SqlType::Timestamp;
        }
        if self.booleans > 0 {
            return SqlType::Boolean;
        }
        if self.floats > 0 || self.whole_digits + self.fraction_digits > DECIMAL_DIGITS && self.fractions > 0
        {
            return SqlType::Double;
        }
        if self.fractions > 0 {
            let precision = (self.whole_digits + self.fraction_digits).max(1);
            return SqlType::Decimal { precision, scale: self.fraction_digits };
        }
        let fits = |least: i64, most: i64| self.smallest >= least && self.largest <= most;
        if fits(-128, 127) {
            SqlType::TinyInt
        } else if fits(-32_768, 32_767) {
            SqlType::SmallInt
        } else if fits(i64::from(i32::MIN), i64::from(i32::MAX)) {
            SqlType::Integer
        } else {
            SqlType::BigInt
        }
    }
}

/// The number that a text of nothing but digits is, when a BIGINT holds it.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// 4, 8, 16, … up to the longest VARCHAR; with room 16, 64, 256, ….
fn width(longest: usize, types: Types) -> u32 {
    let width = match types {
        Types::Service | Types::Narrow => longest.next_power_of_two().clamp(4, 65_536),
        Types::Roomy => {
            [16, 64, 256, 1_024, 4_096, 16_384].into_iter().find(|it| longest <= *it).unwrap_or(65_535)
        }
    };
    u32::try_from(width.min(65_535)).expect("clamped")
}

/// A date and a time, perhaps with a fraction and a zone, as inputs read them.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_shape = bytes.len() >= 19
        && bytes[..19].iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            10 => *byte == b' ' || *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
    is_shape && crate::datetime_text::parse_record_timestamp(bytes).is_some()
}

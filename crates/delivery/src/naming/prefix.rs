//! A key prefix with expressions: `!{timestamp:…}`, `!{firehose:…}`.

use jiff::Zoned;
use millstream_host::Random;

use super::time_pattern::MOST_LETTERS;
use super::{DEFAULT_TIME, PROCESSING_FAILED, TimePattern};

/// The longest evaluated prefix, in characters.
const LONGEST_EVALUATED: usize = 512;
/// The longest text of a prefix, in bytes.
const LONGEST_TEXT: usize = 8 << 10;
const RANDOM_STRING_LENGTH: usize = 11;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Why a prefix, extension or time zone cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrefix {
    /// `!{` without `}`.
    #[error("an expression that starts with \"!{{\" has no closing brace")]
    Unclosed,
    /// No such expression.
    #[error(
        "\"{0}\" is not an expression: use timestamp:PATTERN, firehose:random-string or firehose:error-output-type"
    )]
    Unknown(String),
    /// An expression that only works with dynamic partitioning.
    #[error("\"{0}\" needs dynamic partitioning, which is not supported yet")]
    PartitionKey(String),
    /// `error-output-type` in a main prefix.
    #[error("error-output-type may stand only in the error output prefix")]
    ErrorTypeInPrefix,
    /// Expressions in an error prefix, but not that one.
    #[error("an error output prefix with expressions must hold !{{firehose:error-output-type}}")]
    ErrorTypeMissing,
    /// Expressions in the prefix and no error prefix.
    #[error("a prefix with expressions needs an error output prefix")]
    ErrorPrefixNeeded,
    /// A letter in a time pattern that we cannot write.
    #[error("pattern letter '{0}' is not supported: use y M d D E a H h K k m s S and text in single quotes")]
    PatternLetter(char),
    /// A quote in a time pattern without its partner.
    #[error("a quote in a time pattern is not closed")]
    PatternQuote,
    /// A run of one letter that no time needs.
    #[error("pattern letter '{letter}' stands {count} times in a row: at most {MOST_LETTERS} make sense")]
    PatternRun {
        /// The letter.
        letter: char,
        /// How often.
        count: usize,
    },
    /// A line end, NUL or another character that has no place in a key.
    #[error("the character U+{:04X} cannot be in a key: leave control characters out", u32::from(*.0))]
    ControlCharacter(char),
    /// Too long once evaluated.
    #[error("it gives a key prefix of {0} characters: at most 512 are allowed")]
    TooLong(usize),
    /// A part of a key that no file system takes as a name.
    #[error("a part of the keys between slashes has {0} bytes: the name of a folder or file has at most 255")]
    PartTooLong(usize),
    /// Not a file extension.
    #[error(
        "\"{0}\" is not an extension: use a dot and then 0-9 a-z ! - _ . * ' ( ), at most 128 characters"
    )]
    Extension(String),
    /// Not a time zone.
    #[error("\"{0}\" is not a time zone known here: use an IANA name such as Europe/Berlin")]
    TimeZone(String),
}

/// Which expressions are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrefixKind {
    Main,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Time(TimePattern),
    RandomString,
    ErrorType,
}

/// A checked prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    parts: Vec<Part>,
}

impl Prefix {
    pub(crate) fn parse(text: &str, kind: PrefixKind) -> Result<Prefix, InvalidPrefix> {
        if let Some(control) = text.chars().find(|letter| letter.is_control()) {
            return Err(InvalidPrefix::ControlCharacter(control));
        }
        // Before it is evaluated: expressions grow, and none is shorter than its result by more than this.
        if text.len() > LONGEST_TEXT {
            return Err(InvalidPrefix::TooLong(text.chars().count()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("!{") {
            let (before, expression) = rest.split_at(start);
            let (expression, after) = expression[2..].split_once('}').ok_or(InvalidPrefix::Unclosed)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match expression.split_once(':') {
                Some(("timestamp", pattern)) => Part::Time(TimePattern::parse(pattern)?),
                Some(("firehose", "random-string")) => Part::RandomString,
                Some(("firehose", "error-output-type")) if kind == PrefixKind::Error => Part::ErrorType,
                Some(("firehose", "error-output-type")) => return Err(InvalidPrefix::ErrorTypeInPrefix),
                Some(("partitionKeyFromQuery" | "partitionKeyFromLambda", _)) => {
                    return Err(InvalidPrefix::PartitionKey(expression.to_owned()));
                }
                _ => return Err(InvalidPrefix::Unknown(expression.to_owned())),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let prefix = Prefix { parts };
        if kind == PrefixKind::Error && prefix.has_expressions() && !prefix.parts.contains(&Part::ErrorType) {
            return Err(InvalidPrefix::ErrorTypeMissing);
        }
        // The length depends on the time only through the names of months and days: a long one is tried.
        let wednesday = jiff::civil::date(2026, 9, 30).at(10, 10, 10, 0).to_zoned(jiff::tz::TimeZone::UTC);
        if let Ok(wednesday) = wednesday {
            let sample = prefix.clone().with_default_time();
            let length =
                sample.evaluate(&wednesday, PROCESSING_FAILED, &mut Random::from_seed(0)).chars().count();
            if length > LONGEST_EVALUATED {
                return Err(InvalidPrefix::TooLong(length));
            }
        }
        Ok(prefix)
    }

    pub(crate) fn has_expressions(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    /// Appends the hour's folders unless a time is in it already.
    pub(crate) fn with_default_time(mut self) -> Prefix {
        if !self.parts.iter().any(|part| matches!(part, Part::Time(_))) {
            let pattern =
                TimePattern::parse(DEFAULT_TIME).expect("the default pattern has only plain letters");
            self.parts.push(Part::Time(pattern));
        }
        self
    }

    /// Appends the kind of error unless it is in it already.
    pub(crate) fn with_error_type(mut self) -> Prefix {
        if !self.parts.contains(&Part::ErrorType) {
            self.parts.push(Part::ErrorType);
            self.parts.push(Part::Text("/".to_owned()));
        }
        self
    }

    pub(crate) fn evaluate(&self, time: &Zoned, error_type: &str, random: &mut Random) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Time(pattern) => pattern.write(time, &mut text),
                Part::ErrorType => text.push_str(error_type),
                Part::RandomString => {
                    for _ in 0..RANDOM_STRING_LENGTH {
                        let place = random.below(ALPHABET.len() as u64) as usize;
                        text.push(char::from(ALPHABET[place]));
                    }
                }
            }
        }
        text
    }
}

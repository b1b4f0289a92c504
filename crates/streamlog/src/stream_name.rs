//! What a stream is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_NAME_LENGTH: usize = 128;

/// A stream's name: 1 to 128 of the characters `a-z A-Z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// The text cannot name a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" cannot name a stream: use 1 to 128 characters: a to z, A to Z, digits, underscores, dots and hyphens"
)]
pub struct InvalidStreamName {
    text: String,
}

impl StreamName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidStreamName;

    fn from_str(text: &str) -> Result<StreamName, InvalidStreamName> {
        let fits = (1..=MAX_NAME_LENGTH).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            Ok(StreamName(text.to_owned()))
        } else {
            Err(InvalidStreamName { text: text.chars().take(160).collect() })
        }
    }
}

impl TryFrom<String> for StreamName {
    type Error = InvalidStreamName;

    fn try_from(text: String) -> Result<StreamName, InvalidStreamName> {
        text.parse()
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> String {
        name.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Two name spaces in one log, which also differ in when their records may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// A stream that users see: its records go when they are older than the retention.
    Data,
    /// The buffer of a delivery stream: its records go when they are consumed, and never before.
    Delivery,
}

/// Names a stream in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The name space.
    pub kind: StreamKind,
    /// The name within it.
    pub name: StreamName,
}

impl StreamKey {
    /// The key of a stream that users see.
    pub fn data(name: StreamName) -> StreamKey {
        StreamKey { kind: StreamKind::Data, name }
    }

    /// The key of a delivery stream's buffer.
    pub fn delivery(name: StreamName) -> StreamKey {
        StreamKey { kind: StreamKind::Delivery, name }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            StreamKind::Data => write!(f, "{}", self.name),
            StreamKind::Delivery => write!(f, "delivery:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once() {
        for good in ["a", "Reviews_2026.raw-1", &"x".repeat(128)] {
            assert_eq!(good.parse::<StreamName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "bad name!", "é", "a/b", &"x".repeat(129)] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
    }
}

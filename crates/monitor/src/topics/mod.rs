//! Topics: a message to a topic becomes one mail for each subscriber.

mod address;
mod message;
pub(crate) mod table;

use std::fmt;
use std::str::FromStr;

use millstream_host::Timestamp;

pub use message::MessageId;
pub(crate) use message::{Message, Publishing, is_one_line};

use crate::error::TopicError;
use crate::limits;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Who is subscribed to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What identifies it: a UUID.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// How the endpoint is reached.
    pub protocol: Protocol,
    /// For e-mail the address.
    pub endpoint: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How an endpoint is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// By e-mail.
    Email,
}

impl Protocol {
    /// `email`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Email => "email",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("protocol \"{0}\" is not supported; supported is: email")]
pub struct InvalidProtocol(String);

impl FromStr for Protocol {
    type Err = InvalidProtocol;

    fn from_str(text: &str) -> Result<Protocol, InvalidProtocol> {
        match text {
            "email" => Ok(Protocol::Email),
            _ => Err(InvalidProtocol(text.chars().take(40).collect())),
        }
    }
}

/// Checks an e-mail address.
pub(crate) fn check_address(address: &str) -> Result<(), TopicError> {
    address::check(address)
}

/// Checks the name of a topic.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=limits::TOPIC_NAME_CHARACTERS).contains(&name.len()) && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(TopicError::Name(name.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_two_signs() {
        for name in ["a", "Reviews_and-Alarms-9", &"x".repeat(256)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a.fifo", "é", "a\n", &"x".repeat(257)] {
            assert!(matches!(check_name(name), Err(TopicError::Name(_))), "{name}");
        }
        assert_eq!("email".parse(), Ok(Protocol::Email));
        assert!("sms".parse::<Protocol>().is_err());
    }
}

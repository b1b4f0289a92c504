//! Addresses of people: what is refused before it gets near a header or an SMTP command.

use lettre::Address;

use crate::error::TopicError;
use crate::limits;

/// Checks an e-mail address: plain ASCII `name@domain`, nothing that could end a header or a command.
pub(super) fn check(address: &str) -> Result<(), TopicError> {
    let refuse = |reason: &str| {
        let address = address.chars().filter(|character| !character.is_control()).take(100).collect();
        Err(TopicError::Address { address, reason: reason.to_owned() })
    };
    if address.len() > limits::ADDRESS_BYTES {
        return refuse("it is longer than 254 bytes");
    }
    if !address.is_ascii() {
        return refuse("only ASCII is supported; write an international domain in its \"xn--\" form");
    }
    if address.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'<' | b'>' | b',' | b';')) {
        return refuse(
            "it must be one plain address, such as name@example.com, without spaces or angle brackets",
        );
    }
    match address.parse::<Address>() {
        Ok(_) => Ok(()),
        Err(_) => refuse("it must have the form name@example.com"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_addresses_are_taken_and_tricks_are_not() {
        for address in ["a@example.com", "first.last+tag@mail.example.org", "root@localhost", "a@[127.0.0.1]"]
        {
            assert!(check(address).is_ok(), "{address}");
        }
        let long = format!("a@{}.com", "x".repeat(260));
        for address in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b@c",
            "a@example.com\r\nBcc: b@example.com",
            "\"a\r\nRCPT TO:<b@example.com>\"@example.com",
            "a@example.com>\0",
            "Name <a@example.com>",
            "a@example.com,b@example.com",
            "ä@example.com",
            &long,
        ] {
            let error = check(address).unwrap_err().to_string();
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_has_no_control_characters_or_spaces(text in "[ -~\r\n\u{0}\u{85}]{0,8}@[ -~\r\n]{0,8}") {
            if check(&text).is_ok() {
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}

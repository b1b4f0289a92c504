//! Which names a resource may have.

use super::Kind;

/// A text that is no name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" cannot name {article} {kind}: use 1 to {most} characters: a to z, A to Z, digits, {others}", article = article(*kind))]
pub struct InvalidName {
    /// Of what.
    pub kind: Kind,
    /// The text, cut after 80 characters.
    pub text: String,
    /// The longest name, in characters.
    pub most: usize,
    /// The other characters, in words.
    pub others: &'static str,
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Alarm | Kind::Endpoint | Kind::Application => "an",
        _ => "a",
    }
}

/// Checks a name by the rules of its kind, which are those of the service of the same noun.
///
/// # Errors
/// [`InvalidName`].
pub fn check_name(kind: Kind, text: &str) -> Result<(), InvalidName> {
    let (most, others): (usize, &[u8]) = match kind {
        Kind::Stream | Kind::Application | Kind::MailServer => (128, b"_.-"),
        Kind::DeliveryStream => (64, b"_.-"),
        Kind::Function => (64, b"_-"),
        Kind::Endpoint => (63, b"-_."),
        Kind::Topic => (256, b"_-"),
        // An address stands behind the topic.
        Kind::Subscription => return Ok(()),
        Kind::Metric | Kind::Alarm => (255, b"_.-/ :"),
        // That of a command line holds a path.
        Kind::Feed if !text.is_empty() => return Ok(()),
        Kind::Feed => (255, b""),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    let has_only_dots = text.bytes().all(|byte| byte == b'.');
    if (1..=most).contains(&text.len()) && text.bytes().all(fits) && !has_only_dots {
        return Ok(());
    }
    let others = match kind {
        _ if has_only_dots && !text.is_empty() => "_ . and -, and not dots alone",
        Kind::Feed => "or whatever else names it",
        Kind::Function | Kind::Topic => "_ and -",
        Kind::Metric | Kind::Alarm => "blanks, _ . - / and :",
        _ => "_ . and -",
    };
    Err(InvalidName { kind, text: text.chars().take(80).collect(), most, others })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_elsewhere() {
        for bad in ["", "a/b", "..", ".", "a b", "\0", "é"] {
            assert!(check_name(Kind::Stream, bad).is_err(), "{bad:?}");
            assert!(check_name(Kind::DeliveryStream, bad).is_err(), "{bad:?}");
        }
        for good in ["a.b_c-1", "-x", "--", ".hidden", "x.", "..x", "_"] {
            for kind in [Kind::Stream, Kind::DeliveryStream, Kind::Application] {
                assert_eq!(check_name(kind, good), Ok(()), "the services take {good:?}");
            }
        }
        for dots in [".", "..", "..."] {
            let error = check_name(Kind::DeliveryStream, dots).unwrap_err().to_string();
            let expected = "cannot name a delivery stream: use 1 to 64 characters: a to z, A to Z, digits, _ . and -, and not dots alone";
            assert_eq!(error, format!("\"{dots}\" {expected}"));
        }
        assert!(check_name(Kind::Feed, "").is_err());
        assert!(check_name(Kind::Alarm, "too hot").is_ok());
        let error = check_name(Kind::Application, "a/b").unwrap_err().to_string();
        assert_eq!(
            error,
            "\"a/b\" cannot name an application: use 1 to 128 characters: a to z, A to Z, digits, _ . and -"
        );
    }
}

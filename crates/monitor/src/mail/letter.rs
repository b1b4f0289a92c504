//! A mail as it goes over the wire (RFC 5322, MIME).

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, SinglePart};
use lettre::{Address, Message};

use super::Mail;

/// Writes the letter. The text is encoded, so that the letter is ASCII whatever the text; the id is the same at every
/// try, so that a receiver can tell a repeated letter.
///
/// # Errors
/// Why it cannot be written: the recipient is absent or no address. `subscribe` lets no such address in.
pub(super) fn letter(mail: &Mail, from: &Mailbox) -> Result<Message, String> {
    let recipient = mail.recipient.as_deref().ok_or("it has no recipient")?;
    let address: Address =
        recipient.parse().map_err(|error| format!("\"{recipient}\" is no address: {error}"))?;
    let seconds = u64::try_from(mail.created_at.0 / 1_000).unwrap_or(0);
    let id = format!("<{}.{}@{}>", mail.message_id, mail.id, from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address))
        .subject(mail.subject.as_str())
        .date(UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(id))
        // RFC 3834: no holiday replies, please.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Millstream-Topic", &mail.topic))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body(&mail.body)?))
        .map_err(|error| error.to_string())
}

/// Only for names and values that are ASCII without control characters.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn body(text: &str) -> Result<Body, String> {
    let is_unusual = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    if text.contains(is_unusual) {
        let encoded = Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::Base64);
        encoded.map_err(|_| "its text cannot be encoded".to_owned())
    } else {
        Ok(Body::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::Timestamp;
    use proptest::prelude::*;

    use super::super::MailStatus;
    use super::*;

    fn written(subject: &str, body: &str) -> String {
        let mail = Mail {
            id: 7,
            message_id: "m".to_owned(),
            topic: "alerts".to_owned(),
            recipient: Some("reader@example.com".to_owned()),
            subject: subject.to_owned(),
            body: body.to_owned(),
            created_at: Timestamp(1_767_323_045_000),
            status: MailStatus::Local,
        };
        let from = "Millstream <no-reply@example.org>".parse().unwrap();
        String::from_utf8(letter(&mail, &from).unwrap().formatted()).unwrap()
    }

    #[test]
    fn it_has_the_headers_that_mail_needs() {
        let text = written("Hello", "first line\n.\nlast line");
        for line in [
            "From: Millstream <no-reply@example.org>",
            "To: reader@example.com",
            "Subject: Hello",
            "Date: Fri, 02 Jan 2026 03:04:05 +0000",
            "Message-ID: <m.7@example.org>",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Auto-Submitted: auto-generated",
            "X-Millstream-Topic: alerts",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} in {text}");
        }
        assert!(text.ends_with("\r\n\r\nfirst line\r\n.\r\nlast line\r\n"), "{text}");
    }

    #[test]
    fn characters_that_mail_cannot_carry_are_encoded() {
        let text = written("Hello", "a\0b\u{7f}\u{1b}[31m");
        assert!(!text.contains(['\0', '\u{7f}', '\u{1b}']), "{text:?}");
        assert!(text.contains("Content-Transfer-Encoding: base64\r\n"), "{text}");
    }

    proptest! {
        // Publishing lets no such subject in; this is the second wall.
        #[test]
        fn no_subject_or_text_adds_a_header(subject in "\\PC{0,20}(\r\n|\n|\r)?Bcc: a@example.com\\PC{0,90}", body: String) {
            let text = written(&subject, &body);
            prop_assert!(text.is_ascii());
            let (headers, _) = text.split_once("\r\n\r\n").unwrap();
            for line in headers.split("\r\n") {
                let is_known = ["From: ", "To: ", "Subject: ", "Date: ", "Message-ID: ", "MIME-Version: ", "Content-",
                    "Auto-Submitted: ", "X-Millstream-Topic: ", " "];
                prop_assert!(is_known.iter().any(|start| line.starts_with(start)), "{:?}", line);
            }
        }
    }
}

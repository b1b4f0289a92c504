//! A message to a topic, and how it becomes mail.

use std::fmt;

use millstream_host::{Random, Timestamp};
use rusqlite::Connection;

use super::table;
use crate::error::TopicError;
use crate::limits;
use crate::mail::{self, NewMail};

/// What identifies a published message: a UUID that begins with the time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub String);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to be published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// A message with the id of an earlier one is that one; a new id unless given.
    pub id: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub text: &'a str,
}

impl Message<'_> {
    /// Checks what the caller wrote. The subject becomes a header: one line, no control characters.
    fn check(&self) -> Result<(), TopicError> {
        if let Some(subject) = self.subject {
            let is_short = (1..=limits::SUBJECT_CHARACTERS).contains(&subject.chars().count());
            if !is_short || subject.trim().is_empty() || !is_one_line(subject) {
                return Err(TopicError::Subject);
            }
        }
        if let Some(id) = self.id {
            let fits = (1..=limits::MESSAGE_ID_BYTES).contains(&id.len());
            if !fits || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                return Err(TopicError::MessageId);
            }
        }
        if !(1..=limits::MESSAGE_BYTES).contains(&self.text.len()) {
            return Err(TopicError::MessageSize(self.text.len()));
        }
        Ok(())
    }
}

/// What publishing needs besides the database.
pub(crate) struct Publishing<'a> {
    pub random: &'a mut Random,
    /// Mail goes to an SMTP server, too.
    pub sends_mail: bool,
    pub max_mails_queued: usize,
}

impl Publishing<'_> {
    /// Writes one mail for each subscriber, or one without a recipient if there is none. To be called in a transaction.
    pub fn publish(
        &mut self,
        connection: &Connection,
        topic: &str,
        message: Message<'_>,
        now: Timestamp,
    ) -> Result<MessageId, TopicError> {
        message.check()?;
        table::require(connection, topic)?;
        if let Some(id) = message.id
            && mail::table::has_message(connection, topic, id)?
        {
            return Ok(MessageId(id.to_owned()));
        }
        let recipients = table::recipients(connection, topic)?;
        if self.sends_mail && !recipients.is_empty() {
            let queued = mail::table::queued(connection)?;
            if queued + recipients.len() > self.max_mails_queued {
                return Err(TopicError::QueueFull { queued, limit: self.max_mails_queued });
            }
        }
        let message_id = MessageId(message.id.map_or_else(|| new_id(self.random, now), str::to_owned));
        let default_subject = format!("Message from topic {topic}");
        let mail = |recipient| NewMail {
            message_id: &message_id.0,
            topic,
            recipient,
            subject: message.subject.unwrap_or(&default_subject),
            body: message.text,
            created_at: now,
        };
        if recipients.is_empty() {
            mail::table::insert(connection, &mail(None), false)?;
        }
        for recipient in &recipients {
            mail::table::insert(connection, &mail(Some(recipient)), self.sends_mail)?;
        }
        Ok(message_id)
    }
}

/// Whether a text can be a header: nothing in it ends a line, for any reader, or is a control character.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.contains(|character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
}

/// A new UUID of version 7: ids of different runs differ even if the randomness has the same seed.
pub(super) fn new_id(random: &mut Random, now: Timestamp) -> String {
    let mut bytes = [0; 10];
    let (first, second) = (random.next_u64().to_le_bytes(), random.next_u64().to_le_bytes());
    bytes[..8].copy_from_slice(&first);
    bytes[8..].copy_from_slice(&second[..2]);
    let millis = u64::try_from(now.0).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string()
}

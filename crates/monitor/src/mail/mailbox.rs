//! A mail and what became of it.

use std::fmt;

use millstream_host::Timestamp;

/// A mail in the local mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Rises with every mail of this mailbox.
    pub id: i64,
    /// The message that it carries; mails to several subscribers share it.
    pub message_id: String,
    /// The topic that it was published to.
    pub topic: String,
    /// The address; absent if nobody was subscribed.
    pub recipient: Option<String>,
    /// Its subject, one line.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// When it was published.
    pub created_at: Timestamp,
    /// What became of it.
    pub status: MailStatus,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailStatus {
    /// It is in the local mailbox only, and will not be sent.
    Local,
    /// It is to be sent.
    Queued {
        /// How often it was tried.
        attempts: u32,
        /// What went wrong at the newest try.
        last_error: Option<String>,
        /// When it is tried next, at the earliest.
        next_attempt_at: Timestamp,
    },
    /// The server took it.
    Sent {
        /// How often it was tried, the last time with success.
        attempts: u32,
        /// When.
        at: Timestamp,
    },
    /// The server refused it for good.
    Failed {
        /// How often it was tried.
        attempts: u32,
        /// The server's words.
        error: String,
    },
}

impl fmt::Display for MailStatus {
    /// `local`, `queued`, `sent` or `failed`, with what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MailStatus::Local => f.write_str("local"),
            MailStatus::Queued { attempts, last_error: Some(error), .. } => {
                write!(f, "queued (tries: {attempts}): {error}")
            }
            MailStatus::Queued { last_error: None, .. } => f.write_str("queued"),
            MailStatus::Sent { .. } => f.write_str("sent"),
            MailStatus::Failed { error, .. } => write!(f, "failed: {error}"),
        }
    }
}

/// How the mails to the SMTP server fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Mails that wait to be sent, tried before or not.
    pub waiting: usize,
    /// Mails of the mailbox that the server took.
    pub sent: usize,
    /// Mails of the mailbox that the server refused for good.
    pub refused: usize,
    /// Why it refused the newest of them.
    pub newest_refusal: Option<String>,
    /// The one that has been tried and waits longest; `None` when none failed.
    pub retried: Option<RetriedMail>,
}

/// The mails that were published to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicMails {
    /// How many of them the mailbox keeps.
    pub kept: usize,
    /// The subject of the newest, and when it was published.
    pub newest: Option<(String, Timestamp)>,
}

/// A mail that is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetriedMail {
    /// When it was published; it was tried at once.
    pub since: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at the newest try.
    pub error: String,
}

/// A mail to be put into the mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMail<'a> {
    pub message_id: &'a str,
    pub topic: &'a str,
    pub recipient: Option<&'a str>,
    pub subject: &'a str,
    pub body: &'a str,
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_well() {
        let queued = |last_error: Option<&str>| MailStatus::Queued {
            attempts: 2,
            last_error: last_error.map(str::to_owned),
            next_attempt_at: Timestamp(0),
        };
        let failed = MailStatus::Failed { attempts: 1, error: "550 no".to_owned() };
        for (status, words) in [
            (MailStatus::Local, "local"),
            (queued(None), "queued"),
            (queued(Some("no answer")), "queued (tries: 2): no answer"),
            (MailStatus::Sent { attempts: 1, at: Timestamp(0) }, "sent"),
            (failed, "failed: 550 no"),
        ] {
            assert_eq!(status.to_string(), words);
        }
    }
}

//! Mail: the local mailbox, and the way to an SMTP server.
//!
//! ```text
//!  publish ─▶ row "local"                       no SMTP server, or nobody subscribed
//!        └──▶ row "queued" ──▶ connection ──▶ server says 2xx ──▶ "sent"
//!                  ▲                │                └──── 5xx ──▶ "failed", with its words
//!                  └─ wait, longer ─┘ 4xx, no answer, no connection
//! ```
//!
//! A failure of the connection (or of logging in) is of the server: it delays all mail and fails none. A failure after
//! that is of the one mail.

mod backoff;
mod connection;
mod letter;
mod mailbox;
pub(crate) mod sender;
pub(crate) mod table;

pub(crate) use mailbox::NewMail;
pub use mailbox::{Mail, MailCounts, MailStatus, RetriedMail, TopicMails};
pub(crate) use sender::SmtpServer;

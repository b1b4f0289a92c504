//! The mail server.

use serde::{Deserialize, Serialize};

/// A server that takes mails by SMTP. There is one in a data directory; its name is `smtp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailServerDefinition {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The sender's address.
    pub from: String,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// For logging in.
    pub user: Option<String>,
    /// The environment variable that holds the password: no password is in a file.
    pub password_variable: Option<String>,
}

impl MailServerDefinition {
    /// The name under which it is kept.
    pub const NAME: &'static str = "smtp";
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// Not at all: for a server on this machine.
    None,
    /// STARTTLS.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
}

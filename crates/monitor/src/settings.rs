//! Settings of the monitor: plain data.

use std::fmt;
use std::time::Duration;

/// Limits and where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorSettings {
    /// Most distinct metrics (namespace, name and dimensions).
    pub max_metrics: usize,
    /// Most buckets that wait in memory to be written; reached, they are written at once.
    pub max_pending_buckets: usize,
    /// Most mails kept after they are sent, failed, or were local from the start; the oldest go first.
    pub max_mails_kept: usize,
    /// Most mails that wait for the SMTP server; then `publish` is refused.
    pub max_mails_queued: usize,
    /// How often metrics are written, alarms judged, and the queue searched for mail whose wait is over.
    pub tick_interval: Duration,
    /// The SMTP server; without one mail stays in the local mailbox.
    pub smtp: Option<SmtpSettings>,
}

impl Default for MonitorSettings {
    /// 10,000 metrics, 10,000 pending buckets, 10,000 mails kept, 100,000 queued, a tick a second, no SMTP.
    fn default() -> MonitorSettings {
        MonitorSettings {
            max_metrics: 10_000,
            max_pending_buckets: 10_000,
            max_mails_kept: 10_000,
            max_mails_queued: 100_000,
            tick_interval: Duration::from_secs(1),
            smtp: None,
        }
    }
}

/// The server that takes mail, and the sender's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Name or address of the server.
    pub host: String,
    /// Its port: usually 25 or 587 without TLS or with STARTTLS, 465 with TLS.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// Name and password, if the server wants them.
    pub credentials: Option<SmtpCredentials>,
    /// The sender: `name@example.com` or `Name <name@example.com>`.
    pub from: String,
    /// How long connecting may take, and how long one mail may take.
    pub timeout: Duration,
    /// The wait after the first failure; it doubles with every further one.
    pub first_wait: Duration,
    /// The longest wait. Trying never ends.
    pub longest_wait: Duration,
}

impl SmtpSettings {
    /// A server by STARTTLS without log-in: 30 s a mail; waits from 1 s to 15 minutes after failures.
    pub fn new(host: impl Into<String>, port: u16, from: impl Into<String>) -> SmtpSettings {
        SmtpSettings {
            host: host.into(),
            port,
            security: SmtpSecurity::StartTls,
            credentials: None,
            from: from.into(),
            timeout: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(15 * 60),
        }
    }
}

/// How the connection to the SMTP server is protected. Certificates are checked against the Mozilla roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Not at all: for a relay on the same machine or network.
    None,
    /// Plain at first, then TLS by STARTTLS; refused if the server does not offer it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Name and password. The password does not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpCredentials {
    /// The name.
    pub user_name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for SmtpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpCredentials").field("user_name", &self.user_name).finish_non_exhaustive()
    }
}

//! Sends what is queued.

use std::time::Duration;

use lettre::message::Mailbox;
use millstream_host::Timestamp;

use super::connection::{Connection, Connector, Problem};
use super::letter::letter;
use super::table::Due;
use super::{Mail, MailStatus, backoff, table};
use crate::error::{OpenError, StoreError};
use crate::monitor::Monitor;
use crate::settings::SmtpSettings;

/// Mails read from the database at once.
const MAILS_AT_ONCE: u32 = 50;

/// The SMTP server as configured, checked.
#[derive(Clone)]
pub(crate) struct SmtpServer {
    settings: SmtpSettings,
    from: Mailbox,
    connector: Connector,
}

impl SmtpServer {
    pub fn new(settings: &SmtpSettings) -> Result<SmtpServer, OpenError> {
        let refuse = |why: &str| {
            let hint = "write name@example.com or Name <name@example.com>";
            OpenError::Smtp(format!("the sender {:?} {why}; {hint}", settings.from))
        };
        if settings.from.contains(char::is_control) {
            return Err(refuse("has control characters"));
        }
        let from: Mailbox = settings.from.parse().map_err(|_| refuse("is not an address"))?;
        if !from.email.to_string().is_ascii() {
            return Err(refuse("has an address that is not ASCII"));
        }
        if settings.timeout.is_zero() || settings.first_wait.is_zero() {
            return Err(OpenError::Smtp("timeout and first_wait must be longer than zero".to_owned()));
        }
        Ok(SmtpServer { from, connector: Connector::new(settings)?, settings: settings.clone() })
    }
}

/// What is to be noted about a mail.
#[derive(Debug)]
enum Outcome {
    Sent,
    Failed(String),
    Retry(String),
}

/// Sends mails one by one over one connection, and knows how the server fares.
pub(crate) struct Sender {
    monitor: Monitor,
    server: SmtpServer,
    /// How often in a row the server could not be used.
    failures: u32,
    /// Not before this instant is the server tried again.
    next_connection_at: Timestamp,
    /// An outcome that could not be written. Nothing is sent before it is: else a full disk would make one mail many.
    unrecorded: Option<(Mail, Outcome)>,
}

impl Sender {
    pub fn new(monitor: Monitor, server: SmtpServer) -> Sender {
        Sender { monitor, server, failures: 0, next_connection_at: Timestamp(i64::MIN), unrecorded: None }
    }

    /// Sends all that is due. It ends early if the server cannot be used. May be dropped at any point: then one mail may
    /// be sent again later.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        if let Some((mail, outcome)) = self.unrecorded.take() {
            self.record(mail, outcome).await?;
        }
        let mut connection = None;
        let result = self.send_due(&mut connection).await;
        if let Some(connection) = connection {
            connection.quit().await;
        }
        result
    }

    async fn send_due(&mut self, connection: &mut Option<Connection>) -> Result<(), StoreError> {
        loop {
            let when = self.due();
            // Too far ahead, it was set before the clock was set back.
            if when.now < self.next_connection_at && self.next_connection_at <= when.latest {
                return Ok(());
            }
            let due = self
                .monitor
                .blocking(move |store| table::due(&store.connection, when, MAILS_AT_ONCE))
                .await?;
            if due.is_empty() {
                return Ok(());
            }
            for mail in due {
                if !self.send(mail, connection).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Sends one mail; returns whether the server can be used for the next.
    async fn send(&mut self, mail: Mail, connection: &mut Option<Connection>) -> Result<bool, StoreError> {
        let letter = match letter(&mail, &self.server.from) {
            Ok(letter) => letter,
            Err(why) => {
                self.record(mail, Outcome::Failed(format!("it cannot be written as a mail: {why}"))).await?;
                return Ok(true);
            }
        };
        let open = match connection {
            Some(open) => open,
            None => match self.server.connector.connect().await {
                Ok(new) => connection.insert(new),
                Err(why) => {
                    self.server_failed(why, true).await?;
                    return Ok(false);
                }
            },
        };
        match open.send(&letter).await {
            Ok(()) => {
                self.failures = 0;
                self.record(mail, Outcome::Sent).await?;
                Ok(true)
            }
            Err(problem) => {
                *connection = None;
                match problem {
                    Problem::Refused(words) => {
                        tracing::warn!(mail = mail.id, words, "the SMTP server refused a mail");
                        self.record(mail, Outcome::Failed(words)).await?;
                        Ok(true)
                    }
                    Problem::Later(words) => {
                        self.record(mail, Outcome::Retry(words)).await?;
                        Ok(true)
                    }
                    Problem::Server(words) => {
                        self.record(mail, Outcome::Retry(words.clone())).await?;
                        self.server_failed(words, false).await?;
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Notes that the server cannot be used. All mails that are due wait; they bear the reason too if no mail was tried.
    async fn server_failed(&mut self, why: String, concerns_all: bool) -> Result<(), StoreError> {
        self.failures = self.failures.saturating_add(1);
        let due = self.due();
        let wait = self.wait(self.failures).await;
        self.next_connection_at = due.now.plus(wait);
        if self.failures == 1 {
            tracing::warn!(why, ?wait, "the SMTP server cannot be used; mail waits in the queue");
        }
        if concerns_all {
            let next = self.next_connection_at;
            self.monitor
                .blocking(move |store| table::record_unreachable(&store.connection, &why, due, next))
                .await?;
            self.monitor.changed();
        }
        Ok(())
    }

    async fn record(&mut self, mail: Mail, outcome: Outcome) -> Result<(), StoreError> {
        let now = self.monitor.now();
        let id = mail.id;
        let written = match &outcome {
            Outcome::Sent => {
                self.monitor.blocking(move |store| table::record_sent(&store.connection, id, now)).await
            }
            Outcome::Failed(error) => {
                let error = error.clone();
                self.monitor.blocking(move |store| table::record_failed(&store.connection, id, &error)).await
            }
            Outcome::Retry(error) => {
                let attempts = match &mail.status {
                    MailStatus::Queued { attempts, .. } => attempts + 1,
                    _ => 1,
                };
                let next = now.plus(self.wait(attempts).await);
                let error = error.clone();
                self.monitor
                    .blocking(move |store| table::record_retry(&store.connection, id, &error, next))
                    .await
            }
        };
        if written.is_err() {
            self.unrecorded = Some((mail, outcome));
        } else {
            self.monitor.changed();
        }
        written
    }

    fn due(&self) -> Due {
        let now = self.monitor.now();
        Due { now, latest: now.plus(self.server.settings.longest_wait) }
    }

    async fn wait(&self, failures: u32) -> Duration {
        let settings = self.server.settings.clone();
        self.monitor.with_random(move |random| backoff::wait(&settings, failures, random)).await
    }
}

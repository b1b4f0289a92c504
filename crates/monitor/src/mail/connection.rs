//! A connection to the SMTP server.

use std::error::Error as _;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use millstream_host::real_time;

use crate::error::OpenError;
use crate::limits;
use crate::settings::{SmtpSecurity, SmtpSettings};

/// Why a letter did not go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The server refused this letter for good.
    Refused(String),
    /// The server does not take this letter now.
    Later(String),
    /// The server cannot be used now.
    Server(String),
}

/// Where to connect to, checked.
#[derive(Clone)]
pub(super) struct Connector {
    host: String,
    port: u16,
    security: SmtpSecurity,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    timeout: Duration,
}

impl Connector {
    pub fn new(settings: &SmtpSettings) -> Result<Connector, OpenError> {
        let host = &settings.host;
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OpenError::Smtp(format!("host {host:?} is not a name or address")));
        }
        if settings.port == 0 {
            return Err(OpenError::Smtp(
                "port 0 cannot be connected to; usual are 25, 465 and 587".to_owned(),
            ));
        }
        let is_local =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if settings.credentials.is_some() && settings.security == SmtpSecurity::None && !is_local {
            return Err(OpenError::Smtp(format!(
                "the password would cross the network to {host} in plain sight; set security to starttls or tls"
            )));
        }
        let tls = match settings.security {
            SmtpSecurity::None => None,
            SmtpSecurity::StartTls | SmtpSecurity::Tls => {
                let parameters = TlsParameters::new(host.clone());
                Some(
                    parameters
                        .map_err(|error| OpenError::Smtp(format!("TLS to {host} cannot work: {error}")))?,
                )
            }
        };
        let credentials = settings
            .credentials
            .as_ref()
            .map(|credentials| Credentials::new(credentials.user_name.clone(), credentials.password.clone()));
        Ok(Connector {
            host: host.clone(),
            port: settings.port,
            security: settings.security,
            tls,
            credentials,
            timeout: settings.timeout,
        })
    }

    /// Connects, protects the connection, logs in.
    ///
    /// # Errors
    /// What went wrong, with where.
    pub async fn connect(&self) -> Result<Connection, String> {
        let connecting = real_time::within(self.timeout, self.try_connect()).await;
        let problem = match connecting {
            Some(Ok(connection)) => return Ok(Connection { connection, timeout: self.timeout }),
            Some(Err(error)) => words(&error),
            None => format!("no answer within {:?}", self.timeout),
        };
        Err(format!("cannot connect to {}:{}: {problem}", self.host, self.port))
    }

    async fn try_connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let hello = ClientId::default();
        let address = (self.host.as_str(), self.port);
        let wrapped = if self.security == SmtpSecurity::Tls { self.tls.clone() } else { None };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &hello, wrapped, None).await?;
        if let (SmtpSecurity::StartTls, Some(tls)) = (self.security, &self.tls) {
            connection.starttls(tls.clone(), &hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// A connection that letters can be sent over.
pub(super) struct Connection {
    connection: AsyncSmtpConnection,
    timeout: Duration,
}

impl Connection {
    /// Sends a letter. After an error the connection is to be dropped.
    pub async fn send(&mut self, letter: &Message) -> Result<(), Problem> {
        let bytes = letter.formatted();
        match real_time::within(self.timeout, self.connection.send(letter.envelope(), &bytes)).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(problem_of(&error)),
            None => Err(Problem::Server(format!("no answer within {:?}", self.timeout))),
        }
    }

    /// Takes leave politely, without waiting long.
    pub async fn quit(mut self) {
        let _ = real_time::within(Duration::from_secs(1), self.connection.quit()).await;
    }
}

fn problem_of(error: &smtp::Error) -> Problem {
    let code = error.status().map(u16::from);
    match code {
        // The server goes down; or it wants a log-in that our settings do not give.
        Some(421 | 530 | 534 | 535 | 538) => Problem::Server(words(error)),
        Some(500..) => Problem::Refused(words(error)),
        Some(_) => Problem::Later(words(error)),
        // Something the server lacks for this letter; nothing was sent.
        None if error.is_client() => Problem::Later(words(error)),
        None => Problem::Server(words(error)),
    }
}

/// The server's code and words if it said something, else what happened; one line.
fn words(error: &smtp::Error) -> String {
    let mut text = match (error.status(), error.source()) {
        (Some(code), Some(said)) => format!("{code} {said}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    };
    if error.status().is_none() {
        let mut source = error.source().and_then(|source| source.source());
        while let Some(deeper) = source {
            text = format!("{text}: {deeper}");
            source = deeper.source();
        }
    }
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(limits::SERVER_WORDS_CHARACTERS)
        .collect()
}

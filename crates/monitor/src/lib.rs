//! The monitor: metrics, alarms, topics and mail.
//!
//! ```text
//!   put ─▶ metrics ──statistics──▶ whoever asks
//!             │ every tick
//!             ▼
//!          alarms ──on a change──▶ topics ─▶ mailbox ─▶ SMTP server (when configured)
//!                                    ▲          └─────▶ whoever looks
//!   publish ─────────────────────────┘
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`Monitor`] in `monitor.rs` | all that others may ask; one lock over one SQLite connection |
//! | `running.rs` | the loops: a tick every second, and the sender of mail |
//! | `metrics/` | points, buckets of time, statistics, what is kept how long |
//! | `alarms/` | definitions, the rule that judges periods, what happens on a change |
//! | `topics/` | topics, subscriptions, how a message becomes mail |
//! | `mail/` | the mailbox, the letter on the wire, the connection, retries |
//! | `database.rs` | the file and its schema |
//! | `settings.rs`, `limits.rs`, `error.rs` | what may be set; fixed limits; what can go wrong |
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use millstream_host::{ManualClock, Random, Timestamp};
//! use millstream_monitor::{Location, MetricKey, Monitor, MonitorSettings, Point, Statistic, StatisticsQuery};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(ManualClock::starting_at(Timestamp(60_000)));
//! let monitor =
//!     Monitor::open(&Location::Memory, MonitorSettings::default(), clock.clone(), Random::from_seed(1))?;
//! let metric = MetricKey::new("Reviews", "AverageStarRating", [])?;
//! monitor.put(&[Point::value(metric.clone(), 4.0), Point::value(metric.clone(), 2.0)])?;
//! clock.advance(Duration::from_secs(1));
//! monitor.tick()?;
//! let datapoints = monitor.statistics(&StatisticsQuery {
//!     metric,
//!     statistics: vec![Statistic::Average, Statistic::SampleCount],
//!     period: 1,
//!     start: Timestamp(60_000),
//!     end: Timestamp(120_000),
//!     unit: None,
//! })?;
//! assert_eq!(datapoints[0].values, [Some(3.0), Some(2.0)]);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - A published message is on disk before `publish` returns. A change of an alarm's state, its history and its messages
//!   are one transaction.
//! - A queued mail is sent at least once, unless the server refuses it for good: its state is in the database, and a
//!   crash between the server's yes and our note of it sends it again, with the same `Message-ID`.
//! - No server, dead or slow, keeps `publish`, `put` or a tick waiting: only the sender talks to it.
//! - Points are counted once: they leave memory in the same step in which they are in the database.
//! - Memory is bounded by the settings: metrics, points that wait, mails that wait.
//! - Nothing here knows who puts a metric or publishes a message.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod alarms;
mod checks;
mod database;
mod error;
mod limits;
mod mail;
mod metrics;
mod monitor;
#[cfg(test)]
mod monitor_test;
mod running;
mod settings;
mod topics;

pub use alarms::{
    Alarm, AlarmActions, AlarmDefinition, AlarmState, AlarmTransition, Comparison, MissingData,
};
pub use checks::{check_alarm, check_email, check_metric_unit, check_topic_name};
pub use database::Location;
pub use error::{AlarmError, OpenError, PutError, QueryError, StoreError, TopicError};
pub use mail::{Mail, MailCounts, MailStatus, RetriedMail, TopicMails};
pub use metrics::{
    Datapoint, InvalidStatistic, Measured, MetricFilter, MetricKey, NewestValue, Point, Statistic,
    StatisticsQuery, StorageResolution,
};
pub use monitor::Monitor;
pub use settings::{MonitorSettings, SmtpCredentials, SmtpSecurity, SmtpSettings};
pub use topics::{InvalidProtocol, MessageId, Protocol, Subscription, Topic};

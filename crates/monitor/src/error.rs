//! What can go wrong, one type per operation area.

use std::path::PathBuf;

use crate::limits;

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the monitor's database could not be read or written: {0}; check that the disk has space and the file can be written"
)]
pub struct StoreError(#[from] pub(crate) rusqlite::Error);

/// The monitor did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened, or is not a database.
    #[error(
        "cannot open the monitor's database {path}: {source}; check the path and its permissions, or move a damaged \
         file away to start from scratch"
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The write-ahead log of the file cannot be read.
    #[error("cannot read {path}, the log of the monitor's database: {source}")]
    Log {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The write-ahead log of the file is damaged in its middle.
    #[error(
        "{path} is damaged in frame {frame}: the newest {commits} changes of the monitor's database, mails that wait among \
         them, are lost with it; restore the database and its log from a copy, or open it once with another SQLite program, which \
         drops these changes, to go on without them"
    )]
    DamagedLog {
        /// The log.
        path: PathBuf,
        /// The first damaged frame, from 1.
        frame: usize,
        /// How many commits are lost.
        commits: usize,
    },
    /// A later release wrote the file.
    #[error(
        "the monitor's database {path} has schema version {found} and this release knows up to {known}; use the \
         release that wrote it, or another data directory"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The SMTP settings cannot work.
    #[error("smtp: {0}")]
    Smtp(String),
}

/// Points were not taken; none of the call was.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The namespace is malformed.
    #[error(
        "namespace \"{0}\" is not valid: it needs 1 to 255 characters, no \":\" and no control characters"
    )]
    Namespace(String),
    /// The name is malformed.
    #[error("metric name \"{0}\" is not valid: it needs 1 to 255 characters and no control characters")]
    Name(String),
    /// A dimension is malformed.
    #[error(
        "dimension \"{0}\" is not valid: name and value need 1 to 255 and 1 to 1,024 characters, and no control \
         characters"
    )]
    Dimension(String),
    /// Too many dimensions.
    #[error("metric \"{name}\" has {count} dimensions and the limit is {limit}", limit = limits::DIMENSIONS)]
    TooManyDimensions {
        /// The metric.
        name: String,
        /// How many.
        count: usize,
    },
    /// A dimension twice.
    #[error("metric \"{name}\" has the dimension \"{dimension}\" twice; a name may stand once")]
    DuplicatedDimension {
        /// The metric.
        name: String,
        /// The dimension's name.
        dimension: String,
    },
    /// The unit is malformed.
    #[error("unit \"{0}\" is not valid: it needs 1 to 64 printable ASCII characters, such as None or Count")]
    Unit(String),
    /// NaN, infinite or too large.
    #[error("metric \"{name}\": the value {value} is not a finite number between -2^360 and 2^360")]
    Value {
        /// The metric.
        name: String,
        /// The value.
        value: f64,
    },
    /// Counts, sums, minimum and maximum that do not go together.
    #[error("metric \"{name}\": {reason}")]
    Distribution {
        /// The metric.
        name: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The timestamp is too old.
    #[error("metric \"{0}\": the timestamp is older than two weeks, which is the limit")]
    TooOld(String),
    /// The timestamp is too far ahead.
    #[error("metric \"{0}\": the timestamp is more than two hours ahead of the clock, which is the limit")]
    TooFarAhead(String),
    /// No room for another metric.
    #[error(
        "metric \"{name}\" would be one more than {limit}, the limit (max_metrics); use fewer dimension values or raise it"
    )]
    TooManyMetrics {
        /// The metric.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// Points wait in memory and cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A query of statistics cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Not a period.
    #[error("period {0} is not valid: it must be 1, 5, 10, 20, 30 or a multiple of 60 seconds")]
    Period(u32),
    /// The period is finer than what is kept of that time.
    #[error(
        "period {period} is too fine for a start {age_hours} hours ago: of that time only {kept} second resolution is \
         kept; use a multiple of {kept}"
    )]
    PeriodTooFine {
        /// The period asked.
        period: u32,
        /// How old the start is, in hours.
        age_hours: u64,
        /// The resolution kept, in seconds.
        kept: u32,
    },
    /// No time between start and end.
    #[error("the end must be after the start")]
    EmptyRange,
    /// Too many points.
    #[error(
        "the query asks for {asked} datapoints and the limit is {limit}; shorten the time or use a longer period",
        limit = limits::DATAPOINTS
    )]
    TooManyDatapoints {
        /// How many.
        asked: u64,
    },
    /// Nothing asked.
    #[error("name at least one statistic, such as Average")]
    NoStatistic,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An alarm was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// The definition cannot work.
    #[error("alarm \"{name}\": {reason}")]
    Definition {
        /// The alarm.
        name: String,
        /// What is wrong and how to fix it.
        reason: String,
    },
    /// No such alarm.
    #[error("alarm \"{0}\" does not exist")]
    NotFound(String),
    /// No room for another alarm.
    #[error("there are {limit} alarms, which is the limit; delete one first", limit = limits::ALARMS)]
    TooManyAlarms,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something about topics, subscriptions or messages was not done.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The name is malformed.
    #[error("topic name \"{0}\" is not valid: it needs 1 to 256 letters, digits, \"-\" or \"_\"")]
    Name(String),
    /// No such topic.
    #[error("topic \"{0}\" does not exist; create it first")]
    NotFound(String),
    /// Not an address.
    #[error("\"{address}\" is not an e-mail address: {reason}")]
    Address {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// No such subscription.
    #[error("subscription \"{0}\" does not exist")]
    SubscriptionNotFound(String),
    /// No room for another topic.
    #[error("there are {limit} topics, which is the limit; delete one first", limit = limits::TOPICS)]
    TooManyTopics,
    /// No room for another subscription.
    #[error(
        "topic \"{0}\" has {limit} subscriptions, which is the limit; subscribe a mailing list",
        limit = limits::SUBSCRIPTIONS_PER_TOPIC
    )]
    TooManySubscriptions(String),
    /// The subject is malformed.
    #[error(
        "the subject is not valid: it needs 1 to 100 characters, on one line, without control characters"
    )]
    Subject,
    /// The id of the message is malformed.
    #[error("the message id is not valid: it needs 1 to 128 letters, digits, \"-\", \"_\" or \".\"")]
    MessageId,
    /// The message is empty or too long.
    #[error("the message has {0} bytes; it needs 1 to 262,144")]
    MessageSize(usize),
    /// Too many mails wait.
    #[error(
        "{queued} mails wait for the SMTP server and the limit (max_mails_queued) is {limit}; see in the mailbox why \
         they are not sent"
    )]
    QueueFull {
        /// How many wait.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

macro_rules! from_sqlite {
    ($($error:ident),*) => {$(
        impl From<rusqlite::Error> for $error {
            fn from(error: rusqlite::Error) -> $error {
                $error::Store(StoreError(error))
            }
        }
    )*};
}
from_sqlite!(PutError, QueryError, AlarmError, TopicError);

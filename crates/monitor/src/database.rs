//! The database file: opening it and bringing its schema up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_host::{SqliteLogDamage, sqlite_log_damage, sqlite_log_of};
use rusqlite::{Connection, Params};

use crate::error::OpenError;

/// Where the database lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file, created when absent; its directory must exist.
    File(PathBuf),
    /// In memory, gone with the monitor.
    Memory,
}

impl Location {
    /// The path, or what SQLite calls memory.
    fn path(&self) -> PathBuf {
        match self {
            Location::File(path) => path.clone(),
            Location::Memory => PathBuf::from(":memory:"),
        }
    }

    /// The error that the database at this place failed while opening.
    pub(crate) fn failed(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Database { path: self.path(), source }
    }
}

/// The steps that bring a database from version N to N + 1. Never changed once released: add another.
const SCHEMA_STEPS: [&str; 2] = [
    // Times are milliseconds since the epoch. `dimensions` is a sorted JSON list of pairs. `distribution` is the
    // encoding of `metrics/distribution.rs`. `resolution` is the length of a bucket in seconds.
    "CREATE TABLE metrics (
        id INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        dimensions TEXT NOT NULL,
        UNIQUE (namespace, name, dimensions)
     );
     CREATE TABLE buckets (
        metric_id INTEGER NOT NULL REFERENCES metrics (id),
        resolution INTEGER NOT NULL,
        at INTEGER NOT NULL,
        unit TEXT NOT NULL,
        count REAL NOT NULL,
        sum REAL NOT NULL,
        minimum REAL NOT NULL,
        maximum REAL NOT NULL,
        distribution BLOB NOT NULL,
        PRIMARY KEY (metric_id, resolution, at, unit)
     ) WITHOUT ROWID;
     CREATE INDEX buckets_by_age ON buckets (resolution, at);
     CREATE TABLE alarms (
        name TEXT PRIMARY KEY,
        definition TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        changed_at INTEGER NOT NULL
     );
     CREATE TABLE alarm_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        alarm TEXT NOT NULL,
        at INTEGER NOT NULL,
        from_state TEXT NOT NULL,
        to_state TEXT NOT NULL,
        reason TEXT NOT NULL,
        action_problems TEXT NOT NULL
     );
     CREATE INDEX alarm_history_by_alarm ON alarm_history (alarm, id);
     CREATE TABLE topics (
        name TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL
     );
     CREATE TABLE subscriptions (
        id TEXT PRIMARY KEY,
        topic TEXT NOT NULL REFERENCES topics (name) ON DELETE CASCADE,
        protocol TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        UNIQUE (topic, protocol, endpoint)
     );
     CREATE TABLE mail (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL,
        topic TEXT NOT NULL,
        recipient TEXT,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        smtp_status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        last_error TEXT,
        next_attempt_at INTEGER NOT NULL,
        sent_at INTEGER
     );
     CREATE INDEX mail_by_status ON mail (smtp_status, next_attempt_at, id);",
    "CREATE INDEX mail_by_message ON mail (message_id);",
];

/// Opens the database and brings its schema up to date.
pub(crate) fn open(location: &Location) -> Result<Connection, OpenError> {
    let failed = |source| location.failed(source);
    if let Location::File(path) = location {
        refuse_damage(path)?;
    }
    let mut connection = match location {
        Location::File(path) => Connection::open(path),
        Location::Memory => Connection::open_in_memory(),
    }
    .map_err(failed)?;
    configure(&connection).map_err(failed)?;
    migrate(&mut connection, &location.path())?;
    Ok(connection)
}

/// SQLite would take back accepted mails without a word.
fn refuse_damage(path: &Path) -> Result<(), OpenError> {
    match sqlite_log_damage(path) {
        Ok(None) => Ok(()),
        Ok(Some(SqliteLogDamage { log, frame, commits })) => {
            Err(OpenError::DamagedLog { path: log, frame, commits })
        }
        Err(source) => Err(OpenError::Log { path: sqlite_log_of(path), source }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An accepted mail survives a power cut; metrics are written in groups, so this costs one sync a second.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let known = i64::try_from(SCHEMA_STEPS.len()).expect("a handful of steps");
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    if found > known || found < 0 {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, known });
    }
    let done = usize::try_from(found).expect("checked to be between 0 and the number of steps");
    for (index, step) in SCHEMA_STEPS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        let version = i64::try_from(index + 1).expect("a handful of steps");
        transaction.pragma_update(None, "user_version", version).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// The number that a `SELECT count(*)` answers.
pub(crate) fn count(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
) -> rusqlite::Result<usize> {
    let count: i64 = connection.prepare_cached(query)?.query_row(parameters, |row| row.get(0))?;
    Ok(usize::try_from(count).expect("a count is not negative and fits the memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_release_or_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor.sqlite");
        drop(open(&Location::File(path.clone())).unwrap());
        drop(open(&Location::File(path.clone())).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = open(&Location::File(path.clone())).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");

        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "this is not a database, it is a text of some length".repeat(100)).unwrap();
        let error = open(&Location::File(path)).unwrap_err().to_string();
        assert!(error.contains("not a database"), "{error}");
        assert!(open(&Location::File(folder.path().join("none/monitor.sqlite"))).is_err());
    }

    #[test]
    fn a_damaged_log_is_refused_and_a_cut_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor.sqlite");
        let connection = open(&Location::File(path.clone())).unwrap();
        let insert =
            |name: u32| connection.execute("INSERT INTO topics VALUES (?1, 0)", [name.to_string()]).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        (0..9).for_each(|name| assert_eq!(insert(name), 1));
        let copy = folder.path().join("copy.sqlite");
        let log = std::fs::read(sqlite_log_of(&path)).unwrap();
        let open_with = |log: &[u8]| {
            std::fs::copy(&path, &copy).unwrap();
            std::fs::write(sqlite_log_of(&copy), log).unwrap();
            open(&Location::File(copy.clone()))
        };
        let mut damaged = log.clone();
        damaged[2_000] ^= 1;
        let error = open_with(&damaged).unwrap_err().to_string();
        assert!(error.contains("copy.sqlite-wal is damaged in frame 1"), "{error}");
        let connection = open_with(&log[..log.len() - 100]).unwrap();
        assert_eq!(count(&connection, "SELECT count(*) FROM topics", []).unwrap(), 8);
    }
}

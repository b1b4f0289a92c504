//! The catalog: what exists and how far it has come, in one SQLite file that a user can open.
//!
//! | file | table | holds |
//! |---|---|---|
//! | `resources.rs` | `resource` | what exists: id, kind, name, definition, generation, owner, state |
//! | `positions.rs` | `position` | how far each consumer of a stream or buffer has come, by ids and shard |
//! | | `delivery_progress` | how far each delivery has come, and the objects that it is about to write |
//! | | `feed_position` | how many records each feed has put |
//! | `released.rs` | `unclaimed_feed_position` | the same of feeds that a command line brought, for the next of their names |
//! | `targets.rs` | | what a stream knows of those who put into it, kept before it goes |
//! | `checkpoints.rs` | `checkpoint` | manifests of application states, the newest two of each application |
//! | | `epoch` | the newest in which rows of each application were numbered |
//! | `migrations.rs` | `PRAGMA user_version` | the layouts of earlier versions, brought up to date |
//!
//! Every change is on disk when its call returns. Calls wait for the disk: not for a thread of the runtime.

mod checkpoints;
mod copies;
mod migrations;
mod positions;
mod released;
mod resources;
mod targets;

pub use checkpoints::{EngineState, StoredCheckpoint, WaitingOutput};
pub use copies::CopyStart;
pub use positions::{FeedProgress, KnownRecord, StoredDelivery};
pub use released::ReleasedProgress;
pub use resources::{ResourceRow, RowChange};
pub use targets::StoredFeed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_host::{SqliteLogDamage, sqlite_log_damage, sqlite_log_of};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::definition::{Owner, Reference};

/// Why the catalog could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite failed.
    #[error(
        "catalog {}: {source}; check its permissions and the space on its disk, restore a damaged file from a copy, or use \
         another data directory",
        path.display()
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another process keeps it from being read or changed.
    #[error("catalog {} is locked by another process: end what looks into it or copies it, and try again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("catalog {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Written by a newer version.
    #[error("catalog {} has layout {found}, but this version knows only {known}: use a newer version", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout that this version knows.
        known: i64,
    },
    /// A row that is not what was written.
    #[error("catalog {}: {what} is damaged: restore the file from a copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        what: String,
    },
}

impl CatalogError {
    fn of(path: &Path, source: rusqlite::Error) -> CatalogError {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CatalogError::Locked { path },
            _ => CatalogError::Sqlite { path, source },
        }
    }
}

/// The catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    path: PathBuf,
    /// Guards the connection: one change at a time, each a few milliseconds of disk.
    connection: Arc<Mutex<Connection>>,
}

impl Catalog {
    /// Opens the catalog, or makes an empty one; the layout of an earlier version is brought up to date first.
    ///
    /// # Errors
    /// The file cannot be read or belongs to a newer version.
    pub fn open(path: &Path) -> Result<Catalog, CatalogError> {
        let failed = |source| CatalogError::of(path, source);
        let damage = sqlite_log_damage(path);
        let damage = damage.map_err(|source| CatalogError::File { path: sqlite_log_of(path), source })?;
        if let Some(SqliteLogDamage { log, frame, commits }) = damage {
            let what = format!("frame {frame}, and with it the newest {commits} changes,");
            return Err(CatalogError::Damaged { path: log, what });
        }
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        // An empty log: of what crashes cut, the next look finds one commit at most. Who reads the file just now keeps it from
        // that, which is no harm.
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        Catalog::set_up(path, connection)
    }

    /// What there is in a catalog, and to whom it belongs, without changing anything. Nothing where there is none, or it cannot
    /// be read.
    pub fn owned_in(path: &Path) -> Vec<(Reference, Owner)> {
        let read = || {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut query =
                connection.prepare("SELECT kind, name, owner FROM resource WHERE deleting = 0")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, String, String)>>>()
        };
        let rows = read().unwrap_or_default().into_iter();
        let of = |(kind, name, owner): (String, String, String)| {
            Some((Reference::new(kind.parse().ok()?, &name), Owner::from_text(&owner)))
        };
        rows.filter_map(of).collect()
    }

    /// An empty catalog that is gone with the process.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn in_memory() -> Result<Catalog, CatalogError> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory();
        let connection = connection.map_err(|source| CatalogError::of(path, source))?;
        Catalog::set_up(path, connection)
    }

    fn set_up(path: &Path, mut connection: Connection) -> Result<Catalog, CatalogError> {
        migrations::run(path, &mut connection)?;
        Ok(Catalog { path: path.to_owned(), connection: Arc::new(Mutex::new(connection)) })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, CatalogError> {
        work(&mut self.connection.lock()).map_err(|source| CatalogError::of(&self.path, source))
    }

    fn damaged(&self, what: impl Into<String>) -> CatalogError {
        CatalogError::Damaged { path: self.path.clone(), what: what.into() }
    }
}

/// SQLite's integers have a sign; positions are far below the limit.
fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

#[cfg(test)]
mod tests;

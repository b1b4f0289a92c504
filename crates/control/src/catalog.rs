//! The catalog: what exists and how far it has come, in one SQLite file.
//!
//! | table | holds |
//! |---|---|
//! | `resource` | what was declared last, by kind and name, as JSON |
//! | `delivery_position` | how far each delivery stream has come |
//! | `application_checkpoint` | input positions, engine state and waiting output of each application, replaced in one transaction |
//! | `producer_position` | how many records each generator has made |
//!
//! `PRAGMA user_version` is the version of this layout. Every change is on disk when its call returns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_delivery::{Positions, SourcePosition};
use millstream_host::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

/// The layout that this program reads and writes.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE resource (
  kind TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,
  created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT;
CREATE TABLE delivery_position (
  delivery_stream TEXT PRIMARY KEY, delivered INTEGER NOT NULL, backed_up INTEGER NOT NULL
) STRICT;
CREATE TABLE application_checkpoint (
  application TEXT PRIMARY KEY, taken_at INTEGER NOT NULL, input TEXT NOT NULL,
  input_positions TEXT NOT NULL, engine_state BLOB NOT NULL, waiting_output BLOB NOT NULL
) STRICT;
CREATE TABLE producer_position (
  producer TEXT PRIMARY KEY, produced INTEGER NOT NULL
) STRICT;
";

/// Why the catalog could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite failed.
    #[error(
        "catalog {}: {source}; check its permissions and the room on its disk, restore a damaged file from a copy, or use \
         another data directory",
        path.display()
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Written by a newer version.
    #[error("catalog {} has layout {found}, this version knows {LAYOUT}: use a newer version", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
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

/// How far an application has come. What it holds belongs together: it is stored and loaded as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// What the positions are in: `delivery:NAME` or `NAME`.
    pub input: String,
    /// The next record of each shard of the input.
    pub input_positions: Vec<u64>,
    /// The engine's state.
    pub engine_state: Vec<u8>,
    /// Rows that came out but were not delivered yet.
    pub waiting_output: Vec<u8>,
}

/// The catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    path: PathBuf,
    /// Guards the connection: one change at a time, each a few milliseconds of disk.
    connection: Arc<Mutex<Connection>>,
}

impl Catalog {
    /// Opens the catalog, or makes an empty one.
    ///
    /// # Errors
    /// The file cannot be read or belongs to a newer version.
    pub fn open(path: &Path) -> Result<Catalog, CatalogError> {
        let failed = |source| CatalogError::Sqlite { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        let found: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        match found {
            LAYOUT => {}
            0 => {
                let set_up = format!("BEGIN; {TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;");
                connection.execute_batch(&set_up).map_err(failed)?;
            }
            found => return Err(CatalogError::Layout { path: path.to_owned(), found }),
        }
        Ok(Catalog { path: path.to_owned(), connection: Arc::new(Mutex::new(connection)) })
    }

    /// Keeps a resource's definition.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_resources(
        &self,
        resources: &[(&str, String, String)],
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for (kind, name, definition) in resources {
                transaction.execute(
                    "INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (kind, name) DO UPDATE SET \
                     definition = ?3, changed_at = ?4 WHERE definition <> ?3",
                    params![kind, name, definition, now.millis()],
                )?;
            }
            transaction.commit()
        })
    }

    /// The names of the resources of a kind.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn resource_names(&self, kind: &str) -> Result<Vec<String>, CatalogError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT name FROM resource WHERE kind = ?1 ORDER BY name")?;
            let names = query.query_map([kind], |row| row.get(0))?;
            names.collect()
        })
    }

    /// How far a delivery stream has come; `None` before the first time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn delivery_positions(&self, delivery_stream: &str) -> Result<Option<Positions>, CatalogError> {
        self.with(|connection| {
            connection
                .query_row(
                    "SELECT delivered, backed_up FROM delivery_position WHERE delivery_stream = ?1",
                    [delivery_stream],
                    |row| {
                        let (delivered, backed_up): (i64, i64) = (row.get(0)?, row.get(1)?);
                        Ok(Positions {
                            delivered: SourcePosition(unsigned(delivered)),
                            backed_up: SourcePosition(unsigned(backed_up)),
                        })
                    },
                )
                .optional()
        })
    }

    /// Keeps how far a delivery stream has come.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_delivery_positions(
        &self,
        delivery_stream: &str,
        positions: Positions,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            connection.execute(
                "INSERT INTO delivery_position VALUES (?1, ?2, ?3) ON CONFLICT (delivery_stream) DO UPDATE SET \
                 delivered = ?2, backed_up = ?3",
                params![delivery_stream, signed(positions.delivered.0), signed(positions.backed_up.0)],
            )
        })?;
        Ok(())
    }

    /// The newest checkpoint of an application; `None` before the first.
    ///
    /// # Errors
    /// The file cannot be read, or the row is damaged.
    pub fn checkpoint(&self, application: &str) -> Result<Option<StoredCheckpoint>, CatalogError> {
        let row = self.with(|connection| {
            connection
                .query_row(
                    "SELECT input, input_positions, engine_state, waiting_output FROM application_checkpoint \
                     WHERE application = ?1",
                    [application],
                    |row| {
                        let parts: (String, String, Vec<u8>, Vec<u8>) =
                            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                        Ok(parts)
                    },
                )
                .optional()
        })?;
        let Some((input, positions, engine_state, waiting_output)) = row else { return Ok(None) };
        let input_positions = serde_json::from_str(&positions).map_err(|_| CatalogError::Damaged {
            path: self.path.clone(),
            what: format!("the checkpoint of application \"{application}\""),
        })?;
        Ok(Some(StoredCheckpoint { input, input_positions, engine_state, waiting_output }))
    }

    /// Replaces the checkpoint of an application, all of it or nothing.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_checkpoint(
        &self,
        application: &str,
        checkpoint: &StoredCheckpoint,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let positions = serde_json::to_string(&checkpoint.input_positions).expect("numbers are JSON");
        self.with(|connection| {
            connection.execute(
                "INSERT INTO application_checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (application) DO \
                 UPDATE SET taken_at = ?2, input = ?3, input_positions = ?4, engine_state = ?5, \
                 waiting_output = ?6",
                params![
                    application,
                    now.millis(),
                    checkpoint.input,
                    positions,
                    checkpoint.engine_state,
                    checkpoint.waiting_output
                ],
            )
        })?;
        Ok(())
    }

    /// How many records a producer has made so far.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn producer_position(&self, producer: &str) -> Result<u64, CatalogError> {
        let found: Option<i64> = self.with(|connection| {
            let sql = "SELECT produced FROM producer_position WHERE producer = ?1";
            connection.query_row(sql, [producer], |row| row.get(0)).optional()
        })?;
        Ok(unsigned(found.unwrap_or(0)))
    }

    /// Keeps how many records a producer has made.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_producer_position(&self, producer: &str, produced: u64) -> Result<(), CatalogError> {
        self.with(|connection| {
            connection.execute(
                "INSERT INTO producer_position VALUES (?1, ?2) ON CONFLICT (producer) DO UPDATE SET produced = ?2",
                params![producer, signed(produced)],
            )
        })?;
        Ok(())
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, CatalogError> {
        work(&mut self.connection.lock())
            .map_err(|source| CatalogError::Sqlite { path: self.path.clone(), source })
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
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let positions = Positions { delivered: SourcePosition(7), backed_up: SourcePosition(5) };
        let checkpoint = StoredCheckpoint {
            input: "delivery:reviews".to_owned(),
            input_positions: vec![3, 4],
            engine_state: vec![1, 2],
            waiting_output: vec![9],
        };
        {
            let catalog = Catalog::open(&path).unwrap();
            assert_eq!(catalog.delivery_positions("reviews").unwrap(), None);
            catalog.put_delivery_positions("reviews", Positions::default()).unwrap();
            catalog.put_delivery_positions("reviews", positions).unwrap();
            catalog.put_checkpoint("ratings", &StoredCheckpoint::default(), Timestamp(1)).unwrap();
            catalog.put_checkpoint("ratings", &checkpoint, Timestamp(2)).unwrap();
            catalog.put_producer_position("demo", 12).unwrap();
            catalog.put_resources(&[("stream", "a".to_owned(), "{}".to_owned())], Timestamp(3)).unwrap();
        }
        let catalog = Catalog::open(&path).unwrap();
        assert_eq!(catalog.delivery_positions("reviews").unwrap(), Some(positions));
        assert_eq!(catalog.checkpoint("ratings").unwrap(), Some(checkpoint));
        assert_eq!(catalog.checkpoint("other").unwrap(), None);
        assert_eq!(catalog.producer_position("demo").unwrap(), 12);
        assert_eq!(catalog.resource_names("stream").unwrap(), ["a"]);
    }

    #[test]
    fn a_newer_layout_and_a_file_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = Catalog::open(&path).err().unwrap().to_string();
        assert!(error.contains("has layout 99"), "{error}");
        let other = folder.path().join("other.sqlite");
        std::fs::write(&other, "this is no database, but long enough to look at it").unwrap();
        assert!(Catalog::open(&other).is_err());
    }
}

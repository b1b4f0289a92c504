//! What exists.
//!
//! Only the registry writes definitions, only the reconciler writes states. A name is free again as soon as its resource
//! is marked as deleting; an id is never used again.

use millstream_host::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::{Catalog, CatalogError, released};
use crate::definition::{Definition, Generation, Kind, Owner, Reference, ResourceId};
use crate::registry::Status;

/// A resource as the catalog keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRow {
    /// Tells it from all others, for ever.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub definition: Definition,
    /// Counts the changes of the definition.
    pub generation: Generation,
    /// The generation that runs; zero before the first start.
    pub observed: Generation,
    /// How it is.
    pub status: Status,
    /// Who declares it.
    pub owner: Owner,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub changed_at: Timestamp,
    /// It is being deleted.
    pub deleting: bool,
}

impl ResourceRow {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.definition.kind()
    }

    /// Kind and name.
    pub fn reference(&self) -> Reference {
        Reference::new(self.kind(), &self.name)
    }
}

/// A change of the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A new resource.
    Insert {
        /// Its name.
        name: String,
        /// What it is.
        definition: Definition,
        /// Who declares it.
        owner: Owner,
    },
    /// Another definition, or another owner.
    Update {
        /// Which.
        id: ResourceId,
        /// What it is now.
        definition: Definition,
        /// Who declares it now.
        owner: Owner,
    },
    /// It is restarted as it is defined.
    Touch {
        /// Which.
        id: ResourceId,
    },
    /// Its name is free again; its state goes once it has stopped.
    MarkDeleting {
        /// Which.
        id: ResourceId,
    },
    /// The same for what its file no longer declares.
    Prune {
        /// Which.
        id: ResourceId,
    },
    /// What waits for the next feed of a name is forgotten; `None` for those of all names.
    ForgetReleased {
        /// The name.
        feed: Option<String>,
    },
}

impl Catalog {
    /// All rows, by id.
    ///
    /// # Errors
    /// The file cannot be read, or a definition in it is damaged.
    pub fn resources(&self) -> Result<Vec<ResourceRow>, CatalogError> {
        let rows: Vec<Result<ResourceRow, String>> = self.with(|connection| {
            let mut query = connection.prepare(
                "SELECT id, name, definition, generation, observed, status, reason, owner, created_at, changed_at, \
                 deleting, kind FROM resource ORDER BY id",
            )?;
            query.query_map([], row_of)?.collect()
        })?;
        rows.into_iter().collect::<Result<_, _>>().map_err(|what| self.damaged(what))
    }

    /// Makes all changes, or none.
    ///
    /// # Errors
    /// The changes could not be made durable, or a name is taken.
    pub fn change_resources(&self, changes: &[RowChange], now: Timestamp) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for change in changes {
                apply(&transaction, change, now)?;
            }
            transaction.commit()
        })
    }

    /// Keeps how a resource is.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_status(
        &self,
        id: ResourceId,
        observed: Generation,
        status: &Status,
    ) -> Result<(), CatalogError> {
        let (text, reason) = status.to_columns();
        self.with(|connection| {
            connection.execute(
                "UPDATE resource SET observed = ?2, status = ?3, reason = ?4 WHERE id = ?1",
                params![id.0, observed.0, text, reason],
            )
        })?;
        Ok(())
    }

    /// Forgets a resource and everything that is kept under its id.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn erase_resource(&self, id: ResourceId) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for sql in [
                "DELETE FROM position WHERE consumer = ?1 OR source = ?1",
                "DELETE FROM delivery_progress WHERE delivery_stream = ?1",
                "DELETE FROM feed_position WHERE feed = ?1",
                "DELETE FROM unclaimed_feed_position WHERE target = ?1",
                "DELETE FROM checkpoint WHERE application = ?1",
                "DELETE FROM epoch WHERE application = ?1",
                "DELETE FROM resource WHERE id = ?1",
            ] {
                transaction.execute(sql, [id.0])?;
            }
            transaction.commit()
        })
    }
}

fn apply(transaction: &Transaction<'_>, change: &RowChange, now: Timestamp) -> Result<(), rusqlite::Error> {
    let text =
        |definition: &Definition| serde_json::to_string(definition).expect("definitions are plain data");
    match change {
        RowChange::Insert { name, definition, owner } => transaction.execute(
            "INSERT INTO resource (kind, name, definition, generation, owner, created_at, changed_at) \
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5)",
            params![definition.kind().as_str(), name, text(definition), owner.to_text(), now.millis()],
        )?,
        RowChange::Update { id, definition, owner } => transaction.execute(
            // Why it did not work as it was defined before says nothing of how it is defined now.
            "UPDATE resource SET generation = generation + (definition <> ?2), \
             changed_at = CASE WHEN definition <> ?2 THEN ?4 ELSE changed_at END, \
             status = CASE WHEN definition <> ?2 THEN 'pending' ELSE status END, \
             reason = CASE WHEN definition <> ?2 THEN NULL ELSE reason END, definition = ?2, owner = ?3 WHERE id = ?1",
            params![id.0, text(definition), owner.to_text(), now.millis()],
        )?,
        RowChange::Touch { id } => transaction.execute(
            "UPDATE resource SET generation = generation + 1, changed_at = ?2, status = 'pending', reason = NULL \
             WHERE id = ?1",
            params![id.0, now.millis()],
        )?,
        RowChange::MarkDeleting { id } => {
            transaction.execute("UPDATE resource SET deleting = 1 WHERE id = ?1", [id.0])?
        }
        RowChange::Prune { id } => {
            released::note_target(transaction, *id)?;
            transaction.execute("UPDATE resource SET deleting = 2 WHERE id = ?1", [id.0])?
        }
        RowChange::ForgetReleased { feed } => released::forget(transaction, feed.as_deref())?,
    };
    Ok(())
}

/// The inner error names the row.
fn row_of(row: &Row<'_>) -> Result<Result<ResourceRow, String>, rusqlite::Error> {
    let (name, text, kind): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(11)?);
    let (status, reason): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    let owner: String = row.get(7)?;
    let Ok(definition) = serde_json::from_str(&text) else {
        return Ok(Err(format!("the definition of {kind} \"{name}\"")));
    };
    Ok(Ok(ResourceRow {
        id: ResourceId(row.get(0)?),
        name,
        definition,
        generation: Generation(row.get(3)?),
        observed: Generation(row.get(4)?),
        status: Status::from_columns(&status, reason),
        owner: Owner::from_text(&owner),
        created_at: Timestamp(row.get(8)?),
        changed_at: Timestamp(row.get(9)?),
        deleting: row.get::<_, i64>(10)? != 0,
    }))
}

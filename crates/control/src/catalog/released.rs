//! Progress that no feed has: of feeds that a command line brought, for the next of their names.
//!
//! It says which lines of a source are in the stream or delivery stream that the feed put them into. It is kept with the id of
//! that place, and means nothing once the place is gone: another one of its name has none of the lines, which are read again.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::positions::{FeedProgress, Of, known_of};
use super::{Catalog, CatalogError, unsigned};
use crate::definition::{Definition, ResourceId};

/// Progress that waits for the next feed of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedProgress {
    /// The name of the feed.
    pub feed: String,
    /// Where its lines are; earlier layouts did not keep it.
    pub target: Option<ResourceId>,
}

/// The place of the lines is there, as far as is known.
const IS_VALID: &str =
    "(target IS NULL OR EXISTS (SELECT 1 FROM resource WHERE id = target AND deleting = 0))";

/// Notes where the lines of a feed are that its command line no longer brings.
pub(super) fn note_target(transaction: &Transaction<'_>, feed: ResourceId) -> rusqlite::Result<()> {
    let sql = "SELECT definition FROM resource WHERE id = ?1 AND kind = 'feed'";
    let text: Option<String> = transaction.query_row(sql, [feed.0], |row| row.get(0)).optional()?;
    let definition = text.and_then(|text| serde_json::from_str(&text).ok());
    let Some(Definition::Feed(definition)) = definition else { return Ok(()) };
    let target = definition.target.reference();
    // The newest of the name is the one that is there, if one is. No resource has the id 0.
    let sql = "UPDATE feed_position SET target = \
               coalesce((SELECT max(id) FROM resource WHERE kind = ?2 AND name = ?3), 0) WHERE feed = ?1";
    transaction.execute(sql, params![feed.0, target.kind.as_str(), target.name])?;
    Ok(())
}

/// Takes what waits under a name.
pub(super) fn claim(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<Of>> {
    let sql = format!(
        "DELETE FROM unclaimed_feed_position WHERE name = ?1 \
         RETURNING produced, source, known_record, known_hash, {IS_VALID}"
    );
    let found = transaction.query_row(&sql, [name], |row| {
        let (produced, known) = (unsigned(row.get(0)?), known_of(row, 2)?);
        let progress = FeedProgress { produced, known, ..FeedProgress::default() };
        Ok(((progress, row.get(1)?), row.get::<_, bool>(4)?))
    });
    Ok(found.optional()?.filter(|(_, is_valid)| *is_valid).map(|(progress, _)| progress))
}

/// Forgets what waits for feeds of one name, or of any.
pub(super) fn forget(connection: &Connection, feed: Option<&str>) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM unclaimed_feed_position WHERE ?1 IS NULL OR coalesce(feed_name, name) = ?1";
    connection.execute(sql, [feed])
}

impl Catalog {
    /// Keeps the progress of a feed that its file no longer declares under `name`, for the next feed that looks there, unless it
    /// has read its source to the end or its target is gone. One that was deleted or reset leaves nothing.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn release_feed_progress(&self, feed: ResourceId, name: &str) -> Result<(), CatalogError> {
        let sql = format!(
            "INSERT OR REPLACE INTO unclaimed_feed_position \
             (name, produced, source, known_record, known_hash, target, feed_name) \
             SELECT ?2, produced, source, known_record, known_hash, target, (SELECT name FROM resource WHERE id = ?1) \
             FROM feed_position WHERE feed = ?1 AND ended = 0 AND produced > 0 AND {IS_VALID} \
             AND EXISTS (SELECT 1 FROM resource WHERE id = ?1 AND deleting = 2)"
        );
        self.with(|connection| connection.execute(&sql, params![feed.0, name]))?;
        Ok(())
    }

    /// What waits for the next feed of its name, by names.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn released_progress(&self) -> Result<Vec<ReleasedProgress>, CatalogError> {
        let sql = format!(
            "SELECT coalesce(feed_name, name), target FROM unclaimed_feed_position WHERE {IS_VALID} ORDER BY 1"
        );
        self.with(|connection| {
            let mut query = connection.prepare(&sql)?;
            let rows = query.query_map([], |row| {
                Ok(ReleasedProgress {
                    feed: row.get(0)?,
                    target: row.get::<_, Option<i64>>(1)?.map(ResourceId),
                })
            })?;
            rows.collect()
        })
    }
}

//! How far everything has come.

use std::collections::BTreeMap;

use millstream_delivery::Progress;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{Catalog, CatalogError, released, signed, unsigned};
use crate::definition::{DeliveryStreamDefinition, ResourceId};
use crate::identifier::stable_hash_of;

/// How far a feed has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedProgress {
    /// How often its source was read to the end before.
    pub pass: u64,
    /// Records of this pass that were put.
    pub produced: u64,
    /// Its source was read to the end.
    pub ended: bool,
    /// One of these records, to tell whether the source is still the one that it was; earlier versions kept none.
    pub known: Option<KnownRecord>,
}

/// What a record of a source was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRecord {
    /// Which one, from 1.
    pub number: u64,
    /// [`KnownRecord::hash_of`] it.
    pub hash: u64,
}

impl KnownRecord {
    /// A hash that stays the same over versions. A line without its end is the same line.
    pub fn hash_of(record: &[u8]) -> u64 {
        let line = record.strip_suffix(b"\n").unwrap_or(record);
        stable_hash_of(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The columns of a known record, the first of them at this place of a row.
pub(super) fn known_of(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Option<KnownRecord>> {
    let (number, hash): (Option<i64>, Option<i64>) = (row.get(first)?, row.get(first + 1)?);
    Ok(number
        .zip(hash)
        .map(|(number, hash)| KnownRecord { number: unsigned(number), hash: hash.cast_unsigned() }))
}

/// The same as they are stored.
fn columns_of(known: Option<KnownRecord>) -> (Option<i64>, Option<i64>) {
    (known.map(|known| signed(known.number)), known.map(|known| known.hash.cast_signed()))
}

impl FeedProgress {
    /// The next pass, from the beginning of a source.
    #[must_use]
    pub fn next_pass(self) -> FeedProgress {
        FeedProgress { pass: self.pass + 1, ..FeedProgress::default() }
    }
}

pub(super) fn progress_of(
    connection: &rusqlite::Connection,
    feed: ResourceId,
) -> rusqlite::Result<Option<Of>> {
    let sql =
        "SELECT pass, produced, ended, source, known_record, known_hash FROM feed_position WHERE feed = ?1";
    let found = connection.query_row(sql, [feed.0], |row| {
        let (pass, produced): (i64, i64) = (row.get(0)?, row.get(1)?);
        let progress = FeedProgress {
            pass: unsigned(pass),
            produced: unsigned(produced),
            ended: row.get(2)?,
            known: known_of(row, 4)?,
        };
        Ok((progress, row.get(3)?))
    });
    found.optional()
}

/// A progress, and the source that it is of where that was kept.
pub(super) type Of = (FeedProgress, Option<String>);

/// How far a delivery stream has come, and as what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredDelivery {
    /// Its positions mean something with this definition alone, unless all kinds of objects have come to one place.
    #[serde(flatten)]
    pub progress: Progress,
    /// Earlier versions did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DeliveryStreamDefinition>,
    /// Tells apart the function that the records went through, and the model behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<u64>,
}

impl From<Progress> for StoredDelivery {
    fn from(progress: Progress) -> StoredDelivery {
        StoredDelivery { progress, definition: None, functions: None }
    }
}

impl Catalog {
    /// The next record of each shard for a consumer of a stream or buffer; empty before the first time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn positions(
        &self,
        consumer: ResourceId,
        source: ResourceId,
    ) -> Result<BTreeMap<u32, u64>, CatalogError> {
        self.with(|connection| {
            let mut query = connection
                .prepare("SELECT shard, position FROM position WHERE consumer = ?1 AND source = ?2")?;
            query
                .query_map([consumer.0, source.0], |row| {
                    let (shard, position): (u32, i64) = (row.get(0)?, row.get(1)?);
                    Ok((shard, unsigned(position)))
                })?
                .collect()
        })
    }

    /// The lowest position of any of these consumers in a shard; `None` when one of them has none yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn lowest_position(
        &self,
        source: ResourceId,
        shard: u32,
        consumers: &[ResourceId],
    ) -> Result<Option<u64>, CatalogError> {
        let mut lowest: Option<u64> = None;
        for consumer in consumers {
            let Some(position) = self.positions(*consumer, source)?.get(&shard).copied() else {
                return Ok(None);
            };
            lowest = Some(lowest.map_or(position, |lowest| lowest.min(position)));
        }
        Ok(lowest)
    }

    /// How far a delivery stream has come, and what it was about to write; `None` before the first time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn delivery_progress(&self, delivery: ResourceId) -> Result<Option<StoredDelivery>, CatalogError> {
        let text: Option<String> = self.with(|connection| {
            let sql = "SELECT progress FROM delivery_progress WHERE delivery_stream = ?1";
            connection.query_row(sql, [delivery.0], |row| row.get(0)).optional()
        })?;
        let damaged = || self.damaged(format!("the progress of delivery stream {delivery}"));
        text.map(|text| serde_json::from_str(&text).map_err(|_| damaged())).transpose()
    }

    /// Keeps how far a delivery stream has come and what it is about to write, and its place among the consumers of its
    /// buffer; all of it or nothing.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_delivery_progress(
        &self,
        delivery: ResourceId,
        stored: &StoredDelivery,
    ) -> Result<(), CatalogError> {
        let text = serde_json::to_string(stored).expect("progress is plain data");
        self.with(|connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT OR REPLACE INTO delivery_progress VALUES (?1, ?2)",
                params![delivery.0, text],
            )?;
            transaction.execute(
                "INSERT OR REPLACE INTO position VALUES (?1, ?1, 0, ?2)",
                params![delivery.0, signed(stored.progress.positions.oldest().0)],
            )?;
            transaction.commit()
        })
    }

    /// How far a feed has come in this source. In another one than before it begins a pass; a new feed goes on where one of the
    /// command line has stopped in the same source whose progress was released under the first of these names that has one.
    ///
    /// # Errors
    /// The file cannot be read or changed.
    pub fn feed_progress(
        &self,
        feed: ResourceId,
        names: [&str; 2],
        source: &str,
    ) -> Result<FeedProgress, CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let found = match progress_of(&transaction, feed)? {
                Some(found) => found,
                None => {
                    let mut found: Option<Of> = None;
                    for name in names {
                        let of_name = released::claim(&transaction, name)?;
                        found = found.or(of_name);
                    }
                    found.unwrap_or_default()
                }
            };
            let progress = match found {
                (progress, Some(of)) if of != source => progress.next_pass(),
                // Earlier layouts did not keep it.
                (progress, _) => progress,
            };
            let FeedProgress { pass, produced, ended, known } = progress;
            let (number, hash) = columns_of(known);
            let sql = "INSERT INTO feed_position (feed, pass, produced, ended, source, known_record, known_hash) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (feed) DO UPDATE SET pass = ?2, \
                       produced = ?3, ended = ?4, source = ?5, known_record = ?6, known_hash = ?7";
            let values = params![feed.0, signed(pass), signed(produced), ended, source, number, hash];
            transaction.execute(sql, values)?;
            transaction.commit()?;
            Ok(progress)
        })
    }

    /// How far a feed has come, if it has ever run.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn known_feed_progress(&self, feed: ResourceId) -> Result<Option<FeedProgress>, CatalogError> {
        let found = self.with(|connection| progress_of(connection, feed))?;
        Ok(found.map(|(progress, _)| progress))
    }

    /// Keeps how far a feed has come in its source.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_feed_progress(&self, feed: ResourceId, progress: FeedProgress) -> Result<(), CatalogError> {
        let FeedProgress { pass, produced, ended, known } = progress;
        let (number, hash) = columns_of(known);
        self.with(|connection| {
            let sql = "INSERT INTO feed_position (feed, pass, produced, ended, known_record, known_hash) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (feed) DO UPDATE \
                       SET pass = ?2, produced = ?3, ended = ?4, known_record = ?5, known_hash = ?6";
            connection.execute(sql, params![feed.0, signed(pass), signed(produced), ended, number, hash])
        })?;
        Ok(())
    }
}

//! How far everything has come.

use std::collections::BTreeMap;

use millstream_delivery::{Positions, SourcePosition};
use rusqlite::{OptionalExtension, params};

use super::{Catalog, CatalogError, signed, unsigned};
use crate::definition::ResourceId;

/// The intent of a delivery to write an object, as bytes of its own layout.
pub type StoredIntent = Vec<u8>;

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

    /// Keeps how far a consumer has come.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_positions(
        &self,
        consumer: ResourceId,
        source: ResourceId,
        positions: &BTreeMap<u32, u64>,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for (shard, position) in positions {
                let sql = "INSERT OR REPLACE INTO position VALUES (?1, ?2, ?3, ?4)";
                transaction.execute(sql, params![consumer.0, source.0, shard, signed(*position)])?;
            }
            transaction.commit()
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

    /// How far a delivery stream has come; `None` before the first time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn delivery_positions(&self, delivery: ResourceId) -> Result<Option<Positions>, CatalogError> {
        self.with(|connection| {
            let sql = "SELECT delivered, backed_up FROM delivery_position WHERE delivery_stream = ?1";
            let positions = connection.query_row(sql, [delivery.0], |row| {
                let (delivered, backed_up): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Positions {
                    delivered: SourcePosition(unsigned(delivered)),
                    backed_up: SourcePosition(unsigned(backed_up)),
                })
            });
            positions.optional()
        })
    }

    /// Keeps how far a delivery stream has come, and its place among the consumers of its buffer.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_delivery_positions(
        &self,
        delivery: ResourceId,
        positions: Positions,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let (delivered, backed_up) = (signed(positions.delivered.0), signed(positions.backed_up.0));
            transaction.execute(
                "INSERT OR REPLACE INTO delivery_position VALUES (?1, ?2, ?3)",
                params![delivery.0, delivered, backed_up],
            )?;
            transaction.execute(
                "INSERT OR REPLACE INTO position VALUES (?1, ?1, 0, ?2)",
                params![delivery.0, signed(positions.oldest().0)],
            )?;
            transaction.commit()
        })
    }

    /// How many records a feed has put so far. What a feed of this name had put when feeds had no ids is taken over.
    ///
    /// # Errors
    /// The file cannot be read or changed.
    pub fn feed_position(&self, feed: ResourceId, name: &str) -> Result<u64, CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let known = "SELECT produced FROM feed_position WHERE feed = ?1";
            let mut found: Option<i64> =
                transaction.query_row(known, [feed.0], |row| row.get(0)).optional()?;
            if found.is_none() {
                let unclaimed = "DELETE FROM unclaimed_feed_position WHERE name = ?1 RETURNING produced";
                found = transaction.query_row(unclaimed, [name], |row| row.get(0)).optional()?;
                let position = found.unwrap_or(0);
                transaction
                    .execute("INSERT INTO feed_position VALUES (?1, ?2)", params![feed.0, position])?;
            }
            transaction.commit()?;
            Ok(unsigned(found.unwrap_or(0)))
        })
    }

    /// Keeps how many records a feed has put.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_feed_position(&self, feed: ResourceId, produced: u64) -> Result<(), CatalogError> {
        self.with(|connection| {
            let sql = "INSERT OR REPLACE INTO feed_position VALUES (?1, ?2)";
            connection.execute(sql, params![feed.0, signed(produced)])
        })?;
        Ok(())
    }

    /// The objects that a delivery was about to write, by lane.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn object_intents(
        &self,
        delivery: ResourceId,
    ) -> Result<BTreeMap<String, StoredIntent>, CatalogError> {
        self.with(|connection| {
            let sql = "SELECT lane, intent FROM object_intent WHERE delivery_stream = ?1";
            let mut query = connection.prepare(sql)?;
            query.query_map([delivery.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Keeps what a delivery is about to write to a lane.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_object_intent(
        &self,
        delivery: ResourceId,
        lane: &str,
        intent: &[u8],
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let sql = "INSERT OR REPLACE INTO object_intent VALUES (?1, ?2, ?3)";
            connection.execute(sql, params![delivery.0, lane, intent])
        })?;
        Ok(())
    }
}

//! From where copies of streams go on.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::positions::progress_of;
use super::{Catalog, CatalogError, signed, unsigned};
use crate::definition::ResourceId;

/// From where a copy goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStart {
    /// How many other sources the feed has had before.
    pub pass: u64,
    /// The next record of each shard.
    pub positions: BTreeMap<u32, u64>,
    /// Records of shards of the source that had gone by then; not known before it has read, nor of earlier layouts.
    pub spent_records: Option<u64>,
}

impl Catalog {
    /// From where a feed goes on with the copy of a stream. One that is new, or had another source before, begins at
    /// `ends`, which is kept: from then on nothing is skipped, whatever happens.
    ///
    /// # Errors
    /// The file cannot be read or changed.
    pub fn copy_start(
        &self,
        feed: ResourceId,
        source: ResourceId,
        ends: &BTreeMap<u32, u64>,
    ) -> Result<CopyStart, CatalogError> {
        let identity = format!("stream {}", source.0);
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let found = progress_of(&transaction, feed)?;
            let (pass, of) = found.map_or((0, None), |(progress, of)| (progress.pass, of));
            // Earlier layouts did not keep the source.
            let is_same = of.is_none_or(|of| of == identity);
            let (mut positions, mut spent_records) = (BTreeMap::new(), None);
            if is_same {
                let spent = "SELECT spent_records FROM feed_position WHERE feed = ?1";
                let spent: Option<Option<i64>> =
                    transaction.query_row(spent, [feed.0], |row| row.get(0)).optional()?;
                spent_records = spent.flatten();
                let mut query = transaction
                    .prepare("SELECT shard, position FROM position WHERE consumer = ?1 AND source = ?2")?;
                let rows = query.query_map([feed.0, source.0], |row| {
                    let (shard, position): (u32, i64) = (row.get(0)?, row.get(1)?);
                    Ok((shard, unsigned(position)))
                })?;
                positions = rows.collect::<rusqlite::Result<_>>()?;
            }
            let pass = if is_same { pass } else { pass + 1 };
            if positions.is_empty() {
                positions.clone_from(ends);
                let delete = "DELETE FROM position WHERE consumer = ?1 AND source = ?2";
                transaction.execute(delete, [feed.0, source.0])?;
                for (shard, position) in ends {
                    let insert = "INSERT INTO position VALUES (?1, ?2, ?3, ?4)";
                    transaction.execute(insert, params![feed.0, source.0, shard, signed(*position)])?;
                }
            }
            let keep = "INSERT OR REPLACE INTO feed_position (feed, pass, produced, ended, source, spent_records) \
                        VALUES (?1, ?2, 0, 0, ?3, ?4)";
            transaction.execute(keep, params![feed.0, signed(pass), identity, spent_records])?;
            transaction.commit()?;
            Ok(CopyStart { pass, positions, spent_records: spent_records.map(unsigned) })
        })
    }

    /// Keeps how far a copy has come in its source, as [`CopyStart`] gives it back.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_copy_progress(
        &self,
        feed: ResourceId,
        source: ResourceId,
        positions: &BTreeMap<u32, u64>,
        spent_records: Option<u64>,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            // Shards that have gone are among those spent.
            let delete = "DELETE FROM position WHERE consumer = ?1 AND source = ?2";
            transaction.execute(delete, [feed.0, source.0])?;
            for (shard, position) in positions {
                let insert = "INSERT INTO position VALUES (?1, ?2, ?3, ?4)";
                transaction.execute(insert, params![feed.0, source.0, shard, signed(*position)])?;
            }
            let spent = "UPDATE feed_position SET spent_records = ?2 WHERE feed = ?1";
            transaction.execute(spent, params![feed.0, spent_records.map(signed)])?;
            transaction.commit()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_goes_on_in_its_source_and_begins_at_the_end_of_another() {
        let catalog = Catalog::in_memory().unwrap();
        let (feed, one, other) = (ResourceId(7), ResourceId(1), ResourceId(2));
        let start = |source, end| {
            let CopyStart { pass, positions, .. } =
                catalog.copy_start(feed, source, &BTreeMap::from([(0, end)])).unwrap();
            (pass, positions[&0])
        };
        assert_eq!([start(one, 5), start(one, 9)], [(0, 5), (0, 5)]);
        catalog.put_copy_progress(feed, one, &BTreeMap::from([(0, 7), (1, 3)]), None).unwrap();
        catalog.put_copy_progress(feed, one, &BTreeMap::from([(0, 8)]), Some(3)).unwrap();
        let (positions, spent_records) = (BTreeMap::from([(0, 8)]), Some(3));
        let goes_on = CopyStart { pass: 0, positions, spent_records };
        for _ in 0..2 {
            assert_eq!(catalog.copy_start(feed, one, &BTreeMap::from([(0, 9)])).unwrap(), goes_on);
        }
        assert_eq!([start(other, 3), start(other, 4)], [(1, 3), (1, 3)]);
        assert_eq!([start(one, 20), start(one, 21)], [(2, 20), (2, 20)], "what it has skipped stays skipped");
        // A directory of an earlier version has the positions only.
        let old = ResourceId(8);
        catalog.put_positions(old, one, &BTreeMap::from([(0, 6)])).unwrap();
        let start = catalog.copy_start(old, one, &BTreeMap::from([(0, 9)])).unwrap();
        assert_eq!((start.pass, start.positions[&0], start.spent_records), (0, 6, None));
    }
}

//! How far those have come who put into a stream, kept before it goes: what the stream knows of them goes with it.

use std::collections::BTreeMap;

use rusqlite::params;

use super::positions::progress_of;
use super::{Catalog, CatalogError, FeedProgress, signed};
use crate::definition::ResourceId;

/// How far a feed has come, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFeed {
    /// Which feed.
    pub feed: ResourceId,
    /// In a source of its own; of a copy the pass alone counts.
    pub progress: FeedProgress,
    /// The stream that a copy reads.
    pub copied: Option<ResourceId>,
}

impl Catalog {
    /// All feeds that have begun.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn stored_feeds(&self) -> Result<Vec<StoredFeed>, CatalogError> {
        self.with(|connection| {
            let feeds: Vec<ResourceId> = connection
                .prepare("SELECT feed FROM feed_position ORDER BY feed")?
                .query_map([], |row| row.get(0).map(ResourceId))?
                .collect::<rusqlite::Result<_>>()?;
            let mut stored = Vec::with_capacity(feeds.len());
            for feed in feeds {
                if let Some((progress, source)) = progress_of(connection, feed)? {
                    let copied = source.as_deref().and_then(|source| source.strip_prefix("stream "));
                    let copied = copied.and_then(|id| id.parse().ok()).map(ResourceId);
                    stored.push(StoredFeed { feed, progress, copied });
                }
            }
            Ok(stored)
        })
    }

    /// A feed has put at least so many records of its pass.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn raise_feed_progress(&self, feed: ResourceId, produced: u64) -> Result<(), CatalogError> {
        self.with(|connection| {
            let raise = "UPDATE feed_position SET produced = MAX(produced, ?2) WHERE feed = ?1";
            connection.execute(raise, params![feed.0, signed(produced)]).map(drop)
        })
    }

    /// A copy has come at least so far in its source.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn raise_copy_progress(
        &self,
        feed: ResourceId,
        source: ResourceId,
        positions: &BTreeMap<u32, u64>,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for (shard, position) in positions {
                let raise = "INSERT INTO position VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                             SET position = MAX(position, excluded.position)";
                transaction.execute(raise, params![feed.0, source.0, shard, signed(*position)])?;
            }
            transaction.commit()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_raised_and_never_lowered() {
        let catalog = Catalog::in_memory().unwrap();
        let (lines, copy, source) = (ResourceId(7), ResourceId(8), ResourceId(1));
        let progress = FeedProgress { pass: 2, produced: 10, ..FeedProgress::default() };
        catalog.put_feed_progress(lines, progress).unwrap();
        let ends = BTreeMap::from([(0, 5)]);
        catalog.copy_start(copy, source, &ends).unwrap();
        for (produced, position) in [(12, 9), (11, 7)] {
            catalog.raise_feed_progress(lines, produced).unwrap();
            catalog.raise_copy_progress(copy, source, &BTreeMap::from([(0, position), (1, 1)])).unwrap();
        }
        let stored = catalog.stored_feeds().unwrap();
        let expected = FeedProgress { produced: 12, ..progress };
        assert_eq!(stored[0], StoredFeed { feed: lines, progress: expected, copied: None });
        assert_eq!((stored[1].feed, stored[1].copied), (copy, Some(source)));
        let start = catalog.copy_start(copy, source, &ends).unwrap();
        assert_eq!(start.positions, BTreeMap::from([(0, 9), (1, 1)]));
    }
}

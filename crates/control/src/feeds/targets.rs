//! Before a stream goes: how far the feeds have come that put into it is kept, as the stream knows it. What they note
//! themselves is older, and after a crash they would put the same records into another one.

use std::collections::{BTreeMap, HashMap};

use millstream_streamlog::{Log, StreamKey};

use super::copy::copied_shards;
use super::put::producer_of;
use crate::catalog::{Catalog, CatalogError, StoredFeed};

/// Keeps what the stream knows of all feeds. Waits for the disk.
///
/// # Errors
/// It could not be kept.
pub(crate) fn keep_progress(log: &Log, catalog: &Catalog, target: &StreamKey) -> Result<(), CatalogError> {
    let Ok(producers) = log.producer_list(target) else { return Ok(()) };
    if producers.is_empty() {
        return Ok(());
    }
    let known: HashMap<u64, u64> = producers.into_iter().collect();
    for StoredFeed { feed, progress, copied } in catalog.stored_feeds()? {
        match copied {
            None => {
                if let Some(produced) = known.get(&producer_of(feed, &progress)) {
                    catalog.raise_feed_progress(feed, *produced)?;
                }
            }
            Some(source) => {
                let shards = copied_shards(log, feed, progress.pass);
                let positions: BTreeMap<u32, u64> =
                    shards.filter_map(|(shard, producer)| Some((shard.0, *known.get(&producer)?))).collect();
                if !positions.is_empty() {
                    catalog.raise_copy_progress(feed, source, &positions)?;
                }
            }
        }
    }
    Ok(())
}

//! Old buckets become coarser, and at last go.
//!
//! A bucket that leaves its tier (see `TIERS` in `limits.rs`) is merged into one of the next resolution: counts, sums,
//! extremes and percentiles of longer periods stay the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use millstream_host::Timestamp;
use rusqlite::{Connection, params};

use super::pending::Slot;
use super::{Bucket, bucket_start, table};
use crate::limits::TIERS;

/// Buckets moved at once from one tier, so that no one waits long for the database: twice as many as the default limit
/// of metrics makes in a second, so that sweeps keep up.
const BUCKETS_PER_SWEEP: u32 = 20_000;

/// Moves and deletes what is due, a bounded number of buckets. To be called in a transaction. Returns whether metrics
/// were deleted because none of their buckets is left.
pub(crate) fn sweep(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    for pair in TIERS.windows(2) {
        let ((resolution, kept_for), (next, _)) = (pair[0], pair[1]);
        // At whole buckets of the next resolution, so that most are made in one go.
        let boundary = bucket_start(before(now, kept_for), next);
        coarsen(connection, resolution, next, boundary)?;
    }
    let (resolution, kept_for) = TIERS[TIERS.len() - 1];
    let deleted = connection
        .prepare_cached("DELETE FROM buckets WHERE resolution = ?1 AND at < ?2")?
        .execute(params![resolution, before(now, kept_for).0])?;
    if deleted == 0 {
        return Ok(false);
    }
    let gone = connection.execute(
        "DELETE FROM metrics WHERE NOT EXISTS (SELECT 1 FROM buckets WHERE buckets.metric_id = metrics.id)",
        [],
    )?;
    Ok(gone > 0)
}

fn before(now: Timestamp, duration: std::time::Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}

fn coarsen(connection: &Connection, resolution: u32, next: u32, boundary: Timestamp) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached(
        "SELECT metric_id, at, unit, count, sum, minimum, maximum, distribution FROM buckets
         WHERE resolution = ?1 AND at < ?2 ORDER BY at LIMIT ?3",
    )?;
    let moved = query
        .query_map(params![resolution, boundary.0, BUCKETS_PER_SWEEP], |row| {
            let slot = Slot { at: Timestamp(row.get(1)?), resolution, unit: row.get(2)? };
            Ok((row.get::<_, i64>(0)?, slot, table::bucket_of(row, 3)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut delete = connection.prepare_cached(
        "DELETE FROM buckets WHERE metric_id = ?1 AND resolution = ?2 AND at = ?3 AND unit = ?4",
    )?;
    let mut coarse: BTreeMap<(i64, Slot), Bucket> = BTreeMap::new();
    for (metric_id, slot, bucket) in moved {
        delete.execute(params![metric_id, resolution, slot.at.0, slot.unit])?;
        let slot = Slot { at: bucket_start(slot.at, next), resolution: next, unit: slot.unit };
        match coarse.entry((metric_id, slot)) {
            Entry::Vacant(place) => {
                place.insert(bucket);
            }
            Entry::Occupied(mut kept) => kept.get_mut().merge(&bucket),
        }
    }
    for ((metric_id, slot), bucket) in &coarse {
        table::merge_in(connection, *metric_id, slot, bucket)?;
    }
    Ok(())
}

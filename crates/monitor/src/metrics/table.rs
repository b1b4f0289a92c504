//! Buckets in the database.

use std::collections::{BTreeSet, HashMap};

use millstream_host::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::distribution::Distribution;
use super::pending::{Slot, Slots};
use super::{Bucket, MetricKey};
use crate::limits;

/// Writes all buckets, each merged with what is there. To be called in a transaction.
pub(crate) fn write(connection: &Connection, all: &HashMap<MetricKey, Slots>) -> rusqlite::Result<()> {
    for (metric, slots) in all {
        let id = metric_id_or_new(connection, metric)?;
        for (slot, bucket) in slots {
            merge_in(connection, id, slot, bucket)?;
        }
    }
    Ok(())
}

/// Merges a bucket with what is there.
pub(super) fn merge_in(
    connection: &Connection,
    metric_id: i64,
    slot: &Slot,
    bucket: &Bucket,
) -> rusqlite::Result<()> {
    let kept = connection
        .prepare_cached(
            "SELECT count, sum, minimum, maximum, distribution FROM buckets
             WHERE metric_id = ?1 AND resolution = ?2 AND at = ?3 AND unit = ?4",
        )?
        .query_row(params![metric_id, slot.resolution, slot.at.0, slot.unit], |row| bucket_of(row, 0))
        .optional()?;
    let merged = match kept {
        Some(mut kept) => {
            kept.merge(bucket);
            kept
        }
        None => bucket.clone(),
    };
    connection
        .prepare_cached("INSERT OR REPLACE INTO buckets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            metric_id,
            slot.resolution,
            slot.at.0,
            slot.unit,
            merged.count,
            merged.sum,
            merged.minimum,
            merged.maximum,
            merged.distribution.encode(),
        ])?;
    Ok(())
}

/// The bucket whose five columns begin at `first`.
pub(super) fn bucket_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Bucket> {
    let bytes = row.get_ref(first + 4)?.as_blob()?;
    let distribution = Distribution::decode(bytes).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(first + 4, Type::Blob, "a distribution is damaged".into())
    })?;
    Ok(Bucket {
        count: row.get(first)?,
        sum: row.get(first + 1)?,
        minimum: row.get(first + 2)?,
        maximum: row.get(first + 3)?,
        distribution,
    })
}

/// The id of a metric that is stored.
pub(super) fn metric_id(connection: &Connection, metric: &MetricKey) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM metrics WHERE namespace = ?1 AND name = ?2 AND dimensions = ?3")?
        .query_row(params![metric.namespace(), metric.name(), metric.dimensions_json()], |row| row.get(0))
        .optional()
}

fn metric_id_or_new(connection: &Connection, metric: &MetricKey) -> rusqlite::Result<i64> {
    if let Some(id) = metric_id(connection, metric)? {
        return Ok(id);
    }
    connection.execute(
        "INSERT INTO metrics (namespace, name, dimensions) VALUES (?1, ?2, ?3)",
        params![metric.namespace(), metric.name(), metric.dimensions_json()],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Deletes a metric with its buckets. To be called in a transaction.
pub(crate) fn delete(connection: &Connection, metric: &MetricKey) -> rusqlite::Result<()> {
    let Some(id) = metric_id(connection, metric)? else { return Ok(()) };
    connection.execute("DELETE FROM buckets WHERE metric_id = ?1", [id])?;
    connection.execute("DELETE FROM metrics WHERE id = ?1", [id])?;
    Ok(())
}

/// Every metric that is stored.
pub(crate) fn metrics(connection: &Connection) -> rusqlite::Result<BTreeSet<MetricKey>> {
    let mut query = connection.prepare("SELECT namespace, name, dimensions FROM metrics")?;
    let rows = query.query_map([], |row| {
        let dimensions = serde_json::from_str(row.get_ref(2)?.as_str()?)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?;
        Ok(MetricKey { namespace: row.get(0)?, name: row.get(1)?, dimensions })
    })?;
    rows.collect()
}

/// Where the newest stored bucket of a metric begins.
pub(super) fn newest_at(connection: &Connection, metric: &MetricKey) -> rusqlite::Result<Option<Timestamp>> {
    let Some(id) = metric_id(connection, metric)? else { return Ok(None) };
    let mut query =
        connection.prepare_cached("SELECT max(at) FROM buckets WHERE metric_id = ?1 AND resolution = ?2")?;
    let mut newest: Option<i64> = None;
    for (resolution, _) in limits::TIERS {
        newest = newest.max(query.query_row(params![id, resolution], |row| row.get(0))?);
    }
    Ok(newest.map(Timestamp))
}

/// Calls `each` for the stored buckets of a metric that begin in `[start, end)`. Without `with_distributions` the
/// sketches are left empty, which is cheaper.
pub(super) fn read(
    connection: &Connection,
    metric: &MetricKey,
    (start, end): (Timestamp, Timestamp),
    with_distributions: bool,
    mut each: impl FnMut(Slot, Bucket),
) -> rusqlite::Result<()> {
    let Some(id) = metric_id(connection, metric)? else { return Ok(()) };
    let distribution = if with_distributions { "distribution" } else { "x''" };
    // Resolution comes before time in the key: naming each one lets SQLite jump to the range.
    let mut query = connection.prepare_cached(&format!(
        "SELECT at, resolution, unit, count, sum, minimum, maximum, {distribution} FROM buckets
         WHERE metric_id = ?1 AND resolution IN (1, 60, 300, 3600) AND at >= ?2 AND at < ?3"
    ))?;
    let mut rows = query.query(params![id, start.0, end.0])?;
    while let Some(row) = rows.next()? {
        let slot = Slot { at: Timestamp(row.get(0)?), resolution: row.get(1)?, unit: row.get(2)? };
        each(slot, bucket_of(row, 3)?);
    }
    Ok(())
}

//! Streams.

use std::sync::Arc;

use millstream_streamlog::{Log, Retention, StreamError, StreamKey};

use super::{NotReady, Prepared};
use crate::catalog::ResourceRow;
use crate::definition::StreamDefinition;
use crate::feeds;
use crate::world::{World, log_key};

/// Makes the stream as it is defined: creates it, or changes its retention and its shards.
pub(super) async fn ensure(
    world: &World,
    row: &ResourceRow,
    definition: &StreamDefinition,
) -> Result<Prepared, NotReady> {
    let retention = Retention::hours(definition.retention_hours).map_err(NotReady::ever)?;
    let (log, key, shards) = (Arc::clone(&world.log), log_key(&row.reference()), definition.shards);
    let ensured = world.spawn().blocking(move || ensure_blocking(&log, &key, shards, retention)).await;
    ensured.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    Ok(Prepared::Nothing)
}

fn ensure_blocking(
    log: &Log,
    key: &StreamKey,
    shards: Option<u32>,
    retention: Retention,
) -> Result<(), StreamError> {
    let found = create_if_absent(log, key, shards.unwrap_or(1), retention)?;
    if found.retention != retention {
        log.stream_set_retention(key, retention)?;
    }
    let open = found.shards.iter().filter(|shard| shard.closed_at.is_none()).count();
    if let Some(shards) = shards.filter(|shards| *shards as usize != open) {
        // Splits and merges what is there: those who read it go on, parents before their children.
        log.stream_update_shard_count(key, shards)?;
    }
    Ok(())
}

/// Creates a stream of the log unless it is there.
pub(super) fn create_if_absent(
    log: &Log,
    key: &StreamKey,
    shards: u32,
    retention: Retention,
) -> Result<millstream_streamlog::StreamDescription, StreamError> {
    match log.stream_create(key, shards, retention) {
        Err(StreamError::Exists(_)) => log.stream_describe(key),
        other => other,
    }
}

/// Deletes the stream, or the buffer of a delivery stream, with its records.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    let (log, catalog, key) = (Arc::clone(&world.log), world.catalog.clone(), log_key(&row.reference()));
    let erased = world.spawn().blocking(move || {
        feeds::keep_progress(&log, &catalog, &key).map_err(NotReady::yet)?;
        match log.stream_delete(&key) {
            Err(StreamError::NotFound(_)) => Ok(()),
            other => other.map_err(NotReady::yet),
        }
    });
    erased.await.map_err(NotReady::yet)?
}

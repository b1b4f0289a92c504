//! Creating, deleting, listing and describing streams.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_host::Timestamp;
use tokio::sync::watch;

use crate::catalog::{CatalogShard, CatalogStream};
use crate::error::StreamError;
use crate::hash_range::HashRange;
use crate::log::Log;
use crate::position::Position;
use crate::shard::{ShardDescription, ShardNumber};
use crate::stream::Stream;
use crate::stream_name::{StreamKey, StreamKind};

/// The most shards a stream may be created with.
const MAX_SHARDS: u32 = 10_000;

/// How long a stream keeps its records: 1 to 8760 whole hours, 24 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention(u32);

impl Retention {
    /// Checks the range.
    ///
    /// # Errors
    /// [`StreamError::Retention`] outside 1 to 8760.
    pub fn hours(hours: u32) -> Result<Retention, StreamError> {
        if (1..=8_760).contains(&hours) {
            Ok(Retention(hours))
        } else {
            Err(StreamError::Retention { hours })
        }
    }

    /// The period in hours.
    pub fn as_hours(self) -> u32 {
        self.0
    }
}

impl Default for Retention {
    fn default() -> Retention {
        Retention(24)
    }
}

/// Tells a stream from an earlier one of the same name: never used twice in a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What can be said of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its name.
    pub key: StreamKey,
    /// Which of the streams that ever bore the name.
    pub id: StreamId,
    /// When it was created.
    pub created_at: Timestamp,
    /// How long it keeps its records.
    pub retention: Retention,
    /// Its shards, by number.
    pub shards: Vec<ShardDescription>,
}

impl Log {
    /// Creates a stream with `shards` shards that divide the hash space evenly. Durable when this returns.
    ///
    /// # Errors
    /// [`StreamError::Exists`], [`StreamError::ShardCount`], or [`StreamError::File`], after which nothing has changed.
    pub fn stream_create(
        &self,
        key: &StreamKey,
        shards: u32,
        retention: Retention,
    ) -> Result<StreamDescription, StreamError> {
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(StreamError::ShardCount { count: shards, most: MAX_SHARDS });
        }
        let mut catalog = self.shared.catalog.lock();
        if self.shared.streams.read().get(key).is_some() {
            return Err(StreamError::Exists(key.clone()));
        }
        let created_at = self.shared.clock.now();
        let seconds = u64::try_from(created_at.millis().div_euclid(1_000)).unwrap_or(0);
        let row = CatalogStream {
            id: catalog.next_stream_id,
            kind: key.kind,
            name: key.name.clone(),
            created_at: created_at.millis(),
            retention_hours: retention.0,
            shards: (0..)
                .zip(HashRange::divide(shards))
                .map(|(number, range)| CatalogShard::new(number, range, seconds))
                .collect(),
        };
        let stream = Arc::new(Stream::new(&row));
        let mut changed = catalog.clone();
        changed.next_stream_id += 1;
        changed.streams.push(row);
        changed.store(&self.shared.directory)?;
        *catalog = changed;
        self.shared.streams.write().insert(Arc::clone(&stream));
        Ok(describe(&stream))
    }

    /// Deletes a stream: its records can no longer be read, and their space is freed by [`Log::trim`]. Durable when
    /// this returns. Appends that are under way may still be acknowledged.
    ///
    /// # Errors
    /// [`StreamError::NotFound`], or [`StreamError::File`], after which nothing has changed.
    pub fn stream_delete(&self, key: &StreamKey) -> Result<(), StreamError> {
        let mut catalog = self.shared.catalog.lock();
        let stream = self.stream(key)?;
        let mut changed = catalog.clone();
        changed.streams.retain(|row| row.id != stream.id);
        changed.store(&self.shared.directory)?;
        *catalog = changed;
        self.shared.streams.write().remove(key);
        Ok(())
    }

    /// Changes how long a stream keeps its records. Durable when this returns.
    ///
    /// # Errors
    /// [`StreamError::NotFound`], or [`StreamError::File`], after which nothing has changed.
    pub fn stream_set_retention(&self, key: &StreamKey, retention: Retention) -> Result<(), StreamError> {
        let mut catalog = self.shared.catalog.lock();
        let stream = self.stream(key)?;
        let mut changed = catalog.clone();
        for row in changed.streams.iter_mut().filter(|row| row.id == stream.id) {
            row.retention_hours = retention.0;
        }
        changed.store(&self.shared.directory)?;
        *catalog = changed;
        stream.retention_hours.store(retention.0, Ordering::Relaxed);
        Ok(())
    }

    /// Describes a stream.
    ///
    /// # Errors
    /// [`StreamError::NotFound`].
    pub fn stream_describe(&self, key: &StreamKey) -> Result<StreamDescription, StreamError> {
        Ok(describe(&*self.stream(key)?))
    }

    /// All streams: those that users see first, then the delivery buffers, each by name.
    pub fn stream_list(&self) -> Vec<StreamDescription> {
        self.shared.streams.read().iter().map(|stream| describe(stream)).collect()
    }

    /// Changes its value whenever records of the stream became durable: wait on it instead of polling.
    ///
    /// # Errors
    /// [`StreamError::NotFound`].
    pub fn changes(&self, key: &StreamKey) -> Result<watch::Receiver<u64>, StreamError> {
        Ok(self.stream(key)?.changes.subscribe())
    }

    /// Where a shard ends: just after its newest durable record.
    ///
    /// # Errors
    /// [`StreamError::NotFound`] or [`StreamError::ShardNotFound`].
    pub fn shard_end(&self, key: &StreamKey, shard: ShardNumber) -> Result<Position, StreamError> {
        let stream = self.stream(key)?;
        let found =
            stream.shard(shard).ok_or_else(|| StreamError::ShardNotFound { stream: key.clone(), shard })?;
        let end = Position(found.state.lock().next_durable_index);
        Ok(end)
    }

    /// Says that the records of a delivery buffer before `position` are no longer wanted. Not durable in itself: the
    /// consumer's own stored position is, and it says this again after a restart.
    ///
    /// # Errors
    /// [`StreamError::NotABuffer`], [`StreamError::NotFound`] or [`StreamError::ShardNotFound`].
    pub fn trim_consumed(
        &self,
        key: &StreamKey,
        shard: ShardNumber,
        position: Position,
    ) -> Result<(), StreamError> {
        if key.kind != StreamKind::Delivery {
            return Err(StreamError::NotABuffer(key.clone()));
        }
        let stream = self.stream(key)?;
        let found =
            stream.shard(shard).ok_or_else(|| StreamError::ShardNotFound { stream: key.clone(), shard })?;
        let mut state = found.state.lock();
        state.consumed = state.consumed.max(position);
        Ok(())
    }

    fn stream(&self, key: &StreamKey) -> Result<Arc<Stream>, StreamError> {
        self.shared.stream(key).ok_or_else(|| StreamError::NotFound(key.clone()))
    }
}

fn describe(stream: &Stream) -> StreamDescription {
    StreamDescription {
        key: stream.key.clone(),
        id: StreamId(stream.id),
        created_at: stream.created_at,
        retention: Retention(stream.retention_hours.load(Ordering::Relaxed)),
        shards: stream.shards.iter().map(|shard| shard.description.clone()).collect(),
    }
}

//! Creating, deleting, listing and describing streams.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_host::{Clock, Timestamp};
use tokio::sync::watch;

use crate::catalog::CatalogStream;
use crate::catalog_file::Change;
use crate::error::StreamError;
use crate::log::Log;
use crate::position::Position;
use crate::shard::{Shard, ShardDescription, ShardNumber};
use crate::stream::Stream;
use crate::stream_name::{StreamKey, StreamKind};

/// The most open shards a stream may have.
pub(crate) const MAX_SHARDS: u32 = 10_000;

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
    /// Durable records that were ever put into it, those of shards that are no longer listed included.
    pub records_put: u64,
}

/// From where to where a shard can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardExtent {
    /// The shard.
    pub shard: ShardNumber,
    /// Of its oldest record that is on disk; equal to `end` when there is none. Records past the retention may lie after
    /// it.
    pub start: Position,
    /// Just after its newest durable record. A stored position beyond it was taken of a log that has been lost since.
    pub end: Position,
    /// It was split or merged, and nothing is on its way to it any more.
    pub is_finished: bool,
}

/// What a stream holds at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamExtent {
    /// Its shards, by number.
    pub shards: Vec<ShardExtent>,
    /// Records that were ever put into shards that are no longer among them.
    pub spent_records: u64,
}

impl Log {
    /// Creates a stream with `shards` shards that divide the hash space evenly. Durable when this returns: it waits for one
    /// `fdatasync`, so it is not for a thread that must not block.
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
        let row = CatalogStream::new(
            catalog.get().next_stream_id,
            key.kind,
            key.name.clone(),
            created_at.millis(),
            retention.0,
            shards,
        );
        let stream = Arc::new(Stream::new(&row));
        catalog.change(Change::Stream(row))?;
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
        catalog.change(Change::Deleted { stream: stream.id })?;
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
        let Some(row) = catalog.get().stream(stream.id).cloned() else {
            return Err(StreamError::NotFound(key.clone()));
        };
        catalog.change(Change::Stream(CatalogStream { retention_hours: retention.0, ..row }))?;
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

    /// Which of the streams that ever bore the name bears it now.
    ///
    /// # Errors
    /// [`StreamError::NotFound`].
    pub fn stream_id(&self, key: &StreamKey) -> Result<StreamId, StreamError> {
        Ok(StreamId(self.stream(key)?.id))
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

    /// What a stream holds: what stored positions are compared with before they are used.
    ///
    /// # Errors
    /// [`StreamError::NotFound`].
    pub fn extent(&self, key: &StreamKey) -> Result<StreamExtent, StreamError> {
        let topology = self.stream(key)?.topology();
        let extent = |shard: &Arc<Shard>| {
            let state = shard.state.lock();
            let end = Position(state.next_durable_index);
            let start = state.index.first_index().map_or(end, Position);
            ShardExtent { shard: shard.number, start, end, is_finished: state.is_finished }
        };
        let shards = topology.shards.iter().map(extent).collect();
        Ok(StreamExtent { shards, spent_records: topology.spent_records })
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

    pub(crate) fn stream(&self, key: &StreamKey) -> Result<Arc<Stream>, StreamError> {
        self.shared.stream(key).ok_or_else(|| StreamError::NotFound(key.clone()))
    }
}

pub(crate) fn describe(stream: &Stream) -> StreamDescription {
    let topology = stream.topology();
    let records_put = topology.shards.iter().map(|shard| shard.records_put()).sum::<u64>();
    StreamDescription {
        key: stream.key.clone(),
        id: StreamId(stream.id),
        created_at: stream.created_at,
        retention: Retention(stream.retention_hours.load(Ordering::Relaxed)),
        shards: topology.shards.iter().map(|shard| shard.description()).collect(),
        records_put: topology.spent_records + records_put,
    }
}

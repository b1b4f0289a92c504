//! A stream in memory, and the table of all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use millstream_host::Timestamp;
use tokio::sync::watch;

use crate::catalog::CatalogStream;
use crate::segment::ShardKey;
use crate::shard::{Shard, ShardNumber};
use crate::stream_name::StreamKey;

/// A stream that exists.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) key: StreamKey,
    pub(crate) created_at: Timestamp,
    pub(crate) retention_hours: AtomicU32,
    /// By number, ascending.
    pub(crate) shards: Vec<Shard>,
    /// Where each open shard's hash range starts, ascending, and its place in `shards`.
    router: Vec<(u128, usize)>,
    /// Changes whenever records of the stream became durable.
    pub(crate) changes: watch::Sender<u64>,
}

impl Stream {
    pub(crate) fn new(row: &CatalogStream) -> Stream {
        let shards: Vec<Shard> = row
            .shards
            .iter()
            .map(|shard| {
                Shard::new(shard.description(), shard.trimmed_next_index.max(1), shard.trimmed_last_arrival())
            })
            .collect();
        let mut router: Vec<(u128, usize)> = shards
            .iter()
            .enumerate()
            .filter(|(_, shard)| shard.description.closed_at.is_none())
            .map(|(place, shard)| (shard.description.hash_range.starting, place))
            .collect();
        router.sort_unstable();
        Stream {
            id: row.id,
            key: StreamKey { kind: row.kind, name: row.name.clone() },
            created_at: Timestamp(row.created_at),
            retention_hours: AtomicU32::new(row.retention_hours),
            shards,
            router,
            changes: watch::Sender::new(0),
        }
    }

    /// The place in `shards` of the open shard that takes `hash`.
    pub(crate) fn route(&self, hash: u128) -> usize {
        let after = self.router.partition_point(|&(starting, _)| starting <= hash);
        self.router[after.saturating_sub(1)].1
    }

    pub(crate) fn shard(&self, number: ShardNumber) -> Option<&Shard> {
        self.shards
            .binary_search_by_key(&number, |shard| shard.description.number)
            .ok()
            .map(|place| &self.shards[place])
    }

    /// Records that arrived before this instant are past the retention.
    pub(crate) fn horizon(&self, now: Timestamp) -> Timestamp {
        let hours = i64::from(self.retention_hours.load(Ordering::Relaxed));
        Timestamp(now.millis().saturating_sub(hours * 3_600_000))
    }

    pub(crate) fn shard_key(&self, shard: &Shard) -> ShardKey {
        (self.id, shard.description.number.0)
    }
}

/// All streams, by name and by id.
#[derive(Debug, Default)]
pub(crate) struct StreamTable {
    by_key: BTreeMap<StreamKey, Arc<Stream>>,
    by_id: HashMap<u32, Arc<Stream>>,
}

impl StreamTable {
    pub(crate) fn insert(&mut self, stream: Arc<Stream>) {
        self.by_id.insert(stream.id, Arc::clone(&stream));
        self.by_key.insert(stream.key.clone(), stream);
    }

    pub(crate) fn remove(&mut self, key: &StreamKey) {
        if let Some(stream) = self.by_key.remove(key) {
            self.by_id.remove(&stream.id);
        }
    }

    pub(crate) fn get(&self, key: &StreamKey) -> Option<&Arc<Stream>> {
        self.by_key.get(key)
    }

    pub(crate) fn with_id(&self, id: u32) -> Option<&Arc<Stream>> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.by_key.values()
    }
}

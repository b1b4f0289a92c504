//! A stream in memory, its shards, and the table of all streams.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use millstream_host::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::catalog::CatalogStream;
use crate::producer::ProducerTable;
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
    /// The shards as they are now. An append holds it for reading from its routing until it is in the queue, so that
    /// everything sent to a shard is in the queue before the shard's end is. Replaced while the catalog is locked.
    pub(crate) topology: RwLock<Arc<Topology>>,
    /// What each producer has on disk. Changed by the writer alone.
    pub(crate) producers: Mutex<ProducerTable>,
    /// Changes whenever records of the stream became durable, or its shards changed.
    pub(crate) changes: watch::Sender<u64>,
}

/// The shards of a stream at one time.
#[derive(Debug)]
pub(crate) struct Topology {
    /// By number, ascending.
    pub(crate) shards: Vec<Arc<Shard>>,
    /// Records that were put into shards that are no longer among them.
    pub(crate) spent_records: u64,
    /// Where each open shard's hash range starts, ascending, and its place in `shards`.
    router: Vec<(u128, usize)>,
}

impl Topology {
    pub(crate) fn new(shards: Vec<Arc<Shard>>, spent_records: u64) -> Topology {
        let open = shards.iter().enumerate().filter(|(_, shard)| shard.is_open());
        let mut router: Vec<(u128, usize)> =
            open.map(|(place, shard)| (shard.hash_range.starting, place)).collect();
        router.sort_unstable();
        Topology { shards, spent_records, router }
    }

    /// The place in `shards` of the open shard that takes `hash`.
    pub(crate) fn route(&self, hash: u128) -> usize {
        let after = self.router.partition_point(|&(starting, _)| starting <= hash);
        self.router[after.saturating_sub(1)].1
    }

    /// The only open shard, when there is just one: no hash is needed then.
    pub(crate) fn only_open(&self) -> Option<usize> {
        match self.router[..] {
            [(_, place)] => Some(place),
            _ => None,
        }
    }

    pub(crate) fn shard(&self, number: ShardNumber) -> Option<&Arc<Shard>> {
        let place = self.shards.binary_search_by_key(&number, |shard| shard.number).ok()?;
        Some(&self.shards[place])
    }
}

impl Stream {
    pub(crate) fn new(row: &CatalogStream) -> Stream {
        let shard = |shard: &crate::catalog::CatalogShard| {
            let next_index = shard.trimmed_next_index.max(1);
            Arc::new(Shard::new(&shard.description(), next_index, shard.trimmed_last_arrival()))
        };
        let topology = Topology::new(row.shards.iter().map(shard).collect(), row.spent_records);
        Stream {
            id: row.id,
            key: StreamKey { kind: row.kind, name: row.name.clone() },
            created_at: Timestamp(row.created_at),
            retention_hours: AtomicU32::new(row.retention_hours),
            topology: RwLock::new(Arc::new(topology)),
            producers: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology.read())
    }

    pub(crate) fn shard(&self, number: ShardNumber) -> Option<Arc<Shard>> {
        self.topology.read().shard(number).cloned()
    }

    /// Records that arrived before this instant are past the retention.
    pub(crate) fn horizon(&self, now: Timestamp) -> Timestamp {
        let hours = i64::from(self.retention_hours.load(Ordering::Relaxed));
        Timestamp(now.millis().saturating_sub(hours * 3_600_000))
    }

    pub(crate) fn shard_key(&self, shard: &Shard) -> ShardKey {
        (self.id, shard.number.0)
    }

    /// Wakes those who wait for a change.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|change| *change = change.wrapping_add(1));
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

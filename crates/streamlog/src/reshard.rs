//! Splitting and merging shards.
//!
//! What changes is first made durable in the catalog, then the stream's routing is replaced while no append is between
//! its routing and the queue. So all that was sent to a closed shard is in the queue before its end, all that goes to its
//! children comes after, and the log holds them in this order. A crash leaves the old shards or the new ones.

use std::sync::Arc;

use millstream_host::Clock;

use crate::catalog::{CatalogShard, CatalogStream};
use crate::catalog_file::Change;
use crate::error::StreamError;
use crate::hash_range::HashRange;
use crate::log::Log;
use crate::queue::Work;
use crate::shard::{Shard, ShardNumber};
use crate::stream::Topology;
use crate::stream_name::StreamKey;
use crate::streams::{MAX_SHARDS, StreamDescription, describe};

impl Log {
    /// Splits an open shard in two: the second takes the hashes from `new_starting_hash_key` on. Appends and reads go on
    /// meanwhile; in commit order the records of the shard come before those of the two. Durable when this returns.
    ///
    /// # Errors
    /// [`StreamError::SplitPoint`] unless the hash key is above the first but one and below the last of the shard;
    /// [`StreamError::ShardClosed`], [`StreamError::ShardNotFound`], [`StreamError::NotFound`], or
    /// [`StreamError::File`]: then nothing has changed.
    pub fn stream_split(
        &self,
        key: &StreamKey,
        shard: ShardNumber,
        new_starting_hash_key: u128,
    ) -> Result<StreamDescription, StreamError> {
        self.reshard(key, |plan| {
            let range = plan.open_range(shard)?;
            let lowest = range.starting.saturating_add(1);
            if new_starting_hash_key <= lowest || new_starting_hash_key >= range.ending {
                return Err(StreamError::SplitPoint { shard, hash_key: new_starting_hash_key, range });
            }
            plan.split(shard, new_starting_hash_key)?;
            Ok(())
        })
    }

    /// Merges two open shards whose hash ranges touch into one. The first is its parent, the second its adjacent parent.
    /// Like [`Log::stream_split`] otherwise.
    ///
    /// # Errors
    /// [`StreamError::NotAdjacent`]; else see [`Log::stream_split`].
    pub fn stream_merge(
        &self,
        key: &StreamKey,
        shard: ShardNumber,
        adjacent: ShardNumber,
    ) -> Result<StreamDescription, StreamError> {
        self.reshard(key, |plan| plan.merge(shard, adjacent).map(drop))
    }

    /// Splits and merges until the stream has `count` open shards that divide the hash space evenly. Shards that fit stay
    /// as they are; some shards may live for this call only.
    ///
    /// # Errors
    /// [`StreamError::ShardCount`]; else see [`Log::stream_split`].
    pub fn stream_update_shard_count(
        &self,
        key: &StreamKey,
        count: u32,
    ) -> Result<StreamDescription, StreamError> {
        if !(1..=MAX_SHARDS).contains(&count) {
            return Err(StreamError::ShardCount { count, most: MAX_SHARDS });
        }
        self.reshard(key, |plan| plan.divide(count))
    }

    fn reshard(
        &self,
        key: &StreamKey,
        change: impl FnOnce(&mut Plan<'_>) -> Result<(), StreamError>,
    ) -> Result<StreamDescription, StreamError> {
        let mut catalog = self.shared.catalog.lock();
        let stream = self.stream(key)?;
        let Some(mut row) = catalog.get().stream(stream.id).cloned() else {
            return Err(StreamError::NotFound(key.clone()));
        };
        let now = u64::try_from(self.shared.clock.now().millis().div_euclid(1_000)).unwrap_or(0);
        change(&mut Plan { key, now, row: &mut row })?;
        catalog.change(Change::Stream(row.clone()))?;
        let before = stream.topology();
        let mut closed = Vec::new();
        let shards = row.shards.iter().map(|row| match before.shard(ShardNumber(row.number)) {
            Some(shard) => {
                if let Some(at) = row.closed_at
                    && shard.is_open()
                {
                    closed.push((Arc::clone(shard), at));
                }
                Arc::clone(shard)
            }
            None => Arc::new(Shard::new(&row.description(), 1, row.trimmed_last_arrival())),
        });
        let shards: Vec<Arc<Shard>> = shards.collect();
        {
            let mut topology = stream.topology.write();
            for (shard, at) in &closed {
                shard.close(*at);
            }
            *topology = Arc::new(Topology::new(shards, row.spent_records));
            let finished = closed.into_iter().map(|(shard, _)| shard).collect();
            // A log that is closed finds them closed when it is opened again.
            let _ = self.shared.queue.push(Work::Finish(Arc::clone(&stream), finished));
        }
        stream.changed();
        Ok(describe(&stream))
    }
}

/// A change of a stream's shards, on its row of the catalog.
struct Plan<'plan> {
    key: &'plan StreamKey,
    /// Seconds since the epoch.
    now: u64,
    row: &'plan mut CatalogStream,
}

impl Plan<'_> {
    fn open_range(&self, shard: ShardNumber) -> Result<HashRange, StreamError> {
        let stream = || self.key.clone();
        let row = self.row.shards.iter().find(|row| row.number == shard.0);
        let row = row.ok_or_else(|| StreamError::ShardNotFound { stream: stream(), shard })?;
        match row.hash_range() {
            Some(range) if row.closed_at.is_none() => Ok(range),
            _ => Err(StreamError::ShardClosed { stream: stream(), shard }),
        }
    }

    /// Closes a shard and gives when its children are created: later than its last record.
    fn close(&mut self, shard: ShardNumber) -> u64 {
        let Some(row) = self.row.shards.iter_mut().find(|row| row.number == shard.0) else { return self.now };
        let at = self.now.max(row.created_at);
        row.closed_at = Some(at);
        at + 1
    }

    fn open(
        &mut self,
        range: HashRange,
        created_at: u64,
        parent: ShardNumber,
        adjacent: Option<ShardNumber>,
    ) -> ShardNumber {
        let number = ShardNumber(self.row.next_shard);
        self.row.next_shard += 1;
        let mut row = CatalogShard::new(number.0, range, created_at);
        row.parent = Some(parent.0);
        row.adjacent_parent = adjacent.map(|adjacent| adjacent.0);
        self.row.shards.push(row);
        number
    }

    fn split(&mut self, shard: ShardNumber, at: u128) -> Result<(ShardNumber, ShardNumber), StreamError> {
        let range = self.open_range(shard)?;
        let created_at = self.close(shard);
        let lower = self.open(HashRange { ending: at - 1, ..range }, created_at, shard, None);
        let upper = self.open(HashRange { starting: at, ..range }, created_at, shard, None);
        Ok((lower, upper))
    }

    fn merge(&mut self, shard: ShardNumber, adjacent: ShardNumber) -> Result<ShardNumber, StreamError> {
        let (left, right) = (self.open_range(shard)?, self.open_range(adjacent)?);
        let touches =
            |lower: HashRange, upper: HashRange| lower.ending.checked_add(1) == Some(upper.starting);
        if !touches(left, right) && !touches(right, left) {
            return Err(StreamError::NotAdjacent { left: shard, right: adjacent });
        }
        let created_at = self.close(shard).max(self.close(adjacent));
        let range =
            HashRange { starting: left.starting.min(right.starting), ending: left.ending.max(right.ending) };
        Ok(self.open(range, created_at, shard, Some(adjacent)))
    }

    /// The open shards with their ranges, by hash.
    fn open_shards(&self) -> Vec<(HashRange, ShardNumber)> {
        let open = self.row.shards.iter().filter(|row| row.closed_at.is_none());
        let mut open: Vec<(HashRange, ShardNumber)> =
            open.filter_map(|row| Some((row.hash_range()?, ShardNumber(row.number)))).collect();
        open.sort_unstable_by_key(|(range, _)| range.starting);
        open
    }

    fn divide(&mut self, count: u32) -> Result<(), StreamError> {
        let targets = HashRange::divide(count);
        for target in &targets[1..] {
            let open = self.open_shards();
            let place = open.partition_point(|(range, _)| range.starting <= target.starting);
            let (range, shard) = open[place.saturating_sub(1)];
            if range.starting != target.starting {
                self.split(shard, target.starting)?;
            }
        }
        let open = self.open_shards();
        for target in &targets {
            let mut pieces =
                open.iter().filter(|(range, _)| target.contains(range.starting)).map(|(_, shard)| *shard);
            let Some(mut merged) = pieces.next() else { continue };
            for piece in pieces {
                merged = self.merge(merged, piece)?;
            }
        }
        Ok(())
    }
}

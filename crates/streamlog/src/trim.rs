//! Deleting whole segments whose records are all past their time.

use std::io;
use std::sync::Arc;

use millstream_host::Timestamp;

use crate::catalog_file::Change;
use crate::error::{TrimError, io_error};
use crate::log::{Log, SegmentInfo, Shared};
use crate::segment::{self, ShardKey, Span};
use crate::shard::{Shard, ShardNumber};
use crate::stream::{Stream, Topology};
use crate::stream_name::StreamKind;

/// What a trim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrimReport {
    /// Segments deleted.
    pub segments_deleted: usize,
    /// Segments written again without what is no longer wanted, because little else was in them. At most four in a call:
    /// the next one goes on.
    pub segments_rewritten: usize,
    /// The space that was given back.
    pub bytes_freed: u64,
}

impl Log {
    /// Deletes the sealed segments in which every record is of a deleted stream, or past its stream's retention at
    /// `now`, or, in a delivery buffer, before the position given to [`Log::trim_consumed`]. A delivery buffer keeps
    /// what was not consumed however old it is: a full disk then refuses appends rather than losing records. A segment of
    /// which little is wanted is written again without the rest. Reads and appends go on meanwhile.
    ///
    /// # Errors
    /// [`TrimError::File`]; segments deleted before it stay deleted, and the next call goes on.
    pub fn trim(&self, now: Timestamp) -> Result<TrimReport, TrimError> {
        let mut report = TrimReport::default();
        let _trimming = self.shared.trimming.lock();
        self.sync_replaced()?;
        let expendable = self.forget_expendable(now)?;
        // Neither the catalog nor anything else is locked while files are deleted: that may take long.
        for (number, info) in expendable {
            let path = segment::path(&self.shared.directory, number);
            let deleted = self.shared.disk.remove_file(&path);
            self.shared.cache.remove(number);
            match deleted {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("delete", &path)(error).into());
                }
                _ => {
                    report.segments_deleted += 1;
                    report.bytes_freed += info.bytes;
                }
            }
        }
        let (rewritten, freed) = self.rewrite_sparse(now)?;
        report.segments_rewritten = rewritten;
        report.bytes_freed += freed;
        Ok(report)
    }

    /// Takes what may go out of the catalog and the indexes. Recovery deletes the files if nothing else does.
    fn forget_expendable(&self, now: Timestamp) -> Result<Vec<(u64, SegmentInfo)>, TrimError> {
        let mut catalog = self.shared.catalog.lock();
        let expendable: Vec<(u64, SegmentInfo)> = {
            let segments = self.shared.segments.lock();
            // The newest one stays: it says how far producers have come.
            let newest = segments.keys().next_back().copied();
            let sealed = segments.iter().filter(|(number, info)| info.sealed && Some(**number) != newest);
            sealed
                .filter(|(_, info)| is_expendable(&self.shared, info, now))
                .map(|(number, info)| (*number, info.clone()))
                .collect()
        };
        let spent = self.spent_shards(now);
        if expendable.is_empty() && spent.is_empty() {
            return Ok(expendable);
        }
        // The catalog first: it keeps how far the shards had come, and lets recovery finish the deletion.
        let trimmed = expendable.iter().flat_map(|(_, info)| &info.spans);
        let gone = spent.iter().flat_map(|(stream, shards)| shards.iter().map(|shard| (stream.id, shard.0)));
        catalog.change(Change::Trimmed {
            segments: expendable.iter().map(|(number, _)| *number).collect(),
            shards: trimmed.map(|(key, span)| Change::trimmed_shard(*key, span)).collect(),
            spent: gone.collect(),
        })?;
        for (number, info) in &expendable {
            for key in info.spans.keys() {
                let stream = self.shared.streams.read().with_id(key.0).cloned();
                if let Some(shard) = stream.and_then(|stream| stream.shard(ShardNumber(key.1))) {
                    shard.state.lock().index.remove_segment(*number);
                }
            }
            self.shared.segments.lock().remove(number);
        }
        for (stream, shards) in spent {
            let mut topology = stream.topology.write();
            let is_gone = |shard: &&Arc<Shard>| shards.contains(&shard.number);
            let gone: u64 = topology.shards.iter().filter(is_gone).map(|shard| shard.records_put()).sum();
            let left = topology.shards.iter().filter(|shard| !is_gone(shard)).cloned();
            *topology = Arc::new(Topology::new(left.collect(), topology.spent_records + gone));
        }
        Ok(expendable)
    }

    /// Shards that were split or merged longer ago than the retention, and of which nothing is left: they are no longer
    /// listed. Looked for before segments are deleted, so a shard goes with the trim after the one that empties it.
    fn spent_shards(&self, now: Timestamp) -> Vec<(Arc<Stream>, Vec<ShardNumber>)> {
        let mut spent = Vec::new();
        for stream in self.shared.streams.read().iter() {
            let horizon = stream.horizon(now).millis().div_euclid(1_000);
            let is_spent = |shard: &&Arc<Shard>| {
                let closed_at = shard.description().closed_at.and_then(|at| i64::try_from(at).ok());
                let state = shard.state.lock();
                closed_at.is_some_and(|at| at < horizon)
                    && state.is_finished
                    && state.index.first_index().is_none()
            };
            let topology = stream.topology();
            let shards: Vec<ShardNumber> =
                topology.shards.iter().filter(is_spent).map(|shard| shard.number).collect();
            if !shards.is_empty() {
                spent.push((Arc::clone(stream), shards));
            }
        }
        spent
    }
}

fn is_expendable(shared: &Shared, info: &SegmentInfo, now: Timestamp) -> bool {
    info.spans.iter().all(|(key, span)| is_span_expendable(shared, *key, span, now))
}

/// Whether nobody wants what a segment holds of a shard.
pub(crate) fn is_span_expendable(shared: &Shared, key: ShardKey, span: &Span, now: Timestamp) -> bool {
    let Some(stream) = shared.streams.read().with_id(key.0).cloned() else { return true };
    match stream.key.kind {
        StreamKind::Data => span.last_arrival < stream.horizon(now),
        StreamKind::Delivery => stream
            .shard(ShardNumber(key.1))
            .is_none_or(|shard| span.next_index <= shard.state.lock().consumed.0),
    }
}

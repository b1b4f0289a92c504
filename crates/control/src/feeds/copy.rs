//! The records of a stream go on into another one, from its newest on.
//!
//! ```text
//!   stream ─▶ LogInput ─▶ (pace) ─▶ append to the target, as the producer of each shard
//! ```
//!
//! Invariants: how far a shard has come is what its targets have of it, that of today and those before it, so every record
//! arrives once, in one of them; records keep their partition keys and, within a shard, their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::Timestamp;
use millstream_streamlog::{
    Log, MergedBatch, Position, Producer, RecordBatch, RecordBatchBuilder, ShardNumber, StreamKey,
};
use tokio::sync::watch;

use super::pace::Pace;
use super::put::{FeedServices, POSITION_INTERVAL, Put};
use crate::applications::{EndedEarly, LogInput};
use crate::definition::ResourceId;
use crate::producers;
use crate::shard_positions::ShardPositions;

/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How far a copy has come.
#[derive(Clone)]
pub(crate) struct CopyProgress {
    log: Arc<Log>,
    source: StreamKey,
    /// The next record of each shard: those before it have been acknowledged by the target.
    positions: watch::Receiver<ShardPositions>,
}

impl CopyProgress {
    /// Comes back when everything that the source holds now has been copied.
    ///
    /// # Errors
    /// The copy has ended before.
    pub(crate) async fn caught_up(&self) -> Result<(), EndedEarly> {
        let ends = self.positions.borrow().ends_now(&self.log, &self.source);
        let ends = match ends {
            Ok(ends) => Some(ends),
            // It was made again: this copy ends, and its successor copies that one.
            Err(_) if self.log.stream_id(&self.source).is_ok() => None,
            // It is gone: there is nothing to wait for.
            Err(error) => {
                tracing::warn!(stream = %self.source, %error, "a copy cannot be waited for");
                return Ok(());
            }
        };
        let has_all =
            |positions: &ShardPositions| ends.as_ref().is_some_and(|ends| positions.have_reached(ends));
        self.positions.clone().wait_for(has_all).await.map(drop).map_err(|_| EndedEarly)
    }
}

/// A copy under way.
pub(crate) struct Copying {
    services: FeedServices,
    input: LogInput,
    from: CopiedFrom,
    positions: watch::Sender<ShardPositions>,
    /// When its positions were stored last, by [`Clock::monotonic`](millstream_host::Clock::monotonic).
    stored_at: Duration,
}

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopiedFrom {
    /// The stream.
    pub(crate) source: ResourceId,
    /// How many other sources the feed has had before: the numbers of their records say nothing about these.
    pub(crate) pass: u64,
}

/// Names the producer of a shard. Those of the first source are called as they were when there was no other.
fn part_of(pass: u64, shard: ShardNumber) -> String {
    match pass {
        0 => shard.to_string(),
        pass => format!("source {pass} {shard}"),
    }
}

/// The producers that a copy may have had in any stream.
pub(crate) fn producers_of_copy(log: &Log, feed: ResourceId, pass: u64) -> Vec<u64> {
    (0..=pass).flat_map(|pass| copied_shards(log, feed, pass)).map(|(_, producer)| producer).collect()
}

/// The shards that a copy may have read in one pass, each with its producer.
pub(super) fn copied_shards(
    log: &Log,
    feed: ResourceId,
    pass: u64,
) -> impl Iterator<Item = (ShardNumber, u64)> + use<> {
    let streams = log.stream_list();
    let shards = streams.iter().flat_map(|stream| &stream.shards).map(|shard| shard.number.0);
    let shards = shards.max().map_or(0, |newest| newest + 1);
    (0..shards).map(ShardNumber).map(move |shard| (shard, producers::of_feed(feed, &part_of(pass, shard))))
}

/// The records of one shard that go on together.
struct ShardRun {
    shard: ShardNumber,
    producer: Producer,
    records: RecordBatch,
}

impl Copying {
    /// A copy of what an input reads, behind what its targets have already.
    pub(crate) fn new(services: FeedServices, input: LogInput, from: CopiedFrom) -> (Copying, CopyProgress) {
        let (sender, positions) = watch::channel(input.progress().clone());
        let progress =
            CopyProgress { log: Arc::clone(&services.log), source: input.key().clone(), positions };
        let stored_at = services.clock.monotonic();
        (Copying { services, input, from, positions: sender, stored_at }, progress)
    }

    /// Copies until stopped.
    pub(crate) async fn run(mut self) {
        // A predecessor may have put records without an answer.
        if !self.services.settled().await {
            return;
        }
        self.pass_over_copied();
        self.publish();
        self.store_positions().await;
        self.copy_until_stopped().await;
        self.store_positions().await;
    }

    /// Goes behind what any target has.
    fn pass_over_copied(&mut self) {
        let FeedServices { log, .. } = &self.services;
        let targets: Vec<StreamKey> = log.stream_list().into_iter().map(|target| target.key).collect();
        let positions = self.input.positions();
        for shard in self.input.ends().unwrap_or_default().into_keys() {
            let producer = self.services.producer(&part_of(self.from.pass, shard));
            let have = |target| log.producer_position(target, producer).ok().flatten();
            let furthest = targets.iter().filter_map(have).max();
            if let Some(next) = furthest.filter(|next| positions.get(&shard.0).is_none_or(|at| at < next)) {
                self.input.advance_shard(shard, Position(next));
            }
        }
    }

    /// A target may go, and takes with it how far it has come: positions that are older are good for a moment only.
    async fn store_positions_when_due(&mut self) {
        if self.services.clock.monotonic().saturating_sub(self.stored_at) >= POSITION_INTERVAL {
            self.store_positions().await;
        }
    }

    async fn store_positions(&mut self) {
        let FeedServices { id, name, catalog, spawn, clock, .. } = &self.services;
        self.stored_at = clock.monotonic();
        let (catalog, id, source) = (catalog.clone(), *id, self.from.source);
        let (positions, spent_records) = (self.input.positions(), self.input.spent_records());
        let put = move || catalog.put_copy_progress(id, source, &positions, spent_records);
        let stored = spawn.blocking(put).await;
        let error = match stored {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic,
        };
        tracing::warn!(feed = name, error, "position not stored");
    }

    async fn copy_until_stopped(&mut self) {
        let mut pace = self.services.rate.map(|rate| Pace::new(rate, self.services.clock.monotonic()));
        while !self.services.stop.is_stopped() {
            let now = self.services.clock.now();
            let moment = self.services.clock.monotonic();
            let due = pace.as_ref().map_or(u64::MAX, |pace| pace.due(moment));
            let batch = if due == 0 { None } else { Some(self.input.read()) };
            self.note_lost(now);
            match batch {
                Some(Ok(batch)) if !batch.is_empty() => {
                    if self.services.log.stream_id(&self.services.key).is_err() {
                        // With the target went how far it had come, and it may be long until there is another.
                        self.store_positions().await;
                    }
                    let most = usize::try_from(due).unwrap_or(usize::MAX);
                    let Some(copied) = self.copy(&batch, most).await else { break };
                    if let Some(pace) = &mut pace {
                        pace.sent(copied);
                    }
                    self.publish();
                    self.store_positions_when_due().await;
                }
                Some(Ok(batch)) => {
                    self.input.advance(&batch);
                    self.publish();
                    tokio::select! {
                        () = self.input.changed() => {}
                        () = self.services.stop.stopped() => {}
                    }
                }
                None => {
                    let wait = pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(moment));
                    tokio::select! {
                        () = self.services.clock.sleep(wait) => {}
                        () = self.services.stop.stopped() => {}
                    }
                }
                Some(Err(error)) => {
                    let message = format!("the stream cannot be read and is tried again: {error}");
                    self.services.live.problem(now, &self.services.name, message, 1);
                    tokio::select! {
                        () = self.services.clock.sleep(READ_RETRY) => {}
                        () = self.services.stop.stopped() => {}
                    }
                }
            }
        }
    }

    /// Records that were trimmed before they were copied are no silent loss.
    fn note_lost(&mut self, now: Timestamp) {
        let lost = self.input.take_lost();
        if lost > 0 {
            self.services.live.problem(now, &self.services.name, self.input.explain_lost(lost), lost);
        }
    }

    fn publish(&self) {
        self.positions.send_replace(self.input.progress().clone());
    }

    /// Puts the first records of a batch, shard by shard. Gives how many, or `None` when stopped meanwhile. What is left is
    /// read again.
    async fn copy(&mut self, batch: &MergedBatch, most: usize) -> Option<u64> {
        let mut copied = 0;
        let pass = self.from.pass;
        let id_of = |shard: ShardNumber| self.services.producer(&part_of(pass, shard));
        for run in runs_of(batch, most, id_of) {
            match self.services.put(run.producer, &run.records).await {
                Put::Taken => {}
                Put::HasUpTo(position) => {
                    self.input.advance_shard(run.shard, Position(position));
                    continue;
                }
                Put::Stopped => return None,
            }
            copied += run.records.len() as u64;
            let next = run.producer.next_number.unwrap_or(run.producer.first_number);
            self.input.advance_shard(run.shard, Position(next));
        }
        if copied == batch.len() as u64 {
            self.input.advance(batch);
        }
        Some(copied)
    }
}

/// The first records of a batch by shard, each numbered by its place in the shard. Numbers may have gaps, where a commit
/// failed: the next one is what follows the last record that is taken.
fn runs_of(batch: &MergedBatch, most: usize, id_of: impl Fn(ShardNumber) -> u64) -> Vec<ShardRun> {
    let mut runs: BTreeMap<ShardNumber, (u64, u64, RecordBatchBuilder)> = BTreeMap::new();
    for record in batch.iter().take(most) {
        let position = record.position().0;
        let (_, next, records) =
            runs.entry(record.shard()).or_insert_with(|| (position, position, RecordBatchBuilder::new()));
        *next = position + 1;
        records.push(record.partition_key(), record.data());
    }
    runs.into_iter()
        .map(|(shard, (first, next, records))| ShardRun {
            shard,
            producer: Producer::spanning(id_of(shard), first, next),
            records: records.build(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fed::{Fed, Hang};
    use super::*;
    use crate::catalog::Catalog;
    use millstream_host::{SimulatedDisk, SystemClock, real_time};
    use millstream_streamlog::{LogSettings, NewRecord, Positions, Retention};

    const FROM: CopiedFrom = CopiedFrom { source: ResourceId(1), pass: 0 };

    /// A source of so many records.
    fn source_of(fed: &Fed, records: &[String]) -> StreamKey {
        let source = StreamKey::data("source".parse().unwrap());
        fed.log.stream_create(&source, 1, Retention::default()).unwrap();
        let records = records.iter().map(|number| NewRecord::new("k", number.clone().into_bytes()));
        fed.log.append_blocking(&source, records.collect()).unwrap();
        source
    }

    /// What a predecessor puts into a stream without waiting for the answer: the first 2,900 records.
    fn put_by_predecessor(fed: &Fed, services: &FeedServices, source: &StreamKey) {
        let batch = fed.log.read_merged(source, &Positions::new(), 2_900, 1 << 20).unwrap();
        let first = runs_of(&batch, 2_900, |shard| services.producer(&shard.to_string())).remove(0);
        drop(fed.log.append_as(&services.key, first.producer, first.records));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_goes_on_behind_what_its_predecessor_had_under_way() {
        let expected: Vec<String> = (0..4_000).map(|number| number.to_string()).collect();
        for is_same_target in [true, false] {
            let disk = SimulatedDisk::new();
            let fed = Fed::on(&disk);
            let source = source_of(&fed, &expected);
            let target_before = match is_same_target {
                true => fed.key.clone(),
                false => StreamKey::data("before".parse().unwrap()),
            };
            if !is_same_target {
                fed.log.stream_create(&target_before, 1, Retention::default()).unwrap();
            }
            let (catalog, scope) = (Catalog::in_memory().unwrap(), fed.supervisor.scope(None, "feed"));
            let services = || fed.services(ResourceId(7), &catalog, None, &scope);

            let hang = Hang::begin(&disk);
            put_by_predecessor(&fed, &FeedServices { key: target_before, ..services() }, &source);
            let input = LogInput::new(Arc::clone(&fed.log), source.clone()).unwrap();
            let (copying, progress) = Copying::new(services(), input, FROM);
            scope.task("copy", copying.run());
            drop(hang);
            let behind = if is_same_target { 0 } else { 2_900 };
            assert_eq!(fed.records(4_000 - behind).await, expected[behind..], "every record once");
            progress.caught_up().await.unwrap();
            assert!(scope.stop(Duration::from_secs(10)).await.is_empty());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_log_has_of_a_batch_is_passed_over() {
        let fed = Fed::new(Arc::new(SystemClock));
        let source = source_of(&fed, &(0..4_000).map(|number| number.to_string()).collect::<Vec<_>>());
        let (catalog, scope) = (Catalog::in_memory().unwrap(), fed.supervisor.scope(None, "feed"));
        let services = fed.services(ResourceId(7), &catalog, None, &scope);
        put_by_predecessor(&fed, &services, &source);
        let input = LogInput::new(Arc::clone(&fed.log), source).unwrap();
        let (mut copying, _) = Copying::new(services, input, FROM);
        let batch = copying.input.read().unwrap();
        let copied = real_time::within(Duration::from_secs(20), copying.copy(&batch, usize::MAX)).await;
        let next = batch.get(2_900).unwrap().position().0;
        assert_eq!((copied, copying.input.positions()[&0]), (Some(Some(0)), next));
    }

    #[test]
    fn r10_a_paced_copy_carries_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(folder.path(), LogSettings::default(), Arc::new(SystemClock)).unwrap();
        let key = StreamKey::data("s".parse().unwrap());
        log.stream_create(&key, 1, Retention::default()).unwrap();
        let records = (0..6).map(|number| NewRecord::new("k", number.to_string().into_bytes())).collect();
        log.append_blocking(&key, records).unwrap();
        let batch = log.read_merged(&key, &Positions::new(), 100, 1 << 20).unwrap();
        let runs = runs_of(&batch, 2, |_| 7);
        let first = batch.get(0).unwrap().position().0;
        let third = batch.get(2).unwrap().position().0;
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].producer, Producer::spanning(7, first, third), "the third is read again");
        assert_eq!(runs[0].records.len(), 2);
    }
}

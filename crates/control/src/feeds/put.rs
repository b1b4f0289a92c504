//! A feed from a source: a task puts its records at the right pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_host::{Backoff, Clock, Spawn, real_time};
use millstream_streamlog::{AppendError, Log, Producer, RecordBatch, StreamKey};
use tokio::sync::watch;

use super::pace::Pace;
use super::read_ahead::{Ahead, GoesOn};
use crate::catalog::{Catalog, FeedProgress, KnownRecord};
use crate::definition::ResourceId;
use crate::live::Live;
use crate::producers;
use crate::supervise::StopSignal;

/// The most records of one append.
const APPEND_RECORDS: usize = 4_096;
pub(super) const POSITION_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long a feed that stops waits for the answer to its last append.
const ANSWER_LIMIT: Duration = Duration::from_millis(200);

/// What a feed works with.
pub(crate) struct FeedServices {
    pub(crate) id: ResourceId,
    pub(crate) name: String,
    /// Where records go.
    pub(crate) key: StreamKey,
    /// Records a second; `None` for as fast as they are taken.
    pub(crate) rate: Option<f64>,
    /// Records put since the start.
    pub(crate) records: Arc<AtomicU64>,
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    /// What it puts has come in already, into the stream that it reads.
    pub(crate) is_copy: bool,
    pub(crate) live: Arc<Live>,
    pub(crate) spawn: Spawn,
    pub(crate) stop: StopSignal,
}

impl FeedServices {
    /// Who appends: the same in every run, of one pass or shard of the source.
    pub(super) fn producer(&self, part: &str) -> u64 {
        producers::of_feed(self.id, part)
    }

    /// Waits until the log has, or has refused, all that was on its way there before. False when stopped meanwhile.
    pub(crate) async fn settled(&mut self) -> bool {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        // Nobody appends as this one: the log takes one thing after the other, and this does nothing but wait its turn.
        let nobody = self.producer("nobody");
        loop {
            let settled = tokio::select! {
                settled = self.log.producer_forget(&self.key, nobody) => settled,
                () = self.stop.stopped() => return false,
            };
            match settled {
                Ok(()) => return true,
                Err(AppendError::Busy { .. }) => {}
                Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
            }
            tokio::select! {
                () = self.clock.sleep(backoff.wait()) => {}
                () = self.stop.stopped() => return false,
            }
        }
    }

    /// Puts records that the log does not have yet, waiting as long as it is busy or full.
    pub(super) async fn put(&mut self, producer: Producer, records: &RecordBatch) -> Put {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let appended = self.log.append_as(&self.key, producer, records.clone());
            let stopped = async {
                self.stop.stopped().await;
                // A disk that works answers in a moment.
                real_time::sleep(ANSWER_LIMIT).await;
            };
            let appended = tokio::select! {
                appended = appended => appended,
                () = stopped => return Put::Stopped,
            };
            match appended {
                Ok(appended) => {
                    let count = (appended.len() - appended.duplicates()) as u64;
                    self.records.fetch_add(count, Ordering::Relaxed);
                    if !self.is_copy {
                        self.live.note(|seen| seen.summary.records_in += count);
                    }
                    return Put::Taken;
                }
                Err(AppendError::ProducerOverlap { position, .. }) => return Put::HasUpTo(position),
                Err(AppendError::Busy { .. }) => {}
                Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
            }
            tokio::select! {
                () = self.clock.sleep(backoff.wait()) => {}
                () = self.stop.stopped() => return Put::Stopped,
            }
        }
    }
}

/// What became of records that were put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// The log has them.
    Taken,
    /// They span numbers of which the log has those before this one, and only those: a predecessor that stopped without
    /// an answer had put them. They have to be read again from there.
    HasUpTo(u64),
    /// Somebody asked for no more. They may be in the log all the same, or get there later.
    Stopped,
}

/// The records of a pass are numbered from 0.
fn pass_name(progress: &FeedProgress) -> String {
    format!("pass {}", progress.pass)
}

/// The producers of all passes of a feed so far.
pub(crate) fn producers_of_passes(feed: ResourceId, progress: FeedProgress) -> impl Iterator<Item = u64> {
    let passes = (0..=progress.pass).map(move |pass| FeedProgress { pass, ..progress });
    passes.map(move |progress| producer_of(feed, &progress))
}

/// The producer of the pass that a feed is in.
pub(super) fn producer_of(feed: ResourceId, progress: &FeedProgress) -> u64 {
    producers::of_feed(feed, &pass_name(progress))
}

/// How far a feed has come in truth: what the log has of it counts, into whatever stream it put that, whatever was noted
/// last.
pub(crate) fn true_progress(log: &Log, feed: ResourceId, noted: FeedProgress) -> FeedProgress {
    let producer = producer_of(feed, &noted);
    let streams = log.stream_list().into_iter().map(|stream| stream.key);
    let positions = streams.filter_map(|key| log.producer_position(&key, producer).ok().flatten());
    FeedProgress { produced: positions.fold(noted.produced, u64::max), ..noted }
}

/// Whether a feed has put all that its source gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FeedEnd {
    /// Not yet.
    Open,
    /// Its last record has been acknowledged.
    Ended,
    /// It was stopped before.
    Stopped,
    /// What it could read has been acknowledged; it cannot read the rest, and why.
    Failed(String),
}

/// A feed from a source.
pub(crate) struct Putting {
    services: FeedServices,
    ahead: Ahead,
    progress: FeedProgress,
    /// The progress is kept over restarts.
    keeps_progress: bool,
    producer: u64,
    end: watch::Sender<FeedEnd>,
}

impl Putting {
    /// Goes on behind `progress`, or with what a predecessor with the same reader has put without an answer. The receiver
    /// says when the last record of the source has been acknowledged, or that it failed.
    pub(crate) fn new(
        services: FeedServices,
        ahead: Ahead,
        mut progress: FeedProgress,
        keeps_progress: bool,
    ) -> (Putting, watch::Receiver<FeedEnd>) {
        let (end, receiver) = watch::channel(FeedEnd::Open);
        let producer = services.producer(&pass_name(&progress));
        if let Some(first) = ahead.first_given(&services.key, producer) {
            progress.produced = first;
        }
        (Putting { services, ahead, progress, keeps_progress, producer, end }, receiver)
    }

    /// Puts records until the end of the source, then waits for its stop. When the source cannot be read any further it
    /// comes back unasked, and is started again behind what was put.
    pub(crate) async fn run(mut self) {
        let goes_on = match self.settle_given().await {
            true => self.put_all().await,
            false => GoesOn::Stopped,
        };
        if self.keeps_progress {
            self.progress.ended = goes_on == GoesOn::SourceEnded;
            self.store_progress().await;
        }
        if let GoesOn::SourceFailed(reason) = goes_on {
            let now = self.services.clock.now();
            self.services.live.problem_once(now, &self.services.name, &reason);
            self.end.send_replace(FeedEnd::Failed(reason));
            return;
        }
        let is_stopped = goes_on == GoesOn::Stopped;
        self.end.send_replace(if is_stopped { FeedEnd::Stopped } else { FeedEnd::Ended });
        self.services.stop.stopped().await;
    }

    /// Waits until it is known whether a predecessor has put the records that it was given last, where it put them into
    /// another stream or under other numbers. False when stopped meanwhile.
    async fn settle_given(&mut self) -> bool {
        let FeedServices { key, log, .. } = &self.services;
        let log = Arc::clone(log);
        let Some((stream, producer, next)) = self.ahead.given_to_other(key, self.producer) else {
            return true;
        };
        if !self.services.settled().await {
            return false;
        }
        // With a stream that is gone its records are gone, too.
        let position = log.producer_position(&stream, producer).ok().flatten();
        if position.is_some_and(|position| position >= next) {
            self.ahead.taken();
        }
        true
    }

    async fn put_all(&mut self) -> GoesOn {
        let mut pace = self.services.rate.map(|rate| Pace::new(rate, self.services.clock.monotonic()));
        let mut stored_at = self.services.clock.monotonic();
        let mut goes_on = GoesOn::Yes;
        while goes_on == GoesOn::Yes {
            if self.services.stop.is_stopped() {
                return GoesOn::Stopped;
            }
            let now = self.services.clock.monotonic();
            let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(now));
            if due == 0 {
                let wait = pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(now));
                tokio::select! {
                    () = self.services.clock.sleep(wait) => {}
                    () = self.services.stop.stopped() => {}
                }
                continue;
            }
            let most = usize::try_from(due).unwrap_or(usize::MAX).min(APPEND_RECORDS);
            let producer = Producer::new(self.producer, self.progress.produced);
            let (batch, next) = self.gather(most, producer).await;
            goes_on = next;
            let count = batch.len() as u64;
            if count == 0 {
                continue;
            }
            match self.services.put(producer, &batch).await {
                Put::Taken => self.ahead.taken(),
                Put::Stopped => return GoesOn::Stopped,
                Put::HasUpTo(_) => unreachable!("of records numbered one by one the log drops what it has"),
            }
            self.progress.produced += count;
            let hash = KnownRecord::hash_of(batch.data(batch.len() - 1));
            self.progress.known = Some(KnownRecord { number: self.progress.produced, hash });
            if let Some(pace) = &mut pace {
                pace.sent(count);
            }
            if self.keeps_progress && now.saturating_sub(stored_at) >= POSITION_INTERVAL {
                stored_at = now;
                self.store_progress().await;
            }
        }
        goes_on
    }

    /// Up to `most` records; waits for the first only.
    async fn gather(&mut self, most: usize, producer: Producer) -> (RecordBatch, GoesOn) {
        let FeedServices { key, live, clock, name, stop, .. } = &mut self.services;
        let unusable = |reason: &str| live.problem(clock.now(), name, reason.to_owned(), 1);
        self.ahead.gather(key, producer, most, stop, unusable).await
    }

    async fn store_progress(&self) {
        let (catalog, id, progress) = (self.services.catalog.clone(), self.services.id, self.progress);
        let stored = self.services.spawn.blocking(move || catalog.put_feed_progress(id, progress)).await;
        let error = match stored {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic,
        };
        tracing::warn!(feed = self.services.name, error, "position not stored");
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::Fed;
    use super::super::read_ahead::ReadAhead;
    use super::super::{RecordSource, SourceBatch, SourceState};
    use super::*;
    use millstream_host::{ManualClock, SystemClock, Timestamp};
    use millstream_streamlog::ShardNumber;

    fn ahead(source: impl RecordSource) -> Ahead {
        ReadAhead::start(&Spawn::current(), "feed", Box::new(source)).unwrap().alone()
    }

    /// Gives two records, then ends in its way.
    struct Ending(usize, fn() -> SourceState);

    impl RecordSource for Ending {
        fn read(&mut self, batch: &mut SourceBatch, _: usize) -> SourceState {
            if self.0 == 2 {
                return self.1();
            }
            self.0 += 1;
            batch.push(b"record\n");
            SourceState::Open
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_source_that_says_so_has_ended() {
        let fed = Fed::new(Arc::new(SystemClock));
        let cut: fn() -> SourceState = || SourceState::Failed("reading ends at line 3: cut".to_owned());
        let failed = |reason: &str| FeedEnd::Failed(reason.to_owned());
        for (number, (way, expected)) in [
            ((|| SourceState::Ended) as fn() -> SourceState, FeedEnd::Ended),
            (cut, failed("reading ends at line 3: cut")),
            (|| panic!("no such column"), failed("reading failed unexpectedly: no such column")),
        ]
        .into_iter()
        .enumerate()
        {
            let (id, catalog) = (ResourceId(7 + number as i64), Catalog::in_memory().unwrap());
            let scope = fed.supervisor.scope(None, "feed");
            let services = fed.services(id, &catalog, None, &scope);
            let (source, progress) = (ahead(Ending(0, way)), FeedProgress::default());
            let (putting, mut end) = Putting::new(services, source, progress, true);
            scope.task("feed", putting.run());
            let end = end.wait_for(|end| *end != FeedEnd::Open).await.unwrap().clone();
            assert_eq!(end, expected);
            let stored = catalog.known_feed_progress(id).unwrap().unwrap_or_default();
            assert_eq!((stored.produced, stored.ended), (2, expected == FeedEnd::Ended), "{expected:?}");
        }
    }

    /// Always has another record.
    struct Endless;

    impl RecordSource for Endless {
        fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
            (0..most).for_each(|_| batch.push(b"record\n"));
            SourceState::Open
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn low_a_clock_that_is_set_forward_an_hour_makes_nothing_due() {
        let start = Timestamp(1_700_000_000_000);
        let manual = Arc::new(ManualClock::starting_at(start));
        let fed = Fed::new(Arc::<ManualClock>::clone(&manual));
        let (log, key) = (&fed.log, &fed.key);
        let empty = log.shard_end(key, ShardNumber(0)).unwrap();
        let scope = fed.supervisor.scope(None, "feed");
        let catalog = Catalog::in_memory().unwrap();
        let services = fed.services(ResourceId(7), &catalog, Some(1.0), &scope);
        let (putting, _end) = Putting::new(services, ahead(Endless), FeedProgress::default(), false);
        scope.task("feed", putting.run());
        let mut changes = log.changes(key).unwrap();
        let held = || log.shard_end(key, ShardNumber(0)).unwrap().0 - empty.0;
        let asleep = async |sleeps: u64| {
            while manual.sleeps() < sleeps {
                tokio::task::yield_now().await;
            }
        };
        for count in 1..4 {
            while held() < count {
                changes.changed().await.unwrap();
            }
            asleep(2 * count - 1).await;
            assert_eq!(held(), count);
            // It looks what time it is, and goes on sleeping.
            manual.set(start.plus(Duration::from_secs(3_600 * count)));
            asleep(2 * count).await;
            assert_eq!(held(), count);
            manual.advance(Duration::from_secs(1));
        }
        scope.stop(Duration::from_secs(10)).await;
    }
}

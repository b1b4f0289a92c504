//! A feed from a source: a thread reads it, a task puts its records at the right pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use millstream_host::{Backoff, Clock, Spawn};
use millstream_streamlog::{AppendError, Log, NewRecord, StreamKey};
use tokio::sync::{mpsc, watch};

use super::pace::Pace;
use super::{NextRecord, RecordSource};
use crate::catalog::{Catalog, FeedProgress};
use crate::definition::ResourceId;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::supervise::StopSignal;

/// Records read ahead of their time.
const READ_AHEAD: usize = 256;
/// The most of one append.
const APPEND_RECORDS: usize = 256;
const APPEND_BYTES: usize = 4 << 20;
pub(super) const POSITION_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

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
    pub(crate) live: Arc<Live>,
    pub(crate) identifiers: Identifiers,
    pub(crate) spawn: Spawn,
    pub(crate) stop: StopSignal,
}

impl FeedServices {
    /// Puts records, waiting as long as the log is busy or full. False when stopped meanwhile.
    pub(super) async fn put(&mut self, records: impl Fn(&Identifiers) -> Vec<NewRecord>) -> bool {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let records = records(&self.identifiers);
            let count = records.len() as u64;
            match self.log.append(&self.key, records).await {
                Ok(_) => {
                    self.records.fetch_add(count, Ordering::Relaxed);
                    self.live.note(|seen| seen.summary.records_in += count);
                    return true;
                }
                Err(AppendError::Busy { .. }) => {}
                Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
            }
            tokio::select! {
                () = self.clock.sleep(backoff.wait()) => {}
                () = self.stop.stopped() => return false,
            }
        }
    }
}

/// Whether there will be more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoesOn {
    Yes,
    /// The source has given its last.
    SourceEnded,
    /// Somebody asked for no more.
    Stopped,
}

/// A feed from a source.
pub(crate) struct Putting {
    services: FeedServices,
    records: mpsc::Receiver<NextRecord>,
    progress: FeedProgress,
    /// The progress is kept over restarts.
    keeps_progress: bool,
    ended: watch::Sender<bool>,
}

impl Putting {
    /// Starts reading the source. The receiver says when its last record has been acknowledged.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn new(
        services: FeedServices,
        mut source: Box<dyn RecordSource>,
        progress: FeedProgress,
        keeps_progress: bool,
    ) -> Result<(Putting, watch::Receiver<bool>), std::io::Error> {
        let (sender, records) = mpsc::channel(READ_AHEAD);
        // The thread ends when nobody wants its records; one that waits for standard input ends with the process.
        services.spawn.thread(&format!("feed-{}", services.name), move || {
            loop {
                let record = source.next_record();
                let is_end = record == NextRecord::End;
                if sender.blocking_send(record).is_err() || is_end {
                    return;
                }
            }
        })?;
        let (ended, receiver) = watch::channel(false);
        Ok((Putting { services, records, progress, keeps_progress, ended }, receiver))
    }

    /// Puts records until the end of the source, then waits for its stop.
    pub(crate) async fn run(mut self) {
        let goes_on = self.put_all().await;
        if self.keeps_progress {
            self.progress.ended = goes_on == GoesOn::SourceEnded;
            self.store_progress().await;
        }
        self.ended.send_replace(true);
        self.services.stop.stopped().await;
    }

    async fn put_all(&mut self) -> GoesOn {
        let mut pace = self.services.rate.map(|rate| Pace::new(rate, self.services.clock.now()));
        let mut stored_at = self.services.clock.now();
        let mut goes_on = GoesOn::Yes;
        while goes_on == GoesOn::Yes {
            if self.services.stop.is_stopped() {
                return GoesOn::Stopped;
            }
            let now = self.services.clock.now();
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
            let (batch, next) = self.gather(most).await;
            goes_on = next;
            let count = batch.len() as u64;
            if count == 0 {
                continue;
            }
            let records = |identifiers: &Identifiers| {
                batch.iter().map(|data| NewRecord::new(identifiers.partition_key(), data.clone())).collect()
            };
            if !self.services.put(records).await {
                return GoesOn::Stopped;
            }
            self.progress.produced += count;
            if let Some(pace) = &mut pace {
                pace.sent(count);
            }
            if self.keeps_progress && now.since(stored_at) >= POSITION_INTERVAL {
                stored_at = now;
                self.store_progress().await;
            }
        }
        goes_on
    }

    /// Up to `most` records; waits for the first only.
    async fn gather(&mut self, most: usize) -> (Vec<Bytes>, GoesOn) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < most && bytes < APPEND_BYTES {
            let next = if batch.is_empty() {
                tokio::select! {
                    next = self.records.recv() => next,
                    () = self.services.stop.stopped() => return (batch, GoesOn::Stopped),
                }
            } else {
                match self.records.try_recv() {
                    Ok(next) => Some(next),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            match next {
                Some(NextRecord::Record(data)) => {
                    bytes += data.len();
                    batch.push(data);
                }
                Some(NextRecord::Unusable(reason)) => {
                    let now = self.services.clock.now();
                    self.services.live.problem(now, &self.services.name, reason, 1);
                }
                Some(NextRecord::End) | None => return (batch, GoesOn::SourceEnded),
            }
        }
        (batch, GoesOn::Yes)
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

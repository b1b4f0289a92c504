//! A running producer: a thread reads the source, a task puts the records at the right pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use millstream_host::Clock;
use millstream_streamlog::{AppendError, Log, NewRecord, StreamKey};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::copy::{CopyProgress, Copying};
use super::pace::Pace;
use super::{NextRecord, RecordSource};
use crate::catalog::Catalog;
use crate::error::StartError;
use crate::identifier::Identifiers;
use crate::live::Live;

/// Records read ahead of their time.
const READ_AHEAD: usize = 256;
/// The most of one append.
const APPEND_RECORDS: usize = 256;
const APPEND_BYTES: usize = 4 << 20;
pub(super) const POSITION_INTERVAL: Duration = Duration::from_secs(1);
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(50);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedTarget {
    /// To this delivery stream.
    DeliveryStream(String),
    /// To this stream.
    Stream(String),
}

/// What a producer does.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// Where records go.
    pub target: FeedTarget,
    /// Records a second; `None` for as fast as they are taken.
    pub rate: Option<f64>,
    /// Keep in the catalog how many records were put, so that a generator can go on behind them.
    pub keeps_position: bool,
}

/// A producer that runs until its source ends or it is stopped.
#[derive(Clone)]
pub struct Producer {
    target: FeedTarget,
    /// Records put since the start.
    records: Arc<AtomicU64>,
    stop: Arc<watch::Sender<bool>>,
    ended: watch::Receiver<bool>,
    /// Of a copy.
    progress: Option<CopyProgress>,
}

impl Producer {
    /// Puts no more records. What was put stays.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Records put since the start.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// What it feeds.
    pub fn target(&self) -> &FeedTarget {
        &self.target
    }

    /// How far it has come, if it copies a stream: such a producer ends only when it is stopped.
    pub(crate) fn copy_progress(&self) -> Option<&CopyProgress> {
        self.progress.as_ref()
    }

    /// Comes back when its last record has been acknowledged.
    pub async fn ended(&self) {
        // An error means that its task is gone: it has ended.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

/// What a producer works with.
pub(crate) struct ProducerServices {
    pub(crate) log: Arc<Log>,
    pub(crate) key: StreamKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Catalog,
    pub(crate) live: Arc<Live>,
    pub(crate) identifiers: Identifiers,
    pub(crate) runtime: Handle,
}

impl Producer {
    pub(crate) fn start(
        feed: Feed,
        mut source: Box<dyn RecordSource>,
        services: ProducerServices,
    ) -> Result<Producer, std::io::Error> {
        let (sender, records) = mpsc::channel(READ_AHEAD);
        let name: String = format!("input-{}", feed.name).chars().take(15).collect();
        // The thread ends when nobody wants its records; one that waits for standard input ends with the process.
        std::thread::Builder::new().name(name).spawn(move || {
            loop {
                let record = source.next_record();
                let is_end = record == NextRecord::End;
                if sender.blocking_send(record).is_err() || is_end {
                    return;
                }
            }
        })?;
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let produced = services.catalog.producer_position(&feed.name).unwrap_or(0);
        let runtime = services.runtime.clone();
        let target = feed.target.clone();
        let put = Arc::new(AtomicU64::new(0));
        let putting = Putting { feed, services, records, stopped, produced, put: Arc::clone(&put) };
        runtime.spawn(async move {
            putting.run().await;
            end.send_replace(true);
        });
        Ok(Producer { target, records: put, stop: Arc::new(stop), ended, progress: None })
    }

    /// A producer that copies a stream, on a thread of its own: reading waits for the disk.
    pub(crate) fn copy(
        feed: Feed,
        source: StreamKey,
        services: ProducerServices,
    ) -> Result<Producer, StartError> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let records = Arc::new(AtomicU64::new(0));
        let (runtime, target) = (services.runtime.clone(), feed.target.clone());
        let name: String = format!("copy-{}", feed.name).chars().take(15).collect();
        let (copying, progress) = Copying::new(feed, source, services, stopped, Arc::clone(&records))?;
        std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                runtime.block_on(copying.run());
                end.send_replace(true);
            })
            .map_err(StartError::Thread)?;
        Ok(Producer { target, records, stop: Arc::new(stop), ended, progress: Some(progress) })
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

struct Putting {
    feed: Feed,
    services: ProducerServices,
    records: mpsc::Receiver<NextRecord>,
    stopped: watch::Receiver<bool>,
    /// Over all runs on this data directory.
    produced: u64,
    /// In this run.
    put: Arc<AtomicU64>,
}

impl Putting {
    async fn run(mut self) {
        let mut pace = self.feed.rate.map(|rate| Pace::new(rate, self.services.clock.now()));
        let mut stored_at = self.services.clock.now();
        let mut goes_on = GoesOn::Yes;
        while goes_on == GoesOn::Yes && !*self.stopped.borrow() {
            let now = self.services.clock.now();
            let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(now));
            if due == 0 {
                let wait = pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(now));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = self.stopped.changed() => {}
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
            if !self.put(batch).await {
                goes_on = GoesOn::Stopped;
                break;
            }
            self.produced += count;
            if let Some(pace) = &mut pace {
                pace.sent(count);
            }
            if self.feed.keeps_position && now.since(stored_at) >= POSITION_INTERVAL {
                stored_at = now;
                self.store_position();
            }
        }
        if self.feed.keeps_position {
            if goes_on == GoesOn::SourceEnded {
                // The next run begins anew.
                self.produced = 0;
            }
            self.store_position();
        }
    }

    /// Up to `most` records; waits for the first only.
    async fn gather(&mut self, most: usize) -> (Vec<Bytes>, GoesOn) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < most && bytes < APPEND_BYTES {
            let next = if batch.is_empty() {
                tokio::select! {
                    next = self.records.recv() => next,
                    _ = self.stopped.changed() => return (batch, GoesOn::Stopped),
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
                    self.services.live.problem(self.services.clock.now(), &self.feed.name, reason, 1);
                }
                Some(NextRecord::End) | None => return (batch, GoesOn::SourceEnded),
            }
        }
        (batch, GoesOn::Yes)
    }

    /// Puts records, waiting as long as the log is busy or full. False when stopped meanwhile.
    async fn put(&mut self, batch: Vec<Bytes>) -> bool {
        let count = batch.len() as u64;
        let mut wait = FIRST_WAIT;
        loop {
            let records = batch
                .iter()
                .map(|data| NewRecord::new(self.services.identifiers.partition_key(), data.clone()));
            match self.services.log.append(&self.services.key, records.collect()).await {
                Ok(_) => {
                    self.put.fetch_add(count, Ordering::Relaxed);
                    self.services.live.note(|seen| seen.summary.records_in += count);
                    return true;
                }
                Err(AppendError::Busy { .. }) => {}
                Err(error) => {
                    self.services.live.problem(
                        self.services.clock.now(),
                        &self.feed.name,
                        error.to_string(),
                        1,
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stopped.changed() => return false,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn store_position(&self) {
        if let Err(error) = self.services.catalog.put_producer_position(&self.feed.name, self.produced) {
            tracing::warn!(producer = self.feed.name, %error, "position not stored");
        }
    }
}

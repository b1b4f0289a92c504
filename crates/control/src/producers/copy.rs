//! The records of a stream go on into another one, from its newest on.
//!
//! ```text
//!   stream ─▶ LogInput ─▶ (pace) ─▶ append to the target ─▶ positions in the catalog, about once a second
//! ```
//!
//! Invariants: a position is stored only after its record was acknowledged by the target, so that every record arrives at
//! least once over all runs on a data directory; records keep their partition keys and, within a shard, their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_host::Timestamp;
use millstream_streamlog::{AppendError, Log, NewRecord, StreamKey};
use tokio::sync::watch;

use super::pace::Pace;
use super::producer::{FIRST_WAIT, Feed, LONGEST_WAIT, POSITION_INTERVAL, ProducerServices};
use crate::applications::{LogInput, RawBatch};
use crate::catalog::CatalogError;
use crate::error::StartError;

/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How far a copy has come.
#[derive(Clone)]
pub(crate) struct CopyProgress {
    log: Arc<Log>,
    source: StreamKey,
    /// The next record of each shard: those before it have been acknowledged by the target.
    positions: watch::Receiver<Vec<u64>>,
}

impl CopyProgress {
    /// Comes back when everything that the source holds now has been copied, or the copy has ended.
    pub(crate) async fn caught_up(&self) {
        let ends =
            LogInput::new(Arc::clone(&self.log), self.source.clone(), &[]).and_then(|input| input.ends());
        let ends = match ends {
            Ok(ends) => ends,
            // It is gone: there is nothing to wait for.
            Err(error) => return tracing::warn!(stream = %self.source, %error, "a copy cannot be waited for"),
        };
        let has_all =
            |positions: &Vec<u64>| positions.iter().zip(&ends).all(|(position, end)| position >= end);
        // An error means that the copy has ended.
        let _ = self.positions.clone().wait_for(has_all).await;
    }
}

/// A copy under way.
pub(super) struct Copying {
    feed: Feed,
    services: ProducerServices,
    input: LogInput,
    stopped: watch::Receiver<bool>,
    /// Records put since the start.
    put: Arc<AtomicU64>,
    positions: watch::Sender<Vec<u64>>,
    stored_at: Timestamp,
    is_stored: bool,
}

impl Copying {
    /// A copy that goes on where the last run on this data directory ended; a new one begins at the source's end.
    pub(super) fn new(
        feed: Feed,
        source: StreamKey,
        services: ProducerServices,
        stopped: watch::Receiver<bool>,
        put: Arc<AtomicU64>,
    ) -> Result<(Copying, CopyProgress), StartError> {
        let log = &services.log;
        let open = |positions: &[u64]| LogInput::new(Arc::clone(log), source.clone(), positions);
        let mut positions = open(&[])?.ends()?;
        for (shard, position) in positions.iter_mut().enumerate() {
            if let Some(stored) = stored_position(&services, &feed.name, shard)? {
                *position = stored;
            }
        }
        let input = open(&positions)?;
        let (sender, receiver) = watch::channel(positions);
        let progress = CopyProgress { log: Arc::clone(log), source, positions: receiver };
        let stored_at = services.clock.now();
        let mut copying =
            Copying { feed, services, input, stopped, put, positions: sender, stored_at, is_stored: false };
        // From here on nothing is left out, whatever happens.
        copying.store_positions();
        Ok((copying, progress))
    }

    /// Copies until stopped.
    pub(super) async fn run(mut self) {
        let mut pace = self.feed.rate.map(|rate| Pace::new(rate, self.services.clock.now()));
        while !*self.stopped.borrow() {
            let now = self.services.clock.now();
            let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(now));
            let batch = if due == 0 { Ok(None) } else { self.input.read() };
            match batch {
                Ok(Some(batch)) => {
                    let batch = first(batch, usize::try_from(due).unwrap_or(usize::MAX));
                    if !self.put(&batch).await {
                        break;
                    }
                    if let Some(pace) = &mut pace {
                        pace.sent(batch.records.len() as u64);
                    }
                    self.input.taken(&batch);
                    self.is_stored = false;
                    self.positions.send_replace(self.input.positions().to_vec());
                }
                Ok(None) => {
                    let wait = match (&pace, due) {
                        (Some(pace), 0) => pace.wait(now),
                        _ => POSITION_INTERVAL,
                    };
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.input.changed(), if due > 0 => {}
                        _ = self.stopped.changed() => {}
                    }
                }
                Err(error) => {
                    let message = format!("the stream cannot be read and is tried again: {error}");
                    self.services.live.problem(now, &self.feed.name, message, 1);
                    tokio::select! {
                        () = tokio::time::sleep(READ_RETRY) => {}
                        _ = self.stopped.changed() => {}
                    }
                }
            }
            let now = self.services.clock.now();
            if !self.is_stored && (now < self.stored_at || now.since(self.stored_at) >= POSITION_INTERVAL) {
                self.store_positions();
            }
        }
        if !self.is_stored {
            self.store_positions();
        }
    }

    /// Puts records, waiting as long as the log is busy or full. False when stopped meanwhile.
    async fn put(&mut self, batch: &RawBatch) -> bool {
        let mut wait = FIRST_WAIT;
        loop {
            let records = batch
                .records
                .iter()
                .map(|record| NewRecord::new(record.partition_key.clone(), record.data.clone()));
            match self.services.log.append(&self.services.key, records.collect()).await {
                Ok(_) => {
                    let count = batch.records.len() as u64;
                    self.put.fetch_add(count, Ordering::Relaxed);
                    self.services.live.note(|seen| seen.summary.records_in += count);
                    return true;
                }
                Err(AppendError::Busy { .. }) => {}
                Err(error) => {
                    let now = self.services.clock.now();
                    self.services.live.problem(now, &self.feed.name, error.to_string(), 1);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stopped.changed() => return false,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn store_positions(&mut self) {
        self.stored_at = self.services.clock.now();
        for (shard, position) in self.input.positions().iter().enumerate() {
            let name = position_name(&self.feed.name, shard);
            if let Err(error) = self.services.catalog.put_producer_position(&name, position + 1) {
                tracing::warn!(copy = self.feed.name, %error, "position not stored");
                return;
            }
        }
        self.is_stored = true;
    }
}

/// No more than the first records of a batch; the others are read again.
fn first(mut batch: RawBatch, most: usize) -> RawBatch {
    if batch.records.len() > most {
        batch.next -= (batch.records.len() - most) as u64;
        batch.records.truncate(most);
    }
    batch
}

/// Under which name the catalog keeps the position of a shard. The name of an input has no blanks.
fn position_name(copy: &str, shard: usize) -> String {
    format!("{copy} shard {shard}")
}

/// The catalog keeps one more than the position: there, 0 means that there is none.
fn stored_position(
    services: &ProducerServices,
    copy: &str,
    shard: usize,
) -> Result<Option<u64>, CatalogError> {
    Ok(services.catalog.producer_position(&position_name(copy, shard))?.checked_sub(1))
}

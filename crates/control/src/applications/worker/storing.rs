//! Storing checkpoints while rows go on, and holding back rows that may not be seen before they are in one.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Snapshot;
use millstream_host::Timestamp;
use millstream_streamlog::StreamKind;
use tokio::sync::oneshot;

use super::Worker;
use crate::applications::checkpointing::{Contents, StoreError};
use crate::consumers;

/// A part that may fail and be tried again, as people see it.
const CHECKPOINT: &str = "checkpoint";

/// A checkpoint that is being stored on another thread.
pub(super) struct Storing {
    began_at: Timestamp,
    /// The same moment, of the clock that nobody sets.
    began: Duration,
    result: oneshot::Receiver<Result<i64, StoreError>>,
    asked: Vec<oneshot::Sender<()>>,
    /// It has the rows that are held back, up to these places.
    releases: Option<Vec<u64>>,
    rows_depend_on: u64,
}

/// How far the rows are that may not be seen before they are in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// There are none, or they may be delivered.
    Stored,
    /// They are in no checkpoint.
    Unstored,
    /// They are in one that is being stored, or is tried again.
    Storing,
}

impl Worker {
    /// What comes out from now on is in a checkpoint before anybody sees it.
    pub(super) fn hold_until_stored(&mut self) {
        self.outputs.hold();
        self.release = Release::Unstored;
        self.is_changed = true;
    }

    /// The state now, to be stored.
    pub(super) fn snapshot(&mut self) -> Result<(Snapshot, Contents), String> {
        let snapshot = self.application.snapshot().map_err(|error| error.to_string())?;
        let contents = Contents {
            source: self.source,
            positions: self.input.positions(),
            spent_records: self.input.spent_records(),
            epoch: self.epoch,
            rows_depend_on: self.rows_depend_on.now(&self.registry.rows()),
            starting_position: self.starting_position,
            definition: self.definition.clone(),
            follows: self.follows,
            input_errors: self.outputs.input_errors(),
            waiting: self.outputs.waiting(),
        };
        Ok((snapshot, contents))
    }

    /// Begins a checkpoint if one is due or asked for, and notes one that has ended.
    pub(super) fn store_what_is_due(&mut self) {
        self.counters.set_waiting_rows(self.outputs.waiting_count() as u64);
        if let Some(storing) = &mut self.storing {
            match storing.result.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                Ok(result) => self.stored(result),
                Err(oneshot::error::TryRecvError::Closed) => self.stored(Err(storing_failed())),
            }
        }
        let now = self.clock.monotonic();
        // One that failed is tried again in its time.
        let is_waited_for = self.release == Release::Unstored
            || (self.guarding.is_on()
                && self.outputs.hold_some()
                && self.counters.checkpoint_error().is_none());
        let is_due =
            (is_waited_for && self.cadence.has_rested(now)) || (self.is_changed && self.cadence.is_due(now));
        if is_due || !self.asked.is_empty() {
            self.begin_checkpoint();
        }
    }

    /// Takes a snapshot and stores it on another thread, so that rows go on meanwhile.
    pub(super) fn begin_checkpoint(&mut self) {
        let (began_at, began) = (self.clock.now(), self.clock.monotonic());
        let asked = std::mem::take(&mut self.asked);
        if self.release == Release::Unstored {
            // One that fails is tried again in its time, and has them, too.
            self.release = Release::Storing;
        }
        let (snapshot, contents) = match self.snapshot() {
            Ok(taken) => taken,
            Err(error) => {
                self.counters.retrying().failed(CHECKPOINT, began_at, error.clone());
                self.counters.set_checkpoint_error(Some(error.clone()));
                self.live.problem(began_at, &self.name, format!("the state cannot be saved: {error}"), 1);
                self.cadence.ended(began, self.clock.monotonic());
                return;
            }
        };
        self.cadence.begun();
        self.is_changed = !self.outputs.are_empty();
        let rows_depend_on = contents.rows_depend_on;
        let (sender, result) = oneshot::channel();
        let (checkpoints, incarnation) = (self.checkpoints.clone(), self.incarnation.clone());
        let (log, registry) = (Arc::clone(&self.log), Arc::clone(&self.registry));
        let (source, is_buffer) = (self.source, self.input.key().kind == StreamKind::Delivery);
        self.spawn.detached(move || {
            let stored = checkpoints.store(&incarnation, snapshot, contents, began_at);
            if is_buffer && stored.is_ok() {
                consumers::trim_buffer(&log, &checkpoints.catalog, &registry, source);
            }
            // The application may have gone.
            let _ = sender.send(stored);
        });
        let releases = (self.release == Release::Storing).then(|| self.outputs.ends());
        self.storing = Some(Storing { began_at, began, result, asked, releases, rows_depend_on });
    }

    /// Waits for the checkpoint that is being stored.
    pub(super) async fn finish_storing(&mut self) {
        if self.storing.is_some() {
            let result = Worker::ended(&mut self.storing).await;
            self.stored(result);
        }
    }

    /// Comes back when the checkpoint that is being stored has ended; never without one.
    pub(super) async fn ended(storing: &mut Option<Storing>) -> Result<i64, StoreError> {
        match storing {
            Some(storing) => (&mut storing.result).await.unwrap_or_else(|_| Err(storing_failed())),
            None => std::future::pending().await,
        }
    }

    /// A checkpoint has ended.
    pub(super) fn stored(&mut self, result: Result<i64, StoreError>) {
        let Some(storing) = self.storing.take() else { return };
        let now = self.clock.now();
        self.cadence.ended(storing.began, self.clock.monotonic());
        match &result {
            Ok(number) => {
                self.follows = Some(*number);
                if let Some(ends) = storing.releases {
                    self.outputs.let_go_before(&ends);
                    if self.release == Release::Storing && !self.guarding.is_on() {
                        self.release = Release::Stored;
                        self.outputs.let_go();
                    }
                }
                self.guarding.stored(storing.rows_depend_on);
                self.counters.retrying().worked(CHECKPOINT);
                self.counters.add(|status| {
                    status.checkpoints += 1;
                    status.checkpointed_at = Some(storing.began_at.millis());
                });
            }
            Err(error) => {
                self.counters.retrying().failed(CHECKPOINT, now, error.to_string());
                self.is_changed = true;
                self.live.problem(now, &self.name, format!("the checkpoint could not be stored: {error}"), 1);
            }
        }
        self.counters.set_checkpoint_error(result.err().map(|error| error.to_string()));
        for asked in storing.asked {
            // Whoever asked may have gone.
            let _ = asked.send(());
        }
    }
}

/// The thread that stored a checkpoint has gone.
fn storing_failed() -> StoreError {
    StoreError::State("storing it failed unexpectedly".to_owned())
}

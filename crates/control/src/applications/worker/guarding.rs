//! Changes and crashes: while what makes the rows may be something else after a crash, rows leave only when a checkpoint
//! has them. Then no crash repeats any, whatever reads their records again.
//!
//! That is so while somebody who is about to change something has a guard, while the catalog has another definition than the
//! one that runs (its successor is being prepared, or cannot start), and until a checkpoint knows of an exchanged function.

use std::convert::Infallible;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};

use super::Worker;
use super::storing::Release;
use crate::applications::handle::{AskedGuard, Settling};
use crate::applications::rows_depend_on::RowsDependOn;
use crate::catalog::ResourceRow;
use crate::definition::{Generation, ResourceId};
use crate::registry::Rows;

/// Whether rows wait for checkpoints, and why.
pub(super) struct Guarding {
    id: ResourceId,
    /// That of the definition that runs.
    generation: Generation,
    guards: Vec<oneshot::Receiver<Infallible>>,
    /// Who waits until it is guarded.
    asked: Vec<oneshot::Sender<()>>,
    changes: watch::Receiver<Rows>,
    /// What the rows depended on at the newest checkpoint that is stored; earlier versions did not keep it.
    stored_with: Option<u64>,
    /// A start now would make other rows than this run does.
    is_superseded: bool,
    is_on: bool,
}

impl Guarding {
    /// Looks at what exists for the first time when it is asked for the first time.
    pub(super) fn new(
        id: ResourceId,
        generation: Generation,
        mut changes: watch::Receiver<Rows>,
        stored_with: Option<u64>,
    ) -> Guarding {
        changes.mark_changed();
        Guarding {
            id,
            generation,
            guards: Vec::new(),
            asked: Vec::new(),
            changes,
            stored_with,
            is_superseded: false,
            is_on: false,
        }
    }

    /// Rows wait for checkpoints.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// A checkpoint is stored, with what the rows depended on.
    pub(super) fn stored(&mut self, with: u64) {
        self.stored_with = Some(with);
        self.changes.mark_changed();
    }

    fn look(&mut self, rows_depend_on: &RowsDependOn) {
        self.guards.retain_mut(|guard| guard.try_recv() == Err(TryRecvError::Empty));
        // An error means that the registry is gone.
        if self.changes.has_changed().unwrap_or(false) {
            let rows = self.changes.borrow_and_update().clone();
            self.is_superseded = self.is_superseded_in(&rows, rows_depend_on);
        }
        self.is_on = self.is_superseded || !self.guards.is_empty();
    }

    fn is_superseded_in(&self, rows: &[ResourceRow], rows_depend_on: &RowsDependOn) -> bool {
        let own = rows.iter().find(|row| row.id == self.id && !row.deleting);
        own.is_some_and(|own| own.generation != self.generation)
            || rows_depend_on.are_changing(rows)
            || self.stored_with.is_some_and(|then| then != rows_depend_on.now(rows))
    }
}

impl Worker {
    /// A guard is asked for.
    pub(super) fn take_guard(&mut self, asked: AskedGuard) {
        self.guarding.guards.push(asked.over);
        self.guarding.asked.push(asked.ready);
        self.look_at_guards();
    }

    /// Begins or ends to let rows wait for checkpoints.
    pub(super) fn look_at_guards(&mut self) {
        let was_on = self.guarding.is_on;
        self.guarding.look(&self.rows_depend_on);
        if self.guarding.is_on && self.release == Release::Stored {
            self.hold_until_stored();
        }
        // What left before a crash and comes again is not in a checkpoint before it has come.
        if !self.is_behind() {
            self.asked.append(&mut self.guarding.asked);
        }
        if was_on && !self.guarding.is_on && self.release == Release::Storing {
            // The next checkpoint lets all of them go.
            self.release = Release::Unstored;
        }
    }

    /// It is to read no more than what left before a crash, until its rows have arrived.
    pub(super) fn settle(&mut self, settling: Settling) {
        self.settling.push(settling);
        if self.release == Release::Storing {
            self.release = Release::Unstored;
        }
    }

    /// It is to read no more than what left before a crash.
    pub(super) fn is_settling(&self) -> bool {
        self.has_settled || !self.settling.is_empty()
    }

    /// It reads no more.
    pub(super) fn rests(&self) -> bool {
        self.is_settling() && !self.is_behind()
    }

    /// Answers those who wait until it rests.
    pub(super) fn answer_settled(&mut self) {
        if self.settling.is_empty() || self.is_behind() {
            return;
        }
        let has_delivered = self.outputs.are_empty();
        for settled in self.settling.extract_if(.., |one| has_delivered || !one.must_arrive) {
            self.has_settled = true;
            // Whoever asked may have gone.
            let _ = settled.reply.send(());
        }
    }
}

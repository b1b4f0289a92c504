//! Answering those who wait until all input is taken, and perhaps until the open windows have closed.

use super::Worker;
use crate::applications::failed_row::InputErrors;
use crate::applications::handle::Drain;

impl Worker {
    /// Answers the drains that are done.
    pub(super) fn answer_drains(&mut self) {
        for drain in &mut self.drains {
            if drain.ends.is_none() {
                match self.input.ends() {
                    Ok(ends) => drain.ends = Some(ends),
                    Err(error) => tracing::warn!(application = &*self.name, %error, "cannot drain yet"),
                }
            }
            let is_taken = drain.ends.as_ref().is_some_and(|ends| self.input.has_reached(ends));
            if is_taken && drain.closes_at.is_none() {
                let end = self.intake.last_window_end(self.application.program());
                drain.closes_at = Some(end.filter(|_| drain.close_windows).unwrap_or(i64::MIN));
            }
        }
        let latest = self.intake.latest();
        let closing = self.drains.iter().filter_map(|drain| drain.closes_at).filter(|at| *at > latest);
        self.counters.set_windows_close_at(closing.max());
        let has_closed = |drain: &Drain| drain.closes_at.is_some_and(|closes_at| latest >= closes_at);
        let mut releases = false;
        for drain in self.drains.iter_mut().filter(|drain| drain.close_windows && !drain.is_released) {
            drain.is_released = has_closed(drain);
            releases |= drain.is_released;
        }
        if releases {
            // Time alone does not end the wait of ORDER BY … WITHIN, and no reading again would let the rows go here: they
            // are in a checkpoint before anybody sees them.
            self.hold_until_stored();
            self.application.release_sorted(self.clock.now().millis());
            self.collect(InputErrors::default());
            self.store_what_is_due();
        }
        if self.drains.is_empty() || !self.outputs.are_empty() {
            return;
        }
        let is_done = |drain: &mut Drain| has_closed(drain);
        let done: Vec<Drain> = self.drains.extract_if(.., is_done).collect();
        for drain in done {
            // Whoever asked may have gone.
            let _ = drain.reply.send(());
        }
    }
}

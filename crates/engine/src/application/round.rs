//! One round: all messages that wait, through all pumps that read them, on one thread or on several.
//!
//! ```text
//!   stream A: messages ─┬─▶ pump 1 ─┐ each pump takes its messages in order and on one thread;
//!                       ├─▶ pump 2 ─┤ pumps share nothing, so they may run at the same time
//!   stream B: messages ─┴─▶ pump 3 ─┴─▶ results and errors by (message, pump), the order of a single thread
//! ```
//!
//! What a pump gives goes to the messages of the next round. A queue that is worked off from the front runs the same
//! pumps over the same messages in the same order: rounds change no output, and neither does the number of threads.

use super::{Readers, RunningPump, Surroundings};
use crate::error_row::ErrorRow;
use crate::operators::Message;
use millstream_host::together;
use millstream_sql::StreamId;
use std::sync::{Mutex, PoisonError};

/// Messages of a stream that wait for its pumps.
pub(super) struct Delivery {
    pub(super) stream: StreamId,
    pub(super) messages: Vec<Message>,
    pub(super) readers: Readers,
}

/// What a pump made of a delivery.
pub(super) struct Given {
    /// Place of the delivery in the round, then of the pump in the application.
    place: (usize, usize),
    pub(super) pump: usize,
    pub(super) messages: Vec<Message>,
    pub(super) errors: Vec<ErrorRow>,
}

/// A pump with the deliveries that it takes, by their place in the round.
struct Task<'a> {
    number: usize,
    pump: &'a mut RunningPump,
    deliveries: Vec<usize>,
}

impl Delivery {
    fn is_for(&self, pump: &RunningPump) -> bool {
        let takes_it = match self.readers {
            Readers::All => true,
            Readers::SingleRows(wanted) => pump.single_rows == wanted,
        };
        takes_it && pump.dataflow.reads(self.stream)
    }

    fn rows(&self) -> u64 {
        let rows = self.messages.iter().map(|message| match message {
            Message::Rows(batch) => batch.len() as u64,
            Message::Bound(_) | Message::End | Message::Release => 0,
        });
        rows.sum()
    }
}

/// Runs every delivery through the pumps that it is for, on several threads if they are worth it, and gives the results in the order
/// of the deliveries, those of one delivery in the order of the pumps.
pub(super) fn run(
    pumps: &mut [RunningPump],
    round: &[Delivery],
    mut surroundings: Surroundings<'_>,
) -> Vec<Given> {
    let workers = surroundings.workers;
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (number, pump) in pumps.iter_mut().enumerate() {
        let deliveries: Vec<usize> = (0..round.len()).filter(|place| round[*place].is_for(pump)).collect();
        if !deliveries.is_empty() {
            tasks.push(Task { number, pump, deliveries });
        }
    }
    let threads = workers.threads.min(tasks.len()).min(worthwhile_threads(&tasks, round, workers.worthwhile));
    // Threads that pumps do not take are for the operators within them.
    surroundings.workers.threads = (workers.threads / threads.max(1)).max(1);
    let mut results = if threads <= 1 {
        tasks.into_iter().flat_map(|task| task.run(round, surroundings)).collect()
    } else {
        run_on(threads, tasks, round, surroundings)
    };
    results.sort_by_key(|given: &Given| given.place);
    results
}

/// How many threads the work pays for: beyond the longest pump there is nothing to win.
fn worthwhile_threads(tasks: &[Task<'_>], round: &[Delivery], worthwhile: u64) -> usize {
    if tasks.len() <= 1 {
        return 1;
    }
    let works: Vec<u64> = tasks.iter().map(|task| task.work(round)).collect();
    let (total, longest) = (works.iter().sum::<u64>(), works.iter().copied().max().unwrap_or(0));
    // What other threads could take off the one with the longest pump.
    let movable = total - longest;
    let others = movable.checked_div(worthwhile).and_then(|others| usize::try_from(others).ok());
    others.unwrap_or(usize::MAX).saturating_add(1)
}

/// Hands the tasks, the longest first, to whichever thread is free. This thread is one of them.
fn run_on(
    threads: usize,
    mut tasks: Vec<Task<'_>>,
    round: &[Delivery],
    surroundings: Surroundings<'_>,
) -> Vec<Given> {
    tasks.sort_by_key(|task| task.work(round));
    let waiting = Mutex::new(tasks);
    let work = || {
        let mut results = Vec::new();
        loop {
            // The lock is held for the length of a pop, which cannot panic.
            let task = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match task {
                Some(task) => results.extend(task.run(round, surroundings)),
                None => return results,
            }
        }
    };
    let results = Mutex::new(Vec::new());
    together(threads, |_| {
        let given = work();
        // The lock is held for a move of what is there.
        results.lock().unwrap_or_else(PoisonError::into_inner).extend(given);
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Task<'_> {
    /// Estimated nanoseconds.
    fn work(&self, round: &[Delivery]) -> u64 {
        let rows: u64 = self.deliveries.iter().map(|place| round[*place].rows()).sum();
        rows.saturating_mul(self.pump.dataflow.nanoseconds_a_row())
    }

    fn run(self, round: &[Delivery], surroundings: Surroundings<'_>) -> Vec<Given> {
        let Task { number, pump, deliveries } = self;
        let run = |place: usize| {
            let mut errors = Vec::new();
            let Delivery { stream, messages, .. } = &round[place];
            let messages = pump.run(*stream, messages, surroundings, &mut errors);
            Given { place: (place, number), pump: number, messages, errors }
        };
        deliveries.into_iter().map(run).collect()
    }
}

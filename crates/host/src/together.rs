//! Work that a thread shares with helpers and waits for.
//!
//! ```text
//!   this thread   task(0) ─────────────▶│ awake for some microseconds, then asleep ─▶ goes on
//!   helper        └─ task(1) ────────────────▶┘
//! ```
//!
//! Helpers are threads of the whole process, one less than there are cores, which stay between calls: to start a thread
//! takes longer than many a task. Callers that come at the same time share them, so a task must not wait for what no
//! thread has begun: it takes that itself.

#![expect(clippy::disallowed_methods, reason = "the only place that starts helpers")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `task` for each number below `threads`, at once as far as helpers are free, 0 on this thread. Comes back when all
/// are done. Tasks may themselves call it.
///
/// # Panics
/// When a task does.
pub fn together(threads: usize, task: impl Fn(usize) + Sync) {
    let Some(helpers) = helpers().filter(|_| threads > 1) else { return (0..threads).for_each(task) };
    let at_work = AtWork::of(threads);
    helpers.in_place_scope(|scope| {
        let (task, at_work) = (&task, &at_work);
        for number in 1..threads {
            scope.spawn(move |_| {
                // However this ends.
                let _leaving = Leaving(at_work);
                task(number);
            });
        }
        task(0);
        at_work.leave();
        at_work.wait_awake();
    });
}

fn helpers() -> Option<&'static rayon::ThreadPool> {
    static HELPERS: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let started = HELPERS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.saturating_sub(1).max(1));
        // Without threads the caller does it all.
        pool.thread_name(|number| format!("helper-{number}")).build().ok()
    });
    started.as_ref()
}

/// How many are still at work. The thread that waits for them stays awake at first: to sleep and be woken takes longer
/// than most waits.
struct AtWork(AtomicUsize);

impl AtWork {
    /// Looks at who is missing: some 100 microseconds.
    const LOOKS: usize = 4_000;

    fn of(threads: usize) -> AtWork {
        AtWork(AtomicUsize::new(threads))
    }

    /// This one has done its part.
    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// Comes back when all have, or when it takes long.
    fn wait_awake(&self) {
        for _ in 0..Self::LOOKS {
            if self.0.load(Ordering::Acquire) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }
}

/// Leaves when it is dropped.
struct Leaving<'w>(&'w AtWork);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn every_task_is_done_once_also_within_tasks_and_by_several_callers() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let done: [AtomicUsize; 6] = Default::default();
                        together(6, |number| {
                            let inner = AtomicUsize::new(0);
                            together(3, |_| {
                                inner.fetch_add(1, Ordering::Relaxed);
                            });
                            done[number].fetch_add(inner.into_inner(), Ordering::Relaxed);
                        });
                        assert!(done.into_iter().all(|done| done.into_inner() == 3));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_goes_on_in_the_caller_and_helpers_stay() {
        for bad in [0, 1] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                together(2, |number| assert!(number != bad, "task {number}"));
            }));
            assert!(result.is_err());
        }
        let done = AtomicUsize::new(0);
        together(2, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 2);
    }
}

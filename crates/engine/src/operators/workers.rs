//! Several threads for one operator that keeps its state by key.
//!
//! ```text
//!   rows ─┬─ first half ─▶ thread 1 routes ─┐   ┌─▶ thread 1: shards 0, 2, 4, …
//!         └─ second half ─▶ thread 2 routes ─┴───┴─▶ thread 2: shards 1, 3, 5, …
//! ```
//!
//! A thread takes the same shards for every batch, which its core then still has in its caches; when it has done with
//! them, it takes those that others have not begun.
//!
//! Every row belongs to the shard of its key, and a shard takes its rows in their order: what it makes of them does not
//! depend on how many threads there are, nor on which of them takes it.

use crate::grouping::{EncodedKeys, RoutedRows, SHARDS};
use millstream_host::together;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// How many threads an operator may use, and from how much work on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    /// This thread included.
    pub(crate) threads: usize,
    /// Estimated nanoseconds that another thread must be able to take over.
    pub(crate) worthwhile: u64,
}

impl Workers {
    /// This thread alone.
    pub(crate) const ONE: Workers = Workers { threads: 1, worthwhile: u64::MAX };

    /// How many threads so much work pays for.
    fn for_work(self, nanoseconds: u64) -> usize {
        if self.threads <= 1 {
            return 1;
        }
        let others = nanoseconds.checked_div(2 * self.worthwhile.max(1)).unwrap_or(0);
        let worth = if self.worthwhile == 0 { self.threads } else { others as usize + 1 };
        self.threads.min(worth).min(SHARDS)
    }

    /// Hands the rows of `range` to the shards of their keys: `work` gets a shard with rows of its own, in their order,
    /// perhaps in several calls one after the other. Then `finish` gets the shard, also one without rows.
    pub(crate) fn run<S: Send>(
        self,
        keys: &EncodedKeys,
        range: Range<usize>,
        nanoseconds_a_row: u64,
        (shards, kept): (&mut [S], &mut KeptRoutes),
        work: impl Fn(&mut S, &[u32]) + Sync,
        finish: impl Fn(&mut S) + Sync,
    ) {
        let threads = self.for_work(nanoseconds_a_row.saturating_mul(range.len() as u64));
        if threads <= 1 || range.len() < 2 * threads {
            let routed = &mut kept.of(1)[0];
            routed.route(keys, range);
            for (index, shard) in shards.iter_mut().enumerate() {
                let rows = routed.of(index);
                if !rows.is_empty() {
                    work(shard, rows);
                }
                finish(shard);
            }
            return;
        }
        let step = range.len().div_ceil(threads);
        let parts = kept.of(threads).iter_mut().take(threads);
        let routes: Vec<RwLock<&mut RoutedRows>> = parts.map(RwLock::new).collect();
        let (next, routing) = (AtomicUsize::new(0), Unfinished::of(threads));
        let shards = Shared::new(shards);
        // One call for both halves of the work: a helper is woken once.
        together(threads, |number| {
            // Whoever is there takes the next part.
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                let Some(routed) = routes.get(part) else { break };
                let _finished = routing.finishing();
                let start = (range.start + part * step).min(range.end);
                let mut routed = routed.write().unwrap_or_else(PoisonError::into_inner);
                routed.route(keys, start..(start + step).min(range.end));
            }
            // What is missing now, others have begun.
            routing.wait();
            let read = |routed| RwLock::read(routed).unwrap_or_else(PoisonError::into_inner);
            let routes: Vec<_> = routes.iter().map(read).collect();
            // The longest first: what is left at the end is short, and nobody waits for it long.
            let mut order: Vec<usize> = (0..shards.len()).collect();
            order.sort_by_key(|index| Reverse(routes.iter().map(|it| it.of(*index).len()).sum::<usize>()));
            shards.each(number, threads, &order, |index, shard| {
                for routed in &routes {
                    let rows = routed.of(index);
                    if !rows.is_empty() {
                        work(shard, rows);
                    }
                }
                finish(shard);
            });
        });
    }
}

/// How many parts of a work are not finished. Who waits for them stays awake: they take microseconds.
struct Unfinished(AtomicUsize);

impl Unfinished {
    fn of(parts: usize) -> Unfinished {
        Unfinished(AtomicUsize::new(parts))
    }

    /// One is finished when what this gives is dropped, also by a panic.
    fn finishing(&self) -> impl Drop + '_ {
        struct Finishing<'u>(&'u AtomicUsize);
        impl Drop for Finishing<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        Finishing(&self.0)
    }

    /// Comes back when all are. All must have been begun, by threads that wait for nothing.
    fn wait(&self) {
        /// Looks before the core is offered to others: some 25 microseconds.
        const LOOKS: u32 = 1_000;
        let mut looks = 0_u32;
        while self.0.load(Ordering::Acquire) > 0 {
            looks = looks.saturating_add(1);
            if looks < LOOKS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Buffers for the rows of shards, one for each thread, kept from batch to batch.
#[derive(Default)]
pub(crate) struct KeptRoutes(Vec<RoutedRows>);

impl KeptRoutes {
    /// At least so many.
    fn of(&mut self, threads: usize) -> &mut Vec<RoutedRows> {
        if self.0.len() < threads {
            self.0.resize_with(threads, RoutedRows::default);
        }
        &mut self.0
    }
}

/// Shards, each for the first thread that takes it.
struct Shared<'s, S>(Vec<Mutex<Option<&'s mut S>>>);

impl<'s, S: Send> Shared<'s, S> {
    fn new(shards: &'s mut [S]) -> Shared<'s, S> {
        Shared(shards.iter_mut().map(|shard| Mutex::new(Some(shard))).collect())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Works on the shards of thread `number`, then on what others have not begun, both in this order.
    fn each(&self, number: usize, threads: usize, order: &[usize], work: impl Fn(usize, &mut S)) {
        let own = order.iter().filter(|index| **index % threads == number);
        let of_others = order.iter().filter(|index| **index % threads != number);
        for &index in own.chain(of_others) {
            // The lock is held for the length of a take, which cannot panic.
            let shard = self.0[index].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(shard) = shard {
                work(index, shard);
            }
        }
    }
}

impl Workers {
    /// Runs `work` on every shard, on as many threads as `nanoseconds` of work are worth.
    pub(crate) fn each<S: Send>(self, nanoseconds: u64, shards: &mut [S], work: impl Fn(&mut S) + Sync) {
        let threads = self.for_work(nanoseconds);
        if threads <= 1 {
            shards.iter_mut().for_each(work);
            return;
        }
        let shards = Shared::new(shards);
        let order: Vec<usize> = (0..shards.len()).collect();
        together(threads, |number| shards.each(number, threads, &order, |_, shard| work(shard)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_gets_its_rows_in_order_whatever_the_number_of_threads() {
        let keys = EncodedKeys::Numbers((0..10_000).map(|row| row * row % 997).collect());
        let run = |threads| {
            let mut shards: Vec<Vec<u32>> = vec![Vec::new(); SHARDS];
            let mut routed = KeptRoutes::default();
            let workers = Workers { threads, worthwhile: 0 };
            let work = |shard: &mut Vec<u32>, rows: &[u32]| shard.extend_from_slice(rows);
            workers.run(&keys, 10..9_000, 1, (&mut shards, &mut routed), work, |shard| shard.push(u32::MAX));
            assert!(
                shards.iter_mut().all(|shard| shard.pop() == Some(u32::MAX)),
                "each is finished once, last"
            );
            shards
        };
        let alone = run(1);
        assert_eq!(alone.iter().map(Vec::len).sum::<usize>(), 8_990);
        for threads in [2, 3, 8, 100] {
            assert_eq!(run(threads), alone, "{threads}");
        }
    }

    #[test]
    fn a_thread_is_started_only_for_work_that_is_worth_it() {
        let workers = Workers { threads: 4, worthwhile: 100_000 };
        let threads = [0, 199_999, 200_000, 400_000, 10_000_000].map(|work| workers.for_work(work));
        assert_eq!(threads, [1, 1, 2, 3, 4]);
        assert_eq!(Workers::ONE.for_work(u64::MAX), 1);
    }
}

//! A first-in, first-out window with an aggregate over all of it, without ever taking a value back out.
//!
//! Two stacks make a queue: values enter at the back, with a running aggregate; when the front is empty, the back is
//! turned over into suffix aggregates. Each value is combined about twice, whatever the length of the window, and
//! sums of floats carry no residue of values that have left (Tangwongsan, Hirzel, Schneider, "Low-latency
//! sliding-window aggregation in worst-case constant time", DEBS 2017, section 2, describes the two-stack method).

use serde::{Deserialize, Serialize};

/// An aggregate of a run of values that can be put together with that of the next run.
pub(crate) trait Monoid: Copy + Default {
    /// The aggregate of this run followed by `later`.
    fn then(self, later: Self) -> Self;
}

/// The window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TwoStacks<M> {
    /// Suffix aggregates of the older half; the last is of all of it.
    front: Vec<M>,
    /// The newer half, one aggregate a value.
    back: Vec<M>,
    /// The aggregate of `back`.
    back_total: M,
}

impl<M: Monoid> TwoStacks<M> {
    /// Adds the newest value.
    pub(crate) fn push(&mut self, value: M) {
        self.back.push(value);
        self.back_total = self.back_total.then(value);
    }

    /// Adds the newest value to a window that no value ever leaves.
    pub(crate) fn absorb(&mut self, value: M) {
        self.back_total = self.back_total.then(value);
    }

    /// How many values are held.
    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Removes the oldest value.
    pub(crate) fn pop(&mut self) {
        if self.front.is_empty() {
            let mut suffix = M::default();
            self.front.reserve(self.back.len());
            for (index, value) in self.back.drain(..).rev().enumerate() {
                suffix = if index == 0 { value } else { value.then(suffix) };
                self.front.push(suffix);
            }
            self.back_total = M::default();
        }
        self.front.pop();
    }

    /// The aggregate of the whole window.
    pub(crate) fn total(&self) -> M {
        match self.front.last() {
            Some(front) => front.then(self.back_total),
            None => self.back_total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Default, PartialEq, Debug)]
    struct Sum(f64);
    impl Monoid for Sum {
        fn then(self, later: Sum) -> Sum {
            Sum(self.0 + later.0)
        }
    }

    #[test]
    fn a_large_value_leaves_nothing_behind() {
        let mut window = TwoStacks::<Sum>::default();
        window.push(Sum(1e18));
        window.push(Sum(0.1));
        window.pop();
        assert_eq!(window.total(), Sum(0.1));
    }

    #[test]
    fn the_total_is_that_of_the_queue() {
        let mut window = TwoStacks::<Sum>::default();
        let mut queue = std::collections::VecDeque::new();
        for step in 0..500_u32 {
            if step % 3 == 2 && !queue.is_empty() {
                queue.pop_front();
                window.pop();
            } else {
                queue.push_back(f64::from(step));
                window.push(Sum(f64::from(step)));
            }
            assert_eq!(window.total().0, queue.iter().sum::<f64>());
        }
    }
}

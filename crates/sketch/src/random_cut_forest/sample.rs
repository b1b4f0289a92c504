//! The time-decayed reservoir sample of one tree.
//!
//! Weighted sampling without replacement (Efraimidis and Spirakis, 2006) in logarithms: record number `i`
//! draws `u` in (0, 1) and weighs `ln(-ln u) - i / time_decay`. The sample holds the records of smallest
//! weight in a max-heap, so that the entry to give up is on top.
//!
//! Nearly all records of a long stream are rejected, so rejecting is made cheap. A full sample with largest
//! weight `w` accepts record `i` iff `u > exp(-exp(w + i / time_decay))`, a bound that only falls as `i`
//! grows: the bound of a later record rejects for every record before it, without a logarithm. Only a `u`
//! above that early bound is weighed exactly.

use serde::{Deserialize, Serialize};

use crate::generator::Generator;

/// For how many records one early bound serves.
const BOUND_HORIZON: u64 = 1_024;

/// One sampled record: its weight and the leaf that holds its point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) weight: f64,
    pub(super) leaf: u16,
}

/// The sample: a binary max-heap on the weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) heap: Vec<Entry>,
    #[serde(skip)]
    early_bound: EarlyBound,
}

/// A `u` not above `reject_up_to` is rejected for every record before `valid_before`.
#[derive(Clone, Debug, Default)]
struct EarlyBound {
    reject_up_to: f64,
    valid_before: u64,
}

/// The bound is derived from the heap: two samples with equal heaps are equal.
impl PartialEq for EarlyBound {
    fn eq(&self, _other: &EarlyBound) -> bool {
        true
    }
}

impl Sample {
    pub(super) fn new(capacity: usize) -> Sample {
        Sample { heap: Vec::with_capacity(capacity), early_bound: EarlyBound::default() }
    }

    /// Draws for record number `sequence` and returns its weight if it is to be sampled. One number is drawn
    /// in any case. When the sample is full the caller evicts the top before it adds.
    #[inline]
    pub(super) fn draw(
        &mut self,
        sequence: u64,
        decay_rate: f64,
        capacity: usize,
        generator: &mut Generator,
    ) -> Option<f64> {
        let uniform = generator.open_unit();
        let full = self.heap.len() >= capacity;
        if full && sequence < self.early_bound.valid_before && uniform <= self.early_bound.reject_up_to {
            return None;
        }
        let weight = (-uniform.ln()).ln() - decay_rate * sequence as f64;
        if !full {
            return Some(weight);
        }
        let largest = self.heap[0].weight;
        let horizon = sequence + BOUND_HORIZON;
        // A hair below the exact bound, so that rounding can only send a record to the exact comparison.
        let bound = (-(largest + decay_rate * horizon as f64).exp()).exp() - 1e-12;
        self.early_bound = EarlyBound { reject_up_to: bound, valid_before: horizon };
        (weight < largest).then_some(weight)
    }

    /// Adds an entry to a sample that is not full.
    pub(super) fn add(&mut self, entry: Entry) {
        self.heap.push(entry);
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if self.heap[parent].weight >= self.heap[child].weight {
                break;
            }
            self.heap.swap(parent, child);
            child = parent;
        }
    }

    /// Takes the entry of largest weight out; `None` if the sample is empty.
    pub(super) fn evict(&mut self) -> Option<Entry> {
        if self.heap.is_empty() {
            return None;
        }
        self.early_bound = EarlyBound::default();
        let evicted = self.heap.swap_remove(0);
        let mut parent = 0;
        loop {
            let mut largest = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.heap.len() && self.heap[child].weight > self.heap[largest].weight {
                    largest = child;
                }
            }
            if largest == parent {
                return Some(evicted);
            }
            self.heap.swap(parent, largest);
            parent = largest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The early bound changes nothing: the same records are kept as by weighing every one.
    #[test]
    fn rejecting_early_equals_weighing_every_record() {
        for (seed, decay_rate) in [(1, 1e-5), (2, 1e-3), (3, 0.02)] {
            let capacity = 32;
            let (mut quick, mut exact) = (Generator::from_seed(seed), Generator::from_seed(seed));
            let mut sample = Sample::new(capacity);
            let mut kept: Vec<(f64, u16)> = Vec::new();
            for sequence in 0..20_000 {
                if let Some(weight) = sample.draw(sequence, decay_rate, capacity, &mut quick) {
                    if sample.heap.len() == capacity {
                        sample.evict();
                    }
                    sample.add(Entry { weight, leaf: sequence as u16 });
                }
                let weight = (-exact.open_unit().ln()).ln() - decay_rate * sequence as f64;
                kept.push((weight, sequence as u16));
                kept.sort_by(|left, right| left.0.total_cmp(&right.0));
                kept.truncate(capacity);
            }
            let mut found: Vec<(f64, u16)> =
                sample.heap.iter().map(|entry| (entry.weight, entry.leaf)).collect();
            found.sort_by(|left, right| left.0.total_cmp(&right.0));
            assert_eq!(found, kept);
        }
    }
}

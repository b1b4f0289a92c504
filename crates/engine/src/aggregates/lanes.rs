//! Sums of floats over eight lanes: as fast as memory, and the same however the rows are cut into batches.

use serde::{Deserialize, Serialize};

const LANES: usize = 8;

/// A running sum. Value number `i` since the start goes to lane `i % 8`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaneSum {
    lanes: [f64; LANES],
    /// Values so far, those skipped included.
    position: u64,
}

impl LaneSum {
    /// Adds all values.
    pub(crate) fn add(&mut self, values: &[f64]) {
        let lead = self.lead().min(values.len());
        let (head, rest) = values.split_at(lead);
        self.add_singly(head.iter().copied());
        let mut lanes = self.lanes;
        let mut chunks = rest.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        self.lanes = lanes;
        let tail = chunks.remainder();
        self.position += (rest.len() - tail.len()) as u64;
        self.add_singly(tail.iter().copied());
    }

    /// Adds the values for which `is_valid` holds; the others take their place without counting.
    pub(crate) fn add_where(&mut self, values: &[f64], is_valid: impl Fn(usize) -> bool) {
        self.add_singly(
            values.iter().enumerate().map(|(index, value)| if is_valid(index) { *value } else { 0.0 }),
        );
    }

    fn lead(&self) -> usize {
        (LANES - (self.position % LANES as u64) as usize) % LANES
    }

    fn add_singly(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            self.lanes[(self.position % LANES as u64) as usize] += value;
            self.position += 1;
        }
    }

    /// The sum, lanes added in a fixed order.
    pub(crate) fn total(&self) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.lanes;
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }
}

/// The exact sum of 64-bit integers, without a branch for each.
pub(crate) fn integer_sum(values: &[i64]) -> i128 {
    let mut total = 0_i128;
    // Halves of 2^31 values fit 64 bits each.
    for block in values.chunks(1 << 30) {
        let (mut low, mut high) = (0_u64, 0_i64);
        for value in block {
            low += (*value as u64) & 0xffff_ffff;
            high += value >> 32;
        }
        total += (i128::from(high) << 32) + i128::from(low);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_batching_gives_the_same_bits() {
        let values: Vec<f64> = (0..1_000).map(|i| (f64::from(i) * 0.7).sin() * 1e6).collect();
        let mut whole = LaneSum::default();
        whole.add(&values);
        for step in [1, 3, 7, 8, 64, 999] {
            let mut parts = LaneSum::default();
            values.chunks(step).for_each(|chunk| parts.add(chunk));
            assert_eq!(parts, whole, "{step}");
        }
    }

    #[test]
    fn integers_never_overflow() {
        assert_eq!(integer_sum(&[i64::MAX, i64::MAX, 1]), i128::from(i64::MAX) * 2 + 1);
        assert_eq!(integer_sum(&[i64::MIN, -1, 5]), i128::from(i64::MIN) + 4);
        assert_eq!(integer_sum(&[-1; 10]), -10);
    }
}

//! A small sketch of values, for percentiles within 1 % of the true value.
//!
//! Bins grow in width with the magnitude, so that the middle of a bin is within 1 % of every value in it (the idea of
//! "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019). Merging two sketches loses nothing. At most
//! 512 bins: beyond, the lowest are joined, so only low percentiles of very wide distributions suffer.

use std::collections::BTreeMap;

use crate::limits::BINS_PER_BUCKET;

/// Ratio of the upper to the lower edge of a bin: (1 + 0.01) / (1 - 0.01).
const BIN_RATIO: f64 = 1.01 / 0.99;
/// Added to the magnitude's bin so that all keys of positive values are positive: more than 360 ln 2 / ln ratio.
const KEY_OFFSET: i32 = 20_000;

/// Weights by bin. Keys are ordered as the values are: negative values have negative keys, zero has 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    bins: BTreeMap<i32, f64>,
}

impl Distribution {
    /// Adds a value that occurred `weight` times.
    pub fn add(&mut self, value: f64, weight: f64) {
        *self.bins.entry(key(value)).or_insert(0.0) += weight;
        self.shrink();
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Distribution) {
        for (&key, &weight) in &other.bins {
            *self.bins.entry(key).or_insert(0.0) += weight;
        }
        self.shrink();
    }

    /// How many values are in it.
    pub fn weight(&self) -> f64 {
        self.bins.values().sum()
    }

    /// The value below or at which the fraction `rank` of the weight lies; `None` when empty.
    pub fn quantile(&self, rank: f64) -> Option<f64> {
        let wanted = (rank * self.weight()).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        let mut newest = None;
        for (&key, &weight) in &self.bins {
            below += weight;
            newest = Some(middle(key));
            // The small allowance keeps a whole number that rounding left a little low.
            if below >= wanted * (1.0 - 1e-12) {
                return newest;
            }
        }
        newest
    }

    fn shrink(&mut self) {
        while self.bins.len() > BINS_PER_BUCKET {
            let (_, weight) = self.bins.pop_first().expect("there are more bins than the limit");
            *self.bins.first_entry().expect("there are at least as many bins as the limit").get_mut() +=
                weight;
        }
    }

    /// 12 bytes a bin, little-endian: key as i32, weight as f64.
    pub fn encode(&self) -> Vec<u8> {
        self.bins
            .iter()
            .flat_map(|(key, weight)| key.to_le_bytes().into_iter().chain(weight.to_le_bytes()))
            .collect()
    }

    /// Reads what [`encode`](Distribution::encode) wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Distribution> {
        let mut bins = BTreeMap::new();
        let (chunks, []) = bytes.as_chunks::<12>() else { return None };
        for chunk in chunks {
            let (key, weight) = chunk.split_first_chunk::<4>()?;
            let weight = f64::from_le_bytes(weight.try_into().ok()?);
            if !weight.is_finite() || weight < 0.0 {
                return None;
            }
            bins.insert(i32::from_le_bytes(*key), weight);
        }
        Some(Distribution { bins })
    }
}

fn key(value: f64) -> i32 {
    let magnitude = value.abs();
    if magnitude < 2f64.powi(-360) {
        return 0;
    }
    let bin = (magnitude.ln() / BIN_RATIO.ln()).ceil().clamp(-19_999.0, 19_999.0);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a range that fits")]
    let key = bin as i32 + KEY_OFFSET;
    if value < 0.0 { -key } else { key }
}

fn middle(key: i32) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let magnitude = BIN_RATIO.powi(key.saturating_abs() - KEY_OFFSET) * 2.0 / (1.0 + BIN_RATIO);
    if key < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_of_0_to_100() {
        let mut distribution = Distribution::default();
        for value in 0..=100 {
            distribution.add(f64::from(value), 1.0);
        }
        for (rank, expected) in [(0.5, 50.0), (0.99, 99.0), (0.0, 0.0), (1.0, 100.0)] {
            let found = distribution.quantile(rank).unwrap();
            assert!((found - expected).abs() <= 0.0101 * expected, "{rank}: {found}");
        }
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn it_stays_small_and_keeps_the_high_end() {
        let mut distribution = Distribution::default();
        for exponent in -300..300 {
            for step in 0..10 {
                distribution.add(2f64.powi(exponent) * (1.0 + f64::from(step) / 10.0), 1.0);
            }
        }
        assert_eq!(distribution.bins.len(), BINS_PER_BUCKET);
        assert_eq!(distribution.weight(), 6_000.0);
        let largest = 2f64.powi(299) * 1.9;
        assert!((distribution.quantile(1.0).unwrap() / largest - 1.0).abs() < 0.0101);
    }

    proptest! {
        #[test]
        fn every_percentile_is_within_a_hundredth_whatever_the_split(
            values in prop::collection::vec(-1e9f64..1e9, 1..200),
            split in 0usize..200,
            rank in 0.0f64..=1.0,
        ) {
            let split = split.min(values.len());
            let (mut left, mut right) = (Distribution::default(), Distribution::default());
            values[..split].iter().for_each(|&value| left.add(value, 1.0));
            values[split..].iter().for_each(|&value| right.add(value, 1.0));
            left.merge(&Distribution::decode(&right.encode()).unwrap());
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let place = ((rank * values.len() as f64 * (1.0 - 1e-12)).ceil() as usize).clamp(1, values.len());
            let (found, expected) = (left.quantile(rank).unwrap(), sorted[place - 1]);
            prop_assert!((found - expected).abs() <= 0.0101 * expected.abs(), "{} {}", found, expected);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Some(distribution) = Distribution::decode(&bytes) {
                let _ = distribution.quantile(0.5);
            }
        }
    }
}

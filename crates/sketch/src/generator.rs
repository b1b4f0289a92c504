//! The pseudo-random generator of the sketches: small, serializable, the same on every machine.
//!
//! xoshiro256++ by Blackman and Vigna, its state filled by SplitMix64, as its authors advise.

use serde::{Deserialize, Serialize};

/// A stream of pseudo-random numbers that depends on its seed alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generator {
    state: [u64; 4],
}

impl Generator {
    /// The generator of `seed`; different seeds give unrelated streams.
    pub(crate) fn from_seed(seed: u64) -> Generator {
        let mut position = seed;
        Generator { state: std::array::from_fn(|_| split_mix(&mut position)) }
    }

    /// The next 64 random bits.
    #[inline]
    pub(crate) fn next_u64(&mut self) -> u64 {
        let state = &mut self.state;
        let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number strictly between 0 and 1: the middle of one of 2^52 equal cells.
    #[inline]
    pub(crate) fn open_unit(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
    }
}

/// One step of SplitMix64.
fn split_mix(position: &mut u64) -> u64 {
    *position = position.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *position;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_repeatable_open_and_even() {
        let (mut left, mut right) = (Generator::from_seed(7), Generator::from_seed(7));
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let number = left.open_unit();
            assert_eq!(number, right.open_unit());
            assert!(number > 0.0 && number < 1.0);
            sum += number;
        }
        assert!((sum / 10_000.0 - 0.5).abs() < 0.02);
        assert_ne!(Generator::from_seed(1).next_u64(), Generator::from_seed(2).next_u64());
    }

    #[test]
    fn split_mix_agrees_with_the_published_vector_of_seed_1234567() {
        let mut position = 1_234_567;
        assert_eq!(split_mix(&mut position), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut position), 3_203_168_211_198_807_973);
    }
}

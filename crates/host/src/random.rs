//! Randomness as a value that is handed in.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seeded generator of pseudo-random numbers: the same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// A generator that depends on `seed` alone.
    pub fn from_seed(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A generator seeded by the operating system.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for randomness")]
    pub fn from_entropy() -> Random {
        Random(rand::make_rng())
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// A number in `[0, bound)`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut left, mut right) = (Random::from_seed(7), Random::from_seed(7));
        for _ in 0..100 {
            assert_eq!(left.next_u64(), right.next_u64());
        }
        assert_ne!(Random::from_seed(1).next_u64(), Random::from_seed(2).next_u64());
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::from_seed(1);
        for _ in 0..1_000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(random.below(10) < 10);
        }
        assert_eq!(random.below(0), 0);
    }
}

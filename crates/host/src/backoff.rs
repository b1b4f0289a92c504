//! Waits between attempts: doubled each time up to a limit, with jitter so that many do not try at once.

use std::time::Duration;

use crate::random::Random;

/// The waits of one series of attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    random: Option<Random>,
}

impl Backoff {
    /// Waits of `first`, twice that, and so on up to `longest`, exactly.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, next: first.min(longest), random: None }
    }

    /// Takes up to a quarter off each wait, at random.
    #[must_use]
    pub fn with_jitter(mut self, random: Random) -> Backoff {
        self.random = Some(random);
        self
    }

    /// How long to wait before the next attempt.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(self.longest);
        match &mut self.random {
            Some(random) => wait.mul_f64(1.0 - random.unit() / 4.0),
            None => wait,
        }
    }

    /// An attempt has worked: the next series begins with the first wait.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let waits: Vec<u128> = (0..4).map(|_| backoff.wait().as_millis()).collect();
        assert_eq!(waits, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.wait().as_millis(), 100);
    }

    #[test]
    fn jitter_takes_at_most_a_quarter() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second).with_jitter(Random::from_seed(3));
        for _ in 0..100 {
            let wait = backoff.wait();
            assert!(wait <= second && wait >= Duration::from_millis(750), "{wait:?}");
        }
    }
}

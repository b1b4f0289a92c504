//! How long to wait before the next try.

use std::time::Duration;

use crate::settings::RetrySettings;

/// Waits that double from the first to the longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    settings: RetrySettings,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(settings: RetrySettings) -> Backoff {
        Backoff { settings, failures: 0 }
    }

    /// Notes one more failure and says how long to wait.
    pub(crate) fn failed(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.settings.first_wait.saturating_mul(factor).min(self.settings.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_for_ever() {
        let mut backoff = Backoff::new(RetrySettings::default());
        let waits: Vec<u128> = (0..40).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(waits[..5], [100, 200, 400, 800, 1_600]);
        assert!(waits[9..].iter().all(|&wait| wait == 30_000));
    }
}

//! How many records are due.

use std::time::Duration;

/// A steady rate since a beginning. Times are those of a clock that cannot be set.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    per_second: f64,
    started_at: Duration,
    sent: u64,
}

impl Pace {
    pub(super) fn new(per_second: f64, now: Duration) -> Pace {
        Pace { per_second, started_at: now, sent: 0 }
    }

    /// Records that are due by `now` and not yet sent. The first is due at once.
    pub(super) fn due(&self, now: Duration) -> u64 {
        let seconds = now.saturating_sub(self.started_at).as_secs_f64();
        let due = (seconds * self.per_second).floor() as u64;
        due.saturating_add(1).saturating_sub(self.sent)
    }

    pub(super) fn sent(&mut self, count: u64) {
        self.sent += count;
    }

    /// Until the next one is due.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let next = self.sent as f64 / self.per_second;
        let since = now.saturating_sub(self.started_at).as_secs_f64();
        Duration::try_from_secs_f64(next - since).unwrap_or_default().min(Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_however_often_it_is_asked() {
        for step in [7, 100, 2_500] {
            let mut pace = Pace::new(10.0, Duration::from_millis(1_000));
            let mut total = 0;
            for millis in (1_000..=11_000).step_by(step) {
                let due = pace.due(Duration::from_millis(millis));
                pace.sent(due);
                total += due;
            }
            assert!((98..=101).contains(&total), "{total}");
        }
    }
}

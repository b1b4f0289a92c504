//! How many records are due.

use std::time::Duration;

use millstream_host::Timestamp;

/// What a clock says at a moment.
pub(super) trait Moment: Copy + PartialOrd {
    /// The time since an earlier one; none since a later one.
    fn since(self, earlier: Self) -> Duration;
}

/// Of a clock that cannot be set.
impl Moment for Duration {
    fn since(self, earlier: Duration) -> Duration {
        self.saturating_sub(earlier)
    }
}

/// Of a clock that people set: the time that it is set forward counts.
impl Moment for Timestamp {
    fn since(self, earlier: Timestamp) -> Duration {
        Timestamp::since(self, earlier)
    }
}

/// A steady rate since a beginning.
#[derive(Clone, Debug)]
pub(super) struct Pace<M> {
    per_second: f64,
    started_at: M,
    sent: u64,
}

impl<M: Moment> Pace<M> {
    pub(super) fn new(per_second: f64, now: M) -> Pace<M> {
        Pace { per_second, started_at: now, sent: 0 }
    }

    /// Records that are due by `now` and not yet sent. The first is due at once.
    pub(super) fn due(&mut self, now: M) -> u64 {
        if now < self.started_at {
            // The clock was set back: start again rather than stand still.
            *self = Pace::new(self.per_second, now);
        }
        let seconds = now.since(self.started_at).as_secs_f64();
        let due = (seconds * self.per_second).floor() as u64;
        due.saturating_add(1).saturating_sub(self.sent)
    }

    pub(super) fn sent(&mut self, count: u64) {
        self.sent += count;
    }

    /// Until the next one is due.
    pub(super) fn wait(&self, now: M) -> Duration {
        let next = self.sent as f64 / self.per_second;
        let since = now.since(self.started_at).as_secs_f64();
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
        let mut pace = Pace::new(10.0, Timestamp(1_000));
        pace.sent(500);
        assert_eq!(pace.due(Timestamp(0)), 1, "a clock that was set back does not stop it");
    }
}

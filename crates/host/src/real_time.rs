//! Waits in real time, whatever clock the server runs on: for what is asked of the world outside, for the end of the
//! process, and for what a person watches. Everything else waits by a [`Clock`](crate::Clock).

#![expect(clippy::disallowed_methods, reason = "one of the places that wait by the machine's time")]

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::Interval;

/// When several things in a row must have ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    began: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now on.
    pub fn after(limit: Duration) -> Deadline {
        Deadline { began: Instant::now(), limit }
    }

    /// The time until then; nothing when it has passed.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }
}

/// What `work` gives, or `None` when it has not ended within `limit`: then it is dropped.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Comes back after `duration`, counted from this call.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
    tokio::time::sleep(duration)
}

/// Ticks, the first at once, then one each `period`.
///
/// # Panics
/// When `period` is zero.
pub fn ticks(period: Duration) -> Interval {
    tokio::time::interval(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes_nearer_and_passes() {
        let limit = Duration::from_secs(60);
        let left = Deadline::after(limit).left();
        assert!(left <= limit && left > Duration::ZERO, "{left:?}");
        assert_eq!(Deadline::after(Duration::ZERO).left(), Duration::ZERO);
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_dropped() {
        assert_eq!(within(Duration::from_secs(60), async { 7 }).await, Some(7));
        assert_eq!(within(Duration::from_millis(1), std::future::pending::<u8>()).await, None);
        sleep(Duration::from_millis(1)).await;
        ticks(Duration::from_millis(1)).tick().await;
    }
}

//! Time as a value that is handed in.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// An instant: milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This instant plus `duration`, saturating at the ends of the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The current instant. May stand still or step back when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// Comes back after `duration` of this clock. The default waits in real time, whatever becomes of the wall clock.
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(crate::real_time::sleep(duration))
    }

    /// The time since some fixed moment of this process. Never goes back, whatever is done to the machine's clock. A
    /// clock that cannot be set need not have its own.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().millis()).unwrap_or(0))
    }
}

/// A wait under way; dropping it ends the wait.
pub type Sleep = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that moves only when it is set.
#[derive(Debug)]
pub struct ManualClock {
    millis: watch::Sender<i64>,
    /// Parts of a millisecond that [`ManualClock::advance`] was given, in nanoseconds.
    rest: AtomicU64,
    /// Nanoseconds by which the clock was advanced: setting it does not count.
    advanced: AtomicU64,
    /// Sleeps that have begun.
    sleeps: AtomicU64,
}

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::starting_at(Timestamp(0))
    }
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn starting_at(start: Timestamp) -> ManualClock {
        let [rest, advanced, sleeps] = [const { AtomicU64::new(0) }; 3];
        ManualClock { millis: watch::Sender::new(start.0), rest, advanced, sleeps }
    }

    /// How many sleeps have begun: who moves the clock for somebody waits until that one sleeps.
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::SeqCst)
    }

    /// Moves the clock to `instant`, as someone who sets it would: no time passes.
    pub fn set(&self, instant: Timestamp) {
        self.millis.send_replace(instant.0);
    }

    /// Moves the clock forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.advanced.fetch_add(nanos, Ordering::SeqCst);
        let rest = self.rest.load(Ordering::SeqCst) + nanos % 1_000_000;
        self.rest.store(rest % 1_000_000, Ordering::SeqCst);
        let millis = i64::try_from(nanos / 1_000_000 + rest / 1_000_000).unwrap_or(i64::MAX);
        self.millis.send_modify(|now| *now = now.saturating_add(millis));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(*self.millis.borrow())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.now().plus(duration).millis();
        let mut millis = self.millis.subscribe();
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            // An error means that the clock is gone and will not move again.
            if millis.wait_for(|now| *now >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.advanced.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::starting_at(Timestamp(1_000));
        assert_eq!(clock.now(), Timestamp(1_000));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp(3_000));
        clock.set(Timestamp(5));
        assert_eq!(clock.now(), Timestamp(5));
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_gets_there() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_millis(10));
        clock.advance(Duration::from_millis(9));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_millis(1));
        sleep.await;
    }

    #[test]
    fn the_time_since_a_later_instant_is_zero() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_millis(4));
        assert_eq!(Timestamp(9).plus(Duration::from_millis(1)), Timestamp(10));
    }

    #[test]
    fn the_system_clock_is_past_2024() {
        assert!(SystemClock.now() > Timestamp(1_704_067_200_000));
    }
}

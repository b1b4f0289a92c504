//! A clock that never goes back and never stands still, over one that may do both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Sleep, Timestamp};

/// The machine's time while that goes forward. When it is set back, time goes on at the normal pace from the highest
/// value given so far, and follows the machine again once that has caught up.
///
/// ```text
///   wall     100 200 300 │ 50 150 250 … 300 400      set back by 250 ms
///   steady   100 200 300 │300 400 500 … 550 650      250 ms ahead of the wall, until the wall is set forward
/// ```
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    /// Guards the anchor; held for two readings of the clock.
    anchor: Mutex<Anchor>,
}

/// What time it was at some moment of the pace.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    time: Timestamp,
    at: Duration,
}

impl SteadyClock {
    /// A clock that begins at the wall's time.
    pub fn new(wall: Arc<dyn Clock>) -> SteadyClock {
        SteadyClock::starting_at(wall, Timestamp(i64::MIN))
    }

    /// A clock that begins at the wall's time or at `floor`, whichever is later: the highest value that an earlier run
    /// has given.
    pub fn starting_at(wall: Arc<dyn Clock>, floor: Timestamp) -> SteadyClock {
        let anchor = Anchor { time: wall.now().max(floor), at: wall.monotonic() };
        SteadyClock { wall, anchor: Mutex::new(anchor) }
    }

    /// How far this clock is ahead of the wall: more than a moment after the wall was set back, else next to zero.
    /// Worth a warning beyond a second.
    pub fn ahead_of_wall(&self) -> Duration {
        let now = self.now();
        now.since(self.wall.now())
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        // An anchor is replaced whole: one left by a panic is as good as any.
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let mut anchor = self.anchor();
        let (wall, at) = (self.wall.now(), self.wall.monotonic());
        let paced = anchor.time.plus(at.saturating_sub(anchor.at));
        if wall >= paced {
            *anchor = Anchor { time: wall, at };
        }
        wall.max(paced)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.wall.sleep(duration)
    }

    fn monotonic(&self) -> Duration {
        self.wall.monotonic()
    }
}

impl std::fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteadyClock").field("anchor", &*self.anchor()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SystemClock};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_follows_a_wall_that_goes_forward() {
        let wall = Arc::new(ManualClock::starting_at(Timestamp(1_000)));
        let steady = SteadyClock::new(wall.clone());
        assert_eq!(steady.now(), Timestamp(1_000));
        wall.advance(SECOND);
        assert_eq!(steady.now(), Timestamp(2_000));
        wall.set(Timestamp(60_000));
        assert_eq!((steady.now(), steady.ahead_of_wall()), (Timestamp(60_000), Duration::ZERO));
    }

    #[test]
    fn m4_a_wall_set_back_an_hour_neither_stops_nor_turns_it() {
        let wall = Arc::new(ManualClock::starting_at(Timestamp(7_200_000)));
        let steady = SteadyClock::new(wall.clone());
        wall.advance(SECOND);
        assert_eq!(steady.now(), Timestamp(7_201_000));
        wall.set(Timestamp(3_601_000));
        assert_eq!(steady.now(), Timestamp(7_201_000));
        for second in 1..100 {
            wall.advance(SECOND);
            assert_eq!(steady.now(), Timestamp(7_201_000 + second * 1_000));
        }
        assert_eq!(steady.ahead_of_wall(), Duration::from_secs(3_600));
        wall.set(Timestamp(9_000_000));
        assert_eq!((steady.now(), steady.ahead_of_wall()), (Timestamp(9_000_000), Duration::ZERO));
    }

    #[test]
    fn the_pace_keeps_parts_of_a_millisecond() {
        let wall = Arc::new(ManualClock::starting_at(Timestamp(10_000)));
        let steady = SteadyClock::starting_at(wall.clone(), Timestamp(20_000));
        for _ in 0..1_000 {
            wall.advance(Duration::from_micros(500));
            steady.now();
        }
        assert_eq!(steady.now(), Timestamp(20_500));
    }

    #[test]
    fn it_begins_at_the_highest_value_of_the_run_before() {
        let wall = Arc::new(ManualClock::starting_at(Timestamp(5)));
        assert_eq!(SteadyClock::starting_at(wall.clone(), Timestamp(9)).now(), Timestamp(9));
        assert_eq!(SteadyClock::starting_at(wall, Timestamp(2)).now(), Timestamp(5));
    }

    #[test]
    fn on_the_machine_it_never_goes_back() {
        let steady = SteadyClock::new(Arc::new(SystemClock));
        let mut last = steady.now();
        for _ in 0..10_000 {
            let now = steady.now();
            assert!(now >= last);
            last = now;
        }
    }
}

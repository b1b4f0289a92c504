//! A monitor on a clock that moves when it is set.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Clock, ManualClock, Random, Timestamp};
use millstream_monitor::{Location, MetricKey, Monitor, MonitorSettings, Point};

/// 2026-01-02 03:04:00 UTC.
pub const START: Timestamp = Timestamp(1_767_323_040_000);

pub struct World {
    pub clock: Arc<ManualClock>,
    pub monitor: Monitor,
}

impl World {
    pub fn new() -> World {
        World::with(&Location::Memory, MonitorSettings::default())
    }

    pub fn with(location: &Location, settings: MonitorSettings) -> World {
        let clock = Arc::new(ManualClock::starting_at(START));
        let monitor =
            Monitor::open(location, settings, Arc::clone(&clock) as Arc<dyn Clock>, Random::from_seed(7))
                .unwrap();
        World { clock, monitor }
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn tick(&self) {
        self.monitor.tick().unwrap();
    }

    /// Puts a value of metric `n`/`m` at the clock's time.
    pub fn put(&self, value: f64) {
        self.monitor.put(&[Point::value(metric(), value)]).unwrap();
    }
}

pub fn metric() -> MetricKey {
    MetricKey::new("n", "m", []).unwrap()
}

pub fn seconds(after_start: i64) -> Timestamp {
    Timestamp(START.0 + after_start * 1_000)
}

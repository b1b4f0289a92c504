//! Every fixed limit of the monitor, in one place. Limits that a user may move are in `settings.rs`.

use std::time::Duration;

pub(crate) const NAME_CHARACTERS: usize = 255;
pub(crate) const DIMENSIONS: usize = 30;
pub(crate) const DIMENSION_VALUE_CHARACTERS: usize = 1_024;
pub(crate) const UNIT_CHARACTERS: usize = 64;
/// Single values of one point.
pub(crate) const VALUES_PER_POINT: usize = 150;
/// Points of one answer.
pub(crate) const DATAPOINTS: u64 = 1_440;
pub(crate) const OLDEST_POINT: Duration = Duration::from_secs(14 * DAY);
pub(crate) const FARTHEST_AHEAD: Duration = Duration::from_secs(2 * HOUR);
/// Largest count of one point: sums of counts stay exact.
pub(crate) const COUNT: f64 = 1e15;
/// Distinct magnitudes that one bucket tells apart.
pub(crate) const BINS_PER_BUCKET: usize = 512;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A resolution in seconds, and how long it is kept before it becomes the next.
pub(crate) const TIERS: [(u32, Duration); 4] = [
    (1, Duration::from_secs(3 * HOUR)),
    (60, Duration::from_secs(15 * DAY)),
    (300, Duration::from_secs(63 * DAY)),
    (3_600, Duration::from_secs(455 * DAY)),
];

/// Largest absolute value of a point: 2^360.
pub(crate) fn largest_value() -> f64 {
    2f64.powi(360)
}

/// Most alarms.
pub(crate) const ALARMS: usize = 5_000;
pub(crate) const ALARM_NAME_CHARACTERS: usize = 255;
/// Topics that one state of one alarm tells.
pub(crate) const ACTIONS_PER_STATE: usize = 5;
/// Longest time that an alarm looks back, by its period: finer than a minute, finer than an hour, others.
pub(crate) const ALARM_SECONDS: [u64; 3] = [2 * HOUR, DAY, 7 * DAY];
/// An alarm looks at so many periods more than it evaluates, to find late or sparse points.
pub(crate) const EXTRA_PERIODS: u32 = 2;
/// Transitions kept, of all alarms together.
pub(crate) const ALARM_HISTORY: i64 = 10_000;

/// Most topics.
pub(crate) const TOPICS: usize = 10_000;
pub(crate) const TOPIC_NAME_CHARACTERS: usize = 256;
/// Most subscriptions of one topic: one publish writes so many mails.
pub(crate) const SUBSCRIPTIONS_PER_TOPIC: usize = 1_000;
pub(crate) const SUBJECT_CHARACTERS: usize = 100;
pub(crate) const MESSAGE_BYTES: usize = 262_144;
/// Longest address that SMTP carries (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub(crate) const ADDRESS_BYTES: usize = 254;
/// Longest text of an SMTP server that is kept.
pub(crate) const SERVER_WORDS_CHARACTERS: usize = 1_000;
/// Of a message that its publisher gives an id.
pub(crate) const MESSAGE_ID_BYTES: usize = 128;

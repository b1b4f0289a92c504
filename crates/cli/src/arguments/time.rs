//! Times and how long something takes, as people write them.

use std::time::Duration;

use millstream_control::pipeline::Period;
use millstream_control::replay::parse_instant;

pub(super) fn period(text: &str) -> Result<Duration, String> {
    text.parse::<Period>().map(|period| period.0)
}

/// Milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) i64);

pub(super) fn instant(text: &str) -> Result<Instant, String> {
    let instant = parse_instant(text).map(Instant);
    instant
        .ok_or_else(|| format!("\"{text}\" is not a time: write 2024-01-01 00:00:00, in the years 1 to 9999"))
}

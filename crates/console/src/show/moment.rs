//! Times of the overview (milliseconds since the epoch) as UTC.

use jiff::{Timestamp, tz::TimeZone};

/// A moment for a `<time>` element: what machines read and what people read.
pub(crate) struct Moment {
    /// ISO 8601 with a `Z`, for `datetime`.
    pub(crate) machine: String,
    /// Hours, minutes and seconds, UTC.
    pub(crate) clock: String,
    /// The day and the time, UTC, said so.
    pub(crate) full: String,
}

impl Moment {
    /// The moment at `at` milliseconds since the epoch. Times beyond the calendar stop at its ends.
    pub(crate) fn at(at: i64) -> Moment {
        let shown = |pattern: &str| strftime(at, pattern);
        Moment {
            machine: shown("%Y-%m-%dT%H:%M:%SZ"),
            clock: shown("%H:%M:%S"),
            full: shown("%Y-%m-%d %H:%M:%S UTC"),
        }
    }
}

/// `at` by a `strftime` pattern, in UTC.
pub(crate) fn strftime(at: i64, pattern: &str) -> String {
    // A margin of a day keeps the ends inside of the calendar.
    let first = Timestamp::MIN.as_millisecond() + 86_400_000;
    let last = Timestamp::MAX.as_millisecond() - 86_400_000;
    let timestamp = Timestamp::from_millisecond(at.clamp(first, last)).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::UTC).strftime(pattern).to_string()
}

/// A span of time in its two largest units: `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. Negative spans are zero.
pub(crate) fn span(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc() {
        let moment = Moment::at(1_700_000_000_123);
        assert_eq!(moment.machine, "2023-11-14T22:13:20Z");
        assert_eq!(moment.clock, "22:13:20");
        assert_eq!(moment.full, "2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn any_number_is_a_moment() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Moment::at(at).machine.ends_with('Z'));
        }
    }

    #[test]
    fn spans_show_two_units() {
        for (milliseconds, shown) in [
            (-5, "0 s"),
            (42_900, "42 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (356_400_000, "4 d 3 h"),
        ] {
            assert_eq!(span(milliseconds), shown);
        }
    }
}

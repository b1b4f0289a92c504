//! Times to percent from the left, with ticks at round times of UTC.

use crate::show::strftime;

/// The distances between ticks, in milliseconds: those that a clock face or a calendar knows.
const STEPS: [i64; 20] = {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    [
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        7 * DAY,
        30 * DAY,
        365 * DAY,
    ]
};

/// The most ticks under a chart.
const MOST_TICKS: i64 = 6;

/// Half of the time that is shown around a single moment, milliseconds.
const AROUND_ONE_MOMENT: i64 = 30_000;

/// A range of time over the width of a plot. `first < last`.
pub(crate) struct TimeScale {
    first: i64,
    last: i64,
    step: i64,
}

impl TimeScale {
    /// The scale from `first` to `last`, milliseconds since the epoch. A range of no length shows half a minute on
    /// either side.
    pub(crate) fn new(first: i64, last: i64) -> TimeScale {
        // Half of the range of i64: the length then fits, and no clock gets there.
        let (first, last) = (first.clamp(i64::MIN / 4, i64::MAX / 4), last.clamp(i64::MIN / 4, i64::MAX / 4));
        let (first, last) =
            if first < last { (first, last) } else { (last - AROUND_ONE_MOMENT, last + AROUND_ONE_MOMENT) };
        let enough = (last - first) / MOST_TICKS;
        let largest = ((enough / STEPS[19]) + 1) * STEPS[19];
        let step = STEPS.into_iter().find(|step| *step > enough).unwrap_or(largest);
        TimeScale { first, last, step }
    }

    /// Percent from the left for a time. Times outside lie on the edge.
    pub(crate) fn percent_from_left(&self, at: i64) -> f64 {
        (at.clamp(self.first, self.last) - self.first) as f64 / (self.last - self.first) as f64 * 100.0
    }

    /// The ticks: where, in percent from the left, and what they say.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let pattern = match self.step {
            step if step < 60_000 => "%H:%M:%S",
            step if step < 86_400_000 => "%H:%M",
            _ => "%Y-%m-%d",
        };
        let mut ticks = Vec::new();
        let mut at = self.first.div_euclid(self.step) * self.step;
        while at <= self.last {
            if at >= self.first {
                ticks.push((self.percent_from_left(at), strftime(at, pattern)));
            }
            at += self.step;
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(first: i64, last: i64) -> Vec<String> {
        TimeScale::new(first, last).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_stand_at_round_times() {
        assert_eq!(labels(3_000, 43_000), ["00:00:10", "00:00:20", "00:00:30", "00:00:40"]);
        assert_eq!(labels(0, 600_000), ["00:00", "00:02", "00:04", "00:06", "00:08", "00:10"]);
        assert_eq!(labels(0, 3 * 86_400_000), ["1970-01-01", "1970-01-02", "1970-01-03", "1970-01-04"]);
    }

    #[test]
    fn one_moment_stands_in_the_middle() {
        assert_eq!(TimeScale::new(60_000, 60_000).percent_from_left(60_000), 50.0);
    }

    #[test]
    fn any_range_has_a_bounded_number_of_ticks() {
        let ends = [i64::MIN, -86_400_000, 0, 999, 1_000, 61_234, 7_777_777, 1_700_000_000_000, i64::MAX];
        for first in ends {
            for last in ends {
                let ticks = TimeScale::new(first, last).ticks();
                assert!(ticks.len() <= MOST_TICKS as usize + 1, "{first}..{last}: {ticks:?}");
                assert!(ticks.iter().all(|(percent, _)| (0.0..=100.0).contains(percent)));
            }
        }
    }
}

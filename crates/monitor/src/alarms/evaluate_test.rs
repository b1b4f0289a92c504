//! Rows of the user guide's two tables, and the cases between them.

use millstream_host::Timestamp;

use super::AlarmState::{self, Alarm, InsufficientData, Ok};
use super::evaluate::{Sample, evaluate};
use super::{AlarmActions, AlarmDefinition, Comparison, MissingData};
use crate::metrics::{MetricKey, Statistic};

/// M of N averages above 3.
fn definition(m: u32, n: u32, missing_data: MissingData) -> AlarmDefinition {
    AlarmDefinition {
        name: "a".to_owned(),
        metric: MetricKey::new("n", "m", []).unwrap(),
        statistic: Statistic::Average,
        period: 10,
        evaluation_periods: n,
        datapoints_to_alarm: m,
        comparison: Comparison::GreaterThanThreshold,
        threshold: 3.0,
        missing_data,
        actions: AlarmActions::default(),
    }
}

/// `0` does not breach, `X` does, `-` is a gap; the oldest first.
fn check(m: u32, n: u32, range: &str, missing_data: MissingData, current: AlarmState, expected: AlarmState) {
    let definition = definition(m, n, missing_data);
    definition.check().unwrap();
    let samples: Vec<Sample> = range
        .split_whitespace()
        .zip(0..)
        .map(|(letter, index)| Sample {
            at: Timestamp(index * 10_000),
            value: match letter {
                "0" => Some(3.0),
                "X" => Some(4.0),
                _ => None,
            },
        })
        .collect();
    assert_eq!(samples.len(), definition.range_periods() as usize);
    let verdict = evaluate(&definition, &samples, current);
    assert_eq!(
        verdict.state, expected,
        "{m} of {n}, {range}, {missing_data:?}, {current}: {}",
        verdict.reason
    );
}

/// Expected states by treatment: missing, ignore, breaching, notBreaching; `None` keeps the current one.
fn row(m: u32, n: u32, range: &str, expected: [Option<AlarmState>; 4]) {
    let treatments =
        [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];
    for (treatment, expected) in treatments.into_iter().zip(expected) {
        for current in [Ok, Alarm, InsufficientData] {
            check(m, n, range, treatment, current, expected.unwrap_or(current));
        }
    }
}

#[test]
fn three_of_three() {
    row(3, 3, "0 - X - X", [Some(Ok); 4]);
    row(3, 3, "- - - - 0", [Some(Ok); 4]);
    row(3, 3, "- - - - -", [Some(InsufficientData), None, Some(Alarm), Some(Ok)]);
    row(3, 3, "0 X X - X", [Some(Alarm); 4]);
    row(3, 3, "- - X - -", [Some(Alarm), None, Some(Alarm), Some(Ok)]);
}

#[test]
fn two_of_three() {
    row(2, 3, "0 - X - X", [Some(Alarm); 4]);
    row(2, 3, "0 0 X 0 X", [Some(Alarm); 4]);
    row(2, 3, "0 - X - -", [Some(Ok), Some(Ok), Some(Alarm), Some(Ok)]);
    row(2, 3, "- - - - 0", [Some(Ok), Some(Ok), Some(Alarm), Some(Ok)]);
    row(2, 3, "- - - X -", [Some(Alarm), None, Some(Alarm), Some(Ok)]);
}

#[test]
fn breaching_points_that_are_too_few_and_too_new_do_not_decide() {
    row(3, 3, "- - - X X", [None, None, Some(Alarm), Some(Ok)]);
    row(2, 3, "- - - - X", [None, None, Some(Alarm), Some(Ok)]);
    row(1, 3, "- - - - X", [Some(Alarm); 4]);
}

#[test]
fn one_of_one_looks_at_the_newest_point() {
    row(1, 1, "X X 0", [Some(Ok); 4]);
    row(1, 1, "0 0 X", [Some(Alarm); 4]);
    row(1, 1, "X - -", [Some(Alarm); 4]);
    row(1, 1, "- - -", [Some(InsufficientData), None, Some(Alarm), Some(Ok)]);
}

#[test]
fn a_reason_says_the_newest_value_and_the_threshold() {
    let mut definition = definition(1, 1, MissingData::Missing);
    definition.statistic = Statistic::Average;
    definition.comparison = Comparison::LessThanThreshold;
    definition.threshold = 3.0;
    let reason = |definition: &AlarmDefinition, values: &[f64]| {
        let samples: Vec<Sample> = values
            .iter()
            .enumerate()
            .map(|(index, value)| Sample { at: Timestamp(index as i64 * 10_000), value: Some(*value) })
            .collect();
        evaluate(definition, &samples, Ok).reason
    };
    assert_eq!(reason(&definition, &[1.0, 2.0, 4.833_333_333]), "latest average 4.83 (alarm below 3.00)");
    definition.comparison = Comparison::GreaterThanOrEqualToThreshold;
    definition.threshold = 0.000_25;
    assert_eq!(
        reason(&definition, &[2.0, 1.0, -0.0001]),
        "latest average -1.00e-4 (alarm at or above 2.50e-4)"
    );
    definition.threshold = 3.0;
    definition.evaluation_periods = 2;
    definition.datapoints_to_alarm = 2;
    assert_eq!(
        reason(&definition, &[0.0, 2.0, 1.0, 4.8333]),
        "latest average 4.83 (alarm at or above 3.00); 1 of 2 periods breaches, 2 needed, newest first: 4.83 at 00:00:30, \
         1.00 at 00:00:20"
    );
}

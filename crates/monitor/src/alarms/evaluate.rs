//! The rule that turns the newest periods into a state: a pure function.
//!
//! It follows what the CloudWatch user guide says under "Configuring how CloudWatch alarms treat missing data". An alarm
//! that evaluates N periods looks at N + 2 (the range of the guide's examples). Points that exist come first: if N of
//! them are in the range, the newest N decide, and gaps have no meaning. Otherwise all points in the range decide, and
//! the gap up to N is filled as [`MissingData`] says. Where the guide is silent (some points, all breaching, too few and
//! too new to decide) the state stays.

use std::fmt::Write;

use millstream_host::Timestamp;

use super::{AlarmDefinition, AlarmState, MissingData};

/// A period: where it begins, and the statistic, if it had points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub at: Timestamp,
    pub value: Option<f64>,
}

/// The state that the periods ask for, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub state: AlarmState,
    pub reason: String,
}

/// Judges the periods of the range, oldest first. `current` is the state so far.
pub(super) fn evaluate(definition: &AlarmDefinition, range: &[Sample], current: AlarmState) -> Verdict {
    let wanted = definition.evaluation_periods as usize;
    let needed = definition.datapoints_to_alarm as usize;
    let is_breaching = |value: f64| definition.comparison.is_breaching(value, definition.threshold);
    let present: Vec<(Timestamp, f64)> =
        range.iter().filter_map(|sample| Some((sample.at, sample.value?))).collect();
    let decisive = &present[present.len().saturating_sub(wanted)..];
    let breaching = decisive.iter().filter(|(_, value)| is_breaching(*value)).count();
    let absent = wanted - decisive.len();

    let state = match definition.missing_data {
        _ if absent == 0 || breaching >= needed => state_of(breaching >= needed),
        MissingData::Breaching => state_of(breaching + absent >= needed),
        MissingData::NotBreaching => AlarmState::Ok,
        MissingData::Missing if decisive.is_empty() => AlarmState::InsufficientData,
        MissingData::Ignore if decisive.is_empty() => current,
        MissingData::Missing | MissingData::Ignore if breaching < decisive.len() => AlarmState::Ok,
        // All points there are breach, but they are too few. Old enough, they are as good as a full set.
        MissingData::Missing => {
            let oldest = range.iter().position(|sample| sample.value.is_some()).unwrap_or(range.len());
            if range.len() - oldest >= needed { AlarmState::Alarm } else { current }
        }
        MissingData::Ignore => current,
    };
    Verdict { state, reason: reason(definition, decisive, breaching, absent) }
}

fn state_of(is_alarm: bool) -> AlarmState {
    if is_alarm { AlarmState::Alarm } else { AlarmState::Ok }
}

/// How many values a reason shows.
const VALUES_SHOWN: usize = 10;

fn reason(
    definition: &AlarmDefinition,
    decisive: &[(Timestamp, f64)],
    breaching: usize,
    absent: usize,
) -> String {
    let AlarmDefinition { statistic, comparison, threshold, datapoints_to_alarm, evaluation_periods, .. } =
        definition;
    let Some((_, newest)) = decisive.last() else {
        return format!(
            "no points in the newest {} periods of {} s; missing data is treated as {}",
            definition.range_periods(),
            definition.period,
            definition.missing_data.words()
        );
    };
    let mut text = format!(
        "latest {} {} (alarm {} {})",
        statistic.words(),
        number(*newest),
        comparison.words(),
        number(*threshold)
    );
    if *evaluation_periods > 1 {
        let _ = write!(
            text,
            "; {breaching} of {} periods {}, {datapoints_to_alarm} needed, newest first: ",
            decisive.len(),
            if breaching == 1 { "breaches" } else { "breach" },
        );
        for (index, (at, value)) in decisive.iter().rev().take(VALUES_SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let _ =
                write!(text, "{separator}{} at {}", number(*value), super::announcement::time_of_day(*at));
        }
        if decisive.len() > VALUES_SHOWN {
            text.push_str(", …");
        }
    }
    if absent > 0 {
        let _ = write!(text, "; {absent} missing, treated as {}", definition.missing_data.words());
    }
    text
}

/// A number for people: with two decimals, or as many as it takes to tell it from zero.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(0.005..1e15).contains(&size) { format!("{value:.2e}") } else { format!("{value:.2}") }
}

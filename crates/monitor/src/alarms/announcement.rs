//! What people read about a change of state.

use std::fmt::Write;

use millstream_host::Timestamp;
use millstream_wording::counted;

use super::{AlarmDefinition, AlarmTransition};
use crate::limits;

/// Subject and text of the message about a change.
pub(super) fn announcement(definition: &AlarmDefinition, transition: &AlarmTransition) -> (String, String) {
    let AlarmDefinition { name, metric, statistic, period, comparison, threshold, .. } = definition;
    let subject: String = format!("{}: {name}", transition.to);
    let subject = shorten(&subject, limits::SUBJECT_CHARACTERS);
    let mut dimensions = String::new();
    for (name, value) in metric.dimensions() {
        let _ = write!(dimensions, ", {name} = {value}");
    }
    let text = format!(
        "{to}: {reason}\n\
         \n\
         Alarm \"{name}\" changed from {from} to {to} at {at}.\n\
         Metric:    {namespace} / {metric}{dimensions}\n\
         Condition: {statistic} {symbol} {threshold} over {period} s, in {m} of {periods}\n\
         Gaps:      missing data is treated as {missing}\n",
        from = transition.from,
        to = transition.to,
        at = date_and_time(transition.at),
        reason = transition.reason,
        namespace = metric.namespace(),
        metric = metric.name(),
        symbol = comparison.symbol(),
        m = definition.datapoints_to_alarm,
        periods = counted(definition.evaluation_periods, "period"),
        missing = definition.missing_data.words(),
    );
    (subject, text)
}

fn shorten(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// `2026-01-02 03:04:05 UTC`.
fn date_and_time(at: Timestamp) -> String {
    format(at, "%Y-%m-%d %H:%M:%S UTC")
}

/// `03:04:05`, in UTC.
pub(super) fn time_of_day(at: Timestamp) -> String {
    format(at, "%H:%M:%S")
}

fn format(at: Timestamp, pattern: &str) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(time) => time.strftime(pattern).to_string(),
        // Beyond the year 9999.
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmActions, AlarmState, Comparison, MissingData};
    use super::*;
    use crate::metrics::{MetricKey, Statistic};

    #[test]
    fn a_person_can_read_what_happened() {
        let dimensions = [("Product Category".to_owned(), "All".to_owned())];
        let definition = AlarmDefinition {
            name: "low-average".to_owned(),
            metric: MetricKey::new("Reviews", "AVGStarRating", dimensions).unwrap(),
            statistic: Statistic::Average,
            period: 10,
            evaluation_periods: 3,
            datapoints_to_alarm: 2,
            comparison: Comparison::LessThanThreshold,
            threshold: 2.5,
            missing_data: MissingData::Missing,
            actions: AlarmActions::default(),
        };
        let transition = AlarmTransition {
            alarm: "low-average".to_owned(),
            at: Timestamp(1_767_323_045_000),
            from: AlarmState::Ok,
            to: AlarmState::Alarm,
            reason: "because".to_owned(),
            action_problems: Vec::new(),
        };
        let (subject, text) = announcement(&definition, &transition);
        assert_eq!(subject, "ALARM: low-average");
        let expected = "ALARM: because\n\n\
                        Alarm \"low-average\" changed from OK to ALARM at 2026-01-02 03:04:05 UTC.\n\
                        Metric:    Reviews / AVGStarRating, Product Category = All\n\
                        Condition: Average < 2.5 over 10 s, in 2 of 3 periods\n\
                        Gaps:      missing data is treated as missing\n";
        assert_eq!(text, expected);

        let long = AlarmDefinition { name: "é".repeat(255), ..definition };
        let (subject, _) = announcement(&long, &transition);
        assert_eq!(subject.chars().count(), limits::SUBJECT_CHARACTERS);
        assert!(subject.ends_with('…'));
    }
}

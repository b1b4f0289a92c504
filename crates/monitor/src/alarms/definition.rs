//! What an alarm watches.

use serde::{Deserialize, Serialize};

use crate::error::AlarmError;
use crate::limits;
use crate::metrics::{MetricKey, Statistic, is_period};
use crate::topics::is_one_line;

/// What an alarm watches and whom it tells. Its text in the database is this struct as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmDefinition {
    /// Its name, 1 to 255 characters.
    pub name: String,
    /// The metric; points of all units count.
    pub metric: MetricKey,
    /// The statistic of each period.
    pub statistic: Statistic,
    /// Length of a period in seconds: 1, 5, 10, 20, 30 or a multiple of 60.
    pub period: u32,
    /// N: how many periods are evaluated.
    pub evaluation_periods: u32,
    /// M: how many of them must breach, 1 to N. They need not follow each other.
    pub datapoints_to_alarm: u32,
    /// How the statistic is compared with the threshold; true means breaching.
    pub comparison: Comparison,
    /// With what it is compared.
    pub threshold: f64,
    /// What a period without points means.
    pub missing_data: MissingData,
    /// Whom to notify.
    pub actions: AlarmActions,
}

/// Names of topics to notify when a state is reached; at most 5 for each. A topic may be created later than the alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmActions {
    /// When it becomes ALARM.
    pub alarm: Vec<String>,
    /// When it becomes OK.
    pub ok: Vec<String>,
    /// When it becomes `INSUFFICIENT_DATA`.
    pub insufficient_data: Vec<String>,
}

/// How a statistic is compared with the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Above it.
    GreaterThanThreshold,
    /// At it or above.
    GreaterThanOrEqualToThreshold,
    /// Below it.
    LessThanThreshold,
    /// At it or below.
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// Whether `value` breaches.
    pub fn is_breaching(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::GreaterThanThreshold => value > threshold,
            Comparison::GreaterThanOrEqualToThreshold => value >= threshold,
            Comparison::LessThanThreshold => value < threshold,
            Comparison::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    /// `above`, `at or above`, `below` or `at or below`.
    pub(super) fn words(self) -> &'static str {
        match self {
            Comparison::GreaterThanThreshold => "above",
            Comparison::GreaterThanOrEqualToThreshold => "at or above",
            Comparison::LessThanThreshold => "below",
            Comparison::LessThanOrEqualToThreshold => "at or below",
        }
    }

    /// `>`, `>=`, `<` or `<=`.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::GreaterThanThreshold => ">",
            Comparison::GreaterThanOrEqualToThreshold => ">=",
            Comparison::LessThanThreshold => "<",
            Comparison::LessThanOrEqualToThreshold => "<=",
        }
    }
}

/// What a period without points means. It matters only when fewer than N periods have points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissingData {
    /// Nothing: with no point at all the state becomes `INSUFFICIENT_DATA`.
    #[default]
    Missing,
    /// Nothing: with no point at all the state stays.
    Ignore,
    /// It counts as breaching.
    Breaching,
    /// It counts as not breaching.
    NotBreaching,
}

impl MissingData {
    /// `missing`, `ignored`, `breaching` or `not breaching`.
    pub(super) fn words(self) -> &'static str {
        match self {
            MissingData::Missing => "missing",
            MissingData::Ignore => "ignored",
            MissingData::Breaching => "breaching",
            MissingData::NotBreaching => "not breaching",
        }
    }
}

impl AlarmDefinition {
    /// How many periods are read: N, and a few more to find late or sparse points.
    pub(super) fn range_periods(&self) -> u32 {
        self.evaluation_periods + limits::EXTRA_PERIODS
    }

    pub(crate) fn check(&self) -> Result<(), AlarmError> {
        let refuse = |reason: String| {
            let name = self.name.chars().take(100).collect();
            Err(AlarmError::Definition { name, reason })
        };
        let characters = self.name.chars().count();
        if !(1..=limits::ALARM_NAME_CHARACTERS).contains(&characters) || !is_one_line(&self.name) {
            return refuse(format!(
                "a name needs 1 to {} characters, on one line, without control characters",
                limits::ALARM_NAME_CHARACTERS
            ));
        }
        if !is_period(self.period) {
            return refuse(format!(
                "period {} must be 1, 5, 10, 20, 30 or a multiple of 60 seconds",
                self.period
            ));
        }
        if self.evaluation_periods == 0 {
            return refuse("evaluation_periods must be at least 1".to_owned());
        }
        let [fine, middle, coarse] = limits::ALARM_SECONDS;
        let longest = if self.period < 60 {
            fine
        } else if self.period < 3_600 {
            middle
        } else {
            coarse
        };
        let seconds = u64::from(self.period) * u64::from(self.evaluation_periods);
        if seconds > longest {
            return refuse(format!(
                "{} periods of {} seconds are more than {longest} seconds, the limit for this period; evaluate fewer \
                 periods or longer ones",
                self.evaluation_periods, self.period
            ));
        }
        if !(1..=self.evaluation_periods).contains(&self.datapoints_to_alarm) {
            return refuse(format!(
                "datapoints_to_alarm is {} and must be 1 to {} (evaluation_periods)",
                self.datapoints_to_alarm, self.evaluation_periods
            ));
        }
        if !self.threshold.is_finite() {
            return refuse("the threshold must be a finite number".to_owned());
        }
        let actions = [&self.actions.alarm, &self.actions.ok, &self.actions.insufficient_data];
        if actions.iter().any(|topics| topics.len() > limits::ACTIONS_PER_STATE) {
            return refuse(format!(
                "at most {} topics may be notified of one state",
                limits::ACTIONS_PER_STATE
            ));
        }
        for topic in actions.into_iter().flatten() {
            if let Err(error) = crate::topics::check_name(topic) {
                return refuse(error.to_string());
            }
        }
        Ok(())
    }
}

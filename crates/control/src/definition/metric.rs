//! Metrics and alarms.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Reference};

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricDefinition {
    /// Its namespace.
    pub namespace: String,
    /// Such as `Stars`; `None` as a text when it has none.
    pub unit: String,
}

/// An alarm on a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmDefinition {
    /// Which metric.
    pub metric: String,
    /// Of each period.
    pub statistic: Statistic,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// Length of a period, whole seconds.
    pub period: Duration,
    /// Periods in a row that must breach.
    pub evaluation_periods: u32,
    /// The topic that is notified when it goes off.
    pub topic: Option<String>,
    /// The topic that is notified when all is well.
    pub ok_topic: Option<String>,
    /// The topic that is notified when there are no points any more.
    pub insufficient_data_topic: Option<String>,
}

/// Statistics of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The mean.
    #[default]
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// The sum.
    Sum,
    /// How many.
    SampleCount,
}

/// Comparisons of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// `<`
    LessThan,
    /// `<=`
    LessThanOrEqual,
    /// `>`
    GreaterThan,
    /// `>=`
    GreaterThanOrEqual,
}

impl AlarmDefinition {
    /// The topics that it names.
    pub fn topics(&self) -> impl Iterator<Item = &String> {
        [&self.topic, &self.ok_topic, &self.insufficient_data_topic].into_iter().flatten()
    }

    pub(super) fn references(&self) -> Vec<Reference> {
        let topics = self.topics().map(|topic| Reference::new(Kind::Topic, topic));
        topics.chain([Reference::new(Kind::Metric, &self.metric)]).collect()
    }
}

//! `metric-from-average`: puts the number in each row of a query to a metric.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::{Clock, Timestamp};

use crate::events::output::{DeliveryResult, OutputAnswer, OutputEvent, OutputRecord};
use crate::function::{Function, FunctionError};
use crate::output_row::number_of;
use crate::rejected_rows::{RejectedRow, RejectedRows};

/// Where the function puts its numbers.
#[async_trait]
pub trait MetricSink: Send + Sync + 'static {
    /// Puts one value. `timestamp` is absent when the value is of now.
    async fn put(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(String, String)],
        value: f64,
        unit: &str,
        timestamp: Option<Timestamp>,
    ) -> Result<(), MetricSinkError>;
}

/// Why a value was not put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricSinkError {
    /// It will never be taken, such as a value beyond the limits.
    #[error("the metric refused the value: {0}")]
    Refused(String),
    /// It may be taken later.
    #[error("the metric could not be written: {0}")]
    Unavailable(String),
}

/// Which number goes to which metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricFromAverageSettings {
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric_name: String,
    /// The metric's dimensions: name and value.
    pub dimensions: Vec<(String, String)>,
    /// The metric's unit, such as `None` or `Count`.
    pub unit: String,
    /// The column of the number.
    pub column: String,
}

impl Default for MetricFromAverageSettings {
    /// As in the review pipeline: JSON column `AVG_STAR_RATING` to `AVGStarRating` of all product categories.
    fn default() -> MetricFromAverageSettings {
        MetricFromAverageSettings {
            namespace: "kinesis/analytics/AVGStarRating".to_owned(),
            metric_name: "AVGStarRating".to_owned(),
            dimensions: vec![("Product Category".to_owned(), "All".to_owned())],
            unit: "None".to_owned(),
            column: "AVG_STAR_RATING".to_owned(),
        }
    }
}

/// The function. A row whose number is null is acknowledged and puts nothing; a row without a number is
/// acknowledged and kept among the rejected rows, since no retry can mend it.
pub struct MetricFromAverage {
    settings: MetricFromAverageSettings,
    sink: Arc<dyn MetricSink>,
    clock: Arc<dyn Clock>,
    rejected: RejectedRows,
}

impl MetricFromAverage {
    /// The name by which it is configured.
    pub const NAME: &'static str = "metric-from-average";

    /// The function with its settings and the metric store it writes to.
    pub fn new(
        settings: MetricFromAverageSettings,
        sink: Arc<dyn MetricSink>,
        clock: Arc<dyn Clock>,
    ) -> MetricFromAverage {
        MetricFromAverage { settings, sink, clock, rejected: RejectedRows::default() }
    }

    /// How many rows were rejected since the start, and the newest of them, newest first.
    pub fn rejected_rows(&self) -> (u64, Vec<RejectedRow>) {
        (self.rejected.count(), self.rejected.newest())
    }

    async fn deliver(&self, record: &OutputRecord, columns: Option<&[String]>) -> DeliveryResult {
        let reject = |reason: String| {
            self.rejected.add(Self::NAME, self.clock.now(), reason, &record.data);
            DeliveryResult::Ok
        };
        let value = match number_of(&record.data, &self.settings.column, columns) {
            Ok(Some(value)) => value,
            Ok(None) => return DeliveryResult::Ok,
            Err(error) => return reject(error.to_string()),
        };
        let MetricFromAverageSettings { namespace, metric_name, dimensions, unit, .. } = &self.settings;
        match self.sink.put(namespace, metric_name, dimensions, value, unit, None).await {
            Ok(()) => DeliveryResult::Ok,
            Err(error @ MetricSinkError::Refused(_)) => reject(error.to_string()),
            Err(error @ MetricSinkError::Unavailable(_)) => {
                tracing::warn!(function = Self::NAME, %error, "row will be sent again");
                DeliveryResult::DeliveryFailed
            }
        }
    }
}

#[async_trait]
impl Function for MetricFromAverage {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let event = OutputEvent::decode(&event).map_err(|error| FunctionError::failed(error.to_string()))?;
        let mut results = Vec::with_capacity(event.records.len());
        for record in &event.records {
            results.push(self.deliver(record, event.row_columns.as_deref()).await);
        }
        Ok(OutputAnswer::of(&event, results).encode())
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::ManualClock;
    use parking_lot::Mutex;

    use super::*;

    /// Keeps values; refuses those above 9, is unavailable for negative ones.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(String, f64)>>);

    #[async_trait]
    impl MetricSink for Kept {
        async fn put(
            &self,
            namespace: &str,
            name: &str,
            dimensions: &[(String, String)],
            value: f64,
            unit: &str,
            _timestamp: Option<Timestamp>,
        ) -> Result<(), MetricSinkError> {
            if value > 9.0 {
                return Err(MetricSinkError::Refused("too large".to_owned()));
            }
            if value < 0.0 {
                return Err(MetricSinkError::Unavailable("disk full".to_owned()));
            }
            self.0.lock().push((format!("{namespace} {name} {dimensions:?} {unit}"), value));
            Ok(())
        }
    }

    #[tokio::test]
    async fn each_row_is_put_or_answered_by_what_a_retry_could_mend() {
        let sink = Arc::new(Kept::default());
        let clock = Arc::new(ManualClock::starting_at(Timestamp(5)));
        let function = MetricFromAverage::new(MetricFromAverageSettings::default(), sink.clone(), clock);
        let rows = ["3.7", "null", "10", "-1", "\"x\"", "4"];
        let records = rows.iter().enumerate().map(|(index, value)| OutputRecord {
            record_id: index.to_string(),
            data: Bytes::from(format!("{{\"AVG_STAR_RATING\":{value}}}")),
            ..OutputRecord::default()
        });
        let event = OutputEvent { records: records.collect(), ..OutputEvent::default() };
        let answer = function.invoke(event.encode()).await.unwrap();
        let results = OutputAnswer::decode_for(&event, &answer).unwrap();
        let failed: Vec<usize> =
            (0..rows.len()).filter(|&index| results[index] == DeliveryResult::DeliveryFailed).collect();
        assert_eq!(failed, [3]);
        let kept = sink.0.lock().clone();
        let metric = "kinesis/analytics/AVGStarRating AVGStarRating [(\"Product Category\", \"All\")] None";
        assert_eq!(kept, [(metric.to_owned(), 3.7), (metric.to_owned(), 4.0)]);
        let (count, newest) = function.rejected_rows();
        assert_eq!(count, 2);
        assert!(newest[0].reason.contains("\"x\""), "{newest:?}");
        assert!(newest[1].reason.contains("too large"), "{newest:?}");
        assert!(function.invoke(Bytes::from_static(b"{")).await.is_err());
    }
}

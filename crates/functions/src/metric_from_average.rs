//! `metric-from-average`: puts the number in each row of a query to a metric.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::{Clock, Timestamp};

use crate::events::output::{DeliveryResult, OutputAnswer, OutputEvent};
use crate::function::{Function, FunctionError};
use crate::output_row::number_of;
use crate::rejected_rows::{RejectedSink, Rejections};

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
/// acknowledged and handed to the sink of rejected rows, since no retry can fix it.
pub struct MetricFromAverage {
    settings: MetricFromAverageSettings,
    sink: Arc<dyn MetricSink>,
    clock: Arc<dyn Clock>,
    rejected: Arc<dyn RejectedSink>,
}

impl MetricFromAverage {
    /// The name by which it is configured.
    pub const NAME: &'static str = "metric-from-average";

    /// The function with its settings, the metric store it writes to, and where rejected rows go.
    pub fn new(
        settings: MetricFromAverageSettings,
        sink: Arc<dyn MetricSink>,
        clock: Arc<dyn Clock>,
        rejected: Arc<dyn RejectedSink>,
    ) -> MetricFromAverage {
        MetricFromAverage { settings, sink, clock, rejected }
    }

    /// Puts the number of a row.
    ///
    /// # Errors
    /// The row will never do, in words.
    async fn deliver(&self, row: &[u8], columns: Option<&[String]>) -> Result<DeliveryResult, String> {
        let value = number_of(row, &self.settings.column, columns).map_err(|error| error.to_string())?;
        let Some(value) = value else { return Ok(DeliveryResult::Ok) };
        let MetricFromAverageSettings { namespace, metric_name, dimensions, unit, .. } = &self.settings;
        match self.sink.put(namespace, metric_name, dimensions, value, unit, None).await {
            Ok(()) => Ok(DeliveryResult::Ok),
            Err(error @ MetricSinkError::Refused(_)) => Err(error.to_string()),
            Err(error @ MetricSinkError::Unavailable(_)) => {
                tracing::warn!(function = Self::NAME, %error, "row will be sent again");
                Ok(DeliveryResult::DeliveryFailed)
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
        let mut rejections = Rejections::default();
        for (place, record) in event.records.iter().enumerate() {
            let delivered = self.deliver(&record.data, event.row_columns.as_deref()).await;
            results.push(delivered.unwrap_or_else(|reason| {
                rejections.add(place, self.clock.now(), reason, record);
                DeliveryResult::Ok
            }));
        }
        rejections.hand_over(Self::NAME, self.rejected.as_ref(), &mut results).await;
        Ok(OutputAnswer::of(&event, results).encode())
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::ManualClock;
    use parking_lot::Mutex;

    use super::*;
    use crate::events::output::OutputRecord;
    use crate::rejected_rows::KeptRejections;

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
    async fn r15_each_row_is_put_sent_again_or_rejected() {
        let sink = Arc::new(Kept::default());
        let clock = Arc::new(ManualClock::starting_at(Timestamp(5)));
        let rejected = Arc::new(KeptRejections::default());
        let function = MetricFromAverage::new(
            MetricFromAverageSettings::default(),
            sink.clone(),
            clock,
            rejected.clone(),
        );
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
        let rows = std::mem::take(&mut *rejected.rows.lock());
        assert_eq!(rows.len(), 2);
        assert!(rows[0].reason.contains("too large"), "{rows:?}");
        assert!(rows[1].reason.contains("\"x\""), "{rows:?}");
        assert_eq!(rows[1].data, "{\"AVG_STAR_RATING\":\"x\"}", "the row, whole");

        rejected.is_down.store(true, std::sync::atomic::Ordering::Relaxed);
        let answer = function.invoke(event.encode()).await.unwrap();
        let results = OutputAnswer::decode_for(&event, &answer).unwrap();
        let failed: Vec<usize> =
            (0..results.len()).filter(|&index| results[index] == DeliveryResult::DeliveryFailed).collect();
        assert_eq!(failed, [2, 3, 4], "what cannot be kept now comes again");
        assert!(function.invoke(Bytes::from_static(b"{")).await.is_err());
    }
}

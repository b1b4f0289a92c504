//! The monitor as the functions' metric store and publisher.

use async_trait::async_trait;
use millstream_functions::{MetricSink, MetricSinkError, Publisher, PublisherError};
use millstream_host::Timestamp;
use millstream_monitor::{Measured, MetricKey, Monitor, Point, PutError, StorageResolution};

/// The monitor behind the functions' traits.
#[derive(Clone)]
pub(crate) struct MonitorServices(pub(crate) Monitor);

#[async_trait]
impl MetricSink for MonitorServices {
    async fn put(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(String, String)],
        value: f64,
        unit: &str,
        timestamp: Option<Timestamp>,
    ) -> Result<(), MetricSinkError> {
        let refused = |error: PutError| match error {
            PutError::Store(error) => MetricSinkError::Unavailable(error.to_string()),
            error => MetricSinkError::Refused(error.to_string()),
        };
        let metric = MetricKey::new(namespace, name, dimensions.iter().cloned()).map_err(refused)?;
        let point = Point {
            metric,
            unit: unit.to_owned(),
            at: timestamp,
            measured: Measured::Value(value),
            resolution: StorageResolution::Second,
        };
        self.0.put(&[point]).map_err(refused)
    }
}

#[async_trait]
impl Publisher for MonitorServices {
    async fn publish(&self, topic: &str, subject: &str, message: &str) -> Result<(), PublisherError> {
        match self.0.publish(topic, Some(subject), message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(PublisherError(error.to_string())),
        }
    }
}

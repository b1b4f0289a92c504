//! The monitor as the functions' metric store and publisher.

use async_trait::async_trait;
use millstream_functions::{MetricSink, MetricSinkError, Publisher, PublisherError};
use millstream_host::{Spawn, Timestamp};
use millstream_monitor::{Measured, MetricKey, Monitor, Point, PutError, StorageResolution};

/// The monitor behind the functions' traits.
#[derive(Clone)]
pub(crate) struct MonitorServices {
    monitor: Monitor,
    spawn: Spawn,
}

impl MonitorServices {
    /// Of this monitor; what waits for its disk does so elsewhere.
    pub(crate) fn new(monitor: Monitor, spawn: Spawn) -> MonitorServices {
        MonitorServices { monitor, spawn }
    }
}

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
        // When many points wait, they are written.
        let monitor = self.monitor.clone();
        let put = self.spawn.blocking(move || monitor.put(&[point])).await;
        put.map_err(MetricSinkError::Unavailable)?.map_err(refused)
    }
}

#[async_trait]
impl Publisher for MonitorServices {
    async fn publish(&self, topic: &str, subject: &str, message: &str) -> Result<(), PublisherError> {
        match self.monitor.publish(topic, Some(subject), message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(PublisherError(error.to_string())),
        }
    }
}

//! The monitor as the functions' metric store and publisher.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_functions::{MetricSink, MetricSinkError, Publisher, PublisherError};
use millstream_host::{Spawn, Timestamp};
use millstream_monitor::{Measured, MetricKey, Monitor, Point, PutError, StorageResolution};
use parking_lot::Mutex;

/// The address of the live page, once there is one.
#[derive(Clone, Default)]
pub(crate) struct PageAddress(Arc<Mutex<Option<String>>>);

impl PageAddress {
    pub(crate) fn set(&self, address: Option<String>) {
        *self.0.lock() = address;
    }
}

/// The monitor behind the functions' traits.
#[derive(Clone)]
pub(crate) struct MonitorServices {
    monitor: Monitor,
    spawn: Spawn,
    page: PageAddress,
}

impl MonitorServices {
    /// Of this monitor; what waits for its disk does so elsewhere.
    pub(crate) fn new(monitor: Monitor, spawn: Spawn) -> MonitorServices {
        MonitorServices { monitor, spawn, page: PageAddress::default() }
    }

    /// The same, for messages with a link to the live page.
    pub(crate) fn with_page(self, page: PageAddress) -> MonitorServices {
        MonitorServices { page, ..self }
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
    async fn publish(
        &self,
        topic: &str,
        subject: &str,
        message: &str,
        id: Option<&str>,
    ) -> Result<(), PublisherError> {
        let published = match id {
            Some(id) => self.monitor.publish_once(id, topic, Some(subject), message).await,
            None => self.monitor.publish(topic, Some(subject), message).await,
        };
        match published {
            Ok(_) => Ok(()),
            Err(error) => Err(PublisherError(error.to_string())),
        }
    }

    fn page(&self) -> Option<String> {
        self.page.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use millstream_host::{Random, SystemClock};
    use millstream_monitor::{Location, MonitorSettings};

    use super::*;

    #[test]
    fn r4_metrics_and_messages_wait_for_the_disk_off_the_threads_of_the_runtime() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (clock, random) = (Arc::new(SystemClock), Random::from_seed(1));
            let monitor =
                Monitor::open(&Location::Memory, MonitorSettings::default(), clock, random).unwrap();
            monitor.create_topic("t").unwrap();
            let services = MonitorServices::new(monitor, Spawn::current());
            // The one thread for it is taken.
            let (release, released) = mpsc::channel::<()>();
            Spawn::current().detached(move || {
                let _ = released.recv();
            });
            let mut put = std::pin::pin!(services.put("n", "m", &[], 1.0, "None", None));
            let mut published = std::pin::pin!(services.publish("t", "subject", "message", Some("id")));
            assert!(futures::poll!(&mut put).is_pending());
            assert!(futures::poll!(&mut published).is_pending());
            drop(release);
            put.await.unwrap();
            published.await.unwrap();
        });
    }
}

//! Trying again: how long to wait, and what others see of it.

use std::sync::Arc;

use millstream_host::{Backoff, Clock};
use parking_lot::Mutex;

use crate::settings::RetrySettings;
use crate::status::{DeliveryStatus, Stage};

/// One series of tries: waits double from the first to the longest.
pub(crate) struct Trying {
    clock: Arc<dyn Clock>,
    status: Arc<Mutex<DeliveryStatus>>,
    backoff: Backoff,
}

impl Trying {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        status: Arc<Mutex<DeliveryStatus>>,
        retry: RetrySettings,
    ) -> Trying {
        Trying { clock, status, backoff: Backoff::new(retry.first_wait, retry.longest_wait) }
    }

    pub(crate) fn status(&self) -> &Mutex<DeliveryStatus> {
        &self.status
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Counts a failure, shows it, and waits before the next try.
    pub(crate) async fn failed(&mut self, stage: Stage, error: String) {
        let now = self.clock.now();
        tracing::warn!(%error, "delivery is tried again");
        self.status.lock().failed(stage, now, error);
        self.clock.sleep(self.backoff.wait()).await;
    }

    /// It has worked.
    pub(crate) fn worked(&mut self, stage: Stage) {
        self.backoff.reset();
        self.status.lock().worked(stage);
    }
}

//! Rows that no retry can fix.
//!
//! The contract of an output function knows only "delivered" and "send it again". A row without the expected number
//! would come again for ever and hold up all rows behind it, so it is acknowledged, and handed to a [`RejectedSink`].

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::Timestamp;

use crate::events::output::{DeliveryResult, OutputRecord};

/// A row that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// When it was rejected.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The row, whole.
    pub data: Bytes,
}

/// Where rejected rows go, so that somebody can read them.
#[async_trait]
pub trait RejectedSink: Send + Sync + 'static {
    /// Takes the rejected rows of one call, all or none; at least one. They may come again after a crash.
    async fn put(&self, rows: &[RejectedRow]) -> Result<(), RejectedSinkError>;
}

/// Why rows were not taken; they are sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rejected rows could not be kept: {0}")]
pub struct RejectedSinkError(pub String);

/// The rejected rows of one call, by their place in the event.
#[derive(Default)]
pub(crate) struct Rejections(Vec<(usize, RejectedRow)>);

impl Rejections {
    pub(crate) fn add(&mut self, place: usize, at: Timestamp, reason: String, record: &OutputRecord) {
        self.0.push((place, RejectedRow { at, reason, data: record.data.clone() }));
    }

    /// Hands them over. Rows that the sink does not take now are to be sent again.
    pub(crate) async fn hand_over(
        self,
        function: &'static str,
        sink: &dyn RejectedSink,
        results: &mut [DeliveryResult],
    ) {
        let (places, rows): (Vec<usize>, Vec<RejectedRow>) = self.0.into_iter().unzip();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = sink.put(&rows).await {
            tracing::warn!(function, rows = rows.len(), %error, "rows will be sent again");
            for place in places {
                results[place] = DeliveryResult::DeliveryFailed;
            }
        }
    }
}

/// Keeps rejected rows in memory; fails while it is set to.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct KeptRejections {
    pub(crate) rows: parking_lot::Mutex<Vec<RejectedRow>>,
    pub(crate) is_down: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
#[async_trait]
impl RejectedSink for KeptRejections {
    async fn put(&self, rows: &[RejectedRow]) -> Result<(), RejectedSinkError> {
        if self.is_down.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(RejectedSinkError("the disk is full".to_owned()));
        }
        self.rows.lock().extend_from_slice(rows);
        Ok(())
    }
}

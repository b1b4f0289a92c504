//! One batch through the function, with retries.

use std::sync::Arc;

use bytes::Bytes;
use millstream_host::{Clock, Timestamp};

use super::{
    EventHeader, MOST_PAYLOAD_BYTES, Outcome, Transform, TransformError, TransformErrorKind, decode_response,
    encode_event,
};
use crate::backoff::Backoff;
use crate::settings::{DeliverySettings, RetrySettings, TransformSettings};
use crate::source::SourceRecord;
use crate::status::DeliveryStatus;

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// One for each record, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Calls made.
    pub(crate) attempts: u32,
    /// When the last one ended.
    pub(crate) ended_at: Timestamp,
}

/// Calls the function until it answers or the retries are used up. Never fails: then its records have.
pub(crate) async fn invoke(
    function: Arc<dyn Transform>,
    clock: Arc<dyn Clock>,
    settings: Arc<DeliverySettings>,
    transform: TransformSettings,
    status: Arc<parking_lot::Mutex<DeliveryStatus>>,
    invocation_id: String,
    records: Arc<Vec<SourceRecord>>,
) -> Invocation {
    let header = EventHeader {
        invocation_id: &invocation_id,
        delivery_stream_arn: &settings.delivery_stream_arn,
        source_stream_arn: settings.source_stream_arn.as_deref(),
        region: &settings.region,
    };
    let event = encode_event(&header, &records);
    let retry = RetrySettings { longest_wait: settings.retry.longest_wait.min(MOST_WAIT), ..settings.retry };
    let mut backoff = Backoff::new(retry);
    let mut attempts = 0;
    loop {
        attempts += 1;
        status.lock().invocations += 1;
        let error = match call(&function, &event).await {
            Ok(response) => {
                let outcomes = decode_response(&records, &response);
                return Invocation { outcomes, attempts, ended_at: clock.now() };
            }
            Err(error) => error,
        };
        {
            let mut status = status.lock();
            status.errors += 1;
            status.last_error = Some(format!("function: {error}"));
        }
        tracing::warn!(%error, attempts, records = records.len(), "function call failed");
        if !error.kind.is_worth_a_retry() || attempts > transform.number_of_retries {
            let failed = Outcome::Failed { code: error.kind.code(), message: error.message };
            return Invocation { outcomes: vec![failed; records.len()], attempts, ended_at: clock.now() };
        }
        tokio::time::sleep(backoff.failed()).await;
    }
}

/// Between two calls of the function.
const MOST_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

async fn call(function: &Arc<dyn Transform>, event: &Bytes) -> Result<Bytes, TransformError> {
    let error = |kind, message| TransformError { kind, message };
    if event.len() > MOST_PAYLOAD_BYTES {
        let message =
            format!("the event has {} bytes: at most {MOST_PAYLOAD_BYTES} are allowed", event.len());
        return Err(error(TransformErrorKind::FunctionRequestTooLarge, message));
    }
    // On a task of its own, so that a panic in a function is that function's failure.
    let (function, event) = (Arc::clone(function), event.clone());
    let task = tokio::spawn(async move { function.invoke(event).await });
    let response = CancelOnDrop(task).await.map_err(|failed| {
        error(TransformErrorKind::FunctionError, format!("the function panicked: {failed}"))
    })??;
    if response.len() > MOST_PAYLOAD_BYTES {
        let message =
            format!("the response has {} bytes: at most {MOST_PAYLOAD_BYTES} are allowed", response.len());
        return Err(error(TransformErrorKind::FunctionResponseTooLarge, message));
    }
    Ok(response)
}

/// A task that ends when nobody waits for it any more.
struct CancelOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

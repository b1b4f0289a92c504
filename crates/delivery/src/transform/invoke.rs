//! One batch through the function, with retries.
//!
//! | class of the failure | what is done |
//! |---|---|
//! | busy | the same call again, for ever: nothing is wrong with the records |
//! | faulty | the same call again, a limited number of times; then each half of the batch once, and so on down to the record whose fault it is |
//! | too large | each half at once; a single record fails |

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use millstream_host::{Spawn, Timestamp};

use super::{
    EventHeader, FailureClass, MOST_PAYLOAD_BYTES, Outcome, Transform, TransformError, TransformErrorKind,
    decode_response, encode_event,
};
use crate::settings::{DeliverySettings, TransformSettings};
use crate::source::SourceRecord;
use crate::status::Stage;
use crate::trying::Trying;

/// Calls with a part of a batch, after which the rest of a batch that keeps failing fails as a whole: enough to find
/// several bad records among ten thousand.
const MOST_PARTS: u32 = 100;

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// One for each record, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Calls made with the batch or a part of it.
    pub(crate) attempts: u32,
    /// When the last one ended.
    pub(crate) ended_at: Timestamp,
}

/// What is called, and how.
pub(crate) struct Call {
    pub(crate) function: Arc<dyn Transform>,
    pub(crate) settings: Arc<DeliverySettings>,
    pub(crate) transform: TransformSettings,
}

/// Calls the function until every record has an outcome. Never fails: only records do.
pub(crate) async fn invoke(call: Call, records: Arc<Vec<SourceRecord>>, mut trying: Trying) -> Invocation {
    let mut outcomes = Vec::with_capacity(records.len());
    let mut attempts = 0;
    let mut parts_left = MOST_PARTS;
    // What is still to be called with, in order, and how often that may be repeated.
    let mut parts = VecDeque::from([(0..records.len(), call.transform.number_of_retries)]);
    while let Some((part, retries)) = parts.pop_front() {
        match call_part(&call, &records[part.clone()], retries, &mut attempts, &mut trying).await {
            Ok(found) => outcomes.extend(found),
            Err(_) if part.len() > 1 && parts_left > 0 => {
                parts_left -= 1;
                let (left, right) = halves(part);
                parts.push_front((right, 0));
                parts.push_front((left, 0));
            }
            Err(error) => {
                let message = match part.len() {
                    1 => error.message,
                    records => format!(
                        "{}; not divided further after {MOST_PARTS} calls: the fault may be of any of {records} records",
                        error.message
                    ),
                };
                let failed = Outcome::Failed { code: error.kind.code(), message };
                outcomes.resize(outcomes.len() + part.len(), failed);
            }
        }
    }
    trying.worked(Stage::Function);
    Invocation { outcomes, attempts, ended_at: trying.clock().now() }
}

fn halves(part: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = part.start + part.len() / 2;
    (part.start..middle, middle..part.end)
}

/// Calls with some records until that works or the failure is final.
async fn call_part(
    call: &Call,
    records: &[SourceRecord],
    retries: u32,
    attempts: &mut u32,
    trying: &mut Trying,
) -> Result<Vec<Outcome>, TransformError> {
    let invocation_id = invocation_id(&call.settings.delivery_stream_arn, records);
    let header = EventHeader {
        invocation_id: &invocation_id,
        delivery_stream_arn: &call.settings.delivery_stream_arn,
        source_stream_arn: call.settings.source_stream_arn.as_deref(),
        region: &call.settings.region,
    };
    let event = encode_event(&header, records);
    let mut faults = 0;
    loop {
        *attempts = attempts.saturating_add(1);
        trying.status().lock().invocations += 1;
        let error = match invoke_once(&call.function, &event).await {
            Ok(response) => {
                trying.worked(Stage::Function);
                return Ok(decode_response(records, &response));
            }
            Err(error) => error,
        };
        let class = error.kind.class();
        faults += u32::from(class == FailureClass::Faulty);
        let is_final = class == FailureClass::TooLarge || faults > retries;
        let text = format!("function: {error}");
        if is_final {
            let now = trying.clock().now();
            tracing::warn!(%error, records = records.len(), "function call failed");
            trying.status().lock().failed(Stage::Function, now, text);
            return Err(error);
        }
        trying.failed(Stage::Function, text).await;
    }
}

/// A UUID that follows from what is called with: the same records get the same one in every run, so a receiver can tell
/// a repetition.
fn invocation_id(delivery_stream_arn: &str, records: &[SourceRecord]) -> String {
    // FNV-1a with 128 bits.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    };
    add(delivery_stream_arn.as_bytes());
    for record in [records.first(), records.last()].into_iter().flatten() {
        add(&record.position.0.to_be_bytes());
        // Tells a stream from an earlier one of the same name.
        add(&record.arrival.millis().to_be_bytes());
    }
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid().to_string()
}

async fn invoke_once(function: &Arc<dyn Transform>, event: &Bytes) -> Result<Bytes, TransformError> {
    let error = |kind, message| TransformError { kind, message };
    if event.len() > MOST_PAYLOAD_BYTES {
        let message =
            format!("the event has {} bytes: at most {MOST_PAYLOAD_BYTES} are allowed", event.len());
        return Err(error(TransformErrorKind::FunctionRequestTooLarge, message));
    }
    // On a task of its own, so that a panic in a function is that function's failure.
    let (function, event) = (Arc::clone(function), event.clone());
    let task = Spawn::current().awaited(async move { function.invoke(event).await });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SourcePosition;

    #[test]
    fn the_same_records_get_the_same_id_and_others_another() {
        let record = |position, millis| SourceRecord {
            position: SourcePosition(position),
            arrival: Timestamp(millis),
            data: Bytes::new(),
            metadata: None,
        };
        let records = [record(1, 5), record(2, 6), record(3, 7)];
        let id = invocation_id("arn", &records);
        assert_eq!(id.len(), 36);
        assert_eq!(invocation_id("arn", &records.clone()), id);
        for other in [
            invocation_id("arm", &records),
            invocation_id("arn", &records[..2]),
            invocation_id("arn", &records[1..]),
            invocation_id("arn", &[record(1, 5), record(3, 8)]),
        ] {
            assert_ne!(other, id);
        }
    }
}

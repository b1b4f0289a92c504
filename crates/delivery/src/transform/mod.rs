//! The contract with the function that transforms records.
//!
//! A batch becomes an *event* (JSON), the function answers with a *response* (JSON), and every record of the batch comes
//! to one [`Outcome`]: `event.rs` and `response.rs` are pure functions, `failure.rs` has what is written of a record that
//! failed, `invoke.rs` the call with its retries.

mod event;
mod failure;
mod invoke;
mod response;

use async_trait::async_trait;
use bytes::Bytes;

use crate::source::SourceRecord;

pub use event::{EventHeader, encode_event, event_bytes_bound};
pub use failure::FailedRecord;
pub(crate) use invoke::{Call, Invocation, invoke};
pub use response::decode_response;

/// Event and response may have this many bytes each.
pub const MOST_PAYLOAD_BYTES: usize = 6 << 20;

/// A function: JSON in, JSON out.
#[async_trait]
pub trait Transform: Send + Sync + 'static {
    /// Calls the function with an event and gives its response. Takes as long as it takes: the time limit is the
    /// function's own. A panic counts as a function error.
    async fn invoke(&self, event: Bytes) -> Result<Bytes, TransformError>;
}

/// Why a call gave no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct TransformError {
    /// What kind of failure.
    pub kind: TransformErrorKind,
    /// In words.
    pub message: String,
}

/// The kinds of failure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformErrorKind {
    /// The function failed.
    FunctionError,
    /// It took too long.
    FunctionTimedOut,
    /// It is called too often, or what it asks is busy.
    InvokeLimitExceeded,
    /// It is not ready yet: what it needs is being loaded or made.
    NotReady,
    /// It may not be called.
    InvokeAccessDenied,
    /// There is no such function.
    ResourceNotFound,
    /// The event is too large.
    FunctionRequestTooLarge,
    /// The response is too large.
    FunctionResponseTooLarge,
}

impl TransformErrorKind {
    /// As it shows in failed records.
    pub fn code(self) -> &'static str {
        match self {
            TransformErrorKind::FunctionError => "Lambda.FunctionError",
            TransformErrorKind::FunctionTimedOut => "Lambda.FunctionTimedOut",
            TransformErrorKind::InvokeLimitExceeded => "Lambda.InvokeLimitExceeded",
            TransformErrorKind::NotReady => "Lambda.NotReady",
            TransformErrorKind::InvokeAccessDenied => "Lambda.InvokeAccessDenied",
            TransformErrorKind::ResourceNotFound => "Lambda.ResourceNotFound",
            TransformErrorKind::FunctionRequestTooLarge => "Lambda.FunctionRequestTooLarge",
            TransformErrorKind::FunctionResponseTooLarge => "Lambda.FunctionResponseTooLarge",
        }
    }

    /// What it says of the records that were sent, and so what to do next. The same for deliveries and applications.
    pub fn class(self) -> FailureClass {
        match self {
            TransformErrorKind::InvokeLimitExceeded
            | TransformErrorKind::NotReady
            | TransformErrorKind::InvokeAccessDenied
            | TransformErrorKind::ResourceNotFound => FailureClass::Busy,
            TransformErrorKind::FunctionError | TransformErrorKind::FunctionTimedOut => FailureClass::Faulty,
            TransformErrorKind::FunctionRequestTooLarge | TransformErrorKind::FunctionResponseTooLarge => {
                FailureClass::TooLarge
            }
        }
    }
}

/// The three ways in which a call fails, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Nothing is wrong with the records: the function is throttled, not ready, not there, or not allowed. Try the same
    /// call again, with growing waits and without a limit; the caller stops reading meanwhile.
    Busy,
    /// The function failed, perhaps because of a record. Try again a few times, then with smaller batches; a record that
    /// fails alone is at fault.
    Faulty,
    /// The batch is too large: try smaller ones at once. A record that is too large alone is at fault.
    TooLarge,
}

/// What a record came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on with this data, which may be empty.
    Ok(Bytes),
    /// It is gone, on purpose.
    Dropped,
    /// It goes to the failed objects.
    Failed {
        /// Such as `Lambda.MissingRecordId`.
        code: &'static str,
        /// In words.
        message: String,
    },
}

/// A record and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformedRecord {
    /// As it came in.
    pub record: SourceRecord,
    /// What the function made of it.
    pub outcome: Outcome,
}

/// The id of a record in an event: opaque to functions, the same in every retry.
pub fn record_id(record: &SourceRecord) -> String {
    format!("{:020}", record.position.0)
}

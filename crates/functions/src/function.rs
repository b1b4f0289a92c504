//! The contract of a function.

use async_trait::async_trait;
use bytes::Bytes;

/// A function: JSON bytes in, JSON bytes out.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// The name by which it is configured.
    fn name(&self) -> &str;

    /// Handles one event. Called concurrently; [`Invoker`](crate::Invoker) sets the limits.
    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError>;
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// What kind of failure.
    pub kind: FunctionErrorKind,
    /// What failed, why, and what fixes it.
    pub message: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionErrorKind {
    /// The function answered with an error, or panicked.
    Failed,
    /// It took longer than its time limit.
    TimedOut,
    /// Too many calls at once, or what the function calls is busy: the same call may work later.
    Throttled,
    /// What it needs, such as a model, is being loaded or is not there: the same call works once it is.
    NotReady,
    /// The event or the answer is larger than the payload limit.
    TooLarge,
}

impl FunctionError {
    /// An error of the function itself.
    pub fn failed(message: impl Into<String>) -> FunctionError {
        FunctionError { kind: FunctionErrorKind::Failed, message: message.into() }
    }

    /// Too much at once: try again later.
    pub fn throttled(message: impl Into<String>) -> FunctionError {
        FunctionError { kind: FunctionErrorKind::Throttled, message: message.into() }
    }

    /// What it needs is not there yet: try again later.
    pub fn not_ready(message: impl Into<String>) -> FunctionError {
        FunctionError { kind: FunctionErrorKind::NotReady, message: message.into() }
    }
}

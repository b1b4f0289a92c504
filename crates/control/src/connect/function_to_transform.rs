//! A function as the transform of a delivery stream.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_delivery::{Transform, TransformError, TransformErrorKind};
use millstream_functions::{FunctionErrorKind, Invoker};

/// A function behind its limits.
pub(crate) struct FunctionTransform(pub(crate) Arc<Invoker>);

#[async_trait]
impl Transform for FunctionTransform {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, TransformError> {
        self.0.invoke(event).await.map_err(|error| {
            let kind = match error.kind {
                FunctionErrorKind::Failed => TransformErrorKind::FunctionError,
                FunctionErrorKind::TimedOut => TransformErrorKind::FunctionTimedOut,
                FunctionErrorKind::Throttled => TransformErrorKind::InvokeLimitExceeded,
                FunctionErrorKind::TooLarge => TransformErrorKind::FunctionResponseTooLarge,
            };
            TransformError { kind, message: error.message }
        })
    }
}

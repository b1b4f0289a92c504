//! A function as the transform of a delivery stream.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_delivery::{Transform, TransformError, TransformErrorKind};
use millstream_functions::FunctionErrorKind;

use crate::slots::Slot;
use crate::world::CallableFunction;

/// A function in its slot. While there is none, records wait as for one that is throttled.
pub(crate) struct FunctionTransform(pub(crate) Arc<Slot<CallableFunction>>);

#[async_trait]
impl Transform for FunctionTransform {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, TransformError> {
        let Some(function) = self.0.get() else {
            let message = format!("function \"{}\" does not exist", self.0.name());
            return Err(TransformError { kind: TransformErrorKind::ResourceNotFound, message });
        };
        function.invoker.invoke(event).await.map_err(|error| {
            let kind = match error.kind {
                FunctionErrorKind::Failed => TransformErrorKind::FunctionError,
                FunctionErrorKind::TimedOut => TransformErrorKind::FunctionTimedOut,
                FunctionErrorKind::Throttled => TransformErrorKind::InvokeLimitExceeded,
                FunctionErrorKind::NotReady => TransformErrorKind::NotReady,
                FunctionErrorKind::TooLarge => TransformErrorKind::FunctionResponseTooLarge,
            };
            TransformError { kind, message: error.message }
        })
    }
}

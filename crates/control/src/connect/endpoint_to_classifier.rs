//! An endpoint as the one who labels texts.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_functions::{Classifier, ClassifierError, Prediction};
use millstream_inference::{Classification, ClassifyError, ModelServer};

use crate::slots::Slot;

/// A model server in its slot. While there is none, texts wait.
pub(crate) struct EndpointClassifier(pub(crate) Arc<Slot<ModelServer>>);

#[async_trait]
impl Classifier for EndpointClassifier {
    fn labels(&self) -> Option<Vec<String>> {
        self.0.get()?.labels()
    }

    async fn classify(&self, texts: Vec<String>) -> Result<Vec<Prediction>, ClassifierError> {
        let Some(server) = self.0.get() else {
            let message = format!("endpoint \"{}\" does not exist", self.0.name());
            return Err(ClassifierError::NotReady(message));
        };
        let answers = server.classify(texts).await.map_err(|error| {
            let message = error.to_string();
            match error {
                ClassifyError::Busy { .. } => ClassifierError::Busy(message),
                ClassifyError::RequestTooLarge { .. } => ClassifierError::TooMany(message),
                ClassifyError::TextTooLong { index, .. } => {
                    ClassifierError::Refused { index: Some(index), message }
                }
                ClassifyError::Refused { .. } | ClassifyError::Failed => {
                    ClassifierError::Refused { index: None, message }
                }
                // Another server takes its place, or the process ends: nothing is wrong with the texts.
                ClassifyError::NotLoaded { .. } | ClassifyError::ShuttingDown => {
                    ClassifierError::NotReady(message)
                }
            }
        })?;
        let prediction = |answer: Classification| Prediction {
            label: answer.label,
            label_index: answer.label_index,
            probability: answer.score,
            truncated: answer.truncated,
        };
        Ok(answers.into_iter().map(prediction).collect())
    }
}

//! An endpoint as the one who rates reviews.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_functions::{Classifier, ClassifierError, StarRating};
use millstream_inference::{ClassifyError, ModelServer};

use crate::slots::Slot;

/// A model server in its slot. While there is none, texts wait as for one that is busy.
pub(crate) struct EndpointClassifier(pub(crate) Arc<Slot<ModelServer>>);

#[async_trait]
impl Classifier for EndpointClassifier {
    async fn classify(&self, texts: Vec<String>) -> Result<Vec<StarRating>, ClassifierError> {
        let Some(server) = self.0.get() else {
            let message = format!("endpoint \"{}\" does not exist now", self.0.name());
            return Err(ClassifierError::Busy(message));
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
                ClassifyError::NotLoaded { .. } | ClassifyError::ShuttingDown => {
                    ClassifierError::Other(message)
                }
            }
        })?;
        // The labels of the model are 1 to 5 stars in order; others are told apart by the function.
        let rating = |answer: millstream_inference::Classification| StarRating {
            star_rating: u8::try_from(answer.label_index + 1).unwrap_or(u8::MAX),
            probability: answer.score,
            truncated: answer.truncated,
        };
        Ok(answers.into_iter().map(rating).collect())
    }
}

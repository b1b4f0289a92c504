//! An endpoint as the one who rates reviews.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_functions::{Classifier, ClassifierError, StarRating};
use millstream_inference::{ClassifyError, ModelServer};

/// A model server.
pub(crate) struct EndpointClassifier(pub(crate) Arc<ModelServer>);

#[async_trait]
impl Classifier for EndpointClassifier {
    async fn classify(&self, texts: Vec<String>) -> Result<Vec<StarRating>, ClassifierError> {
        let answers = self.0.classify(texts).await.map_err(|error| {
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

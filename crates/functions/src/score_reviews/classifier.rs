//! What the function asks of a model, and how refusals of single texts are told apart from refusals of the batch.

use std::collections::VecDeque;
use std::ops::Range;

use async_trait::async_trait;

use crate::function::FunctionError;

/// Rates texts from 1 to 5 stars.
#[async_trait]
pub trait Classifier: Send + Sync + 'static {
    /// Rates every text, in order: as many answers as texts.
    async fn classify(&self, texts: Vec<String>) -> Result<Vec<StarRating>, ClassifierError>;
}

/// The model's answer to a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StarRating {
    /// 1 to 5.
    pub star_rating: u8,
    /// How sure the model is, 0 to 1.
    pub probability: f32,
    /// Whether the text was longer than the model reads, so that only its beginning counted.
    pub truncated: bool,
}

/// Why texts were not rated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifierError {
    /// The model has too much to do: the same texts may work later.
    #[error("the model is busy: {0}")]
    Busy(String),
    /// The model will never take this text, such as one that is too long.
    #[error("the model refused the text: {message}")]
    Refused {
        /// Which text of the call, when known.
        index: Option<usize>,
        /// Why.
        message: String,
    },
    /// Too many texts at once: the same texts in smaller calls may work.
    #[error("too many texts for one call: {0}")]
    TooMany(String),
    /// Anything else that may work later, such as a model that is not loaded.
    #[error("the model failed: {0}")]
    Other(String),
}

/// Rates texts and tells which of them the model refuses.
///
/// One call in the ordinary case. A refused text that is named is left out and the others asked again; when it is not
/// named, or the texts are too many, the call is halved until the text stands alone. Cost: at most 2 calls a text.
pub(super) async fn rate_each(
    classifier: &dyn Classifier,
    texts: Vec<String>,
) -> Result<Vec<Result<StarRating, String>>, FunctionError> {
    let mut answers: Vec<Option<Result<StarRating, String>>> = vec![None; texts.len()];
    let mut calls: VecDeque<Range<usize>> = VecDeque::new();
    if !texts.is_empty() {
        calls.push_back(0..texts.len());
    }
    while let Some(call) = calls.pop_front() {
        match classifier.classify(texts[call.clone()].to_vec()).await {
            Ok(ratings) => {
                check_answer(&ratings, call.len())?;
                for (index, rating) in call.zip(ratings) {
                    answers[index] = Some(Ok(rating));
                }
            }
            Err(ClassifierError::Refused { index: Some(index), message }) if index < call.len() => {
                let refused = call.start + index;
                answers[refused] = Some(Err(message));
                for rest in [call.start..refused, refused + 1..call.end] {
                    if !rest.is_empty() {
                        calls.push_back(rest);
                    }
                }
            }
            Err(ClassifierError::Refused { message, .. } | ClassifierError::TooMany(message)) => {
                if call.len() == 1 {
                    answers[call.start] = Some(Err(message));
                } else {
                    let middle = call.start + call.len() / 2;
                    calls.push_back(call.start..middle);
                    calls.push_back(middle..call.end);
                }
            }
            Err(error @ ClassifierError::Busy(_)) => return Err(FunctionError::throttled(error.to_string())),
            Err(error @ ClassifierError::Other(_)) => return Err(FunctionError::failed(error.to_string())),
        }
    }
    Ok(answers
        .into_iter()
        .map(|answer| answer.expect("every text is in exactly one finished call"))
        .collect())
}

fn check_answer(ratings: &[StarRating], texts: usize) -> Result<(), FunctionError> {
    if ratings.len() != texts {
        let message = format!("the model gave {} answers to {texts} texts; it is not usable", ratings.len());
        return Err(FunctionError::failed(message));
    }
    match ratings.iter().find(|rating| !(1..=5).contains(&rating.star_rating)) {
        None => Ok(()),
        Some(rating) => Err(FunctionError::failed(format!(
            "the model gave {} stars where 1 to 5 are expected; configure an endpoint with a star-rating model",
            rating.star_rating
        ))),
    }
}

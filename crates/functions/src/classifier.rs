//! What functions ask of a model, and how refusals of single texts are told apart from those of the batch.
//!
//! | the model says | what is done |
//! |---|---|
//! | busy | the same texts again, after a wait, until [`PATIENCE`](ClassifyEach::patience) is over; then the whole call is throttled |
//! | not ready | the whole call is answered with "not ready": nothing is wrong with the texts |
//! | too many texts | each half |
//! | a text is refused | that text fails, the others are asked again; when it is not named, each half |

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use millstream_host::real_time;
use millstream_wording::counted;

use crate::function::{FunctionError, FunctionErrorKind};

/// The first wait for a busy model, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Gives texts one of a fixed set of labels.
#[async_trait]
pub trait Classifier: Send + Sync + 'static {
    /// The labels in the order of their indexes; `None` while the model is not loaded.
    fn labels(&self) -> Option<Vec<String>>;

    /// Labels every text, in order: as many answers as texts.
    async fn classify(&self, texts: Vec<String>) -> Result<Vec<Prediction>, ClassifierError>;
}

/// The model's answer to a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable label, by the model's `id2label`.
    pub label: String,
    /// Its index, from 0.
    pub label_index: usize,
    /// How sure the model is of it, 0 to 1.
    pub probability: f32,
    /// Whether the text was longer than the model reads, so that only its beginning counted.
    pub truncated: bool,
}

/// Why texts were not labelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifierError {
    /// The model has too much to do: the same texts may work in a moment.
    #[error("the model is busy: {0}")]
    Busy(String),
    /// The model is being loaded, cannot be loaded, or is stopping: nothing is wrong with the texts.
    #[error("the model is not ready: {0}")]
    NotReady(String),
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
    /// Anything else that may work later.
    #[error("the model failed: {0}")]
    Other(String),
}

/// Labels texts and finds those that the model refuses.
pub(crate) struct ClassifyEach<'a> {
    pub(crate) classifier: &'a dyn Classifier,
    /// How long to wait for the model before the call is given back as throttled. Shorter than the time limit of the
    /// function: running into that one would count against the records.
    pub(crate) patience: Duration,
}

impl ClassifyEach<'_> {
    /// What became of each text, in order. Cost: at most 2 calls a text, besides those that find the model busy.
    ///
    /// # Errors
    /// The model has no time, is not ready or failed as a whole: no text is at fault.
    pub(crate) async fn run(
        &self,
        texts: Vec<String>,
    ) -> Result<Vec<Result<Prediction, String>>, FunctionError> {
        let count = texts.len();
        match real_time::within(self.patience, self.ask(texts)).await {
            Some(answers) => answers,
            None if self.classifier.labels().is_none() => {
                Err(FunctionError::not_ready("the model is being loaded"))
            }
            // What it has answered meanwhile is in its cache: the next call comes further.
            None => Err(FunctionError::throttled(format!(
                "the model has not answered {} within {:?}; it is asked again",
                counted(count, "text"),
                self.patience
            ))),
        }
    }

    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Result<Prediction, String>>, FunctionError> {
        let mut answers: Vec<Option<Result<Prediction, String>>> = vec![None; texts.len()];
        let mut calls: VecDeque<Range<usize>> = VecDeque::new();
        if !texts.is_empty() {
            calls.push_back(0..texts.len());
        }
        let mut wait = FIRST_WAIT;
        while let Some(call) = calls.pop_front() {
            match self.classifier.classify(texts[call.clone()].to_vec()).await {
                Ok(predictions) => {
                    if predictions.len() != call.len() {
                        let message = format!(
                            "the model gave {} to {}; it is not usable",
                            counted(predictions.len(), "answer"),
                            counted(call.len(), "text")
                        );
                        return Err(FunctionError::failed(message));
                    }
                    for (index, prediction) in call.zip(predictions) {
                        answers[index] = Some(Ok(prediction));
                    }
                    wait = FIRST_WAIT;
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
                Err(ClassifierError::Busy(_)) => {
                    calls.push_front(call);
                    real_time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error @ ClassifierError::NotReady(_)) => {
                    return Err(FunctionError::not_ready(error.to_string()));
                }
                Err(error @ ClassifierError::Other(_)) => {
                    return Err(FunctionError {
                        kind: FunctionErrorKind::Failed,
                        message: error.to_string(),
                    });
                }
            }
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.expect("every text is in exactly one finished call"))
            .collect())
    }
}

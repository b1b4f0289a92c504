//! `score-reviews`: a review in, the review with a star rating out.
//!
//! ```text
//! record ─▶ layout ─▶ review_id, product_category, review_body ─┐
//! record ─▶ layout ─▶ …                                         ├─▶ one question to the model ─▶ one line each
//! record ─▶ not a review: ProcessingFailed                      ┘
//! ```
//!
//! The answer's data is `review_id<TAB>star_rating<TAB>product_category<TAB>review_body<LF>`, with tabs and line
//! breaks inside fields made blanks. The same function serves a delivery stream and an application's preprocessing.

mod classifier;
mod layout;
#[cfg(test)]
mod score_reviews_test;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

pub use classifier::{Classifier, ClassifierError, StarRating};
pub use layout::{JsonMembers, ReviewLayout};

use crate::events::transform::{TransformAnswer, TransformEvent, TransformResult, TransformedRecord};
use crate::function::{Function, FunctionError};

/// What becomes of a review without a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyBody {
    /// The model rates the empty text.
    #[default]
    Classify,
    /// The record fails.
    Refuse,
}

/// How reviews are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreReviewsSettings {
    /// Where the fields stand in a record.
    pub layout: ReviewLayout,
    /// What becomes of a review whose body is empty or blank.
    pub empty_body: EmptyBody,
    /// Longest body in bytes; a longer one fails its record.
    pub max_body_bytes: usize,
}

impl Default for ScoreReviewsSettings {
    /// Automatic layout, empty bodies are rated, bodies up to 256 KiB.
    fn default() -> ScoreReviewsSettings {
        ScoreReviewsSettings {
            layout: ReviewLayout::default(),
            empty_body: EmptyBody::default(),
            max_body_bytes: 256 * 1024,
        }
    }
}

/// A review with its rating, as it is answered: no field holds a tab or a line break.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredReview {
    /// The review's id.
    pub review_id: String,
    /// Its product category.
    pub product_category: String,
    /// Its text.
    pub review_body: String,
    /// What the model says.
    pub rating: StarRating,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScoreStatistics {
    /// Reviews rated.
    pub scored: u64,
    /// Of these, the ones of which the model read only the beginning.
    pub truncated: u64,
    /// Records that are not reviews or that the model refused.
    pub failed: u64,
    /// Why the newest of them failed.
    pub newest_failure: Option<String>,
}

/// Is told of every rated review, in order, before the answer goes out. Must be quick.
type Observer = Arc<dyn Fn(&ScoredReview) + Send + Sync>;

/// The function.
pub struct ScoreReviews {
    settings: ScoreReviewsSettings,
    classifier: Arc<dyn Classifier>,
    observer: Option<Observer>,
    /// Guards a few numbers; held for moments.
    statistics: Mutex<ScoreStatistics>,
}

impl ScoreReviews {
    /// The name by which it is configured.
    pub const NAME: &'static str = "score-reviews";

    /// The function with its settings and the model it asks. Refuses a layout without the three fields, in words.
    pub fn new(
        settings: ScoreReviewsSettings,
        classifier: Arc<dyn Classifier>,
    ) -> Result<ScoreReviews, String> {
        settings.layout.check()?;
        Ok(ScoreReviews { settings, classifier, observer: None, statistics: Mutex::default() })
    }

    /// The same function, telling `observer` of every rated review; a batch that is retried is told again.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&ScoredReview) + Send + Sync + 'static) -> ScoreReviews {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Counts since the start.
    pub fn statistics(&self) -> ScoreStatistics {
        self.statistics.lock().clone()
    }

    /// The fields of a record, fit for one line.
    fn read(&self, record: &[u8]) -> Result<Fields, String> {
        let review = self.settings.layout.read(record).map_err(|error| error.to_string())?;
        let (bytes, limit) = (review.review_body.len(), self.settings.max_body_bytes);
        if bytes > limit {
            return Err(format!(
                "the review_body has {bytes} bytes and the limit (max_body_bytes) is {limit}"
            ));
        }
        if self.settings.empty_body == EmptyBody::Refuse && review.review_body.trim().is_empty() {
            return Err("the review_body is empty and empty_body is set to refuse".to_owned());
        }
        Ok(Fields {
            review_id: on_one_line(&review.review_id),
            product_category: on_one_line(&review.product_category),
            review_body: on_one_line(&review.review_body),
        })
    }

    fn failed(&self, reason: String) -> (TransformResult, Option<Bytes>) {
        tracing::warn!(function = Self::NAME, reason, "record is not scored");
        let mut statistics = self.statistics.lock();
        statistics.failed += 1;
        statistics.newest_failure = Some(reason);
        (TransformResult::ProcessingFailed, None)
    }

    fn scored(&self, fields: Fields, rating: StarRating) -> (TransformResult, Option<Bytes>) {
        let Fields { review_id, product_category, review_body } = fields;
        let line = format!("{review_id}\t{}\t{product_category}\t{review_body}\n", rating.star_rating);
        {
            let mut statistics = self.statistics.lock();
            statistics.scored += 1;
            statistics.truncated += u64::from(rating.truncated);
        }
        if let Some(observer) = &self.observer {
            observer(&ScoredReview { review_id, product_category, review_body, rating });
        }
        (TransformResult::Ok, Some(Bytes::from(line)))
    }
}

struct Fields {
    review_id: String,
    product_category: String,
    review_body: String,
}

fn on_one_line(field: &str) -> String {
    field.replace(['\t', '\n', '\r'], " ")
}

#[async_trait]
impl Function for ScoreReviews {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let event =
            TransformEvent::decode(&event).map_err(|error| FunctionError::failed(error.to_string()))?;
        let reviews: Vec<Result<Fields, String>> =
            event.records.iter().map(|record| self.read(&record.data)).collect();
        let bodies = reviews.iter().flatten().map(|fields| fields.review_body.clone()).collect();
        let mut ratings = classifier::rate_each(self.classifier.as_ref(), bodies).await?.into_iter();
        let records = event.records.into_iter().zip(reviews).map(|(record, review)| {
            let (result, data) = match review {
                Err(reason) => self.failed(reason),
                Ok(fields) => match ratings.next().expect("every readable review was asked about") {
                    Ok(rating) => self.scored(fields, rating),
                    Err(reason) => self.failed(reason),
                },
            };
            TransformedRecord { record_id: record.record_id, result, data }
        });
        Ok(TransformAnswer { records: records.collect() }.encode())
    }
}

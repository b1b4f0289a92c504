//! `score-reviews`: a review in, the review with a star rating out. The review-shaped preset of
//! [`Classify`](crate::Classify), for a model whose labels are 1 to 5 stars.
//!
//! ```text
//! record ─▶ layout ─▶ review_id, product_category, review_body ─┐
//! record ─▶ layout ─▶ …                                         ├─▶ one question to the model ─▶ one line each
//! record ─▶ not a review: ProcessingFailed, with the reason     ┘
//! ```
//!
//! The answer's data is `review_id<TAB>star_rating<TAB>product_category<TAB>review_body<LF>`, with tabs and line
//! breaks inside fields made blanks. The same function serves a delivery stream and an application's preprocessing.

mod layout;
#[cfg(test)]
mod score_reviews_test;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use layout::{JsonMembers, ReviewLayout};

use crate::classifier::{Classifier, Prediction};
use crate::function::{Function, FunctionError};
use crate::labelling::{ClassifyStatistics, Labelling};
use crate::stars::stars_of;

/// How reviews are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreReviewsSettings {
    /// Where the fields are in a record.
    pub layout: ReviewLayout,
    /// How long to wait for the model before a call is given back as throttled.
    pub patience: Duration,
    /// Longest body in bytes; a longer one fails its record.
    pub max_body_bytes: usize,
}

impl Default for ScoreReviewsSettings {
    /// Automatic layout, 30 s, bodies up to 256 KiB.
    fn default() -> ScoreReviewsSettings {
        ScoreReviewsSettings {
            layout: ReviewLayout::default(),
            patience: Duration::from_secs(30),
            max_body_bytes: 256 * 1024,
        }
    }
}

/// The function.
pub struct ScoreReviews {
    settings: ScoreReviewsSettings,
    labelling: Labelling,
}

impl ScoreReviews {
    /// The name by which it is configured.
    pub const NAME: &'static str = "score-reviews";

    /// The function with its settings and the model it asks.
    ///
    /// # Errors
    /// The layout lacks one of the three fields, in words.
    pub fn new(
        settings: ScoreReviewsSettings,
        classifier: Arc<dyn Classifier>,
    ) -> Result<ScoreReviews, String> {
        settings.layout.check()?;
        let labelling = Labelling::new(Self::NAME, classifier, settings.patience);
        Ok(ScoreReviews { settings, labelling })
    }

    /// Counts since the start.
    pub fn statistics(&self) -> ClassifyStatistics {
        self.labelling.statistics()
    }

    /// The fields of a record, fit for one line, and its text.
    fn read(&self, record: &[u8]) -> Result<(Fields, String), String> {
        let review = self.settings.layout.read(record).map_err(|error| error.to_string())?;
        let (bytes, limit) = (review.review_body.len(), self.settings.max_body_bytes);
        if bytes > limit {
            return Err(format!(
                "the review_body has {bytes} bytes and the limit (max_body_bytes) is {limit}"
            ));
        }
        if review.review_body.trim().is_empty() {
            return Err("the review_body has no text: there is nothing to rate".to_owned());
        }
        let review_body = on_one_line(&review.review_body);
        let fields = Fields {
            review_id: on_one_line(&review.review_id),
            product_category: on_one_line(&review.product_category),
            review_body: review_body.clone(),
        };
        Ok((fields, review_body))
    }
}

struct Fields {
    review_id: String,
    product_category: String,
    review_body: String,
}

impl Fields {
    fn line(&self, prediction: &Prediction) -> Result<String, String> {
        let Some(stars) = stars_of(&prediction.label) else {
            return Err(format!(
                "the model's label \"{}\" is no star rating; use builtin = \"classify\", which answers any label",
                prediction.label
            ));
        };
        let Fields { review_id, product_category, review_body } = self;
        Ok(format!("{review_id}\t{stars}\t{product_category}\t{review_body}\n"))
    }
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
        let read = |record: &[u8]| self.read(record);
        let write = |fields: Fields, prediction: &Prediction| fields.line(prediction);
        self.labelling.transform(&event, read, write).await
    }
}

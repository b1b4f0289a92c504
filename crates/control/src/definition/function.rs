//! Functions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Reference};

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// Time limit of a call.
    pub timeout: Duration,
    /// What it does.
    pub body: FunctionBody,
    /// The stream that gets the rows that it rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
}

/// The functions in this program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionBody {
    /// Asks an endpoint for the label of a text in every record.
    Classify {
        /// Who labels.
        endpoint: String,
        /// Where the text is.
        text: TextPlace,
        /// Between columns, of records and answers.
        delimiter: char,
        /// The columns of an answer; a JSON object unless given.
        output: Option<Vec<String>>,
    },
    /// Asks an endpoint for the star rating of every review.
    ScoreReviews {
        /// Who rates.
        endpoint: String,
        /// The columns of a record, tabs between; recognized record by record unless given.
        columns: Option<Vec<String>>,
    },
    /// Puts the average of a window as a metric.
    MetricFromAverage {
        /// Which metric.
        metric: String,
        /// Which column of the rows.
        column: String,
    },
    /// Publishes the highest anomaly score of a batch.
    NotifyOnAnomaly {
        /// Where to.
        topic: String,
        /// Which column of the rows.
        column: String,
        /// Scores below it have no effect.
        threshold: f64,
        /// No second notice before this has passed.
        quiet_period: Duration,
    },
}

/// Where the text of a record is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextPlace {
    /// It is the whole record.
    Line,
    /// In a column.
    Column {
        /// The columns of a record, in order.
        columns: Vec<String>,
        /// Which of them.
        text: String,
    },
    /// In a JSON document, at this path, such as `$.review.body`.
    JsonPath(String),
}

/// How the rows that reach a function are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowFormat {
    /// One JSON object a row.
    Json,
    /// Fields with commas between.
    Csv,
}

impl FunctionDefinition {
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut references = vec![match &self.body {
            FunctionBody::Classify { endpoint, .. } | FunctionBody::ScoreReviews { endpoint, .. } => {
                Reference::new(Kind::Endpoint, endpoint)
            }
            FunctionBody::MetricFromAverage { metric, .. } => Reference::new(Kind::Metric, metric),
            FunctionBody::NotifyOnAnomaly { topic, .. } => Reference::new(Kind::Topic, topic),
        }];
        references.extend(self.dead_letter.iter().map(|stream| Reference::new(Kind::Stream, stream)));
        references
    }

    /// The column of rows that it reads, if it reads rows.
    pub fn row_column(&self) -> Option<&str> {
        match &self.body {
            FunctionBody::Classify { .. } | FunctionBody::ScoreReviews { .. } => None,
            FunctionBody::MetricFromAverage { column, .. } | FunctionBody::NotifyOnAnomaly { column, .. } => {
                Some(column)
            }
        }
    }
}

//! Functions: JSON events in, JSON answers out, exactly as a Lambda handler sees them.
//!
//! ```text
//!  caller ─event─▶ Invoker ─────────────────▶ Function ─▶ what it needs: Classifier, MetricSink, Publisher, RejectedSink
//!                    concurrency, time limit,               (traits here, fulfilled by the crate above)
//!                    size limits, panics, counts
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`Function`], [`FunctionError`] in `function.rs` | the contract of every function |
//! | [`Invoker`] in `invoker.rs` | calling one safely: limits, isolation, counts, the newest errors |
//! | [`events`] | the events and answers as types: `transform.rs` (record transformation), `output.rs` (query output) |
//! | [`Classify`] in `classify/` | record with a text → record with a label |
//! | [`ScoreReviews`] in `score_reviews/` | review → review with a star rating |
//! | [`Classifier`] in `classifier.rs`, `labelling.rs`, `stars.rs`, [`JsonPath`] | what the two have in common |
//! | [`MetricFromAverage`] | rows of a query → a metric |
//! | [`NotifyOnAnomaly`] | anomaly scores → one mail a batch, above a threshold, not too often |
//! | `output_row.rs`, `rejected_rows.rs` | the number in a row; rows that no retry can fix |
//!
//! Invariants:
//! - No event, however malformed, panics or grows memory beyond the payload limit; a panicking function is an error
//!   of that call.
//! - An answer names every record of its event once, in the order of the event.
//! - One bad record never fails its neighbours; what may work later (a busy model, a topic that is down) is an error
//!   of the call, so that the caller tries again.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod classifier;
mod classify;
pub mod events;
mod function;
mod invoker;
mod json_path;
mod json_text;
mod labelling;
mod metric_from_average;
mod notify_on_anomaly;
mod output_row;
mod rejected_rows;
mod score_reviews;
mod stars;

pub use classifier::{Classifier, ClassifierError, Prediction};
pub use classify::{Classify, ClassifyKey, ClassifyMistake, ClassifySettings, LabelOutput, TextInput};
pub use function::{Function, FunctionError, FunctionErrorKind};
pub use invoker::{Invoker, InvokerSettings, InvokerStatistics, LoggedError};
pub use json_path::JsonPath;
pub use labelling::ClassifyStatistics;
pub use metric_from_average::{MetricFromAverage, MetricFromAverageSettings, MetricSink, MetricSinkError};
pub use notify_on_anomaly::{
    NotifyOnAnomaly, NotifyOnAnomalySettings, NotifyStatistics, Publisher, PublisherError,
};
pub use rejected_rows::{RejectedRow, RejectedSink, RejectedSinkError};
pub use score_reviews::{JsonMembers, ReviewLayout, ScoreReviews, ScoreReviewsSettings};
pub use stars::check_star_labels;

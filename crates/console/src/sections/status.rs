//! The line below the title: what feeds the pipeline, how long it has been running.

use askama::Template;
use millstream_control::view::Overview;

use crate::show::{Moment, excerpt, span};

/// The fragment `status`.
#[derive(Template)]
#[template(path = "status.html")]
pub(crate) struct Status {
    is_synthetic: bool,
    scores_reviews: bool,
    source: String,
    running_for: String,
    now: Moment,
}

impl Status {
    pub(crate) fn new(overview: &Overview) -> Status {
        Status {
            is_synthetic: overview.is_synthetic,
            scores_reviews: overview.scores_reviews,
            source: excerpt(&overview.source, 200),
            running_for: span(overview.now.saturating_sub(overview.started_at)),
            now: Moment::at(overview.now),
        }
    }
}

//! The newest problems: when, where, what.

use askama::Template;
use millstream_control::view::Overview;

use crate::show::{Moment, excerpt};

/// The most problems on the page.
const MOST_PROBLEMS: usize = 12;

/// The fragment `problems`.
#[derive(Template)]
#[template(path = "problems.html")]
pub(crate) struct Problems {
    left_out: usize,
    problems: Vec<ProblemShown>,
}

struct ProblemShown {
    at: Moment,
    place: String,
    message: String,
}

impl Problems {
    pub(crate) fn new(overview: &Overview) -> Problems {
        let shown = overview.problems.iter().take(MOST_PROBLEMS);
        Problems {
            left_out: overview.problems.len().saturating_sub(MOST_PROBLEMS),
            problems: shown
                .map(|problem| ProblemShown {
                    at: Moment::at(problem.at),
                    place: excerpt(&problem.place, 100),
                    message: excerpt(&problem.message, 600),
                })
                .collect(),
        }
    }
}

//! The parts of the page. Each is a function from the overview to HTML and is swapped alone when it changes.
//!
//! This list is the table of contents: a new part is a file here, a line in [`fragments`], and a place of the same id
//! in `templates/page.html`.

mod alarms;
mod averages;
mod counts;
mod distribution;
mod flow;
mod mails;
mod problems;
mod reviews;
mod scores;
mod status;
mod totals;

use askama::Template;
use millstream_control::view::Overview;

/// A part of the page: the HTML inside of the element with this id.
pub(crate) struct Fragment {
    pub(crate) id: &'static str,
    pub(crate) html: String,
}

/// All parts for an overview, always the same ids in the same order.
pub(crate) fn fragments(overview: &Overview) -> Vec<Fragment> {
    vec![
        fragment("status", status::Status::new(overview)),
        fragment("totals", totals::Totals::new(overview)),
        fragment("flow", flow::Flow::new(overview)),
        fragment("averages", averages::Averages::new(overview)),
        about_reviews("distribution", distribution::Distribution::new(overview), overview),
        fragment("scores", scores::Scores::new(overview)),
        fragment("counts", counts::Counts::new(overview)),
        about_reviews("reviews", reviews::Reviews::new(overview), overview),
        fragment("mails", mails::Mails::new(overview)),
        fragment("alarms", alarms::Alarms::new(overview)),
        fragment("problems", problems::Problems::new(overview)),
    ]
}

fn fragment(id: &'static str, template: impl Template) -> Fragment {
    Fragment { id, html: rendered(&template) }
}

/// A part that stays empty, and is then not shown, while nothing rates reviews.
fn about_reviews(id: &'static str, template: impl Template, overview: &Overview) -> Fragment {
    if overview.scores_reviews { fragment(id, template) } else { Fragment { id, html: String::new() } }
}

/// Renders a template into a string.
///
/// # Panics
/// Never in practice: writing to a string does not fail, and no value of ours fails to show itself.
pub(crate) fn rendered(template: &impl Template) -> String {
    template.render().expect("a template writes into a string, which does not fail")
}

//! The averages over time: of ratings in stars, or of anything else.

use askama::Template;
use millstream_control::view::Overview;

use super::rendered;
use crate::{
    charts::{ChartNumbers, LineChart, Marks, Series, ValueScale},
    show::rounded,
};

/// The fragment `averages`.
#[derive(Template)]
#[template(path = "averages.html")]
pub(crate) struct Averages {
    is_synthetic: bool,
    scores_reviews: bool,
    /// They are ratings of 1 to 5 stars.
    are_stars: bool,
    newest: Option<String>,
    chart: Option<String>,
}

impl Averages {
    pub(crate) fn new(overview: &Overview) -> Averages {
        let series = Series::new(&overview.averages);
        let numbers = ChartNumbers { noun: "window", heading: "Average", decimals: 2 };
        let extremes = series.extremes();
        let are_stars = are_stars(overview);
        let scale = match are_stars {
            true => ValueScale::whole_numbers(1, 5),
            false => ValueScale::from_zero(extremes.into_iter().flat_map(|(low, high)| [low, high])),
        };
        let chart = LineChart::new("averages", &series, &scale, Marks::WhileFew, numbers);
        Averages {
            is_synthetic: overview.is_synthetic,
            scores_reviews: overview.scores_reviews,
            are_stars,
            newest: series.ends().map(|(_, newest)| rounded(newest.value, 2)),
            chart: chart.as_ref().map(rendered),
        }
    }
}

/// Whether the averages are ratings: a function rates reviews, and none lies outside 1 to 5.
pub(super) fn are_stars(overview: &Overview) -> bool {
    overview.scores_reviews && overview.averages.iter().all(|point| (1.0..=5.0).contains(&point.value))
}

//! The anomaly scores over time.

use askama::Template;
use millstream_control::view::Overview;

use super::rendered;
use crate::{
    charts::{ChartNumbers, LineChart, Marks, Series, ValueScale},
    show::rounded,
};

/// The fragment `scores`.
#[derive(Template)]
#[template(path = "scores.html")]
pub(crate) struct Scores {
    is_synthetic: bool,
    scores_reviews: bool,
    newest: Option<String>,
    threshold: Option<String>,
    chart: Option<String>,
}

impl Scores {
    pub(crate) fn new(overview: &Overview) -> Scores {
        let series = Series::new(&overview.scores);
        let threshold = overview.score_threshold.filter(|threshold| threshold.is_finite());
        let scale = ValueScale::from_zero(
            series.extremes().into_iter().flat_map(|(low, high)| [low, high]).chain(threshold),
        );
        let marks = threshold.map_or(Marks::WhileFew, Marks::AtOrAbove);
        let numbers = ChartNumbers { noun: "score", heading: "Score", decimals: 2 };
        let chart = LineChart::new("scores", &series, &scale, marks, numbers);
        Scores {
            is_synthetic: overview.is_synthetic,
            scores_reviews: overview.scores_reviews,
            newest: series.ends().map(|(_, newest)| rounded(newest.value, 2)),
            threshold: threshold.map(|threshold| rounded(threshold, 2)),
            chart: chart.as_ref().map(rendered),
        }
    }
}

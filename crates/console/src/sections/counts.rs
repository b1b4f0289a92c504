//! The distinct counts over time.

use askama::Template;
use millstream_control::view::Overview;

use super::rendered;
use crate::{
    charts::{ChartNumbers, LineChart, Marks, Series, ValueScale},
    show::rounded,
};

/// The fragment `counts`.
#[derive(Template)]
#[template(path = "counts.html")]
pub(crate) struct Counts {
    is_synthetic: bool,
    /// What is counted.
    noun: &'static str,
    newest: Option<String>,
    chart: Option<String>,
}

impl Counts {
    pub(crate) fn new(overview: &Overview) -> Counts {
        let series = Series::new(&overview.counts);
        let scale = ValueScale::from_zero(series.extremes().into_iter().flat_map(|(low, high)| [low, high]));
        let heading = if overview.scores_reviews { "Distinct reviews" } else { "Distinct items" };
        let numbers = ChartNumbers { noun: "window", heading, decimals: 0 };
        let chart = LineChart::new("counts", &series, &scale, Marks::WhileFew, numbers);
        Counts {
            is_synthetic: overview.is_synthetic,
            noun: if overview.scores_reviews { "reviews" } else { "items" },
            newest: series.ends().map(|(_, newest)| rounded(newest.value, 0)),
            chart: chart.as_ref().map(rendered),
        }
    }
}

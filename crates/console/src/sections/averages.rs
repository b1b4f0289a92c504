//! The average rating over time.

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
    newest: Option<String>,
    chart: Option<String>,
}

impl Averages {
    pub(crate) fn new(overview: &Overview) -> Averages {
        let series = Series::new(&overview.averages);
        let numbers = ChartNumbers { noun: "window", heading: "Average", decimals: 2 };
        let scale = ValueScale::whole_numbers(1, 5);
        let chart = LineChart::new("averages", &series, &scale, Marks::WhileFew, numbers);
        Averages {
            is_synthetic: overview.is_synthetic,
            newest: series.ends().map(|(_, newest)| rounded(newest.value, 2)),
            chart: chart.as_ref().map(rendered),
        }
    }
}

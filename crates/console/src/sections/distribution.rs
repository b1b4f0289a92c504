//! How many reviews got how many stars.

use askama::Template;
use millstream_control::view::Overview;

use crate::show::{counted, grouped, share};

/// The fragment `distribution`.
#[derive(Template)]
#[template(path = "distribution.html")]
pub(crate) struct Distribution {
    is_synthetic: bool,
    total: u64,
    total_shown: String,
    /// Five stars first.
    bars: Vec<Bar>,
}

/// The reviews with one rating.
struct Bar {
    stars: usize,
    /// Of the longest bar, in percent.
    length: String,
    count: String,
    share: String,
}

impl Distribution {
    pub(crate) fn new(overview: &Overview) -> Distribution {
        let counts = overview.rating_distribution;
        let total = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let largest = counts.iter().copied().max().unwrap_or(0).max(1);
        let bars = (1..=5)
            .rev()
            .map(|stars| {
                let count = counts[stars - 1];
                Bar {
                    stars,
                    length: format!("{:.1}", count as f64 / largest as f64 * 100.0),
                    count: grouped(count),
                    share: share(count, total),
                }
            })
            .collect();
        Distribution {
            is_synthetic: overview.is_synthetic,
            total,
            total_shown: counted(total, "review"),
            bars,
        }
    }
}

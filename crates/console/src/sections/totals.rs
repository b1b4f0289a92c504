//! The totals since the start.

use askama::Template;
use millstream_control::view::Overview;

use super::averages::are_stars;
use crate::show::{grouped, rounded};

/// The fragment `totals`.
#[derive(Template)]
#[template(path = "totals.html")]
pub(crate) struct Totals {
    is_synthetic: bool,
    leading: Vec<Total>,
    others: Vec<Total>,
}

/// One number and what it is.
struct Total {
    name: &'static str,
    value: String,
    note: &'static str,
    class: &'static str,
}

impl Totals {
    pub(crate) fn new(overview: &Overview) -> Totals {
        let summary = &overview.summary;
        let total = |name, value, note| Total { name, value, note, class: "" };
        let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| rounded(value, 2));
        let distinct = summary.newest_distinct_count.map(|count| grouped(count.max(0).unsigned_abs()));
        let is_anomalous = matches!(
            (summary.max_anomaly_score, overview.score_threshold),
            (Some(score), Some(threshold)) if score >= threshold
        );
        let mut highest = total("Highest score", optional(summary.max_anomaly_score), "how unusual, so far");
        let mut errors = total("Errors", grouped(summary.errors), "records, rows, calls");
        if is_anomalous {
            highest.class = "alarming";
        }
        if summary.errors > 0 {
            errors.class = "alarming";
        }
        let rates = overview.scores_reviews;
        let [objects, backup_objects] = if rates {
            ["reviews with stars", "raw reviews"]
        } else {
            ["records delivered", "records as they came"]
        };
        let classified = total("Classified", grouped(summary.records_classified), "rated by the model");
        let leading = [
            Some(total("Records in", grouped(summary.records_in), "taken and durable")),
            rates.then_some(classified),
            Some(total(
                "Newest average",
                optional(summary.newest_average),
                if are_stars(overview) { "stars, last window" } else { "last window" },
            )),
            Some(highest),
        ];
        Totals {
            is_synthetic: overview.is_synthetic,
            leading: leading.into_iter().flatten().collect(),
            others: vec![
                total(
                    if rates { "Distinct reviews" } else { "Distinct items" },
                    distinct.unwrap_or_else(|| "–".to_owned()),
                    "last window",
                ),
                total("Windows", grouped(summary.windows), "averages out"),
                total("Objects", grouped(summary.objects_written), objects),
                total("Backup objects", grouped(summary.backup_objects_written), backup_objects),
                total("Mails", grouped(summary.mails), "in the mailbox"),
                errors,
            ],
        }
    }
}

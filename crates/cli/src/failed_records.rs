//! Whether so many records of a run have failed that it has failed itself.

use millstream_control::definition::Kind;
use millstream_control::view::{Overview, ResourceView};
use millstream_wording::{agreeing, counted};

/// Why a run whose inputs have ended has failed: more than `share` of the records that an application has read failed, or,
/// where no share is given, records failed and none became a row.
pub(crate) fn too_many(overview: &Overview, share: Option<f64>) -> Option<String> {
    let applications = overview.resources.iter().filter(|one| one.kind == Kind::Application);
    let reasons: Vec<String> = applications.filter_map(|one| of_application(one, share)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn of_application(application: &ResourceView, share: Option<f64>) -> Option<String> {
    let figure = |name: &str| application.figures.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let (records, failed) = (figure("records_in"), figure("failed_records"));
    let name = &application.name;
    match share {
        Some(share) if failed as f64 > share * records as f64 => Some(format!(
            "{failed} of {} that application \"{name}\" has read failed: --fail-on-errors {share} allows fewer",
            counted(records, "record")
        )),
        None if failed > 0 && figure("rows_in") == 0 => Some(format!(
            "{} read by application \"{name}\", but none became a row: see the warnings above",
            agreeing(records, "record was", "records were")
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(figures: &serde_json::Value, share: Option<f64>) -> Option<String> {
        let application =
            json!({ "records_in": figures[0], "failed_records": figures[1], "rows_in": figures[2] });
        let view = ResourceView {
            id: 1,
            kind: Kind::Application,
            name: "app".to_owned(),
            state: millstream_control::registry::Lifecycle::Active,
            reason: None,
            owner: "api".to_owned(),
            created_at: 0,
            changed_at: 0,
            generation: 1,
            definition: json!({}),
            figures: application.as_object().unwrap().clone(),
            figures_since: None,
            retrying: Vec::new(),
        };
        too_many(&Overview { resources: vec![view], ..Overview::default() }, share)
    }

    #[test]
    fn a_run_fails_when_nothing_became_a_row_or_more_failed_than_is_allowed() {
        assert_eq!(
            judged(&json!([20_000, 20_000, 0]), None).unwrap(),
            "20000 records were read by application \"app\", but none became a row: see the warnings above"
        );
        for fine in [json!([0, 0, 0]), json!([3, 0, 0]), json!([3, 2, 1])] {
            assert_eq!(judged(&fine, None), None, "{fine}");
        }
        assert_eq!(
            judged(&json!([4, 2, 2]), Some(0.4)).unwrap(),
            "2 of 4 records that application \"app\" has read failed: --fail-on-errors 0.4 allows fewer"
        );
        assert_eq!(
            [judged(&json!([4, 2, 2]), Some(0.5)), judged(&json!([4, 4, 0]), Some(1.0))],
            [None, None]
        );
        assert!(judged(&json!([4, 1, 3]), Some(0.0)).is_some());
    }
}

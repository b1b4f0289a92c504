//! What applying a file did, or would do, in lines for people.

use std::process::ExitCode;

use serde_json::Value;

/// Done, but for what was named.
const NOT_ALL: u8 = 4;

/// The lines of a report, as the JSON of [`millstream_control::ApplyReport`].
pub(crate) fn lines(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let changes = report["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_dry_run = report["is_dry_run"].as_bool() == Some(true);
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
        texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for change in changes {
        let action = change["action"].as_str().unwrap_or_default();
        if action == "unchanged" {
            continue;
        }
        let sign = match action {
            "created" => "+",
            "changed" => "~",
            "deleted" => "-",
            _ => "!",
        };
        let kind = change["kind"].as_str().unwrap_or_default().replace('-', " ");
        lines.push(format!("{sign} {action:<8} {kind} {}", change["name"].as_str().unwrap_or_default()));
        lines.extend(texts(&change["details"]).into_iter().map(|detail| format!("    {detail}")));
        let (keeps, scratch) = (texts(&change["keeps_state"]), texts(&change["starts_from_scratch"]));
        if !keeps.is_empty() {
            lines.push(format!("    keeps its state: {}", keeps.join(", ")));
        }
        if !scratch.is_empty() {
            lines.push(format!("    starts from scratch: {}", scratch.join(", ")));
        }
    }
    let count = |wanted: &str| changes.iter().filter(|change| change["action"] == wanted).count();
    let parts: Vec<String> = ["created", "changed", "deleted", "unchanged", "refused"]
        .into_iter()
        .filter(|action| count(action) > 0)
        .map(|action| format!("{} {action}", count(action)))
        .collect();
    let totals = if parts.is_empty() { "the file declares nothing".to_owned() } else { parts.join(", ") };
    lines.push(match (is_dry_run, count("refused") > 0) {
        (true, false) => format!("would be: {totals}; nothing was changed"),
        (_, true) => format!("nothing was changed: {totals}"),
        (false, false) => totals,
    });
    lines.extend(texts(&report["not_settled"]).into_iter().map(|text| format!("! {text}")));
    lines
}

/// 1 when something was refused, 4 when something does not run yet.
pub(crate) fn exit_code(report: &Value) -> ExitCode {
    let changes = report["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if changes.iter().any(|change| change["action"] == "refused") {
        return ExitCode::FAILURE;
    }
    let not_settled = report["not_settled"].as_array().is_some_and(|texts| !texts.is_empty());
    if not_settled { ExitCode::from(NOT_ALL) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_changes_and_what_keeps_its_state() {
        let report = serde_json::json!({
            "is_dry_run": true,
            "changes": [
                {"kind": "delivery-stream", "name": "d", "action": "unchanged"},
                {"kind": "application", "name": "a", "action": "changed", "details": ["sql is another"],
                 "keeps_state": ["P"], "starts_from_scratch": ["Q"]},
                {"kind": "stream", "name": "s", "action": "created"},
            ],
        });
        assert_eq!(
            lines(&report),
            [
                "~ changed  application a",
                "    sql is another",
                "    keeps its state: P",
                "    starts from scratch: Q",
                "+ created  stream s",
                "would be: 1 created, 1 changed, 1 unchanged; nothing was changed",
            ]
        );
    }
}

//! What applying a file did, or would do, in lines for people.

use std::process::ExitCode;

use millstream_control::ApplyReport;
use serde_json::Value;

/// Done, but for what was named.
const NOT_ALL: u8 = 4;
/// Resources that are named when the same is said of several.
const MOST_NAMED: usize = 3;

/// The lines of a report, as the JSON of [`millstream_control::ApplyReport`].
pub(crate) fn lines(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let changes = report["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_dry_run = report["is_dry_run"].as_bool() == Some(true);
    for change in changes {
        let action = change["action"].as_str().unwrap_or_default();
        let sign = match action {
            "created" => "+",
            "changed" => "~",
            "deleted" => "-",
            // What is refused follows, by reason.
            _ => continue,
        };
        let (kind, name) = (kind_of(change), change["name"].as_str().unwrap_or_default());
        lines.push(format!("{sign} {action:<8} {kind} {name}"));
        lines.extend(texts(&change["details"]).into_iter().map(|detail| format!("    {detail}")));
        let (keeps, scratch) = (texts(&change["keeps_state"]), from_scratch(&change["starts_from_scratch"]));
        if !keeps.is_empty() {
            lines.push(format!("    keeps its state: {}", keeps.join(", ")));
        }
        if !scratch.is_empty() {
            lines.push(format!("    starts from scratch: {}", scratch.join(", ")));
        }
    }
    for (names, reasons) in refused(changes) {
        lines.push(format!("! refused  {names}"));
        lines.extend(reasons.into_iter().map(|reason| format!("    {reason}")));
    }
    lines.extend(taken_over(report));
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

/// Pumps that start from scratch, each with why.
fn from_scratch(pumps: &Value) -> Vec<String> {
    let pumps = pumps.as_array().map(Vec::as_slice).unwrap_or_default();
    pumps
        .iter()
        .map(|pump| {
            let text = |member: &str| pump[member].as_str().unwrap_or_default();
            format!("{} ({})", text("name"), text("reason"))
        })
        .collect()
}

/// What belonged to other files until now.
pub(crate) fn taken_over(report: &Value) -> Vec<String> {
    let is_dry_run = report["is_dry_run"].as_bool() == Some(true);
    let taken = report["taken_over"].as_array().map(Vec::as_slice).unwrap_or_default();
    taken
        .iter()
        .map(|taken| {
            let resources = taken["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names: Vec<String> = resources.iter().map(named).collect();
            let gone = if taken["is_gone"] == true { ", which is no longer there" } else { "" };
            let verb = if is_dry_run { "would be taken over" } else { "taken over" };
            let file = taken["file"].as_str().unwrap_or_default();
            format!("< {verb} from {file}{gone}: {}", listed(&names))
        })
        .collect()
}

/// Why a file was refused, a line for each reason.
pub(crate) fn refusals(report: &ApplyReport) -> Vec<String> {
    let report = serde_json::to_value(report).unwrap_or_default();
    let changes = report["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = refused(changes).into_iter();
    refused.map(|(names, reasons)| format!("{names}: {}", reasons.join("; "))).collect()
}

/// What was refused and why; resources that were refused for the same reasons are named together.
fn refused(changes: &[Value]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for change in changes.iter().filter(|change| change["action"] == "refused") {
        let reasons = texts(&change["details"]);
        match groups.iter_mut().find(|(_, known)| *known == reasons) {
            Some((names, _)) => names.push(named(change)),
            None => groups.push((vec![named(change)], reasons)),
        }
    }
    groups.into_iter().map(|(names, reasons)| (listed(&names), reasons)).collect()
}

fn kind_of(resource: &Value) -> String {
    resource["kind"].as_str().unwrap_or_default().replace('-', " ")
}

/// Kind and name, for a list.
fn named(resource: &Value) -> String {
    format!("{} \"{}\"", kind_of(resource), resource["name"].as_str().unwrap_or_default())
}

/// The first few, and how many more there are.
fn listed(names: &[String]) -> String {
    match names.len().checked_sub(MOST_NAMED) {
        None | Some(0 | 1) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..MOST_NAMED].join(", ")),
    }
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
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
    use serde_json::json;

    #[test]
    fn a_report_says_what_changes_and_what_keeps_its_state() {
        let report = serde_json::json!({
            "is_dry_run": true,
            "changes": [
                {"kind": "delivery-stream", "name": "d", "action": "unchanged"},
                {"kind": "application", "name": "a", "action": "changed", "details": ["sql is another"],
                 "keeps_state": ["P"],
                 "starts_from_scratch": [{"name": "Q", "reason": "its OVER has changed"}]},
                {"kind": "stream", "name": "s", "action": "created"},
            ],
        });
        assert_eq!(
            lines(&report),
            [
                "~ changed  application a",
                "    sql is another",
                "    keeps its state: P",
                "    starts from scratch: Q (its OVER has changed)",
                "+ created  stream s",
                "would be: 1 created, 1 changed, 1 unchanged; nothing was changed",
            ]
        );
    }

    #[test]
    fn what_is_said_of_several_resources_is_said_once() {
        let stream = |number: usize| json!({"kind": "stream", "name": format!("s{number}")});
        let refused = |number: usize| json!({"kind": "stream", "name": format!("s{number}"), "action": "refused", "details": ["owned by x"]});
        let report = json!({"changes": (0..11).map(refused).collect::<Vec<_>>()});
        let expected = [
            r#"! refused  stream "s0", stream "s1", stream "s2" and 8 more"#,
            "    owned by x",
            "nothing was changed: 11 refused",
        ];
        assert_eq!(lines(&report), expected);
        let taken = json!([{"file": "/old.toml", "is_gone": true, "resources": (0..4).map(stream).collect::<Vec<_>>()}]);
        let line = "taken over from /old.toml, which is no longer there: stream \"s0\", stream \"s1\", stream \"s2\", stream \"s3\"";
        assert_eq!(taken_over(&json!({"taken_over": taken})), [format!("< {line}")]);
        assert_eq!(
            taken_over(&json!({"is_dry_run": true, "taken_over": taken})),
            [format!("< would be {line}")]
        );
    }
}

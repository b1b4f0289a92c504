//! What differs between two versions of a definition, in words: `shards: 2 -> 5`, `input.source.stream: a -> b`,
//! `sql, line 3: SELECT … -> SELECT …`.

use std::collections::BTreeSet;

use millstream_wording::counted;
use serde_json::Value;

use crate::definition::{Definition, Kind};

/// Characters of a value that is shown.
const MOST_SHOWN: usize = 60;
/// Differences of one definition that are told one by one.
const MOST_TOLD: usize = 12;

/// Which parts of a definition differ, and how.
pub(super) fn differences(old: &Definition, new: &Definition) -> Vec<String> {
    let (kind, old, new) = (old.kind(), old.parts(), new.parts());
    let mut told = Vec::new();
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if let (Kind::Stream, "shards", Some(kept), None) = (kind, name.as_str(), before, after) {
            let kept = counted(kept.as_u64().unwrap_or_default(), "shard");
            told.push(format!("shards: no longer declared; the stream keeps its {kept}"));
        } else {
            tell(name, before, after, &mut told);
        }
    }
    if told.len() > MOST_TOLD {
        let others = told.len() - (MOST_TOLD - 1);
        told.truncate(MOST_TOLD - 1);
        told.push(format!("and {others} other differences"));
    }
    told
}

/// Tells how a part differs, member by member where both versions have members.
fn tell(path: &str, before: Option<&Value>, after: Option<&Value>, told: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                tell(&format!("{path}.{name}"), old.get(name), new.get(name), told);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                tell(&format!("{path}[{place}]"), Some(old), Some(new), told);
            }
        }
        (Some(Value::String(old)), Some(Value::String(new))) if old.contains('\n') || new.contains('\n') => {
            told.push(lines_differ(path, old, new));
        }
        _ => told.push(match (short(before, "not declared"), short(after, "no longer declared")) {
            (Some(before), Some(after)) => format!("{path}: {before} -> {after}"),
            _ => format!("{path}: changed"),
        }),
    }
}

/// A value on one line, if it is short.
fn short(value: Option<&Value>, absent: &str) -> Option<String> {
    let text = match value {
        None => absent.to_owned(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(value) => value.to_string(),
    };
    (text.chars().count() <= MOST_SHOWN && !text.contains('\n')).then_some(text)
}

/// Where texts of several lines differ: between what they have in common at both ends.
fn lines_differ(path: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let first = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - first;
    let last = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let [old, new] = [&old[first..old.len() - last], &new[first..new.len() - last]];
    let text = |line: &str| short(Some(&Value::String(line.to_owned())), "");
    match (old, new) {
        ([], []) => format!("{path}: line ends changed"),
        ([before], [after]) => match (text(before), text(after)) {
            (Some(before), Some(after)) => format!("{path}, line {}: {before} -> {after}", first + 1),
            _ => format!("{path}, line {}: changed", first + 1),
        },
        ([], added) => format!("{path}: {} added from line {} on", counted(added.len(), "line"), first + 1),
        (gone, []) => format!("{path}: {} gone from line {} on", counted(gone.len(), "line"), first + 1),
        (old, new) => {
            let count = old.len().max(new.len());
            format!("{path}: {} changed from line {} on", counted(count, "line"), first + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(before: &Value, after: &Value) -> Vec<String> {
        let mut told = Vec::new();
        tell("input", Some(before), Some(after), &mut told);
        told
    }

    #[test]
    fn members_are_told_one_by_one() {
        let of = |stream: &str, columns: Value| json!({ "source": { "stream": stream }, "columns": columns });
        let before = of("trades", json!([{ "name": "A" }, { "name": "B" }]));
        let after = of("trades2", json!([{ "name": "A" }, { "name": "C", "path": "$.c" }]));
        let expected = [
            "input.columns[1].name: B -> C",
            "input.columns[1].path: not declared -> $.c",
            "input.source.stream: trades -> trades2",
        ];
        assert_eq!(told(&before, &after), expected);
        let fewer = of("trades", json!([{ "name": "A" }]));
        assert_eq!(
            told(&before, &fewer),
            [r#"input.columns: [{"name":"A"},{"name":"B"}] -> [{"name":"A"}]"#]
        );
        assert_eq!(told(&json!("x".repeat(61)), &json!("y")), ["input: changed"]);
    }

    #[test]
    fn lines_of_a_text_are_told_by_their_numbers() {
        let lines = |lines: &[&str]| json!(lines.join("\n") + "\n");
        let before = lines(&["CREATE STREAM", "  SELECT 100", "FROM S;"]);
        let cases = [
            (lines(&["CREATE STREAM", "  SELECT 200", "FROM S;"]), "input, line 2: SELECT 100 -> SELECT 200"),
            (
                lines(&["CREATE STREAM", "  SELECT 100", "  , 7", "FROM S;"]),
                "input: 1 line added from line 3 on",
            ),
            (lines(&["CREATE STREAM", "FROM S;"]), "input: 1 line gone from line 2 on"),
            (lines(&["CREATE STREAM", "a", "b", "c", "FROM S;"]), "input: 3 lines changed from line 2 on"),
            (json!("CREATE STREAM\r\n  SELECT 100\r\nFROM S;\r\n"), "input: line ends changed"),
        ];
        for (after, expected) in cases {
            assert_eq!(told(&before, &after), [expected]);
        }
        let doubled = lines(&["a", "a", "a"]);
        assert_eq!(told(&lines(&["a", "a"]), &doubled), ["input: 1 line added from line 3 on"]);
    }
}

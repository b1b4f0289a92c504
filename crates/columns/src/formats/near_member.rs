//! Members of JSON documents that are nearly those that a path names: why a column stays NULL.

use serde_json::Value;

use crate::formats::json_path::parse_path;

/// The name of a member of a document that a path misses by the case of its letters, or by blanks, `_` and `-`. `None` when
/// the path finds a member, or nothing that is near one.
pub fn near_member(document: &Value, record_row_path: &str, mapping: &str) -> Option<String> {
    let row = parse_path(record_row_path).ok()?;
    let column = parse_path(mapping).ok()?;
    let mut value = document;
    for step in row.iter().chain(&column) {
        if let Some(name) = &step.name {
            let members = value.as_object()?;
            value = match members.get(name) {
                Some(member) => member,
                None => return members.keys().find(|member| is_near(member, name)).cloned(),
            };
        }
        if step.array
            && let Value::Array(elements) = value
        {
            value = elements.first()?;
        }
    }
    None
}

/// Whether two names differ in case, blanks and separators alone.
fn is_near(one: &str, other: &str) -> bool {
    let letters = |name: &str| -> String {
        let is_kept = |c: &char| !c.is_whitespace() && !matches!(c, '_' | '-');
        name.chars().filter(is_kept).flat_map(char::to_lowercase).collect()
    };
    letters(one) == letters(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_nearly_this_name_is_found() {
        let near = |document: &str, row: &str, path: &str| {
            near_member(&serde_json::from_str(document).unwrap(), row, path)
        };
        let said = |name: &str| Some(name.to_owned());
        assert_eq!(near(r#"{"SYM": 1}"#, "$", "$.sym"), said("SYM"));
        assert_eq!(near(r#"{"Trade-Id ": 1}"#, "$", "$.trade_id"), said("Trade-Id "));
        assert_eq!(near(r#"{"Data": {"a": 1}}"#, "$", "$.data.a"), said("Data"));
        assert_eq!(near(r#"{"data": {"A": 1}}"#, "$", "$.data.a"), said("A"));
        assert_eq!(near(r#"{"Items": [{"a": 1}]}"#, "$.items[0:]", "$.a"), said("Items"));
        assert_eq!(near(r#"{"items": [{"A": 1}]}"#, "$", "$.items[0:].a"), said("A"));
        for fine in [r#"{"sym": null, "SYM": 1}"#, r#"{"symbol": 1}"#, "[]", "1", r#"{"": 1}"#] {
            assert_eq!(near(fine, "$", "$.sym"), None, "{fine}");
        }
    }
}

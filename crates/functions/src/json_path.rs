//! Paths to a value in a JSON document: `$.review.body`, `$.items[0].text`, `$["odd name"]`.

use serde_json::Value;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// A checked path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let wrong = |reason: &str| Err(format!("\"{text}\" is no path: {reason}, as in $.review.body"));
        let Some(mut rest) = text.strip_prefix('$') else { return wrong("a path begins with $") };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                if end == 0 {
                    return wrong("a name follows each dot");
                }
                steps.push(Step::Member(after[..end].to_owned()));
                rest = &after[end..];
            } else if let Some(after) = rest.strip_prefix('[') {
                let quoted = after.strip_prefix('"').map(|after| (after, "\"]"));
                let quoted = quoted.or_else(|| after.strip_prefix('\'').map(|after| (after, "']")));
                let (inside, close) = quoted.unwrap_or((after, "]"));
                let Some((inside, after)) = inside.split_once(close) else {
                    return wrong("a bracket is not closed");
                };
                steps.push(match (quoted, inside.parse()) {
                    (Some(_), _) => Step::Member(inside.to_owned()),
                    (None, Ok(index)) => Step::Item(index),
                    (None, Err(_)) => return wrong("in brackets is a number or a name in quotes"),
                });
                rest = after;
            } else {
                return wrong("names are joined by dots");
            }
        }
        Ok(JsonPath { text: text.to_owned(), steps })
    }

    /// The value that it leads to.
    pub(crate) fn find<'value>(&self, document: &'value Value) -> Option<&'value Value> {
        self.steps.iter().try_fold(document, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Item(index) => value.get(index),
        })
    }
}

impl std::fmt::Display for JsonPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let document = json!({"a": {"b.c": ["x", {"d": 7}]}, "": 1});
        for (path, expected) in [
            ("$", Some(document.clone())),
            ("$.a[\"b.c\"][0]", Some(json!("x"))),
            ("$['a']['b.c'][1].d", Some(json!(7))),
            ("$.a.b", None),
            ("$.a[0]", None),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().find(&document), expected.as_ref(), "{path}");
        }
        for (path, reason) in [
            (".body", "begins with $"),
            ("body", "begins with $"),
            ("", "begins with $"),
            ("$body", "joined by dots"),
            ("$.", "follows each dot"),
            ("$..a", "follows each dot"),
            ("$[", "not closed"),
            ("$[\"a\"", "not closed"),
            ("$[a]", "a number or a name in quotes"),
        ] {
            let error = JsonPath::parse(path).unwrap_err();
            assert!(error.contains(reason), "{path}: {error}");
        }
    }
}

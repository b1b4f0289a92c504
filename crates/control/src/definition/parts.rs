//! Definitions as people read them.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Definition;

impl Definition {
    /// Its parts by name: without those that are not given, and with spans of time as they are written in files.
    pub fn parts(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(outer)) => match outer.into_iter().next().map(|(_, inner)| readable(inner)) {
                Some(Value::Object(parts)) => parts,
                _ => Map::new(),
            },
            _ => Map::new(),
        }
    }
}

fn readable(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let number = |name: &str| members.get(name).and_then(Value::as_u64);
            if let (Some(seconds), Some(nanos), 2) = (number("secs"), number("nanos"), members.len()) {
                return Value::String(span(Duration::from_secs(seconds) + Duration::from_nanos(nanos)));
            }
            let given = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name, readable(value))).collect())
        }
        Value::Array(values) => values.into_iter().map(readable).collect(),
        other => other,
    }
}

/// In the largest unit of which it is a whole number.
fn span(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (unit, length) =
        units.into_iter().find(|(_, length)| millis.is_multiple_of(*length)).expect("1 divides it");
    if millis == 0 { "0s".to_owned() } else { format!("{}{unit}", millis / length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spans_of_time_are_texts_and_what_is_not_given_is_left_out() {
        let stored = json!({
            "timeout": Duration::from_secs(60),
            "interval": Some(Duration::from_millis(250)),
            "list": [{"period": Duration::from_secs(90), "none": Duration::ZERO}],
            "none": null,
            "secs": 1,
        });
        let shown = json!({
            "timeout": "1m", "interval": "250ms", "list": [{"period": "90s", "none": "0s"}], "secs": 1,
        });
        assert_eq!(readable(stored), shown);
    }
}

//! What of a resource fails and is tried again, in words.

use millstream_wording::counted;
use serde_json::Value;

/// Each part with since when, how often and why, from the JSON of a resource.
pub(crate) fn texts(retrying: &Value) -> Vec<String> {
    let parts = retrying.as_array().map(Vec::as_slice).unwrap_or_default();
    parts
        .iter()
        .map(|part| {
            let text = |name: &str| part[name].as_str().unwrap_or_default();
            let attempts = part["attempts"].as_u64().unwrap_or_default();
            let since = time(&part["since"]);
            let attempts = counted(attempts, "failed attempt");
            format!("{} since {since}, {attempts}: {}", text("what"), text("reason"))
        })
        .collect()
}

/// A time in milliseconds since the epoch.
pub(crate) fn time(millis: &Value) -> String {
    let instant = millis.as_i64().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    instant.map_or_else(String::new, |instant| instant.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The same in few characters: a time of today as hours, minutes and seconds, any other as its day; UTC.
pub(crate) fn short_time(millis: i64, now: i64) -> String {
    const DAY: i64 = 86_400_000;
    let pattern = if millis.div_euclid(DAY) == now.div_euclid(DAY) { "%H:%M:%S" } else { "%Y-%m-%d" };
    let instant = jiff::Timestamp::from_millisecond(millis);
    instant.map_or_else(|_| String::new(), |instant| instant.strftime(pattern).to_string())
}

/// Whether the figure of this name is a time.
pub(crate) fn is_time(figure: &str) -> bool {
    figure.ends_with("_at") || figure.ends_with("_since")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn since_when_how_often_and_why() {
        let part =
            json!({"what": "objects", "since": 1_700_000_000_000_i64, "attempts": 2, "reason": "no room"});
        let expected = "objects since 2023-11-14 22:13:20 UTC, 2 failed attempts: no room";
        assert_eq!(texts(&json!([part])), [expected]);
        assert_eq!(texts(&Value::Null), [""; 0]);
    }
}

//! A row of `error_stream` in a line for people: what failed where, the row itself, and the record that it was.

use base64::Engine;
use serde_json::Value;

use crate::socket::FailedLine;

/// The columns of the row are in `columns`.
pub(super) fn text_of(columns: &str, failed: &FailedLine) -> String {
    let columns: Value = serde_json::from_str(columns).unwrap_or_default();
    let text = |name: &str| columns[name].as_str().unwrap_or_default();
    let place = match text("PUMP_NAME") {
        "" => "the input".to_owned(),
        pump => format!("pump {pump}"),
    };
    let row = match (&failed.data, &failed.base64) {
        (Some(data), _) => format!("row: {}", shown(data)),
        (None, base64) => format!("row in hex: {}", hex(base64.as_deref().unwrap_or_default())),
    };
    let source = failed
        .source
        .as_ref()
        .map(|source| format!("\tfrom: {}, {}, {}", source.place, source.shard, source.sequence_number));
    let source = source.unwrap_or_default();
    format!("{} in {place}: {}\t{row}{source}", text("ERROR_NAME"), text("MESSAGE"))
}

/// In one line, without its end, and without what would steer a terminal.
fn shown(data: &str) -> String {
    let is_plain = |one: &char| !one.is_control() || *one == '\t';
    let show = |one: char| match is_plain(&one) {
        true => one.to_string(),
        false => one.escape_default().to_string(),
    };
    data.trim_end_matches(['\n', '\r']).chars().map(show).collect()
}

fn hex(base64: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_text_as_text_and_the_rest_as_hex() {
        let columns =
            r#"{"ERROR_NAME":"COERCION_ERROR","MESSAGE":"no number","DATA_ROW":"78","PUMP_NAME":""}"#;
        let text = r#"{"data":"x,\u001b1\r\n","source":{"kind":"stream","name":"in","shard":"shardId-000000000000","sequence_number":"4957"}}"#;
        let text: FailedLine = serde_json::from_str(text).unwrap();
        assert_eq!(
            text_of(columns, &text),
            "COERCION_ERROR in the input: no number\trow: x,\\u{1b}1\tfrom: stream \"in\", shardId-000000000000, 4957"
        );
        let columns = r#"{"ERROR_NAME":"DIVISION_BY_ZERO","MESSAGE":"m","DATA_ROW":"FF00","PUMP_NAME":"P"}"#;
        let bytes = FailedLine { data: None, base64: Some("/wA=".to_owned()), source: None };
        assert_eq!(text_of(columns, &bytes), "DIVISION_BY_ZERO in pump P: m\trow in hex: FF00");
    }
}

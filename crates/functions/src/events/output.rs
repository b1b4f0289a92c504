//! The event that hands rows of a query to a function, and its answer.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventError, base64_data, check_distinct, read};

const EVENT: &str = "output event";
const ANSWER: &str = "output answer";

/// Rows to deliver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputEvent {
    /// The id of the call.
    #[serde(default)]
    pub invocation_id: String,
    /// The application that sends.
    #[serde(default)]
    pub application_arn: String,
    /// The names of the fields of CSV rows: an addition of ours, for the functions in this program only, so that they find
    /// a column wherever the query puts it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "millstreamRowColumns")]
    pub row_columns: Option<Vec<String>>,
    /// The rows.
    pub records: Vec<OutputRecord>,
}

/// One row to deliver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputRecord {
    /// Opaque, distinct within the event.
    pub record_id: String,
    /// The row as JSON or CSV.
    #[serde(with = "base64_data")]
    pub data: Bytes,
    /// How often it has been tried.
    #[serde(default)]
    pub lambda_delivery_record_metadata: DeliveryMetadata,
}

/// How often a row has been tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryMetadata {
    /// Failed deliveries of this row so far.
    #[serde(default)]
    pub retry_hint: u64,
}

/// What a row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryResult {
    /// Delivered, or need not be.
    Ok,
    /// Send it again.
    DeliveryFailed,
}

/// The answer to an [`OutputEvent`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputAnswer {
    /// One for each record of the event.
    pub records: Vec<DeliveredRecord>,
}

/// The answer to one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredRecord {
    /// The id of the row in the event.
    pub record_id: String,
    /// What it came to.
    pub result: DeliveryResult,
}

impl OutputEvent {
    /// Reads an event. Refuses one that is not JSON, has a record without id or base64 data, or an id twice.
    pub fn decode(json: &[u8]) -> Result<OutputEvent, EventError> {
        let event: OutputEvent = read(EVENT, json)?;
        check_distinct(EVENT, event.records.iter().map(|record| record.record_id.as_str()))?;
        Ok(event)
    }

    /// The event as JSON.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an event has only text keys and whole numbers").into()
    }
}

impl OutputAnswer {
    /// An answer with one result for each record of `event`, in its order.
    pub fn of(event: &OutputEvent, results: impl IntoIterator<Item = DeliveryResult>) -> OutputAnswer {
        let records = event
            .records
            .iter()
            .zip(results)
            .map(|(record, result)| DeliveredRecord { record_id: record.record_id.clone(), result })
            .collect();
        OutputAnswer { records }
    }

    /// The answer as JSON.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an answer has only text keys").into()
    }

    /// Reads the answer to `event`: one result for each record, in its order. A record that is not acknowledged
    /// exactly once by a known result has failed; an answer that is not JSON with a list `records` is an error,
    /// which counts as a failure of every record.
    pub fn decode_for(event: &OutputEvent, json: &[u8]) -> Result<Vec<DeliveryResult>, EventError> {
        #[derive(Deserialize)]
        struct Loose {
            records: Vec<Value>,
        }
        let answer: Loose = read(ANSWER, json)?;
        let mut acknowledged: HashMap<&str, DeliveryResult> = HashMap::with_capacity(answer.records.len());
        for record in &answer.records {
            let Some(record_id) = record.get("recordId").and_then(Value::as_str) else { continue };
            let result = match record.get("result").and_then(Value::as_str) {
                Some("Ok") if !acknowledged.contains_key(record_id) => DeliveryResult::Ok,
                _ => DeliveryResult::DeliveryFailed,
            };
            acknowledged.insert(record_id, result);
        }
        let result_of = |record: &OutputRecord| {
            acknowledged.get(record.record_id.as_str()).copied().unwrap_or(DeliveryResult::DeliveryFailed)
        };
        Ok(event.records.iter().map(result_of).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_event_has_the_documented_members() {
        let json = json!({"invocationId": "i", "applicationArn": "arn:a", "records": [
            {"recordId": "r", "data": "e30=", "lambdaDeliveryRecordMetadata": {"retryHint": 3}}]});
        let event = OutputEvent::decode(json.to_string().as_bytes()).unwrap();
        assert_eq!(event.records[0].lambda_delivery_record_metadata.retry_hint, 3);
        assert_eq!(serde_json::from_slice::<Value>(&event.encode()).unwrap(), json);
    }

    #[test]
    fn a_row_is_delivered_only_when_acknowledged_once() {
        use DeliveryResult::{DeliveryFailed, Ok};
        let record = |id: &str| OutputRecord { record_id: id.to_owned(), ..OutputRecord::default() };
        let event = OutputEvent { records: vec![record("a"), record("b")], ..OutputEvent::default() };
        let cases = [
            (r#"[{"recordId":"b","result":"Ok"},{"recordId":"a","result":"Ok"}]"#, [Ok, Ok]),
            (
                r#"[{"recordId":"a","result":"DeliveryFailed"},{"recordId":"b","result":"Ok"}]"#,
                [DeliveryFailed, Ok],
            ),
            (r#"[{"recordId":"a","result":"Fine"},{"recordId":"x","result":"Ok"}]"#, [DeliveryFailed; 2]),
            (
                r#"[{"recordId":"a","result":"Ok"},{"recordId":"a","result":"Ok"},{"recordId":"b","result":"Ok"},7]"#,
                [DeliveryFailed, Ok],
            ),
            ("[]", [DeliveryFailed; 2]),
        ];
        for (records, expected) in cases {
            let answer = format!(r#"{{"records":{records}}}"#);
            assert_eq!(OutputAnswer::decode_for(&event, answer.as_bytes()).unwrap(), expected, "{records}");
        }
        assert!(OutputAnswer::decode_for(&event, b"null").is_err());
        let answer = OutputAnswer::of(&event, [Ok, DeliveryFailed]);
        assert_eq!(OutputAnswer::decode_for(&event, &answer.encode()).unwrap(), [Ok, DeliveryFailed]);
    }
}

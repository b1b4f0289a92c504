//! The event that asks a function to transform records, and its answer.
//!
//! A delivery stream and the preprocessing of an application send the same shape: each record has an id and data,
//! and is answered `Ok` with other data, `Dropped` or `ProcessingFailed`. They differ in the header and in the
//! metadata of a record; a member that does not apply is absent.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EventError, base64_data, check_distinct, read};

const EVENT: &str = "transform event";
const ANSWER: &str = "transform answer";

/// Records to transform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformEvent {
    /// The id of the call.
    #[serde(default)]
    pub invocation_id: String,
    /// The delivery stream that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_stream_arn: Option<String>,
    /// The stream that feeds the delivery stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kinesis_stream_arn: Option<String>,
    /// The region of the delivery stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The application that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_arn: Option<String>,
    /// The stream or delivery stream that feeds the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_arn: Option<String>,
    /// The records.
    pub records: Vec<TransformRecord>,
}

/// One record to transform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformRecord {
    /// Opaque, distinct within the event.
    pub record_id: String,
    /// When the delivery stream took it, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approximate_arrival_timestamp: Option<i64>,
    /// What is in it.
    #[serde(with = "base64_data")]
    pub data: Bytes,
    /// For an application fed by a stream: where the record came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinesis_stream_record_metadata: Option<StreamRecordMetadata>,
    /// For an application fed by a delivery stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinesis_firehose_record_metadata: Option<DeliveryRecordMetadata>,
}

/// Where a record of a stream came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRecordMetadata {
    /// The shard.
    pub shard_id: String,
    /// The key given when the record was put.
    pub partition_key: String,
    /// Its number in the shard.
    pub sequence_number: String,
    /// When the stream took it, in the unit that the application is set to send (seconds or milliseconds).
    pub approximate_arrival_timestamp: i64,
}

/// When a record of a delivery stream arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRecordMetadata {
    /// When the delivery stream took it, in the unit that the application is set to send.
    pub approximate_arrival_timestamp: i64,
}

/// What a record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransformResult {
    /// The data of the answer goes on.
    Ok,
    /// Skipped on purpose.
    Dropped,
    /// The function cannot process it.
    ProcessingFailed,
}

/// The answer to a [`TransformEvent`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformAnswer {
    /// One for each record of the event.
    pub records: Vec<TransformedRecord>,
}

/// The answer to one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformedRecord {
    /// The id of the record in the event.
    pub record_id: String,
    /// What it came to.
    pub result: TransformResult,
    /// The new data; only `Ok` needs it.
    #[serde(default, with = "base64_data::optional", skip_serializing_if = "Option::is_none")]
    pub data: Option<Bytes>,
    /// Why it is `ProcessingFailed`: an addition of ours, which goes into the failed object or error row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

impl TransformEvent {
    /// Reads an event. Refuses one that is not JSON, has a record without id or base64 data, or an id twice.
    pub fn decode(json: &[u8]) -> Result<TransformEvent, EventError> {
        let event: TransformEvent = read(EVENT, json)?;
        check_distinct(EVENT, event.records.iter().map(|record| record.record_id.as_str()))?;
        Ok(event)
    }

    /// The event as JSON.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an event has only text keys and whole numbers").into()
    }
}

impl TransformAnswer {
    /// The answer as JSON.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an answer has only text keys").into()
    }

    /// Reads the answer to `event` and puts it into the order of the event. By the rules of an application's
    /// preprocessing: every record must come back exactly once, and any mistake makes the whole answer invalid.
    pub fn decode_for(event: &TransformEvent, json: &[u8]) -> Result<TransformAnswer, EventError> {
        let answer: TransformAnswer = read(ANSWER, json)?;
        check_distinct(ANSWER, answer.records.iter().map(|record| record.record_id.as_str()))?;
        let mut by_id: HashMap<String, TransformedRecord> =
            answer.records.into_iter().map(|record| (record.record_id.clone(), record)).collect();
        let mut records = Vec::with_capacity(event.records.len());
        for asked in &event.records {
            let Some(record) = by_id.remove(&asked.record_id) else {
                return Err(EventError::MissingRecord { record_id: asked.record_id.clone() });
            };
            if record.result == TransformResult::Ok && record.data.is_none() {
                return Err(EventError::MissingData { record_id: record.record_id });
            }
            records.push(record);
        }
        match by_id.into_keys().min() {
            Some(record_id) => Err(EventError::UnknownRecord { record_id }),
            None => Ok(TransformAnswer { records }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_events_of_both_callers_are_read_and_unknown_members_ignored() {
        let delivery = json!({"invocationId": "i", "deliveryStreamArn": "arn:d", "region": "us-east-1", "future": {},
            "records": [{"recordId": "a", "approximateArrivalTimestamp": 1_510_772_160_000_i64, "data": "T1VU"}]});
        let event = TransformEvent::decode(delivery.to_string().as_bytes()).unwrap();
        assert_eq!(event.records[0].data, "OUT");
        assert_eq!(event.delivery_stream_arn.as_deref(), Some("arn:d"));

        let application = json!({"invocationId": "i", "applicationArn": "arn:a", "streamArn": "arn:s", "records": [
            {"recordId": "a", "data": "", "kinesisStreamRecordMetadata": {"shardId": "shardId-0", "partitionKey": "k",
             "sequenceNumber": "1", "approximateArrivalTimestamp": 1_520_280_173}}]});
        let event = TransformEvent::decode(application.to_string().as_bytes()).unwrap();
        assert_eq!(event.records[0].data, "");
        assert_eq!(serde_json::from_slice::<Value>(&event.encode()).unwrap(), application);
    }

    #[test]
    fn malformed_events_are_refused_with_the_reason() {
        let refused = [
            ("", "not valid"),
            ("[]", "not valid"),
            ("{}", "missing field `records`"),
            (r#"{"records":[{"data":""}]}"#, "missing field `recordId`"),
            (r#"{"records":[{"recordId":"a"}]}"#, "missing field `data`"),
            (r#"{"records":[{"recordId":"a","data":"%%"}]}"#, "data is not base64"),
            (r#"{"records":[{"recordId":"a","data":""},{"recordId":"a","data":""}]}"#, "more than once"),
        ];
        for (json, reason) in refused {
            let error = TransformEvent::decode(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(TransformEvent::decode(deep.as_bytes()).is_err(), "deep nesting does not overflow the stack");
    }

    #[test]
    fn an_answer_comes_back_in_the_order_of_the_event() {
        let record = |id: &str| TransformRecord { record_id: id.to_owned(), ..TransformRecord::default() };
        let event = TransformEvent { records: vec![record("a"), record("b")], ..TransformEvent::default() };
        let decode = |json: &str| TransformAnswer::decode_for(&event, json.as_bytes());
        let answer = decode(
            r#"{"records":[{"recordId":"b","result":"Dropped"},{"recordId":"a","result":"Ok","data":"T1VU"}]}"#,
        )
        .unwrap();
        assert_eq!(answer.records[0].data.as_deref(), Some(&b"OUT"[..]));
        assert_eq!(answer.records[1].result, TransformResult::Dropped);
        assert_eq!(decode(std::str::from_utf8(&answer.encode()).unwrap()).unwrap(), answer);

        let a = r#"{"recordId":"a","result":"Dropped"}"#;
        let missing = decode(&format!(r#"{{"records":[{a}]}}"#)).unwrap_err();
        assert_eq!(missing, EventError::MissingRecord { record_id: "b".to_owned() });
        let b = r#"{"recordId":"b","result":"Ok"}"#;
        let no_data = decode(&format!(r#"{{"records":[{a},{b}]}}"#)).unwrap_err();
        assert_eq!(no_data, EventError::MissingData { record_id: "b".to_owned() });
        let b = r#"{"recordId":"b","result":"Dropped"},{"recordId":"c","result":"Dropped"}"#;
        let unknown = decode(&format!(r#"{{"records":[{a},{b}]}}"#)).unwrap_err();
        assert_eq!(unknown, EventError::UnknownRecord { record_id: "c".to_owned() });
        assert!(
            decode(&format!(r#"{{"records":[{a},{a}]}}"#))
                .unwrap_err()
                .to_string()
                .contains("more than once")
        );
        assert!(decode(r#"{"records":[{"recordId":"a","result":"Perhaps"}]}"#).is_err());
    }
}

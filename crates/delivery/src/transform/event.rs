//! The event that a function is called with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::record_id;
use crate::source::SourceRecord;

/// What an event says of the whole batch.
#[derive(Clone, Copy, Debug)]
pub struct EventHeader<'event> {
    /// A UUID, the same in every retry.
    pub invocation_id: &'event str,
    /// The delivery stream.
    pub delivery_stream_arn: &'event str,
    /// The source, when it is a stream that users see.
    pub source_stream_arn: Option<&'event str>,
    /// The region.
    pub region: &'event str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'event> {
    invocation_id: &'event str,
    delivery_stream_arn: &'event str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_kinesis_stream_arn: Option<&'event str>,
    region: &'event str,
    records: Vec<EventRecord<'event>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'event> {
    record_id: String,
    approximate_arrival_timestamp: i64,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinesis_record_metadata: Option<EventMetadata<'event>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventMetadata<'event> {
    sequence_number: &'event str,
    subsequence_number: u64,
    partition_key: &'event str,
    shard_id: &'event str,
    approximate_arrival_timestamp: i64,
}

/// The event of a batch, as JSON.
pub fn encode_event(header: &EventHeader<'_>, records: &[SourceRecord]) -> Bytes {
    let records = records.iter().map(|record| EventRecord {
        record_id: record_id(record),
        approximate_arrival_timestamp: record.arrival.millis(),
        data: STANDARD.encode(&record.data),
        kinesis_record_metadata: record.metadata.as_ref().map(|metadata| EventMetadata {
            sequence_number: &metadata.sequence_number,
            subsequence_number: metadata.subsequence_number,
            partition_key: &metadata.partition_key,
            shard_id: &metadata.shard_id,
            approximate_arrival_timestamp: record.arrival.millis(),
        }),
    });
    let event = Event {
        invocation_id: header.invocation_id,
        delivery_stream_arn: header.delivery_stream_arn,
        source_kinesis_stream_arn: header.source_stream_arn,
        region: header.region,
        records: records.collect(),
    };
    serde_json::to_vec(&event).expect("an event has only text keys and whole numbers").into()
}

/// At least as many bytes as `record` takes in an event.
pub fn event_bytes_bound(record: &SourceRecord) -> usize {
    // Keys, id, time and punctuation; JSON may write a character of a partition key with six.
    let metadata = record.metadata.as_ref().map_or(0, |metadata| {
        200 + metadata.sequence_number.len() + metadata.shard_id.len() + 6 * metadata.partition_key.len()
    });
    130 + metadata + record.data.len().div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use millstream_host::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::position::SourcePosition;
    use crate::source::SourceMetadata;

    #[test]
    fn an_event_has_the_documented_shape() {
        let plain = SourceRecord {
            position: SourcePosition(7),
            arrival: Timestamp(1_510_772_160_000),
            data: Bytes::from_static(b"hello"),
            metadata: None,
        };
        let header = EventHeader {
            invocation_id: "id",
            delivery_stream_arn: "arn:aws:firehose:us-east-1:000000000000:deliverystream/reviews",
            source_stream_arn: None,
            region: "us-east-1",
        };
        let event: Value =
            serde_json::from_slice(&encode_event(&header, std::slice::from_ref(&plain))).unwrap();
        assert_eq!(
            event,
            json!({
                "invocationId": "id",
                "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/reviews",
                "region": "us-east-1",
                "records": [{
                    "recordId": "00000000000000000007",
                    "approximateArrivalTimestamp": 1_510_772_160_000_i64,
                    "data": "aGVsbG8="
                }]
            })
        );
        let metadata = SourceMetadata {
            sequence_number: "49".to_owned(),
            subsequence_number: 0,
            partition_key: "\u{1}k".to_owned(),
            shard_id: "shardId-000000000000".to_owned(),
        };
        let from_stream = SourceRecord { metadata: Some(metadata), ..plain.clone() };
        let header = EventHeader { source_stream_arn: Some("arn:s"), ..header };
        let both = [plain, from_stream];
        let event = encode_event(&header, &both);
        assert!(event.len() < 300 + both.iter().map(event_bytes_bound).sum::<usize>());
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["sourceKinesisStreamArn"], "arn:s");
        assert_eq!(
            event["records"][1]["kinesisRecordMetadata"],
            json!({
                "sequenceNumber": "49", "subsequenceNumber": 0, "partitionKey": "\u{1}k",
                "shardId": "shardId-000000000000", "approximateArrivalTimestamp": 1_510_772_160_000_i64
            })
        );
    }
}

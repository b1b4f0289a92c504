//! The function that every record of an input goes through before it is parsed.
//!
//! The whole batch is repeated until the function has answered every record: an application never loses records to a
//! function that is down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_functions::events::transform::{
    DeliveryRecordMetadata, StreamRecordMetadata, TransformAnswer, TransformEvent, TransformRecord,
    TransformResult,
};
use millstream_host::Clock;
use millstream_streamlog::{StreamKey, StreamKind};

use super::input::RawRecord;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::PreprocessorTimeUnit;
use crate::resource_name::{application_arn, delivery_stream_arn, stream_arn};
use crate::slots::Slot;
use crate::world::CallableFunction;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a record came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Preprocessed {
    /// To be parsed.
    Data(Bytes),
    /// Gone, on purpose.
    Dropped,
    /// The function could not process it.
    Failed,
}

/// The function with what its events say.
#[derive(Clone)]
pub(crate) struct Preprocessor {
    pub(crate) function: Arc<Slot<CallableFunction>>,
    pub(crate) application: String,
    pub(crate) source: StreamKey,
    pub(crate) time_unit: PreprocessorTimeUnit,
    pub(crate) identifiers: Identifiers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<Live>,
}

impl Preprocessor {
    /// What each record came to, in order. Comes back only when the function has answered; may be dropped.
    pub(crate) async fn run(self, records: &[RawRecord]) -> Vec<Preprocessed> {
        let event = self.event(records);
        let encoded = event.encode();
        let mut wait = FIRST_WAIT;
        loop {
            let answer = match self.function.get() {
                None => Err("there is no such function now".to_owned()),
                Some(function) => match function.invoker.invoke(encoded.clone()).await {
                    Ok(answer) => {
                        TransformAnswer::decode_for(&event, &answer).map_err(|error| error.to_string())
                    }
                    Err(error) => Err(error.to_string()),
                },
            };
            match answer {
                Ok(answer) => return answer.records.into_iter().map(outcome).collect(),
                Err(reason) => {
                    let message = format!(
                        "preprocessing {} records with \"{}\" is tried again: {reason}",
                        records.len(),
                        self.function.name()
                    );
                    self.live.problem(self.clock.now(), &self.application, message, 1);
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn event(&self, records: &[RawRecord]) -> TransformEvent {
        let name = self.source.name.as_str();
        let is_delivery = self.source.kind == StreamKind::Delivery;
        let records = records.iter().map(|record| {
            let arrival = match self.time_unit {
                PreprocessorTimeUnit::Seconds => record.arrival.millis().div_euclid(1_000),
                PreprocessorTimeUnit::Milliseconds => record.arrival.millis(),
            };
            let mut asked = TransformRecord { data: record.data.clone(), ..TransformRecord::default() };
            if is_delivery {
                asked.record_id = self.identifiers.uuid();
                asked.kinesis_firehose_record_metadata =
                    Some(DeliveryRecordMetadata { approximate_arrival_timestamp: arrival });
            } else {
                asked.record_id = format!("{}:{}", record.shard, record.sequence_number);
                asked.kinesis_stream_record_metadata = Some(StreamRecordMetadata {
                    shard_id: record.shard.clone(),
                    partition_key: record.partition_key.clone(),
                    sequence_number: record.sequence_number.clone(),
                    approximate_arrival_timestamp: arrival,
                });
            }
            asked
        });
        TransformEvent {
            invocation_id: self.identifiers.uuid(),
            application_arn: Some(application_arn(&self.application)),
            stream_arn: Some(if is_delivery { delivery_stream_arn(name) } else { stream_arn(name) }),
            records: records.collect(),
            ..TransformEvent::default()
        }
    }
}

fn outcome(record: millstream_functions::events::transform::TransformedRecord) -> Preprocessed {
    match record.result {
        TransformResult::Ok => Preprocessed::Data(record.data.unwrap_or_default()),
        TransformResult::Dropped => Preprocessed::Dropped,
        TransformResult::ProcessingFailed => Preprocessed::Failed,
    }
}

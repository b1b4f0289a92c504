//! The function that every record of an input goes through before it is parsed.
//!
//! A function that is busy, or not there, is waited for without a limit. One that fails is called again a few times, then
//! once with each half of the batch, and so on, until the record is found that it cannot take: that one becomes a row of
//! `error_stream`.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_delivery::{FailureClass, TransformErrorKind};
use millstream_functions::FunctionErrorKind;
use millstream_functions::events::transform::{
    DeliveryRecordMetadata, StreamRecordMetadata, TransformAnswer, TransformEvent, TransformRecord,
    TransformResult,
};
use millstream_host::{Backoff, Clock};
use millstream_streamlog::{StreamKey, StreamKind};
use millstream_wording::counted;

use super::input::RawRecord;
use super::retrying::Retrying;
use crate::identifier::repeatable_uuid;
use crate::live::Live;
use crate::pipeline::PreprocessorTimeUnit;
use crate::resource_name::{application_arn, delivery_stream_arn, stream_arn};
use crate::slots::Slot;
use crate::world::CallableFunction;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How people see it while it fails and is tried again.
const PREPROCESSOR: &str = "preprocessor";
/// Calls of a batch that fail before it is divided.
const MOST_FAILURES: u32 = 3;

/// What a record came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Preprocessed {
    /// To be parsed.
    Data(Bytes),
    /// Gone, on purpose.
    Dropped,
    /// The function could not process it, and why.
    Failed(String),
}

/// The function with what its events say.
#[derive(Clone)]
pub(crate) struct Preprocessor {
    pub(crate) function: Arc<Slot<CallableFunction>>,
    pub(crate) application: String,
    pub(crate) source: StreamKey,
    pub(crate) time_unit: PreprocessorTimeUnit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Arc<Live>,
}

impl Preprocessor {
    /// What each record came to, in order. Comes back only when the function has answered for all of them; may be dropped.
    pub(crate) async fn run(self, records: &[RawRecord]) -> Vec<Preprocessed> {
        self.run_noting(records, &Retrying::default()).await
    }

    /// The same; calls that fail are noted until one works.
    pub(crate) async fn run_noting(self, records: &[RawRecord], retrying: &Retrying) -> Vec<Preprocessed> {
        let mut outcomes = Vec::with_capacity(records.len());
        // What is still to be called with, in order, and how many calls of it may fail.
        let mut parts: VecDeque<(Range<usize>, u32)> = VecDeque::from([(0..records.len(), MOST_FAILURES)]);
        while let Some((part, most_failures)) = parts.pop_front() {
            match self.call(&records[part.clone()], most_failures, retrying).await {
                Ok(answered) => outcomes.extend(answered),
                Err(reason) if part.len() <= 1 => {
                    outcomes.extend(part.map(|_| {
                        Preprocessed::Failed(format!("the preprocessing function failed: {reason}"))
                    }))
                }
                Err(_) => {
                    let middle = part.start + part.len() / 2;
                    parts.push_front((middle..part.end, 1));
                    parts.push_front((part.start..middle, 1));
                }
            }
        }
        retrying.worked(PREPROCESSOR);
        outcomes
    }

    /// Calls the function with a part until it answers, or has failed so often.
    async fn call(
        &self,
        records: &[RawRecord],
        most_failures: u32,
        retrying: &Retrying,
    ) -> Result<Vec<Preprocessed>, String> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let event = self.event(records);
        let encoded = event.encode();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failures = 0;
        loop {
            let (class, reason) = match self.function.get() {
                None => (FailureClass::Busy, "the function does not exist".to_owned()),
                Some(function) => match function.invoker.invoke(encoded.clone()).await {
                    Ok(answer) => match TransformAnswer::decode_for(&event, &answer) {
                        Ok(answer) => {
                            retrying.worked(PREPROCESSOR);
                            return Ok(answer.records.into_iter().map(outcome).collect());
                        }
                        Err(error) => (FailureClass::Faulty, error.to_string()),
                    },
                    Err(error) => (class_of(error.kind), error.message),
                },
            };
            let is_divisible = records.len() > 1;
            match class {
                FailureClass::Busy => {}
                FailureClass::TooLarge => return Err(reason),
                FailureClass::Faulty => {
                    failures += 1;
                    if failures >= most_failures {
                        return Err(reason);
                    }
                }
            }
            retrying.failed(PREPROCESSOR, self.clock.now(), reason.clone());
            // A function that is busy is no problem before it is so for a while.
            let wait = backoff.wait();
            if class == FailureClass::Faulty || wait >= LONGEST_WAIT {
                let again = if is_divisible { "tried again, then in parts" } else { "tried again" };
                let message = format!(
                    "preprocessing {} with \"{}\" is {again}: {reason}",
                    counted(records.len(), "record"),
                    self.function.name()
                );
                self.live.problem(self.clock.now(), &self.application, message, 1);
            }
            self.clock.sleep(wait).await;
        }
    }

    /// The event of these records: the same again for the same records, ids included.
    fn event(&self, records: &[RawRecord]) -> TransformEvent {
        let name = self.source.name.as_str();
        let is_delivery = self.source.kind == StreamKind::Delivery;
        let first = records.first().map(|record| record.sequence_number.as_str()).unwrap_or_default();
        let invocation = format!("{} {} {first} {}", self.application, self.source, records.len());
        let records = records.iter().map(|record| {
            let arrival = match self.time_unit {
                PreprocessorTimeUnit::Seconds => record.arrival.millis().div_euclid(1_000),
                PreprocessorTimeUnit::Milliseconds => record.arrival.millis(),
            };
            let mut asked = TransformRecord { data: record.data.clone(), ..TransformRecord::default() };
            if is_delivery {
                asked.record_id = record.sequence_number.clone();
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
            invocation_id: repeatable_uuid(&invocation),
            application_arn: Some(application_arn(&self.application)),
            stream_arn: Some(if is_delivery { delivery_stream_arn(name) } else { stream_arn(name) }),
            records: records.collect(),
            ..TransformEvent::default()
        }
    }
}

/// One taxonomy for deliveries and applications.
fn class_of(kind: FunctionErrorKind) -> FailureClass {
    match kind {
        FunctionErrorKind::Failed => TransformErrorKind::FunctionError,
        FunctionErrorKind::TimedOut => TransformErrorKind::FunctionTimedOut,
        FunctionErrorKind::Throttled => TransformErrorKind::InvokeLimitExceeded,
        FunctionErrorKind::NotReady => TransformErrorKind::NotReady,
        FunctionErrorKind::TooLarge => TransformErrorKind::FunctionRequestTooLarge,
    }
    .class()
}

fn outcome(record: millstream_functions::events::transform::TransformedRecord) -> Preprocessed {
    match record.result {
        TransformResult::Ok => Preprocessed::Data(record.data.unwrap_or_default()),
        TransformResult::Dropped => Preprocessed::Dropped,
        TransformResult::ProcessingFailed => {
            let reason = record.error_message.filter(|reason| !reason.is_empty());
            Preprocessed::Failed(reason.unwrap_or_else(|| {
                "the preprocessing function answered ProcessingFailed and gave no errorMessage".to_owned()
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use millstream_functions::events::transform::TransformedRecord;
    use millstream_functions::{Function, FunctionError, Invoker, InvokerSettings};
    use millstream_host::{SystemClock, Timestamp};

    use super::*;
    use crate::slots::Slots;

    /// Makes upper case of records, and panics at one of them.
    struct Capitals {
        calls: Arc<AtomicU32>,
    }

    #[async_trait]
    impl Function for Capitals {
        fn name(&self) -> &str {
            "capitals"
        }

        async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let event = TransformEvent::decode(&event).expect("the event is whole");
            assert!(event.records.iter().all(|record| record.data != "r41"), "cannot take r41");
            let records = event.records.into_iter().map(|record| TransformedRecord {
                record_id: record.record_id,
                result: TransformResult::Ok,
                data: Some(record.data.to_ascii_uppercase().into()),
                error_message: None,
            });
            Ok(TransformAnswer { records: records.collect() }.encode())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r14_a_batch_that_can_never_work_is_divided_until_the_record_at_fault_is_found() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let calls = Arc::new(AtomicU32::new(0));
        let function = Arc::new(Capitals { calls: Arc::clone(&calls) });
        let slot = Slots::default().slot("capitals");
        slot.replace(Some(Arc::new(CallableFunction {
            invoker: Invoker::new(function, InvokerSettings::default(), Arc::clone(&clock)),
            scores_reviews: false,
            review_columns: None,
            reads_rows: false,
            rejected_rows: Default::default(),
        })));
        let preprocessor = Preprocessor {
            function: slot,
            application: "app".to_owned(),
            source: StreamKey::data("in".parse().unwrap()),
            time_unit: PreprocessorTimeUnit::Milliseconds,
            clock,
            live: Arc::new(Live::new()),
        };
        let records: Vec<RawRecord> = (0..64)
            .map(|number| RawRecord {
                shard: "shardId-000000000000".to_owned(),
                sequence_number: number.to_string(),
                partition_key: "key".to_owned(),
                arrival: Timestamp(0),
                data: Bytes::from(format!("r{number}")),
            })
            .collect();
        let outcomes = preprocessor.run(&records).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Preprocessed::Failed(reason) => {
                    assert!(number == 41 && reason.contains("cannot take r41"), "{number}: {reason}");
                }
                other => assert_eq!(*other, Preprocessed::Data(format!("R{number}").into())),
            }
        }
        assert_eq!(outcomes.len(), 64);
        assert!(matches!(outcomes[41], Preprocessed::Failed(_)));
        // Three for the whole, then one for each half on the way down, with it and without.
        assert_eq!(calls.load(Ordering::SeqCst), 3 + 6 + 6);
    }
}

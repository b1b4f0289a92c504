//! What `classify` and `score-reviews` share: records in, one question to the model, an answer for each record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::classifier::{Classifier, ClassifyEach, Prediction};
use crate::events::transform::{TransformAnswer, TransformEvent, TransformResult, TransformedRecord};
use crate::function::FunctionError;

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassifyStatistics {
    /// Texts labelled.
    pub classified: u64,
    /// Of these, the ones of which the model read only the beginning.
    pub truncated: u64,
    /// Records without a text, and those that the model refused.
    pub failed: u64,
    /// Why the newest of them failed.
    pub newest_failure: Option<String>,
}

/// A model, and what was asked of it.
pub(crate) struct Labelling {
    function: &'static str,
    classifier: Arc<dyn Classifier>,
    patience: Duration,
    /// Guards a few numbers; held for moments.
    statistics: Mutex<ClassifyStatistics>,
}

impl Labelling {
    pub(crate) fn new(
        function: &'static str,
        classifier: Arc<dyn Classifier>,
        patience: Duration,
    ) -> Labelling {
        Labelling { function, classifier, patience, statistics: Mutex::default() }
    }

    pub(crate) fn statistics(&self) -> ClassifyStatistics {
        self.statistics.lock().clone()
    }

    /// Answers a transform event. `read` finds the text of a record and what else is needed to write its answer; `write`
    /// writes it. Either fails its record only, with the reason in the answer.
    ///
    /// # Errors
    /// The event is malformed, or the model answers none of its texts.
    pub(crate) async fn transform<R>(
        &self,
        event: &Bytes,
        read: impl Fn(&[u8]) -> Result<(R, String), String>,
        write: impl Fn(R, &Prediction) -> Result<String, String>,
    ) -> Result<Bytes, FunctionError> {
        let event =
            TransformEvent::decode(event).map_err(|error| FunctionError::failed(error.to_string()))?;
        let mut texts = Vec::with_capacity(event.records.len());
        let mut rests = Vec::with_capacity(event.records.len());
        for record in &event.records {
            rests.push(read(&record.data).map(|(rest, text)| {
                texts.push(text);
                rest
            }));
        }
        let each = ClassifyEach { classifier: self.classifier.as_ref(), patience: self.patience };
        let mut predictions = each.run(texts).await?.into_iter();
        let records = event.records.into_iter().zip(rests).map(|(record, rest)| {
            let answer = rest.and_then(|rest| {
                let prediction = predictions.next().expect("every text that was read was asked about")?;
                Ok((write(rest, &prediction)?, prediction.truncated))
            });
            self.answer(record.record_id, answer)
        });
        Ok(TransformAnswer { records: records.collect() }.encode())
    }

    fn answer(&self, record_id: String, answer: Result<(String, bool), String>) -> TransformedRecord {
        let mut statistics = self.statistics.lock();
        match answer {
            Ok((data, truncated)) => {
                statistics.classified += 1;
                statistics.truncated += u64::from(truncated);
                let data = Some(Bytes::from(data));
                TransformedRecord { record_id, result: TransformResult::Ok, data, error_message: None }
            }
            Err(reason) => {
                tracing::debug!(function = self.function, reason, "record is not labelled");
                statistics.failed += 1;
                statistics.newest_failure = Some(reason.clone());
                let result = TransformResult::ProcessingFailed;
                TransformedRecord { record_id, result, data: None, error_message: Some(reason) }
            }
        }
    }
}

//! `notify-on-anomaly`: one mail for a batch of anomaly scores, above a threshold and not too often.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::{Clock, Timestamp};
use millstream_wording::{agreeing, counted};
use parking_lot::Mutex as PlainMutex;
use tokio::sync::Mutex;

use crate::events::output::{DeliveryResult, OutputAnswer, OutputEvent};
use crate::function::{Function, FunctionError};
use crate::output_row::{columns_of, number_of};
use crate::rejected_rows::{RejectedSink, Rejections};

/// Who brings messages to people.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes one message to a topic. One with the `id` of an earlier one has been published already, and is done.
    async fn publish(
        &self,
        topic: &str,
        subject: &str,
        message: &str,
        id: Option<&str>,
    ) -> Result<(), PublisherError>;

    /// The address of the live page, for a link in the message; `None` while there is none.
    fn page(&self) -> Option<String> {
        None
    }
}

/// Why a message was not published; the same message may work later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublisherError(pub String);

/// When to mail, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyOnAnomalySettings {
    /// The topic.
    pub topic: String,
    /// The subject of the mail.
    pub subject: String,
    /// The column of the score.
    pub column: String,
    /// Only scores at least this high are worth a mail.
    pub threshold: f64,
    /// At most one mail in such a period; the next mail says how many were held back. Zero: no limit.
    pub quiet_period: Duration,
}

impl Default for NotifyOnAnomalySettings {
    /// As in the review pipeline: JSON column `ANOMALY_SCORE`, topic `reviews-anomalies`, from a score of 2, one mail
    /// a minute.
    fn default() -> NotifyOnAnomalySettings {
        NotifyOnAnomalySettings {
            topic: "reviews-anomalies".to_owned(),
            subject: "Anomaly".to_owned(),
            column: "ANOMALY_SCORE".to_owned(),
            threshold: 2.0,
            quiet_period: Duration::from_secs(60),
        }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NotifyStatistics {
    /// Scores seen.
    pub scores: u64,
    /// The highest; absent before the first.
    pub highest_score: Option<f64>,
    /// Mails published.
    pub mails: u64,
    /// Mails held back by the quiet period.
    pub suppressed: u64,
}

/// What the quiet period needs to remember.
#[derive(Default)]
struct Quiet {
    mailed_at: Option<Timestamp>,
    suppressed: u64,
    highest_suppressed: f64,
}

/// The function. What it remembers (the quiet period, the held-back mails) lives as long as the process.
pub struct NotifyOnAnomaly {
    settings: NotifyOnAnomalySettings,
    publisher: Arc<dyn Publisher>,
    clock: Arc<dyn Clock>,
    /// Held while publishing, so that two batches at once cannot both mail within one period.
    quiet: Mutex<Quiet>,
    statistics: PlainMutex<NotifyStatistics>,
    rejected: Arc<dyn RejectedSink>,
}

/// What a mail is about.
struct Anomaly<'a> {
    score: f64,
    /// Scores of the batch.
    scores: usize,
    /// The row with the highest score, by column.
    row: Vec<(String, String)>,
    /// Of the call.
    invocation_id: &'a str,
}

impl NotifyOnAnomaly {
    /// The name by which it is configured.
    pub const NAME: &'static str = "notify-on-anomaly";

    /// The function with its settings, the publisher it mails through, and where rejected rows go.
    pub fn new(
        settings: NotifyOnAnomalySettings,
        publisher: Arc<dyn Publisher>,
        clock: Arc<dyn Clock>,
        rejected: Arc<dyn RejectedSink>,
    ) -> NotifyOnAnomaly {
        NotifyOnAnomaly {
            settings,
            publisher,
            clock,
            quiet: Mutex::default(),
            statistics: PlainMutex::default(),
            rejected,
        }
    }

    /// Counts since the start.
    pub fn statistics(&self) -> NotifyStatistics {
        *self.statistics.lock()
    }

    /// Mails about a batch, or holds the mail back.
    async fn notify(&self, anomaly: Anomaly<'_>) -> Result<(), PublisherError> {
        let mut quiet = self.quiet.lock().await;
        let now = self.clock.now();
        // A clock that was set back ends the period: better one mail more than none for hours.
        let is_quiet = quiet
            .mailed_at
            .is_some_and(|mailed_at| now >= mailed_at && now.since(mailed_at) < self.settings.quiet_period);
        if is_quiet {
            quiet.highest_suppressed = if quiet.suppressed == 0 {
                anomaly.score
            } else {
                quiet.highest_suppressed.max(anomaly.score)
            };
            quiet.suppressed += 1;
            self.statistics.lock().suppressed += 1;
            return Ok(());
        }
        let NotifyOnAnomalySettings { topic, subject, .. } = &self.settings;
        let subject = match product_of(&anomaly.row) {
            Some(product) => on_one_line(&format!("{subject}: {product}"), SUBJECT_CHARACTERS),
            None => subject.clone(),
        };
        let message = self.message(&anomaly, &quiet);
        // The same call again is the same mail.
        let id = Some(anomaly.invocation_id).filter(|id| !id.is_empty());
        self.publisher.publish(topic, &subject, &message, id).await?;
        *quiet = Quiet { mailed_at: Some(now), ..Quiet::default() };
        self.statistics.lock().mails += 1;
        Ok(())
    }

    fn message(&self, anomaly: &Anomaly<'_>, quiet: &Quiet) -> String {
        let mut message = format!(
            "Anomaly score: {:.2}\n\nThe highest of {} in this batch; the threshold is {:.2}.\n",
            anomaly.score,
            counted(anomaly.scores, "score"),
            self.settings.threshold,
        );
        let rest: Vec<_> = anomaly.row.iter().filter(|(name, _)| *name != self.settings.column).collect();
        if !rest.is_empty() {
            message.push_str("\nThe record that caused it:\n");
            for (name, value) in rest {
                message.push_str(&format!("  {name}: {}\n", on_one_line(value, SHOWN_CHARACTERS)));
            }
        }
        if quiet.suppressed > 0 {
            message.push_str(&format!(
                "\nSince the last mail {} held back by the quiet period of {:?}; the highest score among them was {:.2}.\n",
                agreeing(quiet.suppressed, "more mail was", "more mails were"),
                self.settings.quiet_period,
                quiet.highest_suppressed,
            ));
        }
        if let Some(page) = self.publisher.page() {
            message.push_str(&format!("\nLive page: {page}\n"));
        }
        message
    }
}

/// Characters of a subject, and of a value in the text.
const SUBJECT_CHARACTERS: usize = 100;
const SHOWN_CHARACTERS: usize = 500;

/// The product or its category, when a column names it.
fn product_of(row: &[(String, String)]) -> Option<&str> {
    let named = |wanted: &str| row.iter().find(|(name, _)| name.to_lowercase() == wanted);
    let found = ["product_title", "product", "product_id", "product_category"].into_iter().find_map(named);
    found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

fn on_one_line(text: &str, most: usize) -> String {
    let line = text
        .trim()
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    let mut line: Vec<char> = line.take(most + 1).collect();
    if line.len() > most {
        line.truncate(most - 1);
        line.push('…');
    }
    line.into_iter().collect()
}

#[async_trait]
impl Function for NotifyOnAnomaly {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let event = OutputEvent::decode(&event).map_err(|error| FunctionError::failed(error.to_string()))?;
        let columns = event.row_columns.as_deref();
        let mut rejections = Rejections::default();
        let mut scores: Vec<Option<f64>> = Vec::with_capacity(event.records.len());
        for (place, record) in event.records.iter().enumerate() {
            let score = number_of(&record.data, &self.settings.column, columns);
            scores.push(score.unwrap_or_else(|error| {
                rejections.add(place, self.clock.now(), error.to_string(), record);
                None
            }));
        }
        let score_count = scores.iter().flatten().count();
        let highest = scores.iter().copied().flatten().reduce(f64::max);
        let first_time =
            event.records.iter().all(|record| record.lambda_delivery_record_metadata.retry_hint == 0);
        if first_time {
            let mut statistics = self.statistics.lock();
            statistics.scores += score_count as u64;
            statistics.highest_score = statistics.highest_score.into_iter().chain(highest).reduce(f64::max);
        }
        let is_worth_a_mail = |score: f64| score >= self.settings.threshold;
        let failed = match highest {
            Some(score) if is_worth_a_mail(score) => {
                let place = scores.iter().position(|one| *one == Some(score)).unwrap_or_default();
                let row = columns_of(&event.records[place].data, columns);
                let invocation_id = &event.invocation_id;
                let result = self.notify(Anomaly { score, scores: score_count, row, invocation_id }).await;
                if let Err(error) = &result {
                    tracing::warn!(function = Self::NAME, %error, "mail could not be published; it will be tried again");
                }
                result.is_err()
            }
            _ => false,
        };
        let results = scores.iter().map(|score| match score {
            Some(score) if failed && is_worth_a_mail(*score) => DeliveryResult::DeliveryFailed,
            _ => DeliveryResult::Ok,
        });
        let mut results: Vec<DeliveryResult> = results.collect();
        rejections.hand_over(Self::NAME, self.rejected.as_ref(), &mut results).await;
        Ok(OutputAnswer::of(&event, results).encode())
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::ManualClock;

    use super::*;
    use crate::events::output::{DeliveryMetadata, OutputRecord};
    use crate::rejected_rows::KeptRejections;

    #[derive(Default)]
    struct Outbox {
        mails: PlainMutex<Vec<(String, String, String)>>,
        ids: PlainMutex<std::collections::HashSet<String>>,
        down: PlainMutex<bool>,
    }

    #[async_trait]
    impl Publisher for Outbox {
        async fn publish(
            &self,
            topic: &str,
            subject: &str,
            message: &str,
            id: Option<&str>,
        ) -> Result<(), PublisherError> {
            if *self.down.lock() {
                return Err(PublisherError("no such topic yet".to_owned()));
            }
            if id.is_some_and(|id| !self.ids.lock().insert(id.to_owned())) {
                return Ok(());
            }
            self.mails.lock().push((topic.to_owned(), subject.to_owned(), message.to_owned()));
            Ok(())
        }

        fn page(&self) -> Option<String> {
            Some("http://127.0.0.1:4566/".to_owned())
        }
    }

    struct Bench {
        outbox: Arc<Outbox>,
        clock: Arc<ManualClock>,
        rejected: Arc<KeptRejections>,
        function: NotifyOnAnomaly,
    }

    fn bench() -> Bench {
        let outbox = Arc::new(Outbox::default());
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_000_000)));
        let rejected = Arc::new(KeptRejections::default());
        let function = NotifyOnAnomaly::new(
            NotifyOnAnomalySettings::default(),
            outbox.clone(),
            clock.clone(),
            rejected.clone(),
        );
        Bench { outbox, clock, rejected, function }
    }

    impl Bench {
        /// Sends scores; true where the row was delivered.
        async fn send(&self, rows: &[&str], retry_hint: u64) -> Vec<bool> {
            let records = rows.iter().enumerate().map(|(index, row)| OutputRecord {
                record_id: index.to_string(),
                data: Bytes::from(format!("{{\"ANOMALY_SCORE\":{row}}}")),
                lambda_delivery_record_metadata: DeliveryMetadata { retry_hint },
            });
            let event = OutputEvent { records: records.collect(), ..OutputEvent::default() };
            let answer = self.function.invoke(event.encode()).await.unwrap();
            let results = OutputAnswer::decode_for(&event, &answer).unwrap();
            results.into_iter().map(|result| result == DeliveryResult::Ok).collect()
        }

        fn newest_mail(&self) -> String {
            self.outbox.mails.lock().last().unwrap().2.clone()
        }
    }

    #[tokio::test]
    async fn one_mail_a_batch_with_its_highest_score() {
        let bench = bench();
        assert_eq!(bench.send(&["1.5", "3.25", "2.5", "null", "\"?\""], 0).await, [true; 5]);
        assert_eq!(bench.outbox.mails.lock().len(), 1);
        let (topic, subject, message) = bench.outbox.mails.lock()[0].clone();
        assert_eq!((topic.as_str(), subject.as_str()), ("reviews-anomalies", "Anomaly"));
        assert!(message.starts_with("Anomaly score: 3.25\n"), "{message}");
        assert!(message.contains("3 scores"), "{message}");
        let statistics = bench.function.statistics();
        assert_eq!((statistics.scores, statistics.highest_score), (3, Some(3.25)));
        assert_eq!(bench.rejected.rows.lock().len(), 1);
        assert_eq!(bench.send(&[], 0).await, Vec::<bool>::new());
    }

    #[tokio::test]
    async fn below_the_threshold_no_mail_at_it_one() {
        let bench = bench();
        bench.send(&["1.999"], 0).await;
        assert_eq!(bench.outbox.mails.lock().len(), 0);
        bench.send(&["2"], 0).await;
        assert_eq!(bench.outbox.mails.lock().len(), 1);
    }

    #[tokio::test]
    async fn the_quiet_period_holds_mails_back_and_the_next_one_tells() {
        let bench = bench();
        bench.send(&["3"], 0).await;
        for score in ["4", "9", "5"] {
            bench.clock.advance(Duration::from_secs(19));
            assert_eq!(bench.send(&[score], 0).await, [true], "held back counts as delivered");
        }
        bench.clock.advance(Duration::from_millis(2_999));
        bench.send(&["6"], 0).await;
        assert_eq!(bench.outbox.mails.lock().len(), 1);
        bench.clock.advance(Duration::from_millis(1));
        bench.send(&["3.5"], 0).await;
        assert_eq!(bench.outbox.mails.lock().len(), 2);
        assert!(bench.newest_mail().contains("4 more mails were held back"), "{}", bench.newest_mail());
        assert!(bench.newest_mail().contains("was 9.00."), "{}", bench.newest_mail());
        bench.clock.set(Timestamp(0));
        bench.send(&["3.5"], 0).await;
        assert_eq!(bench.outbox.mails.lock().len(), 3, "a clock that is set back does not silence it");
    }

    #[tokio::test]
    async fn a_mail_that_fails_is_tried_again_and_then_sent() {
        let bench = bench();
        *bench.outbox.down.lock() = true;
        assert_eq!(bench.send(&["1", "7"], 0).await, [true, false]);
        *bench.outbox.down.lock() = false;
        assert_eq!(bench.send(&["7"], 1).await, [true]);
        assert!(bench.newest_mail().starts_with("Anomaly score: 7.00\n"));
        assert_eq!(bench.function.statistics().scores, 2, "a retry is not counted twice");
    }

    #[tokio::test]
    async fn a_mail_shows_the_record_its_product_and_the_page() {
        let bench = bench();
        let row = |text: &str| OutputRecord {
            record_id: text.len().to_string(),
            data: Bytes::copy_from_slice(text.as_bytes()),
            ..OutputRecord::default()
        };
        let event = OutputEvent {
            invocation_id: "call-1".to_owned(),
            records: vec![
                row(r#"{"ANOMALY_SCORE":1}"#),
                row(
                    r#"{"ANOMALY_SCORE":8.005624549193879,"REVIEW_ID":"R1","PRODUCT_CATEGORY":"Pet\nToys","STARS":100}"#,
                ),
            ],
            ..OutputEvent::default()
        };
        bench.function.invoke(event.encode()).await.unwrap();
        let (_, subject, message) = bench.outbox.mails.lock()[0].clone();
        assert_eq!(subject, "Anomaly: Pet Toys");
        let expected = "Anomaly score: 8.01\n\nThe highest of 2 scores in this batch; the threshold is 2.00.\n\n\
                        The record that caused it:\n  PRODUCT_CATEGORY: Pet Toys\n  REVIEW_ID: R1\n  STARS: 100\n\n\
                        Live page: http://127.0.0.1:4566/\n";
        assert_eq!(message, expected);
        bench.clock.advance(Duration::from_secs(3_600));
        bench.function.invoke(event.encode()).await.unwrap();
        assert_eq!(bench.outbox.mails.lock().len(), 1, "the same call again is the same mail");

        let csv = OutputEvent {
            row_columns: Some(["product", "ANOMALY_SCORE"].map(str::to_owned).to_vec()),
            records: vec![row("\"a, b\",9.5\r\n")],
            ..OutputEvent::default()
        };
        bench.clock.advance(Duration::from_secs(3_600));
        bench.function.invoke(csv.encode()).await.unwrap();
        let (_, subject, message) = bench.outbox.mails.lock()[1].clone();
        assert_eq!(subject, "Anomaly: a, b");
        assert!(message.contains("  product: a, b\n"), "{message}");
    }

    #[tokio::test]
    async fn r15_a_rejected_row_that_cannot_be_kept_comes_again() {
        let bench = bench();
        bench.rejected.is_down.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(bench.send(&["1", "\"?\""], 0).await, [true, false]);
        bench.rejected.is_down.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(bench.send(&["\"?\""], 1).await, [true]);
        assert_eq!(bench.rejected.rows.lock().len(), 1);
    }
}

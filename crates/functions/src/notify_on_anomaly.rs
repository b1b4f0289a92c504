//! `notify-on-anomaly`: one mail for a batch of anomaly scores, above a threshold and not too often.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::{Clock, Timestamp};
use parking_lot::Mutex as PlainMutex;
use tokio::sync::Mutex;

use crate::events::output::{DeliveryResult, OutputAnswer, OutputEvent};
use crate::function::{Function, FunctionError};
use crate::output_row::number_of;
use crate::rejected_rows::{RejectedRow, RejectedRows};

/// Who brings messages to people.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes one message to a topic.
    async fn publish(&self, topic: &str, subject: &str, message: &str) -> Result<(), PublisherError>;
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
    /// At most one mail in such a period; what is held back is counted and told in the next mail. Zero: no limit.
    pub quiet_period: Duration,
}

impl Default for NotifyOnAnomalySettings {
    /// As in the review pipeline: JSON column `ANOMALY_SCORE`, topic `reviews-anomalies`, from a score of 2, one mail
    /// a minute.
    fn default() -> NotifyOnAnomalySettings {
        NotifyOnAnomalySettings {
            topic: "reviews-anomalies".to_owned(),
            subject: "Anomaly in the star ratings".to_owned(),
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
    /// Rows without a readable score.
    pub rejected_rows: u64,
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
    rejected: RejectedRows,
}

impl NotifyOnAnomaly {
    /// The name by which it is configured.
    pub const NAME: &'static str = "notify-on-anomaly";

    /// The function with its settings and the publisher it mails through.
    pub fn new(
        settings: NotifyOnAnomalySettings,
        publisher: Arc<dyn Publisher>,
        clock: Arc<dyn Clock>,
    ) -> NotifyOnAnomaly {
        NotifyOnAnomaly {
            settings,
            publisher,
            clock,
            quiet: Mutex::default(),
            statistics: PlainMutex::default(),
            rejected: RejectedRows::default(),
        }
    }

    /// Counts since the start.
    pub fn statistics(&self) -> NotifyStatistics {
        NotifyStatistics { rejected_rows: self.rejected.count(), ..*self.statistics.lock() }
    }

    /// The newest rows without a readable score, newest first.
    pub fn rejected_rows(&self) -> Vec<RejectedRow> {
        self.rejected.newest()
    }

    /// Mails about a batch, or holds the mail back.
    async fn notify(&self, highest: f64, scores: usize) -> Result<(), PublisherError> {
        let mut quiet = self.quiet.lock().await;
        let now = self.clock.now();
        // A clock that was set back ends the period: better one mail more than none for hours.
        let is_quiet = quiet
            .mailed_at
            .is_some_and(|mailed_at| now >= mailed_at && now.since(mailed_at) < self.settings.quiet_period);
        if is_quiet {
            quiet.highest_suppressed =
                if quiet.suppressed == 0 { highest } else { quiet.highest_suppressed.max(highest) };
            quiet.suppressed += 1;
            self.statistics.lock().suppressed += 1;
            return Ok(());
        }
        let message = self.message(highest, scores, &quiet);
        self.publisher.publish(&self.settings.topic, &self.settings.subject, &message).await?;
        *quiet = Quiet { mailed_at: Some(now), ..Quiet::default() };
        self.statistics.lock().mails += 1;
        Ok(())
    }

    fn message(&self, highest: f64, scores: usize, quiet: &Quiet) -> String {
        let mut message = format!(
            "Anomaly score: {highest}\n\nThe highest of {scores} score{} in this batch; the threshold is {}.\n",
            if scores == 1 { "" } else { "s" },
            self.settings.threshold,
        );
        if quiet.suppressed > 0 {
            message.push_str(&format!(
                "Since the last mail {} more mail{} held back by the quiet period of {:?}; the highest score among \
                 them was {}.\n",
                quiet.suppressed,
                if quiet.suppressed == 1 { " was" } else { "s were" },
                self.settings.quiet_period,
                quiet.highest_suppressed,
            ));
        }
        message
    }
}

#[async_trait]
impl Function for NotifyOnAnomaly {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let event = OutputEvent::decode(&event).map_err(|error| FunctionError::failed(error.to_string()))?;
        let scores: Vec<Option<f64>> = event
            .records
            .iter()
            .map(|record| {
                number_of(&record.data, &self.settings.column, event.row_columns.as_deref()).unwrap_or_else(
                    |error| {
                        self.rejected.add(Self::NAME, self.clock.now(), error.to_string(), &record.data);
                        None
                    },
                )
            })
            .collect();
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
            Some(highest) if is_worth_a_mail(highest) => {
                let result = self.notify(highest, score_count).await;
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
        Ok(OutputAnswer::of(&event, results).encode())
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::ManualClock;

    use super::*;
    use crate::events::output::{DeliveryMetadata, OutputRecord};

    #[derive(Default)]
    struct Outbox {
        mails: PlainMutex<Vec<(String, String, String)>>,
        down: PlainMutex<bool>,
    }

    #[async_trait]
    impl Publisher for Outbox {
        async fn publish(&self, topic: &str, subject: &str, message: &str) -> Result<(), PublisherError> {
            if *self.down.lock() {
                return Err(PublisherError("no such topic yet".to_owned()));
            }
            self.mails.lock().push((topic.to_owned(), subject.to_owned(), message.to_owned()));
            Ok(())
        }
    }

    struct Bench {
        outbox: Arc<Outbox>,
        clock: Arc<ManualClock>,
        function: NotifyOnAnomaly,
    }

    fn bench() -> Bench {
        let outbox = Arc::new(Outbox::default());
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_000_000)));
        let function =
            NotifyOnAnomaly::new(NotifyOnAnomalySettings::default(), outbox.clone(), clock.clone());
        Bench { outbox, clock, function }
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
        assert_eq!((topic.as_str(), subject.as_str()), ("reviews-anomalies", "Anomaly in the star ratings"));
        assert!(message.starts_with("Anomaly score: 3.25\n"), "{message}");
        assert!(message.contains("3 scores"), "{message}");
        let statistics = bench.function.statistics();
        assert_eq!(
            (statistics.scores, statistics.highest_score, statistics.rejected_rows),
            (3, Some(3.25), 1)
        );
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
        assert!(bench.newest_mail().contains("was 9."), "{}", bench.newest_mail());
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
        assert!(bench.newest_mail().starts_with("Anomaly score: 7\n"));
        assert_eq!(bench.function.statistics().scores, 2, "a retry is not counted twice");
    }
}

//! What is happening: counters and the newest events, gathered from all parts, shown by the page and the terminal.

use std::collections::VecDeque;

use millstream_host::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::definition::Shown;
use crate::view::{Agreement, AlarmView, ClassifiedReview, MailView, Point, Problem, Summary};
use crate::warned::{Warned, kind_of};

/// How many points of a series are kept.
const POINTS: usize = 600;
/// How many scores are kept.
const SCORES: usize = 3_000;
/// How many reviews and problems are kept.
const NEWEST: usize = 50;
/// Characters of a review's text that are kept.
const SHOWN_BODY: usize = 400;

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) summary: Summary,
    pub(crate) rating_distribution: [u64; 5],
    pub(crate) averages: VecDeque<Point>,
    pub(crate) scores: VecDeque<Point>,
    pub(crate) counts: VecDeque<Point>,
    pub(crate) reviews: VecDeque<ClassifiedReview>,
    pub(crate) agreement: Option<Agreement>,
    pub(crate) problems: VecDeque<Problem>,
    pub(crate) mails: Vec<MailView>,
    pub(crate) alarms: Vec<AlarmView>,
    /// When the first review was rated.
    pub(crate) first_classified_at: Option<Timestamp>,
}

/// The gathering place.
pub(crate) struct Live {
    /// Guards a few hundred small values; held for moments.
    seen: Mutex<Seen>,
    /// Held for moments, too.
    warned: Mutex<Warned>,
    /// Something was noted since the last [`Live::publish`].
    noted: Notify,
    changes: watch::Sender<u64>,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live {
            seen: Mutex::default(),
            warned: Mutex::default(),
            noted: Notify::new(),
            changes: watch::Sender::new(0),
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    pub(crate) fn summary(&self) -> Summary {
        self.seen.lock().summary.clone()
    }

    /// Changes what was seen.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock());
        self.noted.notify_one();
    }

    /// Comes back when something was noted. For one who passes it on.
    pub(crate) async fn changed(&self) {
        self.noted.notified().await;
    }

    /// Tells those who look that there is something new.
    pub(crate) fn publish(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// A number that came out of an application.
    pub(crate) fn number(&self, shown: Shown, at: i64, value: f64) {
        self.note(|seen| {
            let point = Point { at, value };
            match shown {
                Shown::Average => {
                    seen.summary.windows += 1;
                    seen.summary.newest_average = Some(value);
                    push(&mut seen.averages, point, POINTS);
                }
                Shown::Score => {
                    let highest = seen.summary.max_anomaly_score.map_or(value, |most| most.max(value));
                    seen.summary.max_anomaly_score = Some(highest);
                    push(&mut seen.scores, point, SCORES);
                }
                Shown::Count => {
                    seen.summary.newest_distinct_count = Some(value as i64);
                    push(&mut seen.counts, point, POINTS);
                }
            }
        });
    }

    /// A rated review.
    pub(crate) fn review(&self, review: ClassifiedReview) {
        self.note(|seen| {
            seen.summary.records_classified += 1;
            seen.first_classified_at.get_or_insert(Timestamp(review.at));
            if let Some(count) = usize::from(review.star_rating)
                .checked_sub(1)
                .and_then(|index| seen.rating_distribution.get_mut(index))
            {
                *count += 1;
            }
            if let Some(known) = review.known_rating {
                let agreement = seen.agreement.get_or_insert_default();
                agreement.known += 1;
                agreement.equal += u64::from(known == review.star_rating);
                agreement.within_one += u64::from(known.abs_diff(review.star_rating) <= 1);
            }
            let review_body = review.review_body.chars().take(SHOWN_BODY).collect();
            seen.reviews.push_front(ClassifiedReview { review_body, ..review });
            seen.reviews.truncate(NEWEST);
        });
    }

    /// Something failed. `count` records, rows or calls are lost to the flow or must be tried again.
    pub(crate) fn problem(&self, at: Timestamp, place: &str, message: impl Into<String>, count: u64) {
        let message = message.into();
        let kind = kind_of(&message);
        self.problem_of(at, place, &kind, message, count);
    }

    /// The same of something that is tried again and fails in the same way: that is no news.
    pub(crate) fn problem_once(&self, at: Timestamp, place: &str, message: &str) {
        let is_it = |problem: &Problem| problem.place == place && problem.message == message;
        if !self.seen.lock().problems.iter().any(is_it) {
            self.problem(at, place, message, 1);
        }
    }

    /// The same of a problem whose message names more than numbers that others of its kind do not.
    pub(crate) fn problem_of(&self, at: Timestamp, place: &str, kind: &str, message: String, count: u64) {
        // The lock is not held while it is written: nobody may be reading.
        let told = self.warned.lock().tell(at, place, kind, count);
        match told {
            Some(0) => tracing::warn!(place, count, "{message}"),
            Some(untold) => tracing::warn!(place, count, untold, "{message}"),
            None => {}
        }
        self.note(|seen| {
            seen.summary.errors += count;
            seen.problems.push_front(Problem { at: at.millis(), place: place.to_owned(), message });
            seen.problems.truncate(NEWEST);
        });
    }
}

fn push(points: &mut VecDeque<Point>, point: Point, most: usize) {
    points.push_back(point);
    while points.len() > most {
        points.pop_front();
    }
}

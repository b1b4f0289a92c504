//! What people can see: plain data for the terminal, the console and `--json`.
//!
//! Times are milliseconds since the epoch (UTC).

use serde::Serialize;

use crate::definition::Kind;
use crate::registry::Lifecycle;

/// Where an overview comes from. The console asks for it at every change; making one takes no locks for long.
pub trait OverviewSource: Send + Sync + 'static {
    /// The state of everything now.
    fn overview(&self) -> Overview;

    /// Changes whenever the overview may look different, at most about ten times a second.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// Everything that the live page shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// Version of the program, with the commit.
    pub version: String,
    /// When the process started.
    pub started_at: i64,
    /// When this overview was made.
    pub now: i64,
    /// What feeds the pipeline, e.g. `synthetic reviews (seed 7)` or a file name.
    pub source: String,
    /// The reviews are made up: said wherever they show.
    pub is_synthetic: bool,
    /// Where all state is kept.
    pub data_directory: String,
    /// The totals.
    pub summary: Summary,
    /// A function rates reviews: the figures about reviews mean something.
    pub scores_reviews: bool,
    /// The stages of the flow in order, each with what it has done.
    pub flow: Vec<FlowStage>,
    /// Everything that exists, by kind.
    pub resources: Vec<ResourceView>,
    /// Classified reviews by star rating: index 0 is one star.
    pub rating_distribution: [u64; 5],
    /// The window averages, oldest first.
    pub averages: Vec<Point>,
    /// The anomaly scores, oldest first.
    pub scores: Vec<Point>,
    /// Scores at or above this send mail, if any do.
    pub score_threshold: Option<f64>,
    /// The distinct counts, oldest first.
    pub counts: Vec<Point>,
    /// The newest classified reviews, newest first.
    pub reviews: Vec<ClassifiedReview>,
    /// How often the model agrees with ratings that were known.
    pub agreement: Option<Agreement>,
    /// The newest mails, newest first.
    pub mails: Vec<MailView>,
    /// The alarms by name.
    pub alarms: Vec<AlarmView>,
    /// The newest problems, newest first.
    pub problems: Vec<Problem>,
}

/// The totals since the process started; the last line of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Records that the delivery stream acknowledged.
    pub records_in: u64,
    /// Records that the model has rated.
    pub records_classified: u64,
    /// Objects with enriched reviews.
    pub objects_written: u64,
    /// Objects with raw reviews.
    pub backup_objects_written: u64,
    /// Windows whose average has come out.
    pub windows: u64,
    /// The newest average.
    pub newest_average: Option<f64>,
    /// The newest count of distinct reviews.
    pub newest_distinct_count: Option<i64>,
    /// The highest anomaly score.
    pub max_anomaly_score: Option<f64>,
    /// Mails written.
    pub mails: u64,
    /// Records, rows and calls that failed.
    pub errors: u64,
}

/// A resource as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceView {
    /// Tells it from every other that ever was in the data directory.
    pub id: i64,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// Where it is in its life.
    pub state: Lifecycle,
    /// Why it is not active, if so.
    pub reason: Option<String>,
    /// Who declares it: `file:PATH` or `api`.
    pub owner: String,
    /// When it was created.
    pub created_at: i64,
    /// When its definition changed last.
    pub changed_at: i64,
    /// Counts the changes of its definition, from 1.
    pub generation: i64,
    /// What it is made of.
    pub definition: serde_json::Value,
    /// What it has done since `figures_since`, by name: counts, and for an application also `lag_records` and
    /// `checkpoint_age_ms`.
    pub figures: serde_json::Map<String, serde_json::Value>,
    /// From when on its figures count, if there are any: its last start, be it that of the server, after a change or after
    /// a failure. The records of a stream and the mails of a mail server are kept, and count from its creation.
    pub figures_since: Option<i64>,
    /// What in it fails now and is tried again; empty when everything works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<RetryingView>,
}

/// A part of a resource that fails and is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetryingView {
    /// The part, such as `objects` of a delivery stream or `stream "high"` of an application's outputs.
    pub what: String,
    /// When the first of the failures was.
    pub since: i64,
    /// Failures in a row.
    pub attempts: u64,
    /// Why the newest of them failed.
    pub reason: String,
}

/// A stage of the flow.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FlowStage {
    /// Its name in the configuration.
    pub name: String,
    /// The noun: `producer`, `delivery stream`, `stream`, `function`, `endpoint`, `application`, `pump`, `metric`, `alarm`,
    /// `topic` or `bucket`.
    pub kind: String,
    /// What it feeds, by name.
    pub feeds: Vec<String>,
    /// What it has done, e.g. `("records", 120)`.
    pub counters: Vec<(String, u64)>,
    /// From when on that counts, in milliseconds since the epoch, where it is known: as `figures_since` of the resource.
    pub counts_since: Option<i64>,
    /// Its newest problem.
    pub problem: Option<String>,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// When.
    pub at: i64,
    /// What.
    pub value: f64,
}

/// A review with the rating of the model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClassifiedReview {
    /// When it was rated.
    pub at: i64,
    /// Its id.
    pub review_id: String,
    /// Its category.
    pub product_category: String,
    /// Its text, perhaps shortened for show.
    pub review_body: String,
    /// What the model says, 1 to 5.
    pub star_rating: u8,
    /// What its author gave, when known.
    pub known_rating: Option<u8>,
}

/// How often the model agrees with known ratings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Reviews with a known rating.
    pub known: u64,
    /// Rated the same.
    pub equal: u64,
    /// Rated the same or one star off.
    pub within_one: u64,
}

/// A mail.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MailView {
    /// When it was written.
    pub at: i64,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// `local`, `queued`, `sent` or `failed`, with the reason.
    pub status: String,
}

/// An alarm.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AlarmView {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: i64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Problem {
    /// When.
    pub at: i64,
    /// Where: the name of the stage.
    pub place: String,
    /// What, and how to fix it.
    pub message: String,
}

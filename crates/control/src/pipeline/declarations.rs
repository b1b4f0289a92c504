//! The shape of a pipeline file: one section per noun.

use std::fmt;
use std::num::NonZeroUsize;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use super::durations::{ByteSize, Period};

/// What a stream keeps of its records unless the file says otherwise.
const RETENTION_HOURS: u32 = 24;

/// Everything that a file declares.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    /// Streams.
    #[serde(default, rename = "stream")]
    pub streams: Vec<StreamDeclaration>,
    /// Delivery streams.
    #[serde(default, rename = "delivery_stream")]
    pub delivery_streams: Vec<DeliveryStreamDeclaration>,
    /// Endpoints.
    #[serde(default, rename = "endpoint")]
    pub endpoints: Vec<EndpointDeclaration>,
    /// Functions.
    #[serde(default, rename = "function")]
    pub functions: Vec<FunctionDeclaration>,
    /// Applications.
    #[serde(default, rename = "application")]
    pub applications: Vec<ApplicationDeclaration>,
    /// Topics.
    #[serde(default, rename = "topic")]
    pub topics: Vec<TopicDeclaration>,
    /// Subscriptions.
    #[serde(default, rename = "subscription")]
    pub subscriptions: Vec<SubscriptionDeclaration>,
    /// Metrics.
    #[serde(default, rename = "metric")]
    pub metrics: Vec<MetricDeclaration>,
    /// Alarms.
    #[serde(default, rename = "alarm")]
    pub alarms: Vec<AlarmDeclaration>,
    /// The mail server, if mails are to leave the machine.
    #[serde(default)]
    pub smtp: Option<SmtpDeclaration>,
    /// What feeds streams and delivery streams.
    #[serde(default, rename = "input")]
    pub inputs: Vec<InputDeclaration>,
}

/// A stream: a durable, sharded log of records.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StreamDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// Open shards; a new stream has 1 unless given, and one that is there keeps its number.
    #[serde(default)]
    pub shards: Option<Spanned<u32>>,
    /// 24 unless given.
    #[serde(default)]
    pub retention_hours: Option<Spanned<u32>>,
}

/// A delivery stream: buffer, transform, objects.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryStreamDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// The bucket: a directory below `buckets/`.
    pub bucket: Spanned<String>,
    /// Before the date in the keys of objects.
    #[serde(default)]
    pub prefix: Option<Spanned<String>>,
    /// The same of objects with failed records.
    #[serde(default)]
    pub error_prefix: Option<Spanned<String>>,
    /// Of objects with the records.
    #[serde(default)]
    pub compression: CompressionChoice,
    /// An object is written when its first record is so old; 300 s unless given.
    #[serde(default)]
    pub buffer_interval: Option<Spanned<Period>>,
    /// Or when the buffer has this size; 5 MiB unless given.
    #[serde(default)]
    pub buffer_size: Option<Spanned<ByteSize>>,
    /// Through which function the records go.
    #[serde(default)]
    pub transform: Option<TransformDeclaration>,
    /// Where the raw records go.
    #[serde(default)]
    pub backup: Option<BackupDeclaration>,
}

/// The function that a delivery stream's records go through.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TransformDeclaration {
    /// Its name.
    pub function: Spanned<String>,
    /// It is called when the oldest record has waited so long; 60 s unless given.
    #[serde(default)]
    pub buffer_interval: Option<Spanned<Period>>,
    /// Or when so much waits; 1 MiB unless given.
    #[serde(default)]
    pub buffer_size: Option<Spanned<ByteSize>>,
    /// How often a failed call is repeated; 3 unless given.
    #[serde(default)]
    pub retries: Option<Spanned<u32>>,
}

/// The untouched copy of every record.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupDeclaration {
    /// The bucket; that of the delivery stream unless given.
    #[serde(default)]
    pub bucket: Option<Spanned<String>>,
    /// Before the date in the keys.
    pub prefix: Spanned<String>,
    /// As for the delivery stream.
    #[serde(default)]
    pub buffer_interval: Option<Spanned<Period>>,
    /// As for the delivery stream.
    #[serde(default)]
    pub buffer_size: Option<Spanned<ByteSize>>,
    /// As for the delivery stream.
    #[serde(default)]
    pub compression: CompressionChoice,
}

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionChoice {
    /// Not at all.
    #[default]
    None,
    /// GZIP.
    Gzip,
}

/// An endpoint: a loaded model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// `builtin:star-rating`, or a Hugging Face folder.
    pub model: Spanned<String>,
    /// Worker threads; one a processor unless given.
    #[serde(default)]
    pub threads: Option<Spanned<usize>>,
    /// Texts that may wait; 8192 unless given.
    #[serde(default)]
    pub queue_texts: Option<Spanned<usize>>,
}

/// A function.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// Which of the functions in this program.
    pub builtin: Builtin,
    /// Time limit of a call; 60 s unless given.
    #[serde(default)]
    pub timeout: Option<Spanned<Period>>,
    /// For `classify` and `score-reviews`: who labels.
    #[serde(default)]
    pub endpoint: Option<Spanned<String>>,
    /// For `classify` and `score-reviews`: the columns of a record. `score-reviews` recognizes them record by record unless
    /// given.
    #[serde(default)]
    pub columns: Option<Spanned<Vec<String>>>,
    /// For `classify`: the column of the text, or its path in JSON; the whole record unless given.
    #[serde(default)]
    pub text: Option<Spanned<String>>,
    /// For `classify`: what is between columns; a tab unless given.
    #[serde(default)]
    pub delimiter: Option<Spanned<String>>,
    /// For `classify`: the columns of an answer; a JSON object unless given.
    #[serde(default)]
    pub output: Option<Spanned<Vec<String>>>,
    /// For `metric-from-average`: which metric.
    #[serde(default)]
    pub metric: Option<Spanned<String>>,
    /// For `metric-from-average` and `notify-on-anomaly`: which column of the rows.
    #[serde(default)]
    pub column: Option<Spanned<String>>,
    /// For `notify-on-anomaly`: which topic.
    #[serde(default)]
    pub topic: Option<Spanned<String>>,
    /// For `metric-from-average` and `notify-on-anomaly`: the stream that gets the rows that it rejects.
    #[serde(default)]
    pub dead_letter: Option<Spanned<String>>,
    /// For `notify-on-anomaly`: scores below it have no effect.
    #[serde(default)]
    pub threshold: Option<Spanned<f64>>,
    /// For `notify-on-anomaly`: no second notice before so much time has passed.
    #[serde(default)]
    pub quiet_period: Option<Spanned<Period>>,
}

/// The functions in this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builtin {
    /// Asks an endpoint for the label of a text in every record.
    Classify,
    /// Asks an endpoint for the star rating of every review.
    ScoreReviews,
    /// Puts the average of a window as a metric.
    MetricFromAverage,
    /// Publishes the highest anomaly score of a batch.
    NotifyOnAnomaly,
}

/// An application: SQL that runs continuously.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// The SQL.
    #[serde(default)]
    pub sql: Option<Spanned<String>>,
    /// Or the file that holds it, relative to this file.
    #[serde(default)]
    pub sql_file: Option<Spanned<String>>,
    /// What it reads.
    pub input: ApplicationInputDeclaration,
    /// Finite tables that it looks rows up in.
    #[serde(default, rename = "reference")]
    pub references: Vec<ReferenceDeclaration>,
    /// Where its rows go.
    #[serde(default, rename = "output")]
    pub outputs: Vec<ApplicationOutputDeclaration>,
    /// Where random cut forests start.
    #[serde(default)]
    pub seed: u64,
    /// What its windows, joins and forests may take in memory; 1 GiB unless given, 0 for no limit.
    #[serde(default)]
    pub memory_limit: Option<Spanned<ByteSize>>,
    /// Pumps that may run at once, at most; as many as there are processors unless given. The output is the same.
    #[serde(default)]
    pub threads: Option<NonZeroUsize>,
    /// Compatibility switches by name.
    #[serde(default)]
    pub switches: std::collections::BTreeMap<String, Spanned<SwitchValue>>,
}

/// The value of a switch: a text, or `true` or `false` as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SwitchValue {
    /// In quotes.
    Text(String),
    /// Without quotes.
    Flag(bool),
}

impl StreamDeclaration {
    /// Hours for which records are kept.
    pub fn retention(&self) -> u32 {
        self.retention_hours.as_ref().map_or(RETENTION_HOURS, |hours| *hours.get_ref())
    }
}

impl<'de> Deserialize<'de> for SwitchValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SwitchValue, D::Error> {
        struct TextOrFlag;

        impl Visitor<'_> for TextOrFlag {
            type Value = SwitchValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string in quotes, true or false")
            }

            fn visit_str<E>(self, text: &str) -> Result<SwitchValue, E> {
                Ok(SwitchValue::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<SwitchValue, E> {
                Ok(SwitchValue::Flag(flag))
            }
        }

        deserializer.deserialize_any(TextOrFlag)
    }
}

impl SwitchValue {
    /// As the pages of switches write it.
    pub fn text(&self) -> String {
        match self {
            SwitchValue::Text(text) => text.clone(),
            SwitchValue::Flag(flag) => flag.to_string(),
        }
    }
}

/// What an application reads.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationInputDeclaration {
    /// The raw records of this delivery stream.
    #[serde(default)]
    pub delivery_stream: Option<Spanned<String>>,
    /// Or the records of this stream.
    #[serde(default)]
    pub stream: Option<Spanned<String>>,
    /// Through which function every record goes first.
    #[serde(default)]
    pub preprocessor: Option<Spanned<String>>,
    /// The in-application stream is called this and `_001`.
    #[serde(default = "source_prefix")]
    pub name_prefix: String,
    /// How many input streams there are (`_001`, `_002`, …); the shards are spread over them. 1 unless given.
    #[serde(default)]
    pub parallelism: Option<Spanned<u32>>,
    /// Where reading begins; unless given, where the last run ended, and the first time at the oldest record.
    #[serde(default)]
    pub starting_position: Option<Spanned<StartingPosition>>,
    /// How records are written.
    #[serde(default)]
    pub format: RecordFormatChoice,
    /// How text is encoded: `UTF-8`, and nothing else.
    #[serde(default)]
    pub encoding: Option<Spanned<String>>,
    /// For CSV: between rows; a newline unless given.
    #[serde(default)]
    pub row_delimiter: Option<Spanned<String>>,
    /// For CSV: between columns; a comma unless given.
    #[serde(default)]
    pub column_delimiter: Option<Spanned<String>>,
    /// For CSV: whether fields may be quoted; true unless given.
    #[serde(default)]
    pub quoting: Option<Spanned<bool>>,
    /// For JSON: which part of a document is a row.
    #[serde(default)]
    pub record_row_path: Option<Spanned<String>>,
    /// `NAME TYPE, …`; for JSON with the path behind the type.
    pub columns: Spanned<String>,
}

/// A reference table: read when the application starts or is updated, whole.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDeclaration {
    /// The table's name, exactly as the SQL quotes it.
    pub name: Spanned<String>,
    /// An object in this bucket.
    #[serde(default)]
    pub bucket: Option<Spanned<String>>,
    /// Its key.
    #[serde(default)]
    pub key: Option<Spanned<String>>,
    /// Or a file.
    #[serde(default)]
    pub path: Option<Spanned<String>>,
    /// How its rows are written.
    #[serde(default)]
    pub format: RecordFormatChoice,
    /// As for inputs.
    #[serde(default)]
    pub encoding: Option<Spanned<String>>,
    /// As for inputs.
    #[serde(default)]
    pub row_delimiter: Option<Spanned<String>>,
    /// As for inputs.
    #[serde(default)]
    pub column_delimiter: Option<Spanned<String>>,
    /// As for inputs.
    #[serde(default)]
    pub quoting: Option<Spanned<bool>>,
    /// As for inputs.
    #[serde(default)]
    pub record_row_path: Option<Spanned<String>>,
    /// The first line is a header, not a row.
    #[serde(default)]
    pub header: Option<Spanned<bool>>,
    /// As for inputs.
    pub columns: Spanned<String>,
}

/// Where an application begins to read when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartingPosition {
    /// Behind the newest record; windows start empty.
    Now,
    /// At the oldest record; windows start empty. Streams only.
    TrimHorizon,
    /// Where it stopped, windows and all; behind the newest record when it never ran.
    LastStoppedPoint,
}

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordFormatChoice {
    /// Rows of fields.
    #[default]
    Csv,
    /// Fields with tabs between, never quoted.
    Tsv,
    /// JSON documents.
    Json,
}

/// Where the rows of an in-application stream go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationOutputDeclaration {
    /// The in-application stream, by its exact name, or `error_stream`.
    pub from: Spanned<String>,
    /// To this function.
    #[serde(default)]
    pub function: Option<Spanned<String>>,
    /// Or to this stream.
    #[serde(default)]
    pub stream: Option<Spanned<String>>,
    /// Or to this delivery stream.
    #[serde(default)]
    pub delivery_stream: Option<Spanned<String>>,
    /// How rows are written.
    #[serde(default)]
    pub format: OutputFormatChoice,
    /// What its first number means on the live page.
    #[serde(default)]
    pub show: Option<Shown>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormatChoice {
    /// One object a row.
    #[default]
    Json,
    /// Fields with commas between.
    Csv,
}

/// What a row's first number means on the live page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// A window's average.
    Average,
    /// An anomaly score.
    Score,
    /// A window's distinct count.
    Count,
}

/// A topic.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopicDeclaration {
    /// Its name.
    pub name: Spanned<String>,
}

/// Who is subscribed to a topic.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionDeclaration {
    /// The topic.
    pub topic: Spanned<String>,
    /// The address.
    pub email: Spanned<String>,
}

/// A metric.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// Its namespace; `Millstream` unless given.
    #[serde(default = "metric_namespace")]
    pub namespace: String,
    /// Such as `Stars`.
    #[serde(default)]
    pub unit: Option<String>,
}

/// An alarm on a metric.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// Which metric.
    pub metric: Spanned<String>,
    /// Of each period.
    #[serde(default)]
    pub statistic: StatisticChoice,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// 10 s unless given.
    #[serde(default)]
    pub period: Option<Spanned<Period>>,
    /// Periods in a row that must breach; 1 unless given.
    #[serde(default)]
    pub evaluation_periods: Option<Spanned<u32>>,
    /// Who is notified when it goes off.
    #[serde(default)]
    pub topic: Option<Spanned<String>>,
    /// Who is notified when all is well: after it went off, and when the first points come.
    #[serde(default)]
    pub ok_topic: Option<Spanned<String>>,
    /// Who is notified when there are no points any more.
    #[serde(default)]
    pub insufficient_data_topic: Option<Spanned<String>>,
}

/// Statistics of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatisticChoice {
    /// The mean.
    #[default]
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// The sum.
    Sum,
    /// How many.
    SampleCount,
}

/// Comparisons of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// `<`
    LessThan,
    /// `<=`
    LessThanOrEqual,
    /// `>`
    GreaterThan,
    /// `>=`
    GreaterThanOrEqual,
}

/// A mail server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpDeclaration {
    /// Its host.
    pub host: Spanned<String>,
    /// Its port.
    pub port: u16,
    /// The sender's address.
    pub from: Spanned<String>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// For logging in.
    #[serde(default)]
    pub user: Option<String>,
    /// The environment variable that holds the password: a file holds no password.
    #[serde(default)]
    pub password_variable: Option<Spanned<String>>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// Not at all: for a server on this machine.
    None,
    /// STARTTLS.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// What feeds a stream or delivery stream with records.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// A file, plain or gzip; `-` for standard input.
    #[serde(default)]
    pub path: Option<Spanned<String>>,
    /// Or a stream.
    #[serde(default)]
    pub stream: Option<Spanned<String>>,
    /// Into this delivery stream.
    #[serde(default)]
    pub delivery_stream: Option<Spanned<String>>,
    /// Or into this stream.
    #[serde(default)]
    pub into_stream: Option<Spanned<String>>,
    /// The first line is a header, not a record.
    #[serde(default)]
    pub header: bool,
    /// Records a second; as fast as they are taken unless given.
    #[serde(default)]
    pub rate: Option<Spanned<f64>>,
    /// Multiplies the rate.
    #[serde(default)]
    pub speed: Option<Spanned<f64>>,
    /// Start again at the end of the file.
    #[serde(default, rename = "loop")]
    pub repeat: bool,
}

fn source_prefix() -> String {
    "SOURCE_SQL_STREAM".to_owned()
}

fn metric_namespace() -> String {
    "Millstream".to_owned()
}

//! Applications.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Kind, Reference};

/// An application: SQL that runs continuously.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplicationDefinition {
    /// The SQL.
    pub sql: String,
    /// What it reads.
    pub input: InputDefinition,
    /// Finite tables that it looks rows up in.
    pub references: Vec<ReferenceDefinition>,
    /// Where its rows go.
    pub outputs: Vec<ApplicationOutput>,
    /// Where random cut forests start.
    pub seed: u64,
    /// Bytes that its windows, joins and forests may take; 0 for no limit, 1 GiB when `None`.
    pub memory_limit: Option<u64>,
    /// Pumps that may run at once, at most; as many as there are processors when `None`.
    pub threads: Option<NonZeroUsize>,
    /// Compatibility switches by name.
    pub switches: BTreeMap<String, String>,
}

/// What an application reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputDefinition {
    /// Whose records.
    pub source: ApplicationSource,
    /// The function that every record goes through first.
    pub preprocessor: Option<String>,
    /// The in-application streams are called this with `_001`, `_002`, ….
    pub name_prefix: String,
    /// How many in-application streams the shards are spread over, 1 to 64.
    pub parallelism: u32,
    /// Where reading begins once, at the first start with this value; `None`: at the oldest record. From there on it goes on
    /// where it stopped.
    pub starting_position: Option<StartingPosition>,
    /// How records become rows.
    pub schema: SchemaDefinition,
}

/// Whose records an application reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationSource {
    /// The raw records of this delivery stream.
    DeliveryStream(String),
    /// The records of this stream.
    Stream(String),
}

impl ApplicationSource {
    /// Kind and name.
    pub fn reference(&self) -> Reference {
        match self {
            ApplicationSource::DeliveryStream(name) => Reference::new(Kind::DeliveryStream, name),
            ApplicationSource::Stream(name) => Reference::new(Kind::Stream, name),
        }
    }
}

/// How records become rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDefinition {
    /// The format of a record.
    pub format: RecordFormatDefinition,
    /// The columns; for CSV by position.
    pub columns: Vec<ColumnDefinition>,
}

/// The format of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordFormatDefinition {
    /// Rows of fields.
    Csv {
        /// Between rows.
        row_delimiter: String,
        /// Between fields.
        column_delimiter: String,
        /// Whether fields may be quoted.
        quoting: bool,
    },
    /// JSON documents.
    Json {
        /// Which part of a document is a row.
        record_row_path: String,
    },
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its SQL type as text: `VARCHAR(16)`.
    pub sql_type: String,
    /// For JSON, the path of the value.
    pub mapping: Option<String>,
}

/// A reference table: read when the application starts or is changed, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceDefinition {
    /// Its name, exactly as the SQL quotes it.
    pub name: String,
    /// Where its rows are.
    pub place: ReferencePlace,
    /// How they are written.
    pub schema: SchemaDefinition,
    /// The first line is no row.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub header: bool,
}

/// Where the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferencePlace {
    /// An object in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// A file.
    File(PathBuf),
}

/// Where an application begins to read when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartingPosition {
    /// Behind the newest record; windows start empty.
    Now,
    /// At the oldest record; windows start empty. Streams only.
    TrimHorizon,
    /// Where it stopped, windows and all; behind the newest record when it never ran.
    LastStoppedPoint,
}

/// Where the rows of an in-application stream go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationOutput {
    /// The in-application stream, or `error_stream`.
    pub from: String,
    /// Where to.
    pub target: OutputTarget,
    /// How rows are written.
    pub format: OutputFormat,
    /// What its first number means on the live page.
    pub show: Option<Shown>,
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputTarget {
    /// To this function.
    Function(String),
    /// To this stream.
    Stream(String),
    /// To this delivery stream.
    DeliveryStream(String),
}

impl OutputTarget {
    /// Kind and name.
    pub fn reference(&self) -> Reference {
        match self {
            OutputTarget::Function(name) => Reference::new(Kind::Function, name),
            OutputTarget::Stream(name) => Reference::new(Kind::Stream, name),
            OutputTarget::DeliveryStream(name) => Reference::new(Kind::DeliveryStream, name),
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// One object a row.
    #[default]
    Json,
    /// Fields with commas between.
    Csv,
}

/// What a row's first number means on the live page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// A window's average.
    Average,
    /// An anomaly score.
    Score,
    /// A window's distinct count.
    Count,
}

impl ApplicationDefinition {
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut references = vec![self.input.source.reference()];
        references.extend(self.input.preprocessor.iter().map(|name| Reference::new(Kind::Function, name)));
        references.extend(self.outputs.iter().map(|output| output.target.reference()));
        references
    }
}

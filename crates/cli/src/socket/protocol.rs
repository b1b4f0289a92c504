//! What goes over the socket, as JSON.

use std::path::PathBuf;

use millstream_control::definition::Reference;
use millstream_control::{ApplyReport, ResetOutlook};
use serde::{Deserialize, Serialize};

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) version: String,
    pub(crate) process: u32,
    pub(crate) data_directory: PathBuf,
    /// Where the page is, if one is served.
    pub(crate) page: Option<String>,
    /// Not everything has been tried to start yet.
    #[serde(default)]
    pub(crate) is_starting: bool,
}

/// A header of every answer while the server starts, with what to tell people.
pub(crate) const STARTING: &str = "millstream-starting";

/// `POST /v1/apply`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApplyRequest {
    /// The file, absolute: what is in it belongs to this path.
    pub(crate) file: PathBuf,
    /// Only look.
    pub(crate) dry_run: bool,
    /// What the file declares becomes its own, whatever it belongs to.
    #[serde(default)]
    pub(crate) take_over: bool,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Applied {
    /// The file was read; what became of its resources.
    Report(ApplyReport),
    /// The file has mistakes, rendered; nothing was changed.
    Mistakes(String),
}

/// The answer with what the file says that is odd, but no mistake.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ApplyAnswer {
    #[serde(flatten)]
    pub(crate) applied: Applied,
    /// Rendered, each of several lines.
    pub(crate) warnings: Vec<String>,
}

/// `POST /v1/records/STREAM`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PutAnswer {
    /// Records that are durable now.
    pub(crate) records: u64,
}

/// `GET /v1/reset`: nothing is reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WouldResetAnswer {
    /// What would start from scratch, and what that means.
    pub(crate) would_reset: Vec<ResetOutlook>,
}

/// `POST /v1/reset`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResetAnswer {
    /// What starts from scratch.
    pub(crate) reset: Vec<Reference>,
}

/// A line of `GET /v1/tail`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TailLine {
    /// A record of a stream.
    Record {
        shard: String,
        sequence_number: String,
        partition_key: String,
        /// Milliseconds since the epoch.
        arrival: i64,
        /// The record as text; what is no text is in `base64`.
        data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        base64: Option<String>,
    },
    /// A row of an in-application stream.
    Row {
        /// Milliseconds since the epoch.
        rowtime: i64,
        /// The in-application stream.
        stream: String,
        /// Its columns, in their order.
        row: Box<serde_json::value::RawValue>,
        /// Of a row of `error_stream`: what failed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        failed: Option<FailedLine>,
    },
    /// Rows that came too fast for this reader since the line before.
    Lost { rows: u64 },
    /// Records that were deleted since the line before, by the stream's retention period, and that it had not read.
    Deleted { records: u64 },
    /// Records or rows since the line before for which a condition could not be decided.
    Undecided { records: u64 },
    /// The end, and why.
    End { reason: String },
}

/// What failed, of a row of `error_stream`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FailedLine {
    /// The record, or the fields of the row as CSV, as text; what is no text is in `base64`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) base64: Option<String>,
    /// The record that failed, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) source: Option<SourceLine>,
}

/// Where a record is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceLine {
    #[serde(flatten)]
    pub(crate) place: Reference,
    pub(crate) shard: String,
    pub(crate) sequence_number: String,
}

/// What failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorAnswer {
    pub(crate) error: String,
}

//! Events and answers of functions, as types.
//!
//! Reading is strict about what a function or its caller relies on (ids present and distinct, data base64) and
//! ignores members it does not know.

mod base64_data;
pub mod output;
pub mod transform;

use std::collections::HashSet;

use serde::de::DeserializeOwned;

/// Why an event or an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or a member is missing or of another kind.
    #[error("the {what} is not valid: {reason}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What the reader said, with line and column.
        reason: String,
    },
    /// The same record twice.
    #[error("the {what} has recordId \"{record_id}\" more than once; every record needs an id of its own")]
    DuplicatedRecord {
        /// Which document.
        what: &'static str,
        /// The id.
        record_id: String,
    },
    /// A record of the event is not in the answer.
    #[error("the answer has no record with recordId \"{record_id}\"; a function must answer every record")]
    MissingRecord {
        /// The id.
        record_id: String,
    },
    /// A record of the answer is not in the event.
    #[error("the answer has recordId \"{record_id}\", which is not in the event")]
    UnknownRecord {
        /// The id.
        record_id: String,
    },
    /// `Ok` without data.
    #[error(
        "the record \"{record_id}\" has result Ok and no data; an Ok record needs data, which may be empty"
    )]
    MissingData {
        /// The id.
        record_id: String,
    },
}

fn read<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, EventError> {
    serde_json::from_slice(json).map_err(|error| EventError::Malformed { what, reason: error.to_string() })
}

fn check_distinct<'id>(
    what: &'static str,
    record_ids: impl Iterator<Item = &'id str>,
) -> Result<(), EventError> {
    let mut seen = HashSet::new();
    for record_id in record_ids {
        if !seen.insert(record_id) {
            return Err(EventError::DuplicatedRecord { what, record_id: record_id.to_owned() });
        }
    }
    Ok(())
}

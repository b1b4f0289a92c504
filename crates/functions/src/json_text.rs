//! Records of JSON, and why one is none.

use millstream_columns::formats::not_json;
use serde::de::DeserializeOwned;

/// Reads a text as JSON.
///
/// # Errors
/// What is wrong and where, as an application says it of its records.
pub(crate) fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| match not_json(text) {
        Some(reason) => reason,
        None if error.is_data() => "it is JSON of another kind".to_owned(),
        None => error.to_string(),
    })
}

//! What tells one resource from another, and from itself before a change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Tells a resource from every other that is or ever was in a data directory. Durable state is kept under it: a new
/// resource under an old name starts from scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(pub i64);

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Counts the changes of a definition, from 1. What runs is up to date when the generation that it was started with
/// equals that of its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub i64);

/// Who declares a resource. A pipeline file deletes only what is its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A pipeline file, by its path.
    File(String),
    /// Somebody who calls.
    Api,
}

impl Owner {
    /// As the catalog keeps it: `file:PATH` or `api`.
    pub fn to_text(&self) -> String {
        match self {
            Owner::File(path) => format!("file:{path}"),
            Owner::Api => "api".to_owned(),
        }
    }

    /// The inverse of [`Owner::to_text`].
    pub fn from_text(text: &str) -> Owner {
        match text.strip_prefix("file:") {
            Some(path) => Owner::File(path.to_owned()),
            None => Owner::Api,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::File(path) => f.write_str(path),
            Owner::Api => f.write_str("the API"),
        }
    }
}

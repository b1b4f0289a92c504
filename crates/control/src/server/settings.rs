//! Settings of a server.

use std::path::PathBuf;

use crate::definition::Owner;

/// Settings of a server: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where all state is kept.
    pub data_directory: PathBuf,
    /// Version of the program, with the commit, for people to see.
    pub version: String,
    /// What feeds it, for people to see.
    pub source: String,
    /// The records are made up: said wherever they show.
    pub is_synthetic: bool,
    /// Feeds may read the standard input of this process.
    pub has_standard_input: bool,
    /// Whose feeds begin again when an earlier run has read them to their end.
    pub repeats_ended_feeds_of: Option<Owner>,
}

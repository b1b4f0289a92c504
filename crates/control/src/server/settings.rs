//! What a server is told besides its pipeline.

use std::path::PathBuf;

/// Settings of a server: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where everything durable lies.
    pub data_directory: PathBuf,
    /// Version of the program, with the commit, for people to see.
    pub version: String,
    /// What feeds the pipeline, for people to see.
    pub source: String,
    /// The records are made up: said wherever they show.
    pub is_synthetic: bool,
    /// The password for the mail server, when the pipeline names a variable for it.
    pub smtp_password: Option<String>,
}

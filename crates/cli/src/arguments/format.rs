//! How the records of an input are written.

use clap::ValueEnum;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Fields with commas between, perhaps quoted.
    Csv,
    /// Fields with tabs between, never quoted.
    Tsv,
    /// One JSON document a line.
    Json,
}

//! The arguments of `millstream put`.

use std::path::PathBuf;

use clap::Args;

use super::data_directory::DataDirectoryArguments;
use super::place_kind::PlaceKindArguments;

/// The arguments of `put`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  echo '{\"ticker\":\"AMZN\",\"price\":125.2}' | millstream put trades
  millstream put trades --input trades.jsonl.gz --key AMZN

Each line is a record. When the command ends, all of them are on disk.")]
pub(crate) struct PutArguments {
    /// The stream or delivery stream.
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) kind: PlaceKindArguments,
    /// The lines of a file, plain or gzip; standard input unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The first line is a header, not a record.
    #[arg(long)]
    pub(crate) header: bool,
    /// The partition key of all records; unless given each has one of its own, which spreads them over the shards.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// How many, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

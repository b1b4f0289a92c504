//! The arguments of `millstream bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::number::above_zero;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Parsing, expressions and operators, against the memory's bandwidth.
    Sql,
    /// Durable appends, against the disk's own fsync.
    Log,
    /// Whole commands, replay and run over a file, against a plain read of it.
    Pipeline,
    /// Random cut forests, against dependent loads.
    Rcf,
    /// The star-rating model, against the peak of multiplications.
    Model,
}

/// The arguments of `bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream bench sql
  millstream bench pipeline
  millstream bench log --seconds 10 --data-dir /mnt/fast")]
pub(crate) struct BenchArguments {
    /// Which part.
    #[arg(value_enum)]
    pub(crate) part: Bench,
    /// About how long to measure.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = above_zero)]
    pub(crate) seconds: f64,
    /// For the log and whole commands: on which disk, in a folder of its own that is removed afterwards.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data_dir: PathBuf,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

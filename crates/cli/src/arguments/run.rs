//! The arguments of `millstream run`.

use std::path::PathBuf;

use clap::Args;

use super::data_directory::DataDirectoryArguments;
use super::number::{above_zero, share};
use super::place_kind::PlaceKind;
use super::session::SessionArguments;
use super::take_over::TakeOverArguments;

/// The arguments of `run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream run examples/reviews.toml
  millstream run examples/reviews.toml --input reviews.tsv.gz --header
  zcat reviews.tsv.gz | millstream run reviews.toml --input - --until-end --json

It is serve and apply in one, in the foreground, with a display. While it runs, the commands apply, list, describe, put \
and tail reach it. SIGHUP makes it read the file again: what changed is changed, and pumps whose plan is the same keep \
their state.

Exit code: 0 when everything that came in was delivered, 1 with --until-end when records failed and none became a row, 3 when some is left for the next run, 4 when an input could not \
be read to its end.")]
pub(crate) struct RunArguments {
    /// The pipeline.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Records besides those of the file's own inputs: the lines of a file, plain or gzip, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The stream or delivery stream that takes them. Without it they go to the only one that an application, a copy or a
    /// delivery of the file reads and nothing in the file writes; where there are several, it is needed.
    #[arg(long, value_name = "NAME", requires = "input")]
    pub(crate) into: Option<String>,
    /// What the name in --into is of, when both a stream and a delivery stream have it.
    #[arg(long, value_enum, requires = "into")]
    pub(crate) kind: Option<PlaceKind>,
    /// The first line is a header, not a record.
    #[arg(long, requires = "input")]
    pub(crate) header: bool,
    /// Records a second; as fast as they are taken unless given.
    #[arg(long, value_name = "NUMBER", requires = "input", value_parser = above_zero)]
    pub(crate) rate: Option<f64>,
    /// End when every input has ended, all that came in has been delivered, and every open window has closed.
    #[arg(long)]
    pub(crate) until_end: bool,
    /// End with code 1 when more than this share of the records that an application has read fails, from 0 to 1. Without it:
    /// when records fail and none becomes a row.
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "until_end")]
    pub(crate) fail_on_errors: Option<f64>,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

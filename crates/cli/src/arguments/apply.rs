//! The arguments of `millstream apply`.

use std::path::PathBuf;

use clap::Args;

use super::data_directory::DataDirectoryArguments;
use super::take_over::TakeOverArguments;

/// The arguments of `apply`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream apply pipeline.toml --dry-run
  millstream apply pipeline.toml

What the file declares is created or changed; what it declared before and no longer does is deleted; what others own is \
left alone, and what belongs to a file that is gone becomes this one's. A file is applied whole or not at all.

Exit code: 0 applied (or could be), 1 refused, 4 applied, but something in it does not run yet.")]
pub(crate) struct ApplyArguments {
    /// The pipeline.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// The report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

//! The arguments of `millstream test`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream test tests/golden
  millstream test average.test --complete

The last line is: N passed, N failed. The format is described in docs/golden-files.md.")]
pub(crate) struct TestArguments {
    /// Golden files, or folders with files that end in .test.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Write what came out into the files, in place of what was expected.
    #[arg(long)]
    pub(crate) complete: bool,
    /// One line of JSON for each file.
    #[arg(long)]
    pub(crate) json: bool,
}

//! The arguments of `millstream serve`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;

use super::data_directory::DataDirectoryArguments;
use super::session::SessionArguments;
use super::take_over::TakeOverArguments;

/// Refuses a file that is given without its flag.
fn without_flag(file: &str) -> Result<Infallible, String> {
    Err(format!("a file is applied with a flag: millstream serve --apply {file}"))
}

/// The arguments of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream serve
  millstream serve --apply reviews.toml --data-dir /var/lib/millstream

Everything in the data directory runs. SIGHUP applies the files again. SIGTERM and Ctrl-C store all state and end within \
a second or so; the second signal ends at once.

Exit code: 0 when all state was stored, 3 when the stop was cut short.")]
pub(crate) struct ServeArguments {
    /// A pipeline file to apply at the start. May be given several times.
    #[arg(long = "apply", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    // Nothing is ever in it.
    #[arg(hide = true, value_name = "FILE", value_parser = without_flag)]
    file: Option<Infallible>,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

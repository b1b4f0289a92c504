//! The arguments of `millstream list`.

use clap::Args;
use millstream_control::definition::Kind;

use super::data_directory::DataDirectoryArguments;
use super::kind::KindParser;

/// The arguments of `list`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream list
  millstream list applications --json")]
pub(crate) struct ListArguments {
    /// Only this kind.
    #[arg(value_name = "KIND", value_parser = KindParser)]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

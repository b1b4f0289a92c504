//! The arguments of `millstream describe`.

use clap::Args;
use millstream_control::definition::Kind;

use super::data_directory::DataDirectoryArguments;
use super::kind::KindParser;

/// The arguments of `describe`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream describe application review-analytics
  millstream describe stream trades --json")]
pub(crate) struct DescribeArguments {
    /// Its kind.
    #[arg(value_name = "KIND", value_parser = KindParser)]
    pub(crate) kind: Kind,
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

//! The arguments of `millstream delete`.

use clap::Args;
use millstream_control::definition::Kind;

use super::data_directory::DataDirectoryArguments;
use super::kind::KindParser;

/// The arguments of `delete`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream delete application review-analytics
  millstream delete stream trades --force")]
pub(crate) struct DeleteArguments {
    /// Its kind.
    #[arg(value_name = "KIND", value_parser = KindParser)]
    pub(crate) kind: Kind,
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Also when others use it: they wait until there is another of that name.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

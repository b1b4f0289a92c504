//! The arguments of `millstream reset`.

use clap::Args;
use millstream_control::definition::Kind;

use super::data_directory::DataDirectoryArguments;
use super::kind::KindParser;

/// The arguments of `reset`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream reset application review-analytics --yes
  millstream reset streams --yes
  millstream reset --all --yes

What is reset stays as it is defined and starts from scratch. Works with a running server, and without one.")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["kind", "all"])))]
pub(crate) struct ResetArguments {
    /// All resources of this kind.
    #[arg(value_name = "KIND", value_parser = KindParser)]
    pub(crate) kind: Option<Kind>,
    /// Or only the one of this name.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Everything.
    #[arg(long, conflicts_with = "kind")]
    pub(crate) all: bool,
    /// Do it: without this it only says what would be deleted.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

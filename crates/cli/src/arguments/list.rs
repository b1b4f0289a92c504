//! The arguments of `millstream list`.

use clap::Args;
use millstream_control::definition::Kind;

use super::data_directory::DataDirectoryArguments;

/// The arguments of `list`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream list
  millstream list applications --json")]
pub(crate) struct ListArguments {
    /// Only this kind: stream, delivery-stream, application, function, endpoint, feed, topic, subscription, metric, alarm,
    /// mail-server.
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

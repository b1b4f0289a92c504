//! How a server is run.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::address::address;
use super::time::period;

/// How a server is run.
#[derive(Args, Debug)]
pub(crate) struct SessionArguments {
    /// Where the page is served. Only this machine can reach it: other addresses are refused until requests can be
    /// signed.
    #[arg(long, value_name = "ADDRESS", env = "MILLSTREAM_LISTEN", default_value = "127.0.0.1:4566", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Serve no page.
    #[arg(long, env = "MILLSTREAM_NO_CONSOLE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub(crate) no_console: bool,
    /// End after this time (`30s`, `5m`; a number alone counts seconds): what came in is delivered, open windows are kept for the next run. Without it:
    /// Ctrl-C.
    #[arg(long, value_name = "TIME", env = "MILLSTREAM_DURATION", value_parser = period)]
    pub(crate) duration: Option<Duration>,
    /// At the end wait until the windows that are open have closed by themselves.
    #[arg(long)]
    pub(crate) close_windows: bool,
    /// One line of JSON a second on standard output; the last line is the summary.
    #[arg(long)]
    pub(crate) json: bool,
}

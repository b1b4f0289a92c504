//! The arguments of `millstream doctor`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::address::address;
use super::data_directory::{DATA_DIRECTORY, DATA_DIRECTORY_VARIABLE};

/// The arguments of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream doctor
  millstream doctor --data-dir /mnt/fast --listen 127.0.0.1:8080")]
pub(crate) struct DoctorArguments {
    /// The data directory to check.
    #[arg(long, value_name = "DIR", env = DATA_DIRECTORY_VARIABLE, default_value = DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
    /// The address to check.
    #[arg(long, value_name = "ADDRESS", env = "MILLSTREAM_LISTEN", default_value = "127.0.0.1:4566", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

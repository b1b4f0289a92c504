//! Which data directory a command works on.

use std::path::PathBuf;

use clap::Args;

/// The data directory of everything but the demo.
pub(crate) const DATA_DIRECTORY: &str = "millstream-data";
/// Names another one.
pub(crate) const DATA_DIRECTORY_VARIABLE: &str = "MILLSTREAM_DATA_DIR";
/// The data directory of the demo.
pub(crate) const DEMO_DATA_DIRECTORY: &str = "millstream-demo";

/// Which data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataDirectoryArguments {
    /// Where all state is kept; a second run on the same directory goes on where the first ended.
    #[arg(long, value_name = "DIR", env = DATA_DIRECTORY_VARIABLE, default_value = DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
}

/// Which data directory the demo has: never that of the user's own pipelines, unless it is named.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoDataDirectoryArguments {
    /// Where all state of the demo is kept, apart from that of your own pipelines; MILLSTREAM_DATA_DIR does not change it.
    /// A second run on the same directory goes on where the first ended.
    #[arg(long, value_name = "DIR", default_value = DEMO_DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
}

//! Why a server cannot start.

use std::path::PathBuf;

use millstream_delivery::InvalidDelivery;
use millstream_engine::{CheckpointError, CompileError};
use millstream_streamlog::{OpenError, StreamError};

use crate::catalog::CatalogError;
use crate::data_directory::DirectoryError;

/// Why a server did not start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory could not be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Another process has the directory.
    #[error(
        "data directory {} is in use by {holder}: stop that process, or choose another directory with --data-dir",
        directory.display()
    )]
    InUse {
        /// Which.
        directory: PathBuf,
        /// Who has it, as far as known.
        holder: String,
    },
    /// The log could not be opened.
    #[error(transparent)]
    Log(OpenError),
    /// A stream could not be created.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A stream is there with another number of shards.
    #[error(
        "stream \"{name}\" has {present} shards in this data directory and the file declares {declared}; changing the \
         number is not supported yet: declare {present}, another stream, or use another data directory"
    )]
    ShardCount {
        /// Which.
        name: String,
        /// How many it has.
        present: usize,
        /// How many are declared.
        declared: u32,
    },
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Metrics and mails could not be opened.
    #[error("the monitor cannot start: {0}")]
    Monitor(String),
    /// A bucket could not be opened.
    #[error("bucket \"{name}\" cannot be used: {reason}")]
    Bucket {
        /// Which.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A delivery stream's settings contradict each other.
    #[error("delivery stream \"{name}\": {error}")]
    Delivery {
        /// Which.
        name: String,
        /// What is wrong.
        error: InvalidDelivery,
    },
    /// An endpoint's settings are wrong.
    #[error("endpoint \"{name}\": {reason}")]
    Endpoint {
        /// Which.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A function's settings are wrong.
    #[error("function \"{name}\": {reason}")]
    Function {
        /// Which.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// An application cannot be built.
    #[error("application \"{name}\": {error}")]
    Application {
        /// Which.
        name: String,
        /// Why.
        error: CompileError,
    },
    /// An application's saved state cannot be taken over.
    #[error(
        "application \"{name}\" cannot go on from its checkpoint: {error}; use the version that wrote it, or another \
         data directory"
    )]
    Checkpoint {
        /// Which.
        name: String,
        /// Why.
        error: CheckpointError,
    },
    /// A reference table cannot be read.
    #[error("application \"{application}\": reference table \"{table}\" cannot be read: {reason}")]
    ReferenceTable {
        /// Which application.
        application: String,
        /// Which table.
        table: String,
        /// Why not.
        reason: String,
    },
    /// Its waiting output cannot be read.
    #[error(
        "application \"{name}\": its waiting output in the catalog is damaged: restore the file from a copy"
    )]
    WaitingOutput {
        /// Which.
        name: String,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// An input cannot be opened.
    #[error("input \"{name}\": {reason}")]
    Input {
        /// Which.
        name: String,
        /// Why not.
        reason: String,
    },
}

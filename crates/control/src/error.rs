//! Why a server cannot start.

use std::path::PathBuf;

use millstream_streamlog::OpenError;

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
        /// The data directory.
        directory: PathBuf,
        /// Who has it, as far as known.
        holder: String,
    },
    /// The log could not be opened.
    #[error(transparent)]
    Log(OpenError),
    /// The log holds streams and the catalog is gone.
    #[error(
        "data directory {}: the log holds streams, but catalog.sqlite, which says how far each reader has come, is missing or empty. Restore it \
         from a copy, or use another data directory",
        directory.display()
    )]
    NoCatalog {
        /// The data directory.
        directory: PathBuf,
    },
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Metrics and mails could not be opened.
    #[error("the monitor cannot start: {0}")]
    Monitor(String),
    /// Something that exists cannot run.
    #[error("{}", .0.join("\n"))]
    NotRunning(Vec<String>),
}

//! Where all state is kept.
//!
//! ```text
//!   DATA_DIR/log/              the records of streams and delivery streams, and the lock
//!   DATA_DIR/buckets/BUCKET/   objects
//!   DATA_DIR/catalog.sqlite    what exists and how far it has come
//!   DATA_DIR/checkpoints/ID/   the states of applications, in parts
//!   DATA_DIR/control.sock      how commands reach the server, while one runs
//!   DATA_DIR/monitor.sqlite    metrics, alarms, mails
//! ```

use std::io;
use std::path::{Path, PathBuf};

use millstream_host::create_folder;

/// A directory could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {}: {source}; choose another with --data-dir", path.display())]
pub struct DirectoryError {
    /// Which.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// Makes the directory if need be.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn create(root: &Path) -> Result<DataDirectory, DirectoryError> {
        make(root)?;
        Ok(DataDirectory { root: root.to_owned() })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Of the log.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the catalog of a directory would be, whether there is one or not.
    pub fn catalog_in(root: &Path) -> PathBuf {
        root.join("catalog.sqlite")
    }

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        DataDirectory::catalog_in(&self.root)
    }

    /// Of the parts of all checkpoints.
    pub fn all_checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Of the parts of an application's checkpoints.
    pub fn checkpoints(&self, application: i64) -> PathBuf {
        self.all_checkpoints().join(application.to_string())
    }

    /// The monitor's file.
    pub fn monitor(&self) -> PathBuf {
        self.root.join("monitor.sqlite")
    }

    /// The directory of all buckets.
    pub fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    /// The directory of a bucket, made if need be.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn bucket(&self, name: &str) -> Result<PathBuf, DirectoryError> {
        let path = self.buckets().join(name);
        make(&path)?;
        Ok(path)
    }
}

fn make(path: &Path) -> Result<(), DirectoryError> {
    // Each level with its entry: what is written below survives a power cut.
    create_folder(path).map_err(|source| DirectoryError { path: path.to_owned(), source })
}

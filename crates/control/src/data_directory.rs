//! Where everything durable lies.
//!
//! ```text
//!   DATA_DIR/log/              the records of streams and delivery streams, and the lock
//!   DATA_DIR/buckets/BUCKET/   objects
//!   DATA_DIR/catalog.sqlite    what exists and how far it has come
//!   DATA_DIR/monitor.sqlite    metrics, alarms, mails
//! ```

use std::io;
use std::path::{Path, PathBuf};

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

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.sqlite")
    }

    /// The monitor's file.
    pub fn monitor(&self) -> PathBuf {
        self.root.join("monitor.sqlite")
    }

    /// The directory of a bucket, made if need be.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn bucket(&self, name: &str) -> Result<PathBuf, DirectoryError> {
        let path = self.root.join("buckets").join(name);
        make(&path)?;
        Ok(path)
    }
}

fn make(path: &Path) -> Result<(), DirectoryError> {
    std::fs::create_dir_all(path).map_err(|source| DirectoryError { path: path.to_owned(), source })
}

//! Whether the directory is still the one that was opened, and still ours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_host::{Disk, DiskFile, FileId};

use crate::lock_file::LockFile;

/// Whether a log can still keep records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogHealth {
    /// As far as is known.
    Working,
    /// Its directory was deleted, moved, or taken by another process: every append is refused from now on, and only
    /// opening the log again helps.
    Lost {
        /// In words.
        reason: String,
    },
}

/// What is checked before each commit, and every half second while there is none.
#[derive(Debug)]
pub(crate) struct DirectoryGuard {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    lock: LockFile,
    opened: FileId,
}

impl DirectoryGuard {
    /// Watches the directory that `lock` was taken in.
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: &Path, lock: LockFile) -> io::Result<DirectoryGuard> {
        let opened = disk.id(directory)?;
        Ok(DirectoryGuard { disk, directory: directory.to_owned(), lock, opened })
    }

    /// Says why records can no longer be kept, if so. `active` is the segment that is written and where it should be.
    pub(crate) fn check(&mut self, active: &dyn DiskFile, active_path: &Path) -> Result<(), String> {
        self.expect(&self.directory, self.opened)?;
        let written = active.id().map_err(|error| format!("its segment cannot be seen: {error}"))?;
        self.expect(active_path, written)?;
        self.lock.check(&*self.disk, &self.directory)
    }

    fn expect(&self, path: &Path, expected: FileId) -> Result<(), String> {
        match self.disk.id(path) {
            Ok(found) if found == expected => Ok(()),
            Ok(_) => Err(format!("{} was replaced", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("{} was deleted or moved", path.display()))
            }
            Err(error) => Err(format!("{} cannot be seen: {error}", path.display())),
        }
    }
}

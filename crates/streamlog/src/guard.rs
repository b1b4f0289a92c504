//! Whether the directory is still the one that was opened, and still ours.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// Tells a file from every other one on the machine.
type FileId = (u64, u64);

fn file_id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// What is checked before each commit, and every half second while there is none.
#[derive(Debug)]
pub(crate) struct DirectoryGuard {
    directory: PathBuf,
    lock: LockFile,
    opened: FileId,
}

impl DirectoryGuard {
    /// Watches the directory that `lock` was taken in.
    pub(crate) fn new(directory: &Path, lock: LockFile) -> io::Result<DirectoryGuard> {
        let opened = file_id(&fs::metadata(directory)?);
        Ok(DirectoryGuard { directory: directory.to_owned(), lock, opened })
    }

    /// Says why records can no longer be kept, if so. `active` is the segment that is written and where it should be.
    pub(crate) fn check(&mut self, active: &File, active_path: &Path) -> Result<(), String> {
        self.expect(&self.directory, self.opened)?;
        let written = active.metadata().map_err(|error| format!("its segment cannot be seen: {error}"))?;
        self.expect(active_path, file_id(&written))?;
        self.lock.check(&self.directory)
    }

    fn expect(&self, path: &Path, expected: FileId) -> Result<(), String> {
        match fs::metadata(path) {
            Ok(metadata) if file_id(&metadata) == expected => Ok(()),
            Ok(_) => Err(format!("{} was replaced", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("{} was deleted or moved", path.display()))
            }
            Err(error) => Err(format!("{} cannot be seen: {error}", path.display())),
        }
    }
}

//! The lock that keeps a second process out of a data directory.
//!
//! Two locks, of which the first is what counts: one on the directory itself, which nobody can take away by deleting a
//! file, and one on the file `lock` in it, which says who holds it. Some network file systems lock no directories: there
//! the file alone counts, and when it goes the log goes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{OpenError, io_error};

/// Holds the lock until dropped; the operating system releases it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    /// The directory, when its file system can lock it.
    directory: Option<File>,
}

impl LockFile {
    /// Takes the lock of `directory` and leaves the process id in the file.
    pub(crate) fn acquire(directory: &Path) -> Result<LockFile, OpenError> {
        let path = directory.join("lock");
        let in_use = |holder| OpenError::InUse { directory: directory.to_owned(), holder };
        let folder = File::open(directory).map_err(io_error("open", directory))?;
        let folder = match folder.try_lock() {
            Ok(()) => Some(folder),
            Err(TryLockError::WouldBlock) => return Err(in_use(holder(&path))),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, directory = %directory.display(), "the directory cannot be locked, only a file in it");
                None
            }
        };
        let file = open(&path).map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(holder(&path))),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error).into()),
        }
        let mut lock = LockFile { file, directory: folder };
        lock.sign();
        Ok(lock)
    }

    /// Looks whether the lock still keeps others out. Puts a deleted file back when the directory itself is locked.
    pub(crate) fn check(&mut self, directory: &Path) -> Result<(), String> {
        let path = directory.join("lock");
        let held = self.file.metadata().map_err(|error| error.to_string())?;
        let is_there =
            fs::metadata(&path).is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()));
        if is_there {
            return Ok(());
        }
        if self.directory.is_none() {
            return Err(format!(
                "{} was deleted or replaced: another process may write here",
                path.display()
            ));
        }
        // Nobody else can have it: they would need the directory first.
        if let Ok(file) = open(&path)
            && file.try_lock().is_ok()
        {
            tracing::warn!(path = %path.display(), "the lock file was deleted and is put back");
            self.file = file;
            self.sign();
        }
        Ok(())
    }

    /// The process id only helps a message: a full disk must not keep the log from opening for reads.
    fn sign(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.rewind();
        let _ = writeln!(self.file, "{}", std::process::id());
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn holder(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(32).read_to_string(&mut text);
    }
    match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".to_owned(),
    }
}

//! The lock that keeps a second process out of a data directory.
//!
//! Two locks, of which the first is what counts: one on the directory itself, which nobody can take away by deleting a
//! file, and one on the file `lock` in it, which says who holds it. Some network file systems lock no directories: there
//! the file alone counts, and when it goes the log goes.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_host::{Disk, DiskFile, Open};

use crate::error::{OpenError, io_error};

/// Holds the lock until dropped; the operating system releases it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: Arc<dyn DiskFile>,
    /// The directory, when its file system can lock it.
    directory: Option<Arc<dyn DiskFile>>,
}

impl LockFile {
    /// Takes the lock of `directory` and leaves the process id in the file.
    pub(crate) fn acquire(disk: &Arc<dyn Disk>, directory: &Path) -> Result<LockFile, OpenError> {
        let path = directory.join("lock");
        let in_use = |holder| OpenError::InUse { directory: directory.to_owned(), holder };
        let folder = disk.open(directory, Open::Read).map_err(io_error("open", directory))?;
        let folder = match folder.try_lock() {
            Ok(()) => Some(folder),
            Err(TryLockError::WouldBlock) => return Err(in_use(holder(&**disk, &path))),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, directory = %directory.display(), "the directory cannot be locked, only a file in it");
                None
            }
        };
        let file = disk.open(&path, Open::WriteOrCreate).map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(holder(&**disk, &path))),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error).into()),
        }
        let lock = LockFile { file, directory: folder };
        lock.sign();
        Ok(lock)
    }

    /// Looks whether the lock still keeps others out. Puts a deleted file back when the directory itself is locked.
    pub(crate) fn check(&mut self, disk: &dyn Disk, directory: &Path) -> Result<(), String> {
        let path = directory.join("lock");
        let held = self.file.id().map_err(|error| error.to_string())?;
        if disk.id(&path).is_ok_and(|found| found == held) {
            return Ok(());
        }
        if self.directory.is_none() {
            return Err(format!(
                "{} was deleted or replaced: another process may write here",
                path.display()
            ));
        }
        // Nobody else can have it: they would need the directory first.
        if let Ok(file) = disk.open(&path, Open::WriteOrCreate)
            && file.try_lock().is_ok()
        {
            tracing::warn!(path = %path.display(), "the lock file was deleted and is put back");
            self.file = file;
            self.sign();
        }
        Ok(())
    }

    /// The process id only helps a message: a full disk must not keep the log from opening for reads.
    fn sign(&self) {
        let _ = self.file.truncate(0);
        let _ = self.file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0);
    }
}

fn holder(disk: &dyn Disk, path: &Path) -> String {
    match text_in(disk, path).ok().and_then(|text| text.parse::<u32>().ok()) {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// What is in the file, as far as a process id may reach.
fn text_in(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let file = disk.open(path, Open::Read)?;
    let mut bytes = vec![0; file.length()?.min(32) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

//! Writing to, syncing and cutting a segment file: the real disk, and in tests one that fails on command.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The three operations on which durability rests.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`. On an error, any part may have been written.
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when the file's data and length are on disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Cuts the file to `length` bytes.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }
}

/// A disk that fails when it is set to.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct FailingDisk {
    /// Bytes that may still be written before the disk is full; negative means without limit.
    pub(crate) room: std::sync::atomic::AtomicI64,
    /// Syncs that fail from now on.
    pub(crate) failing_syncs: std::sync::atomic::AtomicU32,
    /// Truncations that fail from now on.
    pub(crate) failing_truncates: std::sync::atomic::AtomicU32,
}

#[cfg(test)]
mod failing {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Disk, FailingDisk, File, FileExt, RealDisk, io};

    impl FailingDisk {
        pub(crate) fn healthy() -> FailingDisk {
            let disk = FailingDisk::default();
            disk.room.store(-1, Ordering::SeqCst);
            disk
        }
    }

    fn take_failure(counter: &AtomicU32) -> io::Result<()> {
        match counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(io::Error::other("injected failure")),
            Err(_) => Ok(()),
        }
    }

    impl Disk for FailingDisk {
        fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
            let room = self.room.load(Ordering::SeqCst);
            if room < 0 {
                return file.write_all_at(bytes, offset);
            }
            let written = bytes.len().min(room as usize);
            file.write_all_at(&bytes[..written], offset)?;
            self.room.fetch_sub(written as i64, Ordering::SeqCst);
            if written < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            take_failure(&self.failing_syncs)?;
            RealDisk.sync(file)
        }

        fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
            take_failure(&self.failing_truncates)?;
            RealDisk.truncate(file, length)
        }
    }
}

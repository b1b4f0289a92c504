//! Files and the entries of folders, with what makes each of them survive a power cut.
//!
//! ```text
//!   Disk ── RealDisk        the machine's own
//!        └─ SimulatedDisk   in memory: fails when told to, and a power cut takes what was not synced
//! ```
//!
//! Bytes of a file are durable after [`DiskFile::sync`] of it, its name after [`Disk::sync_folder`] of the folder that
//! holds it. `tests.rs` asks the same of both bodies.

mod real;
mod simulated;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
pub use simulated::SimulatedDisk;

/// Tells a file or folder from every other one on the disk, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The number on the device.
    pub number: u64,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To be read; also a folder, to be locked. It must exist.
    Read,
    /// To be read and written. It must exist.
    Write,
    /// To be read and written, as it is, or empty when there was none.
    WriteOrCreate,
    /// To be read and written, and empty, whether there was one or not.
    Create,
}

/// An open file. Dropping it closes it, and gives its lock back.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before that.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Then any part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// As the disk says.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file to `length` bytes, or fills it up with zeros.
    ///
    /// # Errors
    /// As the disk says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Comes back when bytes and length are durable.
    ///
    /// # Errors
    /// Then it is not known what is.
    fn sync(&self) -> io::Result<()>;

    /// The same for everything that is known of the file, its times among it.
    ///
    /// # Errors
    /// Then it is not known what is durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Which file this is.
    ///
    /// # Errors
    /// As the disk says.
    fn id(&self) -> io::Result<FileId>;

    /// Takes the file's lock, which lasts until this is dropped or its process ends, however it ends.
    ///
    /// # Errors
    /// `WouldBlock` when another opening of the file has it.
    fn try_lock(&self) -> Result<(), TryLockError>;
}

/// Where files are.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// As the disk says.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;

    /// Which file or folder is at `path`.
    ///
    /// # Errors
    /// `NotFound` when there is none, else as the disk says.
    fn id(&self, path: &Path) -> io::Result<FileId>;

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// As the disk says.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// Gives a file another name, in one step, and takes the place of the file that has it.
    ///
    /// # Errors
    /// Then nothing has changed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away. Whoever has it open still reads it.
    ///
    /// # Errors
    /// `NotFound` when there is none, else as the disk says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder and every one above it that is missing, and makes the name of each durable. Does nothing when it is
    /// there already.
    ///
    /// # Errors
    /// As the disk says; folders made before the failure stay.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the disk says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// As the disk says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::Read)?;
        let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

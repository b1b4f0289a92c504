//! Files of the machine that somebody named, and those that a user may look into: plain calls, each of one file.
//!
//! What the server keeps for itself goes through [`Disk`](crate::Disk), which tests can take the power from.

#![expect(clippy::disallowed_methods, reason = "one of the places that touch the machine's files")]

use std::fs::{self, DirEntry, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Opens a file to be read.
///
/// # Errors
/// As the operating system says.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// The bytes of a file.
///
/// # Errors
/// As the operating system says.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The text of a file.
///
/// # Errors
/// As the operating system says, and when it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Puts these bytes in a file, in the place of any that it has; not durable.
///
/// # Errors
/// As the operating system says.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(path, bytes)
}

/// The length of a file in bytes.
///
/// # Errors
/// As the operating system says.
pub fn length(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|found| found.len())
}

/// A pipe or a device, not a file or a folder. What cannot be looked at is none.
pub fn is_endless(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What is in a folder, in no order.
///
/// # Errors
/// As the operating system says.
pub fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(folder)?.collect()
}

/// Deletes a file.
///
/// # Errors
/// As the operating system says.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// The path from the root without links and dots.
///
/// # Errors
/// As the operating system says: there must be such a file.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Lets nobody but the owner read or write a file.
///
/// # Errors
/// As the operating system says.
pub fn restrict_to_owner(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

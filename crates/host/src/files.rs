//! Files of the machine that somebody named, and those that a user may look into: plain calls, each of one file.
//!
//! What the server keeps for itself goes through [`Disk`](crate::Disk), which tests can take the power from.

#![expect(clippy::disallowed_methods, reason = "one of the places that touch the machine's files")]

use std::fs::{self, DirEntry, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// Why a file cannot be read, in words: those of the operating system only where nothing plainer is known.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Opens a file to be read.
///
/// # Errors
/// As the operating system says.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a file, a pipe or a device to be read. A read for which nothing has come within `patience` fails with
/// [`io::ErrorKind::TimedOut`], also the first of a pipe that nobody has opened to write yet.
///
/// # Errors
/// As the operating system says.
pub fn open_patiently(path: &Path, patience: Duration) -> io::Result<impl Read + Send + use<>> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    Ok(Patient { file, patience: patience.try_into().map_err(io::Error::other)? })
}

/// A file whose silence is waited for no longer than this.
struct Patient {
    file: File,
    patience: Timespec,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&self.patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.file.read(buffer) {
                // Another reader was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_pipe_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let mut byte = [0];
        let mut silent = open_patiently(&path, Duration::ZERO).unwrap();
        assert_eq!(silent.read(&mut byte).unwrap_err().kind(), io::ErrorKind::TimedOut);

        let mut reader = open_patiently(&path, Duration::from_secs(600)).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"text").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");

        let file = folder.path().join("file");
        write(&file, "whole").unwrap();
        let mut text = String::new();
        open_patiently(&file, Duration::ZERO).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole");
    }
}

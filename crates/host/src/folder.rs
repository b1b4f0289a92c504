//! Folders whose names survive a power cut.

#![expect(clippy::disallowed_methods, reason = "one of the places that touch the machine's files")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// "Not a directory": a file is where a folder should be.
const ENOTDIR: i32 = 20;

/// Creates `path` and every folder above it that is missing, and makes the name of each of them durable in the folder
/// that holds it. Does nothing when `path` is a folder already.
///
/// # Errors
/// As the operating system says; folders made before the failure stay.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(io::Error::from_raw_os_error(ENOTDIR));
        }
        made => made?,
    }
    sync_folder(parent)
}

/// Deletes a folder with everything in it.
///
/// # Errors
/// As the operating system says; what was deleted before the failure stays so.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// As the operating system says.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r11_every_missing_level_is_made() {
        let root = std::env::temp_dir().join(format!("millstream-folder-{}", std::process::id()));
        let deep = root.join("a/b/c");
        create_folder(&deep).unwrap();
        create_folder(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(root.join("file"), "x").unwrap();
        assert!(create_folder(&root.join("file/below")).is_err());
        assert!(create_folder(&root.join("file")).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}

//! The parts of checkpoints, as files: `DATA_DIR/checkpoints/APPLICATION_ID/PART`.
//!
//! A part is named by its content and written once: it is on disk before a manifest names it, and deleted when none does
//! any more. So a crash leaves at most parts that nobody names, which the next checkpoint deletes, and folders of applications
//! that are gone, which the next opening of the directory deletes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use millstream_engine::PartId;
use millstream_host::{Disk, Open, RealDisk, files, remove_folder};

use crate::definition::ResourceId;

/// Ends the name of a file that is being written.
const UNFINISHED: &str = ".new";

/// The parts of one application. All calls wait for the disk.
#[derive(Clone, Debug)]
pub(crate) struct PartStore {
    folder: PathBuf,
}

impl PartStore {
    /// In a folder, which is made when the first part is written.
    pub(crate) fn new(folder: PathBuf) -> PartStore {
        PartStore { folder }
    }

    fn path(&self, id: &PartId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Writes a part, unless it is there undamaged; durable after [`PartStore::sync`].
    pub(crate) fn put(&self, id: &PartId, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(id);
        let has_length = files::length(&path).is_ok_and(|length| length == bytes.len() as u64);
        if has_length && RealDisk.read(&path).is_ok_and(|stored| stored == bytes) {
            return Ok(());
        }
        // `checkpoints/ID` in the data directory: one that was moved away is not made again.
        let data_directory = self.folder.parent().and_then(Path::parent);
        if data_directory.is_some_and(|directory| !directory.exists()) {
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the data directory is gone"));
        }
        RealDisk.create_folder(&self.folder)?;
        let unfinished = path.with_extension("new");
        let written = RealDisk.open(&unfinished, Open::Create).and_then(|file| {
            file.write_all_at(bytes, 0)?;
            file.sync()
        });
        if let Err(error) = written.and_then(|()| RealDisk.rename(&unfinished, &path)) {
            // A full disk gets its space back.
            let _ = RealDisk.remove_file(&unfinished);
            return Err(error);
        }
        Ok(())
    }

    /// Makes the names of the parts durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.folder.is_dir() { RealDisk.sync_folder(&self.folder) } else { Ok(()) }
    }

    /// Reads a part; whoever asks compares the bytes with their name.
    pub(crate) fn get(&self, id: &PartId) -> io::Result<Vec<u8>> {
        RealDisk.read(&self.path(id))
    }

    /// Deletes all parts but these.
    pub(crate) fn retain(&self, kept: &BTreeSet<String>) -> io::Result<()> {
        let names = match RealDisk.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for file_name in names {
            let name = file_name.to_string_lossy();
            if !kept.contains(&*name) && is_part(&name) {
                RealDisk.remove_file(&self.folder.join(&file_name))?;
            }
        }
        Ok(())
    }

    /// Deletes the folder with everything in it.
    pub(crate) fn erase(&self) -> io::Result<()> {
        match remove_folder(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Deletes the folders of applications that are not there any more from the folder of all of them. An earlier process may have
/// left some behind. Gives how many; waits for the disk.
pub(crate) fn erase_all_but(folder: &Path, kept: &BTreeSet<ResourceId>) -> io::Result<usize> {
    let entries = match files::entries(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut erased = 0;
    for entry in entries {
        let application = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(ResourceId);
        if entry.file_type()?.is_dir() && application.is_some_and(|application| !kept.contains(&application))
        {
            PartStore::new(entry.path()).erase()?;
            erased += 1;
        }
    }
    Ok(erased)
}

/// What is ours to delete.
fn is_part(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).unwrap_or(name).parse::<PartId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn r3_parts_are_written_once_and_kept_as_long_as_somebody_names_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = PartStore::new(folder.path().join("checkpoints/7"));
        let (one, two) = (PartId::of(b"one"), PartId::of(b"two"));
        store.put(&one, b"one").unwrap();
        store.put(&two, b"two").unwrap();
        store.put(&two, b"two").unwrap();
        store.sync().unwrap();
        assert_eq!(store.get(&one).unwrap(), b"one");
        let stranger = store.folder.join("README");
        fs::write(&stranger, "somebody else's").unwrap();
        store.retain(&BTreeSet::from([two.to_string()])).unwrap();
        assert!(store.get(&one).is_err());
        assert_eq!(store.get(&two).unwrap(), b"two");
        assert!(stranger.exists());
        store.erase().unwrap();
        store.erase().unwrap();
        assert!(store.retain(&BTreeSet::new()).is_ok());
    }

    #[test]
    fn a_damaged_part_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = PartStore::new(folder.path().join("checkpoints/7"));
        let part = PartId::of(b"state");
        store.put(&part, b"state").unwrap();
        fs::write(store.path(&part), "stale").unwrap();
        store.put(&part, b"state").unwrap();
        assert_eq!(store.get(&part).unwrap(), b"state");
    }

    #[test]
    fn folders_of_applications_that_are_gone_go() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("checkpoints");
        let erase = || erase_all_but(&all, &BTreeSet::from([ResourceId(8)])).unwrap();
        assert_eq!(erase(), 0);
        for name in ["7", "8", "mine"] {
            fs::create_dir_all(all.join(name)).unwrap();
            fs::write(all.join(name).join("part"), "state").unwrap();
        }
        fs::write(all.join("9"), "somebody else's").unwrap();
        assert_eq!([erase(), erase()], [1, 0]);
        assert_eq!(["7", "8", "9", "mine"].map(|name| all.join(name).exists()), [false, true, true, true]);
    }
}

//! What a crash leaves in a local folder of objects.

use std::io;
use std::path::Path;

use millstream_host::files;

/// Deletes the files that a local object store was writing when its process ended, in `folder` and all below it: their
/// names end with `#` and a number, which no object's can. Gives how many. To be called while nobody writes there. Does
/// not follow links; a folder that is not there has none.
///
/// # Errors
/// A folder cannot be listed, or a file not be deleted.
pub fn remove_unfinished_objects(folder: &Path) -> io::Result<usize> {
    let entries = match files::entries(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            removed += remove_unfinished_objects(&entry.path())?;
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_unfinished) {
            files::remove(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn low_half_objects_go_and_whole_ones_stay() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("2026/01");
        fs::create_dir_all(&deep).unwrap();
        for name in ["a", "a#1", "b.gz#23", "c#", "d#1x", "e%231"] {
            fs::write(deep.join(name), "x").unwrap();
        }
        fs::write(directory.path().join("top#7"), "x").unwrap();
        assert_eq!(remove_unfinished_objects(directory.path()).unwrap(), 3);
        let mut left: Vec<String> = fs::read_dir(&deep)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a", "c#", "d#1x", "e%231"]);
        assert_eq!(remove_unfinished_objects(&directory.path().join("none")).unwrap(), 0);
    }
}

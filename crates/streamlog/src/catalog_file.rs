//! The catalog on disk: a snapshot that is replaced as a whole, and a journal of the changes since.
//!
//! A change is one line at the end of the journal and one `fdatasync`, whatever the number of streams. When the journal
//! has outgrown the snapshot, a new snapshot takes its place. The snapshot names its journal: `catalog.journal.N` exists
//! before the snapshot that names it, so a missing one is damage. A line is the CRC-32 of the rest in hex, a space, and
//! the change as JSON.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_host::{Disk, DiskFile, Open};
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, CatalogStream};
use crate::error::{FileError, OpenError, io_error};
use crate::segment::{self, Span};

/// A journal may always grow to this size before a snapshot is taken.
const LEAST_JOURNAL_BYTES: u64 = 64 << 10;
const PREFIX: &str = "catalog.journal.";

/// A change of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Change {
    /// A stream was created, or its shards or retention changed: its row as it is now.
    Stream(CatalogStream),
    /// A stream was deleted.
    Deleted { stream: u32 },
    /// Segments are about to be deleted.
    Trimmed {
        /// Their numbers.
        segments: Vec<u64>,
        /// How far the shards in them had come: stream, shard, next index, last arrival.
        shards: Vec<(u32, u32, u64, i64)>,
        /// Shards that are no longer listed: stream, shard.
        spent: Vec<(u32, u32)>,
    },
}

impl Change {
    /// Notes how far a shard had come in a segment that is deleted.
    pub(crate) fn trimmed_shard(key: segment::ShardKey, span: &Span) -> (u32, u32, u64, i64) {
        (key.0, key.1, span.next_index, span.last_arrival.millis())
    }
}

/// The open journal.
#[derive(Debug)]
struct Journal {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// The end of the last whole line.
    length: u64,
}

/// The catalog in memory and on disk.
#[derive(Debug)]
pub(crate) struct CatalogFile {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    catalog: Catalog,
    snapshot_bytes: u64,
    /// `None` before the first change of a catalog that has none, and after a failure: then a snapshot is taken.
    journal: Option<Journal>,
}

impl CatalogFile {
    /// A new catalog, durable when this returns.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        catalog: Catalog,
    ) -> Result<CatalogFile, FileError> {
        let mut created = CatalogFile {
            disk: Arc::clone(disk),
            directory: directory.to_owned(),
            catalog,
            snapshot_bytes: 0,
            journal: None,
        };
        created.take_snapshot()?;
        Ok(created)
    }

    /// Reads the catalog; `None` when there is none. Changes nothing on disk but a line that was cut.
    pub(crate) fn load(disk: &Arc<dyn Disk>, directory: &Path) -> Result<Option<CatalogFile>, OpenError> {
        let Some((mut catalog, snapshot_bytes)) = Catalog::load(&**disk, directory)? else { return Ok(None) };
        let mut journal = None;
        if catalog.journal > 0 {
            let path = journal_path(directory, catalog.journal);
            let file = disk.open(&path, Open::Write);
            let file = match file {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let reason = "it is missing, yet the catalog names it".to_owned();
                    return Err(OpenError::Catalog { path, reason });
                }
                file => file.map_err(io_error("open", &path))?,
            };
            let bytes = disk.read(&path).map_err(io_error("read", &path))?;
            let length = replay(&mut catalog, &bytes)
                .map_err(|reason| OpenError::Catalog { path: path.clone(), reason })?;
            if length < bytes.len() as u64 {
                file.truncate(length).map_err(io_error("cut", &path))?;
            }
            journal = Some(Journal { file, path, length });
        }
        Ok(Some(CatalogFile {
            disk: Arc::clone(disk),
            directory: directory.to_owned(),
            catalog,
            snapshot_bytes,
            journal,
        }))
    }

    /// The catalog as it is.
    pub(crate) fn get(&self) -> &Catalog {
        &self.catalog
    }

    /// Makes a change, durable when this returns. On an error nothing has changed.
    pub(crate) fn change(&mut self, change: Change) -> Result<(), FileError> {
        let limit = self.snapshot_bytes.max(LEAST_JOURNAL_BYTES);
        let is_full = self.journal.as_ref().is_none_or(|journal| journal.length > limit);
        if is_full || self.catalog.is_of_earlier_format() {
            self.take_snapshot()?;
        }
        let json = serde_json::to_vec(&change).expect("a change has only text keys and finite numbers");
        let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
        line.extend_from_slice(&json);
        line.push(b'\n');
        if let Some(journal) = &mut self.journal {
            let Journal { file, path, length } = journal;
            let written = file
                .write_all_at(&line, *length)
                .map_err(io_error("write", path))
                .and_then(|()| file.sync().map_err(io_error("sync", path)));
            if let Err(error) = written {
                // What is in the file now is not known for sure: a snapshot of before the change settles it.
                let _ = file.truncate(*length);
                self.journal = None;
                return Err(error);
            }
            *length += line.len() as u64;
        }
        self.catalog.apply(change);
        Ok(())
    }

    /// Replaces the snapshot and begins a journal.
    fn take_snapshot(&mut self) -> Result<(), FileError> {
        let before = self.catalog.journal;
        let number = before + 1;
        let path = journal_path(&self.directory, number);
        let file = self.disk.open(&path, Open::Create).map_err(io_error("create", &path))?;
        file.sync_all().map_err(io_error("sync", &path))?;
        segment::sync_folder(&*self.disk, &self.directory)?;
        self.catalog.journal = number;
        match self.catalog.store(&*self.disk, &self.directory) {
            Ok(bytes) => self.snapshot_bytes = bytes,
            Err(error) => {
                self.catalog.journal = before;
                return Err(error);
            }
        }
        if let Some(old) = self.journal.replace(Journal { file, path, length: 0 }) {
            // A leftover is no harm: nothing names it.
            let _ = self.disk.remove_file(&old.path);
        }
        Ok(())
    }
}

fn journal_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number}"))
}

/// Applies the changes in a journal and gives where they end. What cannot be read at its end was being written when the
/// process stopped; anywhere else it is damage.
fn replay(catalog: &mut Catalog, bytes: &[u8]) -> Result<u64, String> {
    let mut end = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[end..]) {
        match parse(&bytes[end..end + length]) {
            Some(change) => catalog.apply(change),
            None => break,
        }
        end += length + 1;
    }
    let mut rest = bytes[end..].split(|&byte| byte == b'\n');
    // The first line cannot be read, or has no end. A whole one may follow in it, when what was lost is a line end.
    let broken = rest.next().unwrap_or_default();
    let is_start = |at: &usize| broken[*at..].get(8..10) == Some(b" {");
    let is_followed = rest.any(|line| parse(line).is_some())
        || (1..broken.len()).filter(is_start).any(|at| parse(&broken[at..]).is_some());
    if is_followed { Err(format!("it is damaged at byte {end}")) } else { Ok(end as u64) }
}

fn parse(line: &[u8]) -> Option<Change> {
    let (crc, json) = line.split_at_checked(9)?;
    if crc != format!("{:08x} ", crc32fast::hash(json)).as_bytes() {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_name::StreamKind;
    use millstream_host::RealDisk;
    use std::fs;

    fn real() -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }

    fn created(id: u32) -> Change {
        let name = format!("stream-{id}").parse().unwrap();
        Change::Stream(CatalogStream::new(id, StreamKind::Data, name, 0, 24, 2))
    }

    fn ids(file: &CatalogFile) -> Vec<u32> {
        file.get().streams.iter().map(|row| row.id).collect()
    }

    fn journal(directory: &Path) -> PathBuf {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut journals: Vec<PathBuf> =
            names.filter(|path| path.to_str().unwrap().contains(PREFIX)).collect();
        assert_eq!(journals.len(), 1, "{journals:?}");
        journals.remove(0)
    }

    #[test]
    fn r21_a_change_costs_a_line_and_all_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = CatalogFile::create(&real(), directory.path(), Catalog::new(7)).unwrap();
        let mut longest = 0;
        for id in 1..=1_000 {
            file.change(created(id)).unwrap();
            longest = longest.max(fs::metadata(journal(directory.path())).unwrap().len());
            if id % 3 == 0 {
                file.change(Change::Deleted { stream: id }).unwrap();
            }
        }
        assert!(longest < 2 * LEAST_JOURNAL_BYTES.max(file.snapshot_bytes), "{longest}");
        assert!(file.catalog.journal < 20, "{} snapshots", file.catalog.journal);
        let found = CatalogFile::load(&real(), directory.path()).unwrap().unwrap();
        assert_eq!(found.catalog, file.catalog);
        assert_eq!((ids(&found).len(), found.get().next_stream_id), (667, 1_001));
    }

    #[test]
    fn a_catalog_of_an_earlier_format_is_replaced_before_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        drop(CatalogFile::create(&real(), directory.path(), Catalog::new(7)).unwrap());
        let snapshot = directory.path().join("catalog");
        let text = fs::read_to_string(&snapshot).unwrap();
        let json = text[9..].replace("\"format\": 3", "\"format\": 2");
        fs::write(&snapshot, format!("{:08x}\n{json}", crc32fast::hash(json.as_bytes()))).unwrap();
        let mut found = CatalogFile::load(&real(), directory.path()).unwrap().unwrap();
        found.change(created(1)).unwrap();
        let replaced = fs::read_to_string(&snapshot).unwrap();
        assert!(
            replaced.contains("\"format\": 3"),
            "an earlier version would cut the change off: {replaced}"
        );
        assert_eq!(ids(&CatalogFile::load(&real(), directory.path()).unwrap().unwrap()), [1]);
    }

    #[test]
    fn a_cut_line_is_dropped_and_damage_before_the_end_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = CatalogFile::create(&real(), directory.path(), Catalog::new(7)).unwrap();
        (1..=3).for_each(|id| file.change(created(id)).unwrap());
        drop(file);
        let path = journal(directory.path());
        let whole = fs::read(&path).unwrap();
        let two = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
        for length in two..whole.len() {
            let mut cut = whole[..length].to_vec();
            for zeros in [0, 50] {
                cut.resize(length + zeros, 0);
                fs::write(&path, &cut).unwrap();
                let mut found = CatalogFile::load(&real(), directory.path()).unwrap().unwrap();
                assert_eq!(ids(&found), [1, 2], "{length}");
                found.change(created(9)).unwrap();
                drop(found);
                assert_eq!(ids(&CatalogFile::load(&real(), directory.path()).unwrap().unwrap()), [1, 2, 9]);
            }
        }
        for place in 0..two {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x20;
            fs::write(&path, damaged).unwrap();
            let refused = CatalogFile::load(&real(), directory.path()).unwrap_err();
            assert!(refused.to_string().contains("damaged at byte"), "{place}: {refused}");
        }
        fs::remove_file(&path).unwrap();
        let refused = CatalogFile::load(&real(), directory.path()).unwrap_err();
        assert!(refused.to_string().contains("it is missing"), "{refused}");
    }
}

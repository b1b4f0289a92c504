//! A disk in memory that fails when told to and forgets what was not synced.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, FileId, Open};

/// A disk in memory. Clones are the same disk.
///
/// After a [`SimulatedDisk::power_cut`] it holds exactly what was durable: of each file the bytes as of its last sync, and
/// of each folder the names as of its last sync. Folders cannot be renamed or removed.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Guards all that is on the disk.
    state: Mutex<State>,
    room: AtomicI64,
    failing_syncs: AtomicU32,
    failing_truncates: AtomicU32,
    failing_folder_syncs: AtomicU32,
    failing_renames: AtomicU32,
    /// Whether syncs of files hang; the other tells those that hang when they no longer do.
    hangs: Mutex<bool>,
    goes_on: Condvar,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            state: Mutex::default(),
            room: AtomicI64::new(-1),
            failing_syncs: AtomicU32::new(0),
            failing_truncates: AtomicU32::new(0),
            failing_folder_syncs: AtomicU32::new(0),
            failing_renames: AtomicU32::new(0),
            hangs: Mutex::new(false),
            goes_on: Condvar::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Counts power cuts: a file opened before the last one is gone.
    boot: u64,
    /// The last number given to a file, folder or opening.
    last_number: u64,
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    files: HashMap<u64, Content>,
    /// Which opening has the lock of a file or folder.
    locks: HashMap<u64, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    is_folder: bool,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, path: &Path) -> io::Result<Entry> {
        let entry = self.entry(path)?;
        if entry.is_folder { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(entry) }
    }

    /// The folder that holds `path` must be there.
    fn check_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent().filter(|parent| !is_top(parent)) {
            Some(parent) if !self.entry(parent)?.is_folder => Err(io::ErrorKind::NotADirectory.into()),
            _ => Ok(()),
        }
    }
}

impl SimulatedDisk {
    /// An empty disk without faults.
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// From now on `bytes` may still be written; then the disk is full. `None` is no limit.
    pub fn set_room(&self, bytes: Option<u64>) {
        let room = bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        self.shared.room.store(room, Ordering::SeqCst);
    }

    /// The next `count` syncs of files fail.
    pub fn fail_syncs(&self, count: u32) {
        self.shared.failing_syncs.store(count, Ordering::SeqCst);
    }

    /// The next `count` cuts fail.
    pub fn fail_truncates(&self, count: u32) {
        self.shared.failing_truncates.store(count, Ordering::SeqCst);
    }

    /// The next `count` renames fail.
    pub fn fail_renames(&self, count: u32) {
        self.shared.failing_renames.store(count, Ordering::SeqCst);
    }

    /// The next `count` syncs of folders fail.
    pub fn fail_folder_syncs(&self, count: u32) {
        self.shared.failing_folder_syncs.store(count, Ordering::SeqCst);
    }

    /// Syncs of files hang from now on, until they are told to go on.
    pub fn hang_syncs(&self, hangs: bool) {
        *self.shared.hangs.lock().unwrap_or_else(PoisonError::into_inner) = hangs;
        self.shared.goes_on.notify_all();
    }

    /// Takes what is not durable. Files that are open can no longer be used, as after the death of their process.
    pub fn power_cut(&self) {
        let mut state = self.state();
        state.boot += 1;
        state.locks.clear();
        let mut names: BTreeMap<PathBuf, Entry> = BTreeMap::new();
        // A folder comes before what is in it.
        for (path, entry) in &state.durable_names {
            if path.parent().is_none_or(|parent| is_top(parent) || names.contains_key(parent)) {
                names.insert(path.clone(), *entry);
            }
        }
        state.durable_names.clone_from(&names);
        state.names = names;
        for content in state.files.values_mut() {
            content.bytes.clone_from(&content.durable);
        }
    }

    /// Comes back when syncs do not hang.
    fn wait_while_hanging(&self) {
        let hangs = self.shared.hangs.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.shared.goes_on.wait_while(hangs, |hangs| *hangs));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let number = match state.entry(path) {
            Ok(entry) if entry.is_folder && how != Open::Read => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(entry) => entry.number,
            Err(error) if matches!(how, Open::Read | Open::Write) => return Err(error),
            Err(_) => {
                state.check_parent(path)?;
                let number = state.next_number();
                state.names.insert(path.to_owned(), Entry { number, is_folder: false });
                state.files.insert(number, Content::default());
                number
            }
        };
        if how == Open::Create
            && let Some(content) = state.files.get_mut(&number)
        {
            content.bytes.clear();
        }
        let (opening, boot) = (state.next_number(), state.boot);
        let (disk, is_writable) = (self.clone(), how != Open::Read);
        Ok(Arc::new(SimulatedFile { disk, number, opening, boot, is_writable }))
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        self.state().entry(path).map(|entry| file_id(entry.number))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        if !state.entry(folder)?.is_folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let within = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(within.filter_map(|path| path.file_name().map(OsString::from)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        take_failure(&self.shared.failing_renames)?;
        let mut state = self.state();
        let entry = state.file(from)?;
        state.check_parent(to)?;
        if state.names.get(to).is_some_and(|there| there.is_folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.names.remove(from);
        state.names.insert(to.to_owned(), entry);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        if is_top(path) {
            return Ok(());
        }
        {
            let state = self.state();
            match state.names.get(path) {
                Some(entry) if entry.is_folder => return Ok(()),
                Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {}
            }
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        self.create_folder(parent)?;
        {
            let mut state = self.state();
            let number = state.next_number();
            state.names.insert(path.to_owned(), Entry { number, is_folder: true });
        }
        self.sync_folder(parent)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        take_failure(&self.shared.failing_folder_syncs)?;
        let mut state = self.state();
        if !is_top(path) && !state.entry(path)?.is_folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let is_within = |name: &Path| name.parent().unwrap_or(Path::new("")) == path;
        let now: Vec<(PathBuf, Entry)> = state
            .names
            .iter()
            .filter(|(name, _)| is_within(name))
            .map(|(name, entry)| (name.clone(), *entry))
            .collect();
        state.durable_names.retain(|name, _| !is_within(name));
        state.durable_names.extend(now);
        Ok(())
    }
}

/// An opening of a file or folder.
#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    /// Of the file.
    number: u64,
    /// Of this opening of it.
    opening: u64,
    boot: u64,
    is_writable: bool,
}

impl SimulatedFile {
    /// Works on the file's content, unless the power was cut since it was opened.
    fn with<T>(&self, work: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.boot != self.boot {
            return Err(io::Error::other("the power was cut after this file was opened"));
        }
        match state.files.get_mut(&self.number) {
            Some(content) => work(content),
            None => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.is_writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for SimulatedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|content| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let bytes = content.bytes.get(start..).and_then(|bytes| bytes.get(..buffer.len()));
            buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let room = &self.disk.shared.room;
        self.with(|content| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let left = usize::try_from(room.load(Ordering::SeqCst)).ok();
            let fits = left.map_or(bytes.len(), |left| left.min(bytes.len()));
            if fits > 0 {
                if content.bytes.len() < start + fits {
                    content.bytes.resize(start + fits, 0);
                }
                content.bytes[start..start + fits].copy_from_slice(&bytes[..fits]);
            }
            if left.is_some() {
                room.fetch_sub(fits as i64, Ordering::SeqCst);
            }
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|content| Ok(content.bytes.len() as u64))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        take_failure(&self.disk.shared.failing_truncates)?;
        self.with(|content| {
            content.bytes.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.wait_while_hanging();
        take_failure(&self.disk.shared.failing_syncs)?;
        self.with(|content| {
            content.durable.clone_from(&content.bytes);
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(file_id(self.number))
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        let mut state = self.disk.state();
        if state.boot != self.boot {
            return Err(TryLockError::Error(io::Error::other(
                "the power was cut after this file was opened",
            )));
        }
        match state.locks.get(&self.number) {
            Some(holder) if *holder != self.opening => Err(TryLockError::WouldBlock),
            _ => {
                state.locks.insert(self.number, self.opening);
                Ok(())
            }
        }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.locks.get(&self.number) == Some(&self.opening) {
            state.locks.remove(&self.number);
        }
    }
}

/// Above everything: the root, or where a relative path begins.
fn is_top(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.parent().is_none()
}

fn file_id(number: u64) -> FileId {
    FileId { device: 0, number }
}

fn take_failure(left: &AtomicU32) -> io::Result<()> {
    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => Err(io::Error::other("injected failure")),
        Err(_) => Ok(()),
    }
}

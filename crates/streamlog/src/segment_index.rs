//! What is read of segments again and again: open files, and the indexes of sealed ones. Both are bounded.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_host::{Disk, DiskFile, Open, Timestamp};
use parking_lot::Mutex;

use crate::error::{Damage, ReadError, io_error};
use crate::index::{self, IndexEntry};
use crate::segment::footer::Footer;
use crate::segment::frame::PRODUCER_STREAM;
use crate::segment::recover::{ScanLimits, scan};
use crate::segment::{self, HEADER_BYTES, Identity, REWRITTEN_FORMAT, ShardKey};

/// Files held open.
const MOST_FILES: usize = 128;
/// Memory for indexes of sealed segments.
const MOST_INDEX_BYTES: usize = 64 << 20;
const BYTES_A_SHARD: usize = 96;

/// The index of one sealed segment, by shard.
#[derive(Debug, Default)]
pub(crate) struct SegmentIndex {
    shards: BTreeMap<ShardKey, Vec<IndexEntry>>,
}

impl SegmentIndex {
    pub(crate) fn new(shards: BTreeMap<ShardKey, Vec<IndexEntry>>) -> SegmentIndex {
        SegmentIndex { shards }
    }

    /// The first stretch of the shard that may hold a record with `index` or later that arrived at `arrival` or later.
    pub(crate) fn find(&self, key: ShardKey, index: u64, arrival: Timestamp) -> Option<IndexEntry> {
        index::find(self.shards.get(&key)?, index, arrival)
    }

    /// From where to where the entries of a shard reach.
    pub(crate) fn stretches(&self, key: ShardKey) -> impl Iterator<Item = (u32, u32)> {
        self.shards.get(&key).into_iter().flatten().map(|entry| (entry.offset, entry.end))
    }

    fn bytes(&self) -> usize {
        self.shards.values().map(|entries| BYTES_A_SHARD + entries.len() * size_of::<IndexEntry>()).sum()
    }
}

/// Something kept until there is no room; what was used last stays longest.
#[derive(Debug)]
struct Kept<T> {
    items: BTreeMap<u64, (T, usize, u64)>,
    size: usize,
    most: usize,
    /// Counts uses.
    tick: u64,
}

impl<T: Clone> Kept<T> {
    fn new(most: usize) -> Kept<T> {
        Kept { items: BTreeMap::new(), size: 0, most, tick: 0 }
    }

    fn get(&mut self, number: u64) -> Option<T> {
        self.tick += 1;
        let (item, _, used) = self.items.get_mut(&number)?;
        *used = self.tick;
        Some(item.clone())
    }

    /// Keeps an item of this size, and drops others until all fit. The newest stays whatever its size.
    fn put(&mut self, number: u64, item: T, size: usize) {
        self.remove(number);
        self.tick += 1;
        self.size += size;
        self.items.insert(number, (item, size, self.tick));
        while self.size > self.most && self.items.len() > 1 {
            let oldest = self.items.iter().min_by_key(|(_, (_, _, used))| *used).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some((_, size, _)) = self.items.remove(&number) {
            self.size -= size;
        }
    }
}

/// Open files and indexes of a log's segments.
#[derive(Debug)]
pub(crate) struct SegmentCache {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    log_id: u64,
    /// For the statistics.
    pub(crate) read_bytes: AtomicU64,
    /// Counts up before and after a segment is replaced: odd while it is. What was found in between, or spans a
    /// replacement, may be of two files and counts for nothing.
    replaced: AtomicU64,
    /// Each guards what is kept; held for a look-up, never during I/O.
    files: Mutex<Kept<Arc<dyn DiskFile>>>,
    indexes: Mutex<Kept<Arc<SegmentIndex>>>,
}

impl SegmentCache {
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: &Path, log_id: u64) -> SegmentCache {
        SegmentCache {
            disk,
            directory: directory.to_owned(),
            log_id,
            read_bytes: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            files: Mutex::new(Kept::new(MOST_FILES)),
            indexes: Mutex::new(Kept::new(MOST_INDEX_BYTES)),
        }
    }

    pub(crate) fn path(&self, segment: u64) -> PathBuf {
        segment::path(&self.directory, segment)
    }

    pub(crate) fn identity(&self, segment: u64) -> Identity {
        Identity { log_id: self.log_id, number: segment }
    }

    /// The file of a segment; `None` when there is none.
    pub(crate) fn file(&self, segment: u64) -> Result<Option<Arc<dyn DiskFile>>, ReadError> {
        if let Some(file) = self.files.lock().get(segment) {
            return Ok(Some(file));
        }
        let path = self.path(segment);
        let before = self.replaced.load(Ordering::SeqCst);
        let file = match self.disk.open(&path, Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error).into()),
        };
        let mut files = self.files.lock();
        if self.is_as_before(before) {
            files.put(segment, Arc::clone(&file), 1);
        }
        Ok(Some(file))
    }

    /// The index of a sealed segment; `None` when there is no such file.
    pub(crate) fn index(&self, segment: u64) -> Result<Option<Arc<SegmentIndex>>, ReadError> {
        if let Some(index) = self.indexes.lock().get(segment) {
            return Ok(Some(index));
        }
        let before = self.replaced.load(Ordering::SeqCst);
        let Some(file) = self.file(segment)? else { return Ok(None) };
        let index = self.load_index(&*file, segment)?;
        self.read_bytes.fetch_add((index.bytes() / 4) as u64, Ordering::Relaxed);
        let (bytes, index) = (index.bytes(), Arc::new(index));
        let mut indexes = self.indexes.lock();
        if self.is_as_before(before) {
            indexes.put(segment, Arc::clone(&index), bytes);
        }
        Ok(Some(index))
    }

    /// Whether nothing was replaced since `replaced` had this value.
    fn is_as_before(&self, replaced: u64) -> bool {
        replaced.is_multiple_of(2) && self.replaced.load(Ordering::SeqCst) == replaced
    }

    /// Does `read` until no segment was replaced meanwhile.
    pub(crate) fn consistently<T>(&self, mut read: impl FnMut() -> T) -> T {
        loop {
            let before = self.replaced.load(Ordering::SeqCst);
            let found = read();
            if self.is_as_before(before) {
                return found;
            }
            // The other thread is between two steps that wait for nothing.
            std::thread::yield_now();
        }
    }

    /// Puts another file with other places in the place of a sealed segment's: `rename` does it. One at a time.
    pub(crate) fn replace<E>(
        &self,
        segment: u64,
        index: SegmentIndex,
        rename: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.replaced.fetch_add(1, Ordering::SeqCst);
        let renamed = rename();
        self.files.lock().remove(segment);
        if renamed.is_ok() {
            self.keep_index(segment, index);
        }
        self.replaced.fetch_add(1, Ordering::SeqCst);
        renamed
    }

    /// Keeps the index of a segment that was just sealed: readers are close behind.
    pub(crate) fn keep_index(&self, segment: u64, index: SegmentIndex) -> Arc<SegmentIndex> {
        let bytes = index.bytes();
        let index = Arc::new(index);
        self.indexes.lock().put(segment, Arc::clone(&index), bytes);
        index
    }

    /// Forgets a segment that is deleted.
    pub(crate) fn remove(&self, segment: u64) {
        self.files.lock().remove(segment);
        self.indexes.lock().remove(segment);
    }

    fn load_index(&self, file: &dyn DiskFile, segment: u64) -> Result<SegmentIndex, ReadError> {
        let (path, identity) = (self.path(segment), self.identity(segment));
        let length = file.length().map_err(io_error("read", &path))?;
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0).map_err(io_error("read", &path))?;
        let damage = |reason| Damage { path: path.clone(), offset: 0, reason };
        let format = identity
            .check_header(&path, &header)
            .map_err(|_| damage("its header is not what was written"))?;
        let found = Footer::read(file, identity, format, length).map_err(io_error("read", &path))?;
        let mut shards = BTreeMap::new();
        if let Some(found) = found {
            for (key, _, entries) in found.footer.shards {
                shards.insert(key, entries);
            }
            return Ok(SegmentIndex::new(shards));
        }
        // Its index is lost: it was found so when the log was opened, and is rebuilt from the frames.
        let is_rewritten = format == REWRITTEN_FORMAT;
        let limits = ScanLimits { length, is_last: false, previous_commit: None, is_rewritten };
        scan(file, &path, identity, limits, |frame| {
            if frame.header.stream != PRODUCER_STREAM {
                let key = (frame.header.stream, frame.header.shard);
                index::add_frame(shards.entry(key).or_default(), frame.entry(segment));
            }
            Ok(())
        })
        .map_err(|error| match error {
            crate::error::OpenError::File(error) => ReadError::File(error),
            crate::error::OpenError::Damaged(damage) => ReadError::Damaged(damage),
            _ => ReadError::Damaged(damage("its frames cannot be read")),
        })?;
        Ok(SegmentIndex::new(shards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_what_is_kept_is_bounded_and_the_last_used_stays() {
        let mut kept = Kept::new(10);
        kept.put(1, "a", 4);
        kept.put(2, "b", 4);
        assert_eq!(kept.get(1), Some("a"));
        kept.put(3, "c", 4);
        assert_eq!((kept.get(1), kept.get(2), kept.get(3)), (Some("a"), None, Some("c")));
        kept.put(4, "huge", 100);
        assert_eq!((kept.size, kept.get(4), kept.items.len()), (100, Some("huge"), 1));
        kept.remove(4);
        assert_eq!(kept.size, 0);
    }
}

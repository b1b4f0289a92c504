//! The log: opening, closing, and what its parts share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use millstream_host::Clock;
use parking_lot::{Mutex, RwLock};

use crate::catalog::Catalog;
use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use crate::lock_file::LockFile;
use crate::open::{self, Opened, RecoveryReport};
use crate::queue::Queue;
use crate::segment::Spans;
use crate::settings::LogSettings;
use crate::stream::{Stream, StreamTable};
use crate::stream_name::StreamKey;
use crate::writer::Writer;

/// What is known of a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentInfo {
    /// Nothing more will be written to it.
    pub(crate) sealed: bool,
    pub(crate) bytes: u64,
    pub(crate) spans: Spans,
}

/// What callers and the writer thread share. When several locks are needed, they are taken in the order of the fields.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) settings: LogSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_id: u64,
    pub(crate) queue: Queue,
    /// Commits since the log was opened, and their bytes.
    pub(crate) commits: AtomicU64,
    pub(crate) committed_bytes: AtomicU64,
    /// Guards the catalog file: held while it is replaced, never by the writer thread.
    pub(crate) catalog: Mutex<Catalog>,
    /// Guards what is known of segments; held for a look or a change, never during I/O.
    pub(crate) segments: Mutex<BTreeMap<u64, SegmentInfo>>,
    /// Guards the list of streams; held for a look-up. What is in a stream has its own locks.
    pub(crate) streams: RwLock<StreamTable>,
}

impl Shared {
    pub(crate) fn stream(&self, key: &StreamKey) -> Option<Arc<Stream>> {
        self.streams.read().get(key).cloned()
    }
}

/// What a log has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatistics {
    /// Writes with one `fdatasync` each.
    pub commits: u64,
    /// Bytes written by them.
    pub committed_bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// The bytes they take.
    pub segment_bytes: u64,
}

/// A durable log of records in streams and shards. See the crate's documentation.
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    _lock: LockFile,
}

impl Log {
    /// Opens the log in `directory`, creating both if need be, and recovers from whatever stop came before.
    ///
    /// Sealed segments are taken by their index, the last one is read and checked whole: well under a second for any
    /// size of log. Starts the writer thread, which ends when the log is dropped.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing is changed on disk before damage has been ruled out.
    pub fn open(
        directory: &Path,
        settings: LogSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
        Log::open_on(directory, settings, clock, Arc::new(RealDisk))
    }

    /// The same on a given disk.
    pub(crate) fn open_on(
        directory: &Path,
        settings: LogSettings,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
        settings.check()?;
        let Opened { lock, catalog, streams, segments, active, next_commit, report } =
            open::open(directory, &*clock, &*disk)?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            queue: Queue::new(settings.queue_bytes),
            settings,
            clock,
            disk,
            log_id: catalog.log_id,
            commits: AtomicU64::new(0),
            committed_bytes: AtomicU64::new(0),
            catalog: Mutex::new(catalog),
            segments: Mutex::new(segments),
            streams: RwLock::new(streams),
        });
        let writer = Writer { shared: Arc::clone(&shared), active, next_commit };
        let writer = thread::Builder::new()
            .name("streamlog-writer".to_owned())
            .spawn(move || {
                // However the thread ends, nobody may wait for it.
                let queue = CloseOnExit(Arc::clone(&writer.shared));
                writer.run();
                drop(queue);
            })
            .map_err(OpenError::Thread)?;
        Ok((Arc::new(Log { shared, writer: Some(writer), _lock: lock }), report))
    }

    /// What the log has done and holds.
    pub fn statistics(&self) -> LogStatistics {
        let segments = self.shared.segments.lock();
        LogStatistics {
            commits: self.shared.commits.load(Ordering::Relaxed),
            committed_bytes: self.shared.committed_bytes.load(Ordering::Relaxed),
            segments: segments.len(),
            segment_bytes: segments.values().map(|info| info.bytes).sum(),
        }
    }

    /// The directory that holds the log.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }
}

struct CloseOnExit(Arc<Shared>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.queue.close();
        // Dropping what still waits tells its callers that the log is closed.
        drop(self.0.queue.take(usize::MAX));
    }
}

/// Writes what still waits, then releases the directory.
impl Drop for Log {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the log's writer thread had panicked");
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

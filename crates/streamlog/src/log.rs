//! The log: opening, closing, and what its parts share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use millstream_host::{Clock, Disk, Random, RealDisk, SteadyClock, Timestamp, spawn_thread};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::catalog_file::CatalogFile;
use crate::error::OpenError;
use crate::guard::{DirectoryGuard, LogHealth};
use crate::open::{self, Opened, RecoveryReport};
use crate::queue::Queue;
use crate::segment::Spans;
use crate::segment_index::SegmentCache;
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
    /// How many of the spans were unwanted when it was last considered for writing it again.
    pub(crate) unwanted_seen: usize,
}

/// A place in the log, after which comes everything later: segment and byte in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
}

/// How far the log can be read, and from what time on the rest is.
#[derive(Debug)]
pub(crate) struct Frontier {
    /// What lies before it is durable and in the indexes of all shards.
    pub(crate) place: Place,
    /// The arrival of the commit that is being written.
    pub(crate) pending: Option<Timestamp>,
}

impl Frontier {
    /// Announces a commit and gives its arrival: no earlier than any that was given before.
    pub(crate) fn begin(&mut self, clock: &SteadyClock) -> Timestamp {
        let arrival = clock.now();
        self.pending = Some(arrival);
        arrival
    }

    /// No record that is not readable yet has an earlier arrival.
    pub(crate) fn bound(&self, clock: &SteadyClock) -> Timestamp {
        self.pending.unwrap_or_else(|| clock.now())
    }
}

/// What callers and the writer thread share. When several locks are needed, they are taken in the order of the fields.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) settings: LogSettings,
    /// Of all arrivals; also between runs it never goes back.
    pub(crate) clock: Arc<SteadyClock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_id: u64,
    pub(crate) queue: Queue,
    pub(crate) cache: SegmentCache,
    pub(crate) health: watch::Sender<LogHealth>,
    /// Commits since the log was opened, and their bytes.
    pub(crate) commits: AtomicU64,
    pub(crate) committed_bytes: AtomicU64,
    /// One trim at a time: held through all of it, by nothing else.
    pub(crate) trimming: Mutex<()>,
    /// A segment was replaced, and that may not survive a power cut.
    pub(crate) is_folder_unsynced: AtomicBool,
    /// Guards the catalog file: held while a change becomes durable. Only changes of streams and trims take it; appends,
    /// reads and descriptions do not.
    pub(crate) catalog: Mutex<CatalogFile>,
    /// Guards what is known of segments; held for a look or a change, never during I/O.
    pub(crate) segments: Mutex<BTreeMap<u64, SegmentInfo>>,
    /// Guards the end of what can be read; held for a look or a change, and while the clock is read.
    pub(crate) frontier: Mutex<Frontier>,
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
    /// Bytes read for readers, of segments and of their indexes.
    pub read_bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// The bytes they take.
    pub segment_bytes: u64,
}

/// A durable log of records in streams and shards. See the crate's documentation.
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
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
        Log::open_on(directory, settings, clock, Random::from_entropy(), Arc::new(RealDisk))
    }

    /// [`Log::open`] with given randomness: it only makes the id of a new log, by which its files are told from those of
    /// others.
    ///
    /// # Errors
    /// See [`Log::open`].
    pub fn open_with(
        directory: &Path,
        settings: LogSettings,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
        Log::open_on(directory, settings, clock, random, Arc::new(RealDisk))
    }

    /// [`Log::open_with`] on a given disk.
    ///
    /// # Errors
    /// See [`Log::open`].
    pub fn open_on(
        directory: &Path,
        settings: LogSettings,
        clock: Arc<dyn Clock>,
        random: Random,
        disk: Arc<dyn Disk>,
    ) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
        settings.check()?;
        let Opened { lock, catalog, streams, segments, active, next_commit, last_arrival, report } =
            open::open(directory, &*clock, random, &disk)?;
        let guard = DirectoryGuard::new(Arc::clone(&disk), directory, lock)
            .map_err(crate::error::io_error("see", directory))?;
        let clock = Arc::new(SteadyClock::starting_at(clock, last_arrival));
        let ahead = clock.ahead_of_wall();
        if ahead.as_secs() > 0 {
            tracing::warn!(
                ?ahead,
                "the machine's clock is behind the newest record: time goes on from there"
            );
        }
        let place = Place { segment: active.number, offset: active.length as u32 };
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            queue: Queue::new(settings.queue_bytes),
            cache: SegmentCache::new(Arc::clone(&disk), directory, catalog.get().log_id),
            health: watch::Sender::new(LogHealth::Working),
            settings,
            clock,
            disk,
            log_id: catalog.get().log_id,
            commits: AtomicU64::new(0),
            committed_bytes: AtomicU64::new(0),
            trimming: Mutex::new(()),
            is_folder_unsynced: AtomicBool::new(false),
            catalog: Mutex::new(catalog),
            segments: Mutex::new(segments),
            frontier: Mutex::new(Frontier { place, pending: None }),
            streams: RwLock::new(streams),
        });
        let writer = Writer { shared: Arc::clone(&shared), active, next_commit, guard, buffer: Vec::new() };
        let writer = spawn_thread("streamlog-writer".to_owned(), move || {
            // However the thread ends, nobody may wait for it.
            let queue = CloseOnExit(Arc::clone(&writer.shared));
            writer.run();
            drop(queue);
        })
        .map_err(OpenError::Thread)?;
        Ok((Arc::new(Log { shared, writer: Some(writer) }), report))
    }

    /// The clock of arrivals: never goes back and never stands. [`SteadyClock::ahead_of_wall`] says when the machine's
    /// own was set back.
    pub fn clock(&self) -> Arc<SteadyClock> {
        Arc::clone(&self.shared.clock)
    }

    /// Whether the log can still keep records. Checked before each commit and at least each half second.
    pub fn health(&self) -> watch::Receiver<LogHealth> {
        self.shared.health.subscribe()
    }

    /// What the log has done and holds.
    pub fn statistics(&self) -> LogStatistics {
        let segments = self.shared.segments.lock();
        LogStatistics {
            commits: self.shared.commits.load(Ordering::Relaxed),
            committed_bytes: self.shared.committed_bytes.load(Ordering::Relaxed),
            read_bytes: self.shared.cache.read_bytes.load(Ordering::Relaxed),
            segments: segments.len(),
            segment_bytes: segments.values().map(|info| info.bytes).sum(),
        }
    }

    /// Tells this log from every other, also from a later one in the same directory. Positions belong to it.
    pub fn id(&self) -> u64 {
        self.shared.log_id
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
        drop(self.0.queue.clear());
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

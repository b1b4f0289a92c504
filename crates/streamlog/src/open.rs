//! Opening a log: what the last stop left, put in order.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_host::{Clock, Disk, DiskFile, Open, Random, Timestamp};
use millstream_wording::counted;

use crate::catalog::Catalog;
use crate::catalog_file::CatalogFile;
use crate::error::{Damage, OpenError, io_error};
use crate::index::IndexEntry;
use crate::lock_file::LockFile;
use crate::log::SegmentInfo;
use crate::producer::ProducerChange;
use crate::segment::footer::Footer;
use crate::segment::frame::PRODUCER_STREAM;
use crate::segment::producers::{ProducerFrame, decode_entries};
use crate::segment::recover::{ScanLimits, ScannedFrame, scan};
use crate::segment::{self, FORMAT, HEADER_BYTES, Identity, REWRITTEN_FORMAT, ShardKey, Span, extend_span};
use crate::shard::ShardNumber;
use crate::stream::{Stream, StreamTable};
use crate::writer::{ActiveSegment, first_commit, span_of};

/// Bytes that were cut off the end of the log: a commit that was being written when the process or machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where it ends now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: &'static str,
}

/// What opening a log found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The log did not exist and was created.
    pub created: bool,
    /// Streams in the catalog.
    pub streams: usize,
    /// Segments taken over.
    pub segments: usize,
    /// Of these, how many were read and checked frame by frame.
    pub segments_scanned: usize,
    /// Bytes read and checked.
    pub bytes_scanned: u64,
    /// What was cut off the end.
    pub torn_tail: Option<TornTail>,
    /// Segments deleted: trimmed before the stop, or begun and never written to.
    pub segments_removed: usize,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.created {
            return write!(f, "a new log");
        }
        write!(
            f,
            "{}, {} ({} read whole, {})",
            counted(self.streams, "stream"),
            counted(self.segments, "segment"),
            self.segments_scanned,
            counted(self.bytes_scanned, "byte")
        )?;
        if self.segments_removed > 0 {
            write!(f, ", {} deleted", counted(self.segments_removed, "leftover segment"))?;
        }
        if let Some(tail) = &self.torn_tail {
            let (bytes, path) = (counted(tail.bytes, "unacknowledged byte"), tail.path.display());
            write!(f, ", {bytes} cut off {path} at {} ({})", tail.offset, tail.reason)?;
        }
        Ok(())
    }
}

/// The parts of an open log.
pub(crate) struct Opened {
    pub(crate) lock: LockFile,
    pub(crate) catalog: CatalogFile,
    pub(crate) streams: StreamTable,
    pub(crate) segments: BTreeMap<u64, SegmentInfo>,
    pub(crate) active: ActiveSegment,
    pub(crate) next_commit: u64,
    /// The newest arrival that any record ever had.
    pub(crate) last_arrival: Timestamp,
    pub(crate) report: RecoveryReport,
}

/// Takes the lock, reads the catalog and all segments, cuts a torn tail.
pub(crate) fn open(
    directory: &Path,
    clock: &dyn Clock,
    mut random: Random,
    disk: &Arc<dyn Disk>,
) -> Result<Opened, OpenError> {
    let folder = segment::folder(directory);
    // Each name on the way must survive a power cut.
    disk.create_folder(&folder).map_err(io_error("create", &folder))?;
    let lock = LockFile::acquire(disk, directory)?;
    let mut report = RecoveryReport::default();
    let mut numbers = segment_numbers(&**disk, &folder)?;
    let catalog_file = match CatalogFile::load(disk, directory)? {
        Some(found) => found,
        None if numbers.is_empty() => {
            let catalog = Catalog::new(random.next_u64() ^ clock.now().millis().unsigned_abs());
            report.created = true;
            CatalogFile::create(disk, directory, catalog)?
        }
        None => {
            let path = directory.join("catalog");
            return Err(OpenError::Catalog {
                path,
                reason: "it is missing, yet there are segments".to_owned(),
            });
        }
    };
    let catalog = catalog_file.get();
    for number in numbers.extract_if(.., |number| catalog.is_trimmed(*number)) {
        let path = segment::path(directory, number);
        disk.remove_file(&path).map_err(io_error("delete", &path))?;
        report.segments_removed += 1;
    }
    // A segment that was begun and did not get its header holds nothing. It is begun again with the next append, not
    // now: the disk may be full, and reads must work all the same.
    if let Some(&unfinished) = numbers.last()
        && let path = segment::path(directory, unfinished)
        && is_unfinished(&**disk, &path, Identity { log_id: catalog.log_id, number: unfinished })?
    {
        disk.remove_file(&path).map_err(io_error("delete", &path))?;
        report.segments_removed += 1;
        numbers.pop();
    }
    let last = numbers.last().copied();
    if let Some(last) = last {
        let is_missing = |number: &u64| !catalog.is_trimmed(*number) && !numbers.contains(number);
        if let Some(missing) = (catalog.first_segment..last).find(is_missing) {
            return Err(OpenError::SegmentMissing { path: segment::path(directory, missing) });
        }
    }

    let mut streams = StreamTable::default();
    for row in &catalog.streams {
        streams.insert(Arc::new(Stream::new(row)));
    }
    report.streams = catalog.streams.len();
    let mut recovery = Recovery {
        directory,
        disk: &**disk,
        catalog,
        streams: &streams,
        segments: BTreeMap::new(),
        last_commit: None,
        last_arrival: catalog.last_trimmed_arrival(),
        report,
    };
    let mut active = None;
    let mut previous = None;
    for &number in &numbers {
        if previous.is_none_or(|previous: u64| previous + 1 != number) {
            recovery.last_commit = None;
        }
        previous = Some(number);
        active = recovery.take_over(number, Some(number) == last)?;
    }
    let Recovery { mut segments, last_commit, last_arrival, mut report, .. } = recovery;
    report.segments = segments.len();
    let mut next_commit = last_commit.map_or(1, |commit| commit + 1);
    let active = match active {
        Some(active) => active,
        None => {
            let number = catalog.first_segment;
            let identity = Identity { log_id: catalog.log_id, number };
            let first = first_commit(&streams, identity, next_commit, last_arrival);
            let (file, length) = segment::create(directory, identity, &first, &**disk)?;
            next_commit += 1;
            segments.insert(number, SegmentInfo { bytes: length, ..SegmentInfo::default() });
            ActiveSegment { number, format: FORMAT, file, length, sealed: false, dirty: false }
        }
    };
    tracing::info!(%report, directory = %directory.display(), "log opened");
    let catalog = catalog_file;
    Ok(Opened { lock, catalog, streams, segments, active, next_commit, last_arrival, report })
}

/// Whether the file ends within its header, or has its length but not its bytes.
fn is_unfinished(disk: &dyn Disk, path: &Path, identity: Identity) -> Result<bool, OpenError> {
    let file = disk.open(path, Open::Read).map_err(io_error("open", path))?;
    let length = file.length().map_err(io_error("read", path))?;
    if length != u64::from(HEADER_BYTES) {
        return Ok(length < u64::from(HEADER_BYTES));
    }
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(&mut header, 0).map_err(io_error("read", path))?;
    Ok(identity.check_header(path, &header).is_err())
}

fn segment_numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, OpenError> {
    let mut numbers = Vec::new();
    for name in disk.list(folder).map_err(io_error("list", folder))? {
        numbers.extend(name.to_str().and_then(segment::number_of));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

struct Recovery<'open> {
    directory: &'open Path,
    disk: &'open dyn Disk,
    catalog: &'open Catalog,
    streams: &'open StreamTable,
    segments: BTreeMap<u64, SegmentInfo>,
    /// The last commit of the segment before, when known.
    last_commit: Option<u64>,
    last_arrival: Timestamp,
    report: RecoveryReport,
}

impl Recovery<'_> {
    /// Takes over a segment: by its index when it is sealed, else by reading it. Returns it when it is the last one.
    fn take_over(&mut self, number: u64, is_last: bool) -> Result<Option<ActiveSegment>, OpenError> {
        let path = segment::path(self.directory, number);
        let identity = Identity { log_id: self.catalog.log_id, number };
        let file = self
            .disk
            .open(&path, if is_last { Open::Write } else { Open::Read })
            .map_err(io_error("open", &path))?;
        let length = file.length().map_err(io_error("read", &path))?;
        let mut header = [0; HEADER_BYTES as usize];
        if length < u64::from(HEADER_BYTES) {
            return Err(Damage { path, offset: length, reason: "it ends within its header" }.into());
        }
        file.read_exact_at(&mut header, 0).map_err(io_error("read", &path))?;
        let format = identity.check_header(&path, &header)?;
        let found = Footer::read(&*file, identity, format, length).map_err(io_error("read", &path))?;
        let Some(found) = found else {
            let length = self.read_whole(&*file, &path, identity, format, length, is_last)?;
            let active = ActiveSegment { number, format, file, length, sealed: false, dirty: false };
            return Ok(is_last.then_some(active));
        };
        let mut info = SegmentInfo { sealed: true, bytes: length, ..SegmentInfo::default() };
        for (key, span, _) in found.footer.shards {
            extend_span(&mut info.spans, key, span);
            self.note(key, span, &path, 0, Shape::Sealed(number))?;
        }
        if format == FORMAT {
            self.set_producers(&found.footer.producers);
        }
        self.segments.insert(number, info);
        self.last_commit = Some(found.commit);
        self.last_arrival = self.last_arrival.max(found.arrival);
        let active = ActiveSegment { number, format, file, length, sealed: true, dirty: false };
        Ok(is_last.then_some(active))
    }

    /// Reads a segment frame by frame and cuts its torn tail. Returns its length.
    fn read_whole(
        &mut self,
        file: &dyn DiskFile,
        path: &Path,
        identity: Identity,
        format: u32,
        length: u64,
        is_last: bool,
    ) -> Result<u64, OpenError> {
        let mut info = SegmentInfo { sealed: !is_last, ..SegmentInfo::default() };
        let is_rewritten = format == REWRITTEN_FORMAT;
        let limits = ScanLimits { length, is_last, previous_commit: self.last_commit, is_rewritten };
        let number = identity.number;
        let mut last_arrival = self.last_arrival;
        let found = scan(file, path, identity, limits, |frame| {
            last_arrival = last_arrival.max(frame.header.arrival);
            if frame.header.stream == PRODUCER_STREAM {
                return self.take_producers(&frame, path);
            }
            let key = (frame.header.stream, frame.header.shard);
            let entry = frame.entry(number);
            let span = span_of(&entry);
            extend_span(&mut info.spans, key, span);
            let shape = if is_last { Shape::Frame(entry) } else { Shape::Part };
            self.note(key, span, path, frame.offset, shape)
        })?;
        if format == FORMAT && found.end == u64::from(HEADER_BYTES) {
            // It had its first commit before it had its name.
            let (path, reason) = (path.to_owned(), found.torn.unwrap_or("its first commit is missing"));
            return Err(Damage { path, offset: found.end, reason }.into());
        }
        if !is_last {
            for (key, span) in &info.spans {
                self.note(*key, *span, path, 0, Shape::Sealed(number))?;
            }
        }
        self.last_arrival = last_arrival;
        // After one whose end is lost, the next commit is not known.
        self.last_commit = found.last_commit.filter(|_| !is_rewritten);
        self.report.segments_scanned += 1;
        self.report.bytes_scanned += length;
        if let Some(reason) = found.torn.filter(|_| is_last) {
            let tail =
                TornTail { path: path.to_owned(), offset: found.end, bytes: length - found.end, reason };
            file.truncate(found.end).map_err(io_error("cut", path))?;
            self.report.torn_tail = Some(tail);
        }
        if is_last {
            // What was read may so far be in the page cache only: it is shown to readers, so it must be on disk.
            file.sync().map_err(io_error("sync", path))?;
        }
        info.bytes = if is_last { found.end } else { length };
        self.segments.insert(number, info);
        Ok(found.end)
    }

    fn take_producers(&self, frame: &ScannedFrame, path: &Path) -> Result<(), Damage> {
        let changes = decode_entries(&frame.payload).ok_or_else(|| Damage {
            path: path.to_owned(),
            offset: frame.offset,
            reason: "the list of producers is cut",
        })?;
        if frame.header.shard == ProducerFrame::Everything as u32 {
            self.set_producers(&changes);
        } else {
            self.change_producers(&changes);
        }
        Ok(())
    }

    /// Replaces what is known of all producers.
    fn set_producers(&self, all: &[ProducerChange]) {
        for stream in self.streams.iter() {
            stream.producers.lock().clear();
        }
        self.change_producers(all);
    }

    fn change_producers(&self, changes: &[ProducerChange]) {
        for change in changes {
            // A stream that is gone has no producers.
            if let Some(stream) = self.streams.with_id(change.stream) {
                change.apply(&mut stream.producers.lock());
            }
        }
    }

    /// Moves a shard's counters past records that were found on disk, and indexes them.
    fn note(&self, key: ShardKey, span: Span, path: &Path, offset: u64, shape: Shape) -> Result<(), Damage> {
        let damage = |reason| Damage { path: path.to_owned(), offset, reason };
        let Some(stream) = self.streams.with_id(key.0) else {
            // A deleted stream. One that was never created is not possible: the catalog is written first.
            return if key.0 < self.catalog.next_stream_id {
                Ok(())
            } else {
                Err(damage("it holds records of a stream that the catalog does not know"))
            };
        };
        let Some(shard) = stream.shard(ShardNumber(key.1)) else {
            return Err(damage("it holds records of a shard that the catalog does not know"));
        };
        let mut state = shard.state.lock();
        // Trimming may have kept this segment and deleted a later one, so only indexed records count here.
        if state.index.last_next_index() > span.first_index {
            return Err(damage("the records of a shard are out of order"));
        }
        match shape {
            Shape::Sealed(segment) => state.index.add_sealed(segment, span),
            Shape::Frame(entry) => state.index.add_frame(entry),
            Shape::Part => return Ok(()),
        }
        state.next_assigned_index = state.next_assigned_index.max(span.next_index);
        state.next_durable_index = state.next_assigned_index;
        state.last_durable_arrival = state.last_durable_arrival.max(span.last_arrival);
        Ok(())
    }
}

/// What was found of a shard.
#[derive(Clone, Copy)]
enum Shape {
    /// All that a sealed segment holds of it.
    Sealed(u64),
    /// A frame of the active segment.
    Frame(IndexEntry),
    /// A frame of a sealed segment whose index is lost: its whole is added at the end.
    Part,
}

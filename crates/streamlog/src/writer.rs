//! The writer thread: the only one that writes segments.
//!
//! It takes what waits, drops what producers repeat, assigns indexes and an arrival time, writes it as one *commit* at
//! the end of the active segment, syncs, publishes, answers. A commit that fails is answered with the error and cut off;
//! until that has worked too, every further append is refused. After a failed sync the operating system may have dropped
//! what it could not write, so the sync is never tried again: the file is cut back to the last good commit, sealed, and
//! the next segment begun.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_host::{Clock, DiskFile, Timestamp};

use crate::error::{AppendError, FileError, io_error};
use crate::guard::{DirectoryGuard, LogHealth};
use crate::index::IndexEntry;
use crate::log::{Place, SegmentInfo, Shared};
use crate::plan::{Answer, Plan};
use crate::producer::ProducerChange;
use crate::queue::{Append, Taken, Work};
use crate::segment::footer::Footer;
use crate::segment::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::segment::producers::{ProducerFrame, encode_frame};
use crate::segment::write::PendingFrame;
use crate::segment::{self, FORMAT, Identity, Span, extend_span};
use crate::segment_index::SegmentIndex;
use crate::shard::{Shard, ShardNumber};
use crate::stream::{Stream, StreamTable};

/// How often the directory is checked while nothing is appended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) number: u64,
    pub(crate) format: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The end of the last commit.
    pub(crate) length: u64,
    /// It ends with its index: nothing more may be written to it.
    pub(crate) sealed: bool,
    /// There may be bytes of a failed commit behind `length`.
    pub(crate) dirty: bool,
}

/// The state of the writer thread.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: ActiveSegment,
    /// The number of the next commit. A failed one gives its number back.
    pub(crate) next_commit: u64,
    pub(crate) guard: DirectoryGuard,
    /// The bytes of a commit; kept from one to the next.
    pub(crate) buffer: Vec<u8>,
}

/// A frame of the commit under way.
struct PlacedFrame {
    stream: Arc<Stream>,
    shard: Arc<Shard>,
    entry: IndexEntry,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            match self.shared.queue.take(self.shared.settings.group_bytes, LOOK_EVERY) {
                Taken::Closed => return,
                Taken::Idle => {
                    let _ = self.look_after_directory();
                }
                Taken::Work(group) => self.serve(group),
            }
        }
    }

    fn serve(&mut self, group: Vec<Work>) {
        let answers = self.look_after_directory().and_then(|()| {
            self.commit(&group).map_err(|error| {
                tracing::warn!(%error, appends = group.len(), "appends refused");
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::DiskFull(error),
                    _ => AppendError::Disk(error),
                }
            })
        });
        let (mut answers, refusal) = match answers {
            Ok(answers) => (answers.into_iter(), AppendError::Closed),
            Err(refusal) => (Vec::new().into_iter(), refusal),
        };
        for work in group {
            let answer = answers.next().unwrap_or_else(|| Answer::Refused(refusal.clone()));
            // Nobody may be waiting any more: the records are kept all the same.
            match (work, answer) {
                (Work::Append(append), Answer::Append(ack)) => drop(append.reply.send(Ok(ack))),
                (Work::Append(append), Answer::Refused(error)) => drop(append.reply.send(Err(error))),
                (Work::Producer(_, _, reply), Answer::Refused(error)) => drop(reply.send(Err(error))),
                (Work::Producer(_, _, reply), _) => drop(reply.send(Ok(()))),
                (Work::Finish(stream, shards), _) => {
                    for shard in shards {
                        shard.state.lock().is_finished = true;
                    }
                    stream.changed();
                }
                (Work::Append(_), Answer::Done) => {}
            }
        }
    }

    /// Refuses everything from the moment at which the directory is no longer ours.
    fn look_after_directory(&mut self) -> Result<(), AppendError> {
        let lost = |reason| AppendError::DirectoryLost { reason };
        if let LogHealth::Lost { reason } = &*self.shared.health.borrow() {
            return Err(lost(reason.clone()));
        }
        let path = segment::path(&self.shared.directory, self.active.number);
        self.guard.check(&*self.active.file, &path).map_err(|reason| {
            tracing::error!(%reason, "the log takes no more records");
            self.shared.health.send_replace(LogHealth::Lost { reason: reason.clone() });
            lost(reason)
        })
    }

    /// Makes a group durable and readable.
    fn commit(&mut self, group: &[Work]) -> Result<Vec<Answer>, FileError> {
        let plan = Plan::of(group, self.next_commit - 1);
        if plan.frames.is_empty() && plan.changes.is_empty() {
            return Ok(plan.answers);
        }
        let payloads: usize =
            plan.frames.iter().map(|(_, _, frame)| FRAME_HEADER_BYTES + frame.payload.len()).sum();
        self.prepare((payloads + FRAME_HEADER_BYTES) as u64)?;
        // From here on, nothing that is not yet readable has an earlier arrival.
        let arrival = self.shared.frontier.lock().begin(&self.shared.clock);
        let written = self.write(plan, arrival);
        if written.is_err() {
            self.shared.frontier.lock().pending = None;
        }
        written
    }

    /// Writes and publishes a commit whose arrival is announced.
    fn write(&mut self, plan: Plan<'_>, arrival: Timestamp) -> Result<Vec<Answer>, FileError> {
        let Plan { frames, changes, mut answers } = plan;
        let placed = self.assign(&frames, &changes, &mut answers, arrival);
        let path = segment::path(&self.shared.directory, self.active.number);
        let file = &self.active.file;
        let written = file.write_all_at(&self.buffer, self.active.length);
        let result = match written {
            Ok(()) => file.sync().map_err(io_error("sync", &path)),
            Err(error) => Err(io_error("write", &path)(error)),
        };
        if let Err(error) = result {
            // At once, so that a full disk gets its space back; after a failed sync, not before the next append.
            let is_write = !error.is_sync();
            self.active.dirty = !(is_write && file.truncate(self.active.length).is_ok());
            for frame in &placed {
                let mut state = frame.shard.state.lock();
                state.next_assigned_index = state.next_durable_index;
            }
            return Err(error);
        }
        self.active.length += self.buffer.len() as u64;
        self.next_commit += 1;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.committed_bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.publish(&placed, &changes);
        if self.buffer.capacity() > 2 * self.shared.settings.group_bytes {
            self.buffer = Vec::new();
        }
        Ok(answers)
    }

    /// Gives every frame its index and place, and puts the commit's bytes together.
    fn assign(
        &mut self,
        frames: &[(usize, &Append, PendingFrame)],
        changes: &[(Arc<Stream>, ProducerChange)],
        answers: &mut [Answer],
        arrival: Timestamp,
    ) -> Vec<PlacedFrame> {
        let identity = self.identity(self.active.number);
        let seed = identity.seed();
        let mut placed = Vec::with_capacity(frames.len());
        // The next frame of each append that has an answer to fill in.
        let mut next_frame = (usize::MAX, 0_usize);
        self.buffer.clear();
        for (place, (number, append, frame)) in frames.iter().enumerate() {
            let shard = &append.topology.shards[frame.shard];
            let first_index = {
                let mut state = shard.state.lock();
                let first_index = state.next_assigned_index;
                state.next_assigned_index += u64::from(frame.count);
                first_index
            };
            let header = FrameHeader {
                payload_bytes: frame.payload.len() as u32,
                payload_crc: frame.payload_crc,
                stream: append.stream.id,
                shard: shard.number.0,
                first_index,
                arrival,
                commit: self.next_commit,
                count: frame.count,
                last_of_commit: changes.is_empty() && place + 1 == frames.len(),
            };
            let start = self.buffer.len();
            self.buffer.resize(start + FRAME_HEADER_BYTES, 0);
            header.encode(seed, &mut self.buffer[start..]);
            self.buffer.extend_from_slice(&frame.payload);
            let entry = IndexEntry {
                segment: self.active.number,
                offset: (self.active.length + start as u64) as u32,
                end: (self.active.length + self.buffer.len() as u64) as u32,
                first_index,
                next_index: header.next_index(),
                last_arrival: arrival,
            };
            if let Some(Answer::Append(ack)) = answers.get_mut(*number) {
                if next_frame.0 != *number {
                    next_frame = (*number, 0);
                }
                // Frames of which nothing is left were passed over.
                while ack.frames[next_frame.1].skipped == append.frames[next_frame.1].count {
                    next_frame.1 += 1;
                }
                let of_frame = &mut ack.frames[next_frame.1];
                (of_frame.first_index, of_frame.arrival) = (first_index, arrival);
                ack.commit = self.next_commit;
                next_frame.1 += 1;
            }
            let (stream, shard) = (Arc::clone(&append.stream), Arc::clone(shard));
            placed.push(PlacedFrame { stream, shard, entry });
        }
        if !changes.is_empty() {
            let entries = changes.iter().map(|(_, change)| *change);
            let kind = ProducerFrame::Changes;
            encode_frame(kind, entries, identity, arrival, self.next_commit, &mut self.buffer);
        }
        placed
    }

    /// Lets readers see a commit that is on disk.
    fn publish(&self, placed: &[PlacedFrame], changes: &[(Arc<Stream>, ProducerChange)]) {
        {
            let mut segments = self.shared.segments.lock();
            let info = segments.entry(self.active.number).or_default();
            info.bytes = self.active.length;
            for frame in placed {
                let key = frame.stream.shard_key(&frame.shard);
                extend_span(&mut info.spans, key, span_of(&frame.entry));
            }
        }
        for frame in placed {
            let mut state = frame.shard.state.lock();
            state.index.add_frame(frame.entry);
            state.next_durable_index = frame.entry.next_index;
            state.last_durable_arrival = frame.entry.last_arrival;
        }
        for (stream, change) in changes {
            change.apply(&mut stream.producers.lock());
        }
        // Last: what lies before this place can be read from every shard.
        self.move_frontier();
        let mut last: Option<&Arc<Stream>> = None;
        for stream in placed.iter().map(|frame| &frame.stream) {
            if last.is_none_or(|last| !Arc::ptr_eq(last, stream)) {
                stream.changed();
                last = Some(stream);
            }
        }
    }

    fn move_frontier(&self) {
        let mut frontier = self.shared.frontier.lock();
        frontier.place = Place { segment: self.active.number, offset: self.active.length as u32 };
        frontier.pending = None;
    }

    /// Gets rid of what a failed commit left, and begins a new segment when the active one is full.
    fn prepare(&mut self, group_bytes: u64) -> Result<(), FileError> {
        let mut must_rotate = self.active.sealed || self.active.format != FORMAT;
        if self.active.dirty {
            let path = segment::path(&self.shared.directory, self.active.number);
            let file = &self.active.file;
            file.truncate(self.active.length).map_err(io_error("cut", &path))?;
            file.sync().map_err(io_error("sync", &path))?;
            self.active.dirty = false;
            must_rotate = true;
        }
        let is_full = self.active.length + group_bytes > self.shared.settings.segment_bytes;
        if must_rotate || (is_full && !self.is_empty()) {
            self.rotate()?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.shared.segments.lock().get(&self.active.number).is_none_or(|info| info.spans.is_empty())
    }

    /// Seals the active segment and begins the next.
    fn rotate(&mut self) -> Result<(), FileError> {
        if !self.active.sealed {
            self.seal()?;
        }
        let number = self.active.number + 1;
        let first = first_commit(
            &self.shared.streams.read(),
            self.identity(number),
            self.next_commit,
            self.shared.clock.now(),
        );
        let (file, length) =
            segment::create(&self.shared.directory, self.identity(number), &first, &*self.shared.disk)?;
        self.next_commit += 1;
        let info = SegmentInfo { bytes: length, ..SegmentInfo::default() };
        self.shared.segments.lock().insert(number, info);
        self.active = ActiveSegment { number, format: FORMAT, file, length, sealed: false, dirty: false };
        self.move_frontier();
        Ok(())
    }

    /// Writes the index at the end of the active segment.
    fn seal(&mut self) -> Result<(), FileError> {
        let number = self.active.number;
        let spans =
            self.shared.segments.lock().get(&number).map(|info| info.spans.clone()).unwrap_or_default();
        let mut footer = Footer { producers: all_producers(&self.shared.streams.read()), shards: Vec::new() };
        let mut shards = Vec::new();
        for (key, span) in spans {
            // A stream that was deleted meanwhile needs no index.
            let Some(stream) = self.shared.streams.read().with_id(key.0).cloned() else { continue };
            let Some(shard) = stream.shard(ShardNumber(key.1)) else { continue };
            let entries = shard.state.lock().index.active().to_vec();
            footer.shards.push((key, span, entries));
            shards.push((shard, span));
        }
        let arrival = self.shared.clock.now();
        let identity = self.identity(number);
        let bytes =
            footer.encode(identity, self.active.format, self.active.length, self.next_commit, arrival);
        let path = segment::path(&self.shared.directory, number);
        let file = &self.active.file;
        let written = file
            .write_all_at(&bytes, self.active.length)
            .map_err(io_error("write", &path))
            .and_then(|()| file.sync().map_err(io_error("sync", &path)));
        if let Err(error) = written {
            self.active.dirty = file.truncate(self.active.length).is_err();
            return Err(error);
        }
        self.active.length += bytes.len() as u64;
        self.active.sealed = true;
        self.next_commit += 1;
        let index = footer.shards.into_iter().map(|(key, _, entries)| (key, entries)).collect();
        self.shared.cache.keep_index(number, SegmentIndex::new(index));
        for (shard, span) in shards {
            shard.state.lock().index.seal(number, span);
        }
        if let Some(info) = self.shared.segments.lock().get_mut(&number) {
            info.sealed = true;
            info.bytes = self.active.length;
        }
        Ok(())
    }

    fn identity(&self, number: u64) -> Identity {
        Identity { log_id: self.shared.log_id, number }
    }
}

/// All producers of all streams.
pub(crate) fn all_producers(streams: &StreamTable) -> Vec<ProducerChange> {
    let mut all = Vec::new();
    for stream in streams.iter() {
        let producers = stream.producers.lock();
        all.extend(producers.iter().map(|(&producer, &next)| ProducerChange {
            stream: stream.id,
            producer,
            next_number: Some(next),
        }));
    }
    all
}

/// What a segment begins with: a commit of all producers, so that no earlier segment is needed for them.
pub(crate) fn first_commit(
    streams: &StreamTable,
    identity: Identity,
    commit: u64,
    arrival: Timestamp,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_frame(ProducerFrame::Everything, all_producers(streams), identity, arrival, commit, &mut bytes);
    bytes
}

/// What a frame adds to its shard's span.
pub(crate) fn span_of(entry: &IndexEntry) -> Span {
    Span { first_index: entry.first_index, next_index: entry.next_index, last_arrival: entry.last_arrival }
}

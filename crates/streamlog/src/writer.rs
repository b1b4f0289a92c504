//! The writer thread: the only one that writes segments.
//!
//! It takes what waits, assigns indexes and arrival times, writes it as one *commit* at the end of the active segment,
//! syncs, publishes, answers. A commit that fails is answered with the error and cut off; until that has worked too,
//! every further append is refused. After a failed sync the operating system may have dropped what it could not
//! write, so the sync is never tried again: the file is cut back to the last good commit, sealed, and the next
//! segment begun.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::{AppendError, FileError, io_error};
use crate::index::IndexEntry;
use crate::log::{SegmentInfo, Shared};
use crate::queue::{FrameAck, Request};
use crate::segment::footer::Footer;
use crate::segment::frame::FrameHeader;
use crate::segment::{self, HEADER_BYTES, Identity, Span, extend_span};

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) number: u64,
    pub(crate) file: File,
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
}

/// A frame of the commit under way.
struct PlacedFrame {
    request: usize,
    shard: usize,
    entry: IndexEntry,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let group = self.shared.queue.take(self.shared.settings.group_bytes);
            if group.is_empty() {
                return;
            }
            match self.commit(&group) {
                Ok(acks) => {
                    for (request, acks) in group.into_iter().zip(acks) {
                        // Nobody may be waiting any more: the records are kept all the same.
                        let _ = request.reply.send(Ok(acks));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, appends = group.len(), "appends refused");
                    let error = match error.kind() {
                        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                            AppendError::DiskFull(error)
                        }
                        _ => AppendError::Disk(error),
                    };
                    for request in group {
                        let _ = request.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Makes a group durable and readable.
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Vec<FrameAck>>, FileError> {
        let group_bytes: usize = group.iter().map(|request| request.bytes).sum();
        self.prepare(group_bytes as u64)?;
        let (bytes, placed, acks) = self.assign(group, group_bytes);
        let path = segment::path(&self.shared.directory, self.active.number);
        let disk = Arc::clone(&self.shared.disk);
        if let Err(error) = disk.write_all_at(&self.active.file, &bytes, self.active.length) {
            self.active.dirty = true;
            // At once, so that a full disk gets its space back.
            if disk.truncate(&self.active.file, self.active.length).is_ok() {
                self.active.dirty = false;
            }
            return Err(io_error("write", &path)(error));
        }
        if let Err(error) = disk.sync(&self.active.file) {
            self.active.dirty = true;
            return Err(io_error("sync", &path)(error));
        }
        self.active.length += bytes.len() as u64;
        self.next_commit += 1;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.committed_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.publish(group, &placed);
        Ok(acks)
    }

    /// Gives every frame its index, arrival and place, and puts the commit's bytes together.
    fn assign(
        &self,
        group: &[Request],
        group_bytes: usize,
    ) -> (Vec<u8>, Vec<PlacedFrame>, Vec<Vec<FrameAck>>) {
        let now = self.shared.clock.now();
        let seed = self.identity(self.active.number).seed();
        let frame_count: usize = group.iter().map(|request| request.frames.len()).sum();
        let mut bytes = Vec::with_capacity(group_bytes);
        let mut placed = Vec::with_capacity(frame_count);
        let mut acks = Vec::with_capacity(group.len());
        for (number, request) in group.iter().enumerate() {
            let mut request_acks = Vec::with_capacity(request.frames.len());
            for frame in &request.frames {
                let shard = &request.stream.shards[frame.shard];
                let (first_index, arrival) = {
                    let mut state = shard.state.lock();
                    let first_index = state.next_assigned_index;
                    state.next_assigned_index += u64::from(frame.count);
                    state.last_arrival = state.last_arrival.max(now);
                    (first_index, state.last_arrival)
                };
                let header = FrameHeader {
                    payload_bytes: (frame.bytes.len() - segment::frame::FRAME_HEADER_BYTES) as u32,
                    payload_crc: frame.payload_crc,
                    stream: request.stream.id,
                    shard: shard.description.number.0,
                    first_index,
                    arrival,
                    commit: self.next_commit,
                    count: frame.count,
                    last_of_commit: placed.len() + 1 == frame_count,
                };
                let start = bytes.len();
                bytes.extend_from_slice(&frame.bytes);
                header.encode(seed, &mut bytes[start..]);
                let entry = IndexEntry {
                    segment: self.active.number,
                    offset: (self.active.length + start as u64) as u32,
                    end: (self.active.length + bytes.len() as u64) as u32,
                    first_index,
                    next_index: header.next_index(),
                    last_arrival: arrival,
                };
                placed.push(PlacedFrame { request: number, shard: frame.shard, entry });
                request_acks.push(FrameAck { first_index, arrival });
            }
            acks.push(request_acks);
        }
        (bytes, placed, acks)
    }

    /// Lets readers see a commit that is on disk.
    fn publish(&self, group: &[Request], placed: &[PlacedFrame]) {
        {
            let mut segments = self.shared.segments.lock();
            let info = segments.entry(self.active.number).or_default();
            info.bytes = self.active.length;
            for frame in placed {
                let stream = &group[frame.request].stream;
                let key = stream.shard_key(&stream.shards[frame.shard]);
                extend_span(&mut info.spans, key, span_of(&frame.entry));
            }
        }
        for frame in placed {
            let mut state = group[frame.request].stream.shards[frame.shard].state.lock();
            state.index.add_frame(frame.entry);
            state.next_durable_index = frame.entry.next_index;
            state.last_durable_arrival = frame.entry.last_arrival;
        }
        for request in group {
            request.stream.changes.send_modify(|change| *change = change.wrapping_add(1));
        }
    }

    /// Gets rid of what a failed commit left, and begins a new segment when the active one is full.
    fn prepare(&mut self, group_bytes: u64) -> Result<(), FileError> {
        let mut must_rotate = self.active.sealed;
        if self.active.dirty {
            let path = segment::path(&self.shared.directory, self.active.number);
            let disk = &self.shared.disk;
            disk.truncate(&self.active.file, self.active.length).map_err(io_error("cut", &path))?;
            disk.sync(&self.active.file).map_err(io_error("sync", &path))?;
            self.active.dirty = false;
            must_rotate = true;
        }
        let is_empty = self.active.length == u64::from(HEADER_BYTES);
        let is_full = !is_empty && self.active.length + group_bytes > self.shared.settings.segment_bytes;
        if must_rotate || is_full {
            self.rotate()?;
        }
        Ok(())
    }

    /// Seals the active segment and begins the next.
    fn rotate(&mut self) -> Result<(), FileError> {
        if !self.active.sealed {
            self.seal()?;
        }
        let number = self.active.number + 1;
        let file = segment::create(&self.shared.directory, self.identity(number), &*self.shared.disk)?;
        self.shared.segments.lock().insert(number, SegmentInfo::default());
        self.active =
            ActiveSegment { number, file, length: u64::from(HEADER_BYTES), sealed: false, dirty: false };
        Ok(())
    }

    /// Writes the index at the end of the active segment.
    fn seal(&mut self) -> Result<(), FileError> {
        let number = self.active.number;
        let spans =
            self.shared.segments.lock().get(&number).map(|info| info.spans.clone()).unwrap_or_default();
        let mut footer = Footer::default();
        for (key, span) in spans {
            // A stream that was deleted meanwhile needs no index.
            let Some(stream) = self.shared.streams.read().with_id(key.0).cloned() else { continue };
            let Some(shard) = stream.shard(crate::shard::ShardNumber(key.1)) else { continue };
            let entries = shard.state.lock().index.of_segment(number).copied().collect();
            footer.shards.push((key, span, entries));
        }
        let bytes = footer.encode(self.identity(number), self.active.length, self.next_commit);
        let path = segment::path(&self.shared.directory, number);
        let disk = &self.shared.disk;
        let written = disk
            .write_all_at(&self.active.file, &bytes, self.active.length)
            .map_err(io_error("write", &path))
            .and_then(|()| disk.sync(&self.active.file).map_err(io_error("sync", &path)));
        if let Err(error) = written {
            self.active.dirty = disk.truncate(&self.active.file, self.active.length).is_err();
            return Err(error);
        }
        self.active.length += bytes.len() as u64;
        self.active.sealed = true;
        self.next_commit += 1;
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

/// What a frame adds to its shard's span.
pub(crate) fn span_of(entry: &IndexEntry) -> Span {
    Span { first_index: entry.first_index, next_index: entry.next_index, last_arrival: entry.last_arrival }
}

//! A lane: records on their way into objects of one kind.

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_host::Timestamp;

use crate::position::SourcePosition;
use crate::settings::BufferingHints;

/// The records of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What the object holds, one piece a record, before compression.
    pub pieces: Vec<Bytes>,
    /// The length of all pieces.
    pub bytes: usize,
    /// The arrival of the oldest record.
    pub oldest_arrival: Timestamp,
    /// The position of the first record.
    pub first_position: SourcePosition,
}

/// A buffer, and the full ones before it that are not written yet.
#[derive(Debug)]
pub(crate) struct Lane {
    hints: BufferingHints,
    /// What is filled, and since when.
    open: Option<(Contents, Timestamp)>,
    /// Full, oldest first. The first may be on its way to the store: it leaves the list when it is there.
    sealed: VecDeque<Contents>,
    is_writing: bool,
    bytes: usize,
}

impl Lane {
    pub(crate) fn new(hints: BufferingHints) -> Lane {
        Lane { hints, open: None, sealed: VecDeque::new(), is_writing: false, bytes: 0 }
    }

    /// Adds a record; seals the buffer when it has reached its size.
    pub(crate) fn push(
        &mut self,
        now: Timestamp,
        position: SourcePosition,
        arrival: Timestamp,
        piece: Bytes,
    ) {
        self.bytes += piece.len();
        let (contents, _) = self.open.get_or_insert_with(|| {
            let contents =
                Contents { pieces: Vec::new(), bytes: 0, oldest_arrival: arrival, first_position: position };
            (contents, now)
        });
        contents.oldest_arrival = contents.oldest_arrival.min(arrival);
        contents.bytes += piece.len();
        contents.pieces.push(piece);
        if contents.bytes >= self.hints.size_bytes {
            self.seal();
        }
    }

    /// When the buffer is due by age.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|(_, opened_at)| opened_at.plus(self.hints.interval))
    }

    /// Notes the time: if the clock was set back, the buffer's age is counted from now on.
    pub(crate) fn clock_reads(&mut self, now: Timestamp) {
        if let Some((_, opened_at)) = &mut self.open {
            *opened_at = (*opened_at).min(now);
        }
    }

    /// Whether anything is sealed and not written.
    pub(crate) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    pub(crate) fn seal(&mut self) {
        self.sealed.extend(self.open.take().map(|(contents, _)| contents));
    }

    /// The next object to write, unless one is being written.
    pub(crate) fn start_write(&mut self) -> Option<Contents> {
        if self.is_writing {
            return None;
        }
        let contents = self.sealed.front()?.clone();
        self.is_writing = true;
        Some(contents)
    }

    /// The object given by [`Lane::start_write`] is in the store.
    pub(crate) fn written(&mut self) {
        if std::mem::take(&mut self.is_writing)
            && let Some(contents) = self.sealed.pop_front()
        {
            self.bytes -= contents.bytes;
        }
    }

    /// The position of the oldest record that is not in a written object.
    pub(crate) fn first_pending(&self) -> Option<SourcePosition> {
        let open = self.open.as_ref().map(|(contents, _)| contents);
        self.sealed.front().or(open).map(|contents| contents.first_position)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

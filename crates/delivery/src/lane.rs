//! A lane: records on their way into objects of one kind.
//!
//! ```text
//!   push ─▶ open ─ size, age, flush ─▶ sealed ─▶ announced ─ intent durable ─▶ writing ─ in the store ─▶ gone
//!            └ after a restart the first object is the one that was announced: the same records, the same key
//! ```

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_host::Timestamp;

use crate::position::{Intent, SourcePosition};
use crate::settings::BufferingHints;

/// What a piece takes in memory beside its bytes.
pub(crate) const PIECE_OVERHEAD: usize = 64;

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
    /// The position of the last record.
    pub last_position: SourcePosition,
}

impl Contents {
    fn held_bytes(&self) -> usize {
        self.bytes + self.pieces.len() * PIECE_OVERHEAD
    }
}

/// How far the first of the sealed objects is.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was said of it.
    Waiting,
    /// Its intent is to be stored.
    Announced(Intent),
    /// Its intent is stored.
    Due(Intent),
    /// It is with the store.
    Writing(Intent),
}

/// A buffer, and the full ones before it that are not written yet.
#[derive(Debug)]
pub(crate) struct Lane {
    hints: BufferingHints,
    /// What is filled, and since when.
    open: Option<(Contents, Timestamp)>,
    /// Full, oldest first. The first may be on its way to the store: it leaves the list when it is there.
    sealed: VecDeque<Contents>,
    phase: Phase,
    /// The object that was announced before a restart, until its records are together again.
    resumed: Option<Intent>,
    /// Records before it are in objects already.
    began: SourcePosition,
    held_bytes: usize,
}

impl Lane {
    /// A lane that goes on from `began`, or from the object that was about to be written.
    pub(crate) fn new(hints: BufferingHints, began: SourcePosition, resumed: Option<&Intent>) -> Lane {
        let resumed = resumed.filter(|intent| intent.last >= began).cloned();
        Lane {
            hints,
            open: None,
            sealed: VecDeque::new(),
            phase: Phase::Waiting,
            resumed,
            began,
            held_bytes: 0,
        }
    }

    /// Where it goes on: records before it are not wanted.
    pub(crate) fn began(&self) -> SourcePosition {
        self.began
    }

    /// Adds a record that is not in an object yet; seals the buffer when it has reached its size.
    pub(crate) fn push(
        &mut self,
        now: Timestamp,
        position: SourcePosition,
        arrival: Timestamp,
        piece: Bytes,
    ) {
        if position < self.began {
            return;
        }
        self.passed(position);
        self.held_bytes += piece.len() + PIECE_OVERHEAD;
        let (contents, _) = self.open.get_or_insert_with(|| {
            let contents = Contents {
                pieces: Vec::new(),
                bytes: 0,
                oldest_arrival: arrival,
                first_position: position,
                last_position: position,
            };
            (contents, now)
        });
        contents.oldest_arrival = contents.oldest_arrival.min(arrival);
        contents.last_position = position;
        contents.bytes += piece.len();
        contents.pieces.push(piece);
        if self.resumed.is_none() && contents.bytes >= self.hints.size_bytes {
            self.seal();
        }
    }

    /// Everything before `position` has been added. Completes the object that was announced before a restart.
    pub(crate) fn passed(&mut self, position: SourcePosition) {
        let Some(intent) = self.resumed.take_if(|intent| position > intent.last) else { return };
        let Some((contents, _)) = self.open.take() else {
            tracing::warn!(
                key = intent.key,
                "the records of an announced object are gone, it is not written again"
            );
            return;
        };
        let found = (contents.pieces.len() as u64, contents.bytes as u64);
        if found != (intent.records, intent.bytes) {
            tracing::warn!(
                key = intent.key,
                expected_records = intent.records,
                expected_bytes = intent.bytes,
                found_records = found.0,
                found_bytes = found.1,
                "an object is written again with other records: the function answers differently, or records are gone"
            );
        }
        self.sealed.push_front(contents);
        self.phase = Phase::Due(intent);
    }

    /// When the buffer is due by age.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let open = self.open.as_ref().filter(|_| self.resumed.is_none());
        open.map(|(_, opened_at)| opened_at.plus(self.hints.interval))
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

    /// Whether it waits for the records of an object that was announced before a restart: it cannot be emptied before.
    pub(crate) fn is_resuming(&self) -> bool {
        self.resumed.is_some()
    }

    pub(crate) fn seal(&mut self) {
        if self.resumed.is_none() {
            self.sealed.extend(self.open.take().map(|(contents, _)| contents));
        }
    }

    /// Announces the next object, unless one is under way.
    pub(crate) fn announce(&mut self, intent: impl FnOnce(&Contents) -> Intent) {
        if self.phase == Phase::Waiting
            && let Some(contents) = self.sealed.front()
        {
            self.phase = Phase::Announced(intent(contents));
        }
    }

    /// The intent that must be durable before its object is written, until the object is in the store.
    pub(crate) fn intent(&self) -> Option<&Intent> {
        match &self.phase {
            Phase::Waiting => self.resumed.as_ref(),
            Phase::Announced(intent) | Phase::Due(intent) | Phase::Writing(intent) => Some(intent),
        }
    }

    /// This intent is durable.
    pub(crate) fn intent_stored(&mut self, stored: &Intent) {
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Announced(intent) if intent == *stored => self.phase = Phase::Due(intent),
            other => self.phase = other,
        }
    }

    /// The next object to write, with its intent.
    pub(crate) fn start_write(&mut self) -> Option<(Intent, Contents)> {
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Due(intent) => {
                let contents = self.sealed.front()?.clone();
                self.phase = Phase::Writing(intent.clone());
                Some((intent, contents))
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// The object given by [`Lane::start_write`] is in the store.
    pub(crate) fn written(&mut self) {
        if matches!(self.phase, Phase::Writing(_))
            && let Some(contents) = self.sealed.pop_front()
        {
            self.phase = Phase::Waiting;
            self.held_bytes -= contents.held_bytes();
        }
    }

    /// The position of the oldest record that is not in a written object.
    pub(crate) fn first_pending(&self) -> Option<SourcePosition> {
        let open = self.open.as_ref().map(|(contents, _)| contents);
        let held = self.sealed.front().or(open).map(|contents| contents.first_position);
        self.resumed.as_ref().map(|intent| intent.first).or(held)
    }

    /// Bytes held, with what they take beside.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_records_without_bytes_are_counted() {
        let mut lane = Lane::new(BufferingHints::default(), SourcePosition(0), None);
        for position in 0..1_000 {
            lane.push(Timestamp(0), SourcePosition(position), Timestamp(0), Bytes::new());
        }
        assert_eq!(lane.held_bytes(), 1_000 * PIECE_OVERHEAD);
    }
}

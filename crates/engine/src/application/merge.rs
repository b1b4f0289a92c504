//! Several pumps that write one stream: their rows are merged by ROWTIME.
//!
//! A row waits until every other writer has come at least as far. Rows of one ROWTIME leave in the order of the
//! writers, as far as they are there.

use crate::codec::{Decoder, put_batch, put_u64, take_batch};
use crate::operators::{END_OF_TIME, MemoryShare, Message, RowSize};
use crate::state::StateError;
use millstream_columns::Batch;
use millstream_sql::SqlType;
use std::collections::VecDeque;

/// Version of the encoding of rows that wait.
pub(super) const VERSION: u16 = 1;

pub(super) struct Merge {
    writers: Vec<Writer>,
    row_size: RowSize,
    /// Bytes of the rows that wait.
    bytes: usize,
    /// The bound that was given last.
    given: i64,
}

struct Writer {
    waiting: VecDeque<Batch>,
    /// No later row of this writer has a smaller ROWTIME.
    bound: i64,
}

impl Writer {
    fn wait(&mut self, mut rows: Batch) {
        while let Some(before) = self.waiting.back().filter(|before| before.absorbs(&rows))
            && let Some(both) = before.followed_by(&rows)
        {
            self.waiting.pop_back();
            rows = both;
        }
        self.waiting.push_back(rows);
    }
}

impl Merge {
    /// For rows with columns of these types.
    pub(super) fn new(writers: usize, types: &[SqlType]) -> Merge {
        let writer = || Writer { waiting: VecDeque::new(), bound: i64::MIN };
        let writers = (0..writers).map(|_| writer()).collect();
        Merge { writers, row_size: RowSize::of_types(types), bytes: 0, given: i64::MIN }
    }

    /// Whether rows ever wait here.
    pub(super) fn holds_rows(&self) -> bool {
        self.writers.len() > 1
    }

    /// Bytes of the rows that wait.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the rows among messages of a writer.
    pub(super) fn bytes_of(&self, messages: &[Message]) -> usize {
        let rows = messages.iter().map(|message| match message {
            Message::Rows(batch) => self.row_size.of_all(batch),
            Message::Bound(_) | Message::End | Message::Release => 0,
        });
        rows.sum()
    }

    /// Takes what a writer gives; returns what the stream gives. Rows that would have to wait and find no room go to
    /// `refuse`, with the bytes that are held.
    pub(super) fn take(
        &mut self,
        writer: usize,
        messages: Vec<Message>,
        share: MemoryShare,
        refuse: &mut dyn FnMut(&Batch, usize),
    ) -> Vec<Message> {
        if !self.holds_rows() {
            return messages;
        }
        let place = writer;
        let writer = &mut self.writers[writer];
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Rows(batch) => {
                    if let Some(last) = batch.rowtimes.last() {
                        writer.bound = writer.bound.max(*last);
                        self.bytes += self.row_size.of_all(&batch);
                        writer.wait(batch);
                    }
                }
                Message::Bound(bound) => writer.bound = writer.bound.max(bound),
                Message::End => {}
                // Each writer says it; the rows of the others wait for theirs.
                Message::Release => requests.push(Message::Release),
            }
        }
        let released = self.release();
        self.make_room(place, share, refuse);
        let mut messages = self.give(&released);
        messages.append(&mut requests);
        messages
    }

    /// All writers have ended: the rows that wait go.
    pub(super) fn end(&mut self) -> Vec<Message> {
        if !self.holds_rows() {
            return Vec::new();
        }
        self.writers.iter_mut().for_each(|writer| writer.bound = END_OF_TIME);
        let released = self.release();
        self.give(&released)
    }

    /// The rows that no longer have to wait.
    fn release(&mut self) -> Vec<Batch> {
        let mut released = Vec::new();
        while let Some(batch) = self.next() {
            self.bytes -= self.row_size.of_all(&batch);
            released.push(batch);
        }
        released
    }

    /// What the stream gives: these rows, and how far all writers have come.
    fn give(&mut self, released: &[Batch]) -> Vec<Message> {
        let mut messages = Vec::new();
        if !released.is_empty() {
            let rows = Batch::concat(released).expect("all rows have the columns of the stream");
            messages.push(Message::Rows(rows));
        }
        let bound = self.come_to();
        if bound > self.given {
            self.given = bound;
            messages.push(Message::Bound(bound));
        }
        messages
    }

    /// Refuses the newest rows of a writer until the others fit.
    fn make_room(&mut self, writer: usize, share: MemoryShare, refuse: &mut dyn FnMut(&Batch, usize)) {
        let waiting = &mut self.writers[writer].waiting;
        while !share.has_room_for(self.bytes)
            && let Some(last) = waiting.pop_back()
        {
            let mut kept = last.len();
            while kept > 0 && !share.has_room_for(self.bytes) {
                kept -= 1;
                self.bytes -= self.row_size.of(&last, kept);
            }
            if kept > 0 {
                waiting.push_back(last.slice(0, kept));
            }
            refuse(&last.slice(kept, last.len() - kept), self.bytes);
        }
    }

    /// The earliest waiting rows of one writer, as many as follow each other, if no writer can still give an earlier one.
    fn next(&mut self) -> Option<Batch> {
        let first = |(index, writer): (usize, &Writer)| Some((writer.waiting.front()?.rowtimes[0], index));
        let (rowtime, index) = self.writers.iter().enumerate().filter_map(first).min()?;
        // Up to where the rows of this writer are the next ones: no row of another comes before, now or later.
        let mut limit = i64::MAX;
        for (other, writer) in self.writers.iter().enumerate().filter(|(other, _)| *other != index) {
            limit = limit.min(match writer.waiting.front() {
                Some(batch) if other < index => batch.rowtimes[0].saturating_sub(1),
                Some(batch) => batch.rowtimes[0],
                None => writer.bound,
            });
        }
        if rowtime > limit {
            return None;
        }
        let waiting = &mut self.writers[index].waiting;
        let front = waiting.front_mut()?;
        let rows = front.rowtimes.partition_point(|rowtime| *rowtime <= limit);
        if rows == front.len() {
            return waiting.pop_front();
        }
        let taken = front.slice(0, rows);
        *front = front.slice(rows, front.len() - rows);
        Some(taken)
    }

    /// How far all writers have come.
    fn come_to(&self) -> i64 {
        let bounds = self.writers.iter().map(|writer| match writer.waiting.front() {
            Some(batch) => batch.rowtimes[0],
            None => writer.bound,
        });
        bounds.min().unwrap_or(i64::MIN)
    }

    /// The bound that was given last.
    pub(super) fn given(&self) -> i64 {
        self.given
    }

    /// How far each writer has come.
    pub(super) fn bounds(&self) -> impl Iterator<Item = i64> {
        self.writers.iter().map(|writer| writer.bound)
    }

    /// Takes over bounds of a checkpoint.
    pub(super) fn set_bounds(&mut self, given: i64, bounds: &[i64]) {
        self.given = given;
        self.writers.iter_mut().zip(bounds).for_each(|(writer, bound)| writer.bound = *bound);
    }

    /// Lets rows of a checkpoint wait.
    pub(super) fn wait(&mut self, writer: usize, rows: Batch) {
        if !rows.is_empty() {
            self.bytes += self.row_size.of_all(&rows);
            self.writers[writer].wait(rows);
        }
    }

    /// The rows that wait, writer by writer; `None` when there are none.
    pub(super) fn save(&self) -> Option<Vec<u8>> {
        if self.writers.iter().all(|writer| writer.waiting.is_empty()) {
            return None;
        }
        let mut bytes = Vec::new();
        for writer in &self.writers {
            let batches: Vec<Batch> = writer.waiting.iter().cloned().collect();
            let whole = Batch::concat(&batches).ok();
            put_u64(&mut bytes, u64::from(whole.is_some()));
            if let Some(whole) = whole {
                put_batch(&mut bytes, &whole);
            }
        }
        Some(bytes)
    }

    /// The rows of each writer, as [`Merge::save`] gave them.
    pub(super) fn saved_rows(
        bytes: &[u8],
        writers: usize,
        types: &[SqlType],
    ) -> Result<Vec<Option<Batch>>, StateError> {
        let mut from = Decoder::new(bytes);
        let mut rows = Vec::new();
        for _ in 0..writers {
            rows.push(if from.u64()? == 0 { None } else { Some(take_batch(&mut from, types)?) });
        }
        from.end()?;
        Ok(rows)
    }
}

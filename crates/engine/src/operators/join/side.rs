//! One side of a join: the rows that its window still holds, found by their keys.
//!
//! ```text
//!   id      first ─── window_start ─── arrived ─── end
//!   rows    │ held for │  in the      │ appended,  │
//!           │ an answer│  window      │ not yet met│
//! ```
//!
//! Rows have numbers in the order of their arrival. Rows with equal keys form a list, oldest first; since rows leave
//! in the order of their arrival, what leaves is always the head of its list.

use crate::expression::CompiledExpression;
use crate::operators::memory::RowSize;
use crate::state::runs::{RowRuns, encode_rows};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, UInt32Array};
use millstream_columns::Batch;
use millstream_sql::{Frame, JoinSide, SqlType};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// No row, no list.
pub(super) const NONE: u64 = u64::MAX;

/// The group of rows that match nothing: a key is NULL.
pub(super) const NO_GROUP: u32 = u32::MAX;

/// Rows of a chunk at most: small ones are put together up to here.
const CHUNK_ROWS: usize = 8_192;

/// One side of a join.
pub(super) struct Side {
    /// Computed over the input; their values stand behind its columns in every batch.
    pub(super) keys: Vec<CompiledExpression>,
    /// Types of the columns of the input.
    pub(super) input_types: Vec<SqlType>,
    /// Those and the types of the keys.
    pub(super) types: Vec<SqlType>,
    pub(super) window: Option<Frame>,
    pub(super) preserved: bool,
    /// The lower end of RANGE is out.
    excludes_lower_bound: bool,
    pub(super) row_size: RowSize,
    /// Bytes of all rows held.
    pub(super) bytes: usize,
    /// See [`millstream_sql::JoinSide::expiries`].
    expiries: Vec<(usize, i64)>,
    /// With expiries: the unsettled rows by the ends of their windows.
    ends: BinaryHeap<Reverse<(i64, u64)>>,
    chunks: VecDeque<Chunk>,
    held: VecDeque<Held>,
    /// By group.
    lists: Vec<List>,
    /// The rows in checkpoints.
    pub(super) runs: RowRuns,
    /// The oldest row held.
    pub(super) first: u64,
    /// The oldest row in the window.
    pub(super) window_start: u64,
    /// The row after the newest that has met the other side.
    pub(super) arrived: u64,
    /// The oldest row that may still come out without a match; all before it are settled. Not used with expiries.
    pub(super) unsettled: u64,
}

struct Chunk {
    first: u64,
    batch: Batch,
}

#[derive(Clone, Copy)]
struct Held {
    rowtime: i64,
    /// The end of its RANGE window.
    end: i64,
    /// The next row of the list.
    next: u64,
    group: u32,
    matched: bool,
    /// Bytes of its columns.
    bytes: u32,
}

#[derive(Clone, Copy)]
struct List {
    first: u64,
    last: u64,
}

impl Side {
    pub(super) fn new(
        plan: &JoinSide,
        keys: Vec<CompiledExpression>,
        input_types: Vec<SqlType>,
        excludes_lower_bound: bool,
    ) -> Side {
        let types: Vec<SqlType> =
            input_types.iter().copied().chain(keys.iter().map(CompiledExpression::sql_type)).collect();
        Side {
            keys,
            input_types,
            row_size: RowSize::of_types(&types),
            bytes: 0,
            types,
            window: plan.window,
            preserved: plan.preserved,
            excludes_lower_bound,
            expiries: plan.expiries.clone(),
            ends: BinaryHeap::new(),
            chunks: VecDeque::new(),
            held: VecDeque::new(),
            lists: Vec::new(),
            runs: RowRuns::default(),
            first: 0,
            window_start: 0,
            arrived: 0,
            unsettled: 0,
        }
    }

    /// The row after the newest.
    pub(super) fn end(&self) -> u64 {
        self.first + self.held.len() as u64
    }

    /// How many rows are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    fn held(&self, id: u64) -> &Held {
        &self.held[(id - self.first) as usize]
    }

    /// ROWTIME of the newest row held.
    pub(super) fn newest_rowtime(&self) -> Option<i64> {
        self.held.back().map(|held| held.rowtime)
    }

    /// ROWTIME and group of a row.
    pub(super) fn row(&self, id: u64) -> (i64, u32) {
        let held = self.held(id);
        (held.rowtime, held.group)
    }

    /// Bytes of a row.
    pub(super) fn bytes_of(&self, id: u64) -> usize {
        self.held(id).bytes as usize
    }

    /// Whether the row has met another.
    pub(super) fn is_matched(&self, id: u64) -> bool {
        self.held(id).matched
    }

    /// Notes that the row has met another.
    pub(super) fn set_matched(&mut self, id: u64) {
        self.held[(id - self.first) as usize].matched = true;
    }

    /// The columns of the keys of a batch of this side.
    pub(super) fn key_columns<'b>(&self, batch: &'b Batch) -> &'b [ArrayRef] {
        &batch.columns[self.input_types.len()..]
    }

    /// Takes rows with the group of each. They are not found before they [`enter`](Side::enter).
    pub(super) fn append(&mut self, batch: Batch, groups: &[u32]) {
        let first = self.end();
        let ends = self.ends_of(&batch);
        for (row, ((rowtime, group), end)) in batch.rowtimes.iter().zip(groups).zip(ends).enumerate() {
            let bytes = self.row_size.of(&batch, row);
            self.bytes += bytes;
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.held.push_back(Held {
                rowtime: *rowtime,
                end,
                next: NONE,
                group: *group,
                matched: false,
                bytes,
            });
        }
        self.chunks.push_back(Chunk { first, batch });
        if self.window.is_some() {
            self.put_chunks_together();
        }
    }

    /// When the window of each row ends.
    fn ends_of(&self, batch: &Batch) -> Vec<i64> {
        let Some(Frame::Range { millis }) = self.window else { return vec![i64::MAX; batch.len()] };
        let mut ends: Vec<i64> =
            batch.rowtimes.iter().map(|rowtime| rowtime.saturating_add(millis)).collect();
        for (column, millis) in &self.expiries {
            let times = batch.columns[*column].as_primitive::<TimestampMillisecondType>();
            for (end, time) in ends.iter_mut().zip(times) {
                // A row that is missing does not leave.
                *end = time.map_or(*end, |time| time.saturating_add(*millis).min(*end));
            }
        }
        // A row is there when it comes, whatever it is made of.
        ends.iter_mut().zip(&batch.rowtimes).for_each(|(end, rowtime)| *end = (*end).max(*rowtime));
        ends
    }

    /// Puts small chunks together, each row at most a few times.
    fn put_chunks_together(&mut self) {
        while let [.., before, last] = self.chunks.make_contiguous() {
            let together = before.batch.len() + last.batch.len();
            if together > CHUNK_ROWS || before.batch.len() > last.batch.len() {
                return;
            }
            let batches = [before.batch.clone(), last.batch.clone()];
            let Ok(batch) = Batch::concat(&batches) else { return };
            before.batch = batch;
            self.chunks.pop_back();
        }
    }

    /// The row has met the other side, and can now be found.
    pub(super) fn enter(&mut self, id: u64) {
        self.arrived = id + 1;
        let Held { group, end, .. } = *self.held(id);
        if self.preserved && !self.expiries.is_empty() {
            self.ends.push(Reverse((end, id)));
        }
        if self.window.is_none() || group == NO_GROUP {
            return;
        }
        let group = group as usize;
        if self.lists.len() <= group {
            self.lists.resize(group + 1, List { first: NONE, last: NONE });
        }
        let list = &mut self.lists[group];
        if list.first == NONE {
            list.first = id;
        } else {
            let last = list.last;
            self.held[(last - self.first) as usize].next = id;
        }
        self.lists[group].last = id;
    }

    /// Moves the window to `time`, at which a row of the other side looks into it.
    pub(super) fn move_window(&mut self, time: i64) {
        match self.window {
            None => self.window_start = self.arrived,
            Some(Frame::Unbounded) => {}
            Some(Frame::Rows { rows }) => {
                self.window_start =
                    self.arrived.saturating_sub(rows.saturating_add(1)).max(self.window_start);
            }
            Some(Frame::Range { millis }) => {
                let oldest = time.saturating_sub(millis);
                while self.window_start < self.arrived {
                    let rowtime = self.held(self.window_start).rowtime;
                    let is_out = if self.excludes_lower_bound {
                        rowtime <= oldest && rowtime != time
                    } else {
                        rowtime < oldest
                    };
                    if !is_out {
                        break;
                    }
                    self.window_start += 1;
                }
            }
        }
    }

    /// Appends the rows of the group that are in the window at `time`, oldest first. Gives the bytes of all of them.
    pub(super) fn find(&mut self, group: u32, time: i64, found: &mut Vec<u64>) -> usize {
        let Some(list) = self.lists.get_mut(group as usize).filter(|list| list.first != NONE) else {
            return 0;
        };
        let mut id = list.first;
        let (first, window_start) = (self.first, self.window_start);
        while id != NONE && id < window_start {
            id = self.held[(id - first) as usize].next;
        }
        list.first = id;
        let all_have_one_length = self.expiries.is_empty();
        let mut bytes = 0;
        while id != NONE {
            let held = &self.held[(id - first) as usize];
            if all_have_one_length || !is_over(held, time, self.excludes_lower_bound) {
                found.push(id);
                bytes += held.bytes as usize;
            }
            id = held.next;
        }
        bytes
    }

    /// The next row of a RANGE window to come out without a match, with the end of its window, if no row at or after
    /// `time` can meet it any more. [`settle`](Side::settle) it then.
    pub(super) fn next_unmatched(&mut self, time: i64, again: bool) -> Option<(i64, u64)> {
        let Some(Frame::Range { .. }) = self.window.filter(|_| self.preserved) else { return None };
        loop {
            let id = if self.expiries.is_empty() {
                (self.unsettled < self.arrived).then_some(self.unsettled)?
            } else {
                let Reverse((_, id)) = self.ends.peek()?;
                *id
            };
            let held = *self.held(id);
            if !is_over(&held, time, self.excludes_lower_bound) {
                return None;
            }
            if again || !held.matched {
                return Some((held.end, id));
            }
            self.settle();
        }
    }

    /// The row that [`next_unmatched`](Side::next_unmatched) has given, or would have given, is done with.
    pub(super) fn settle(&mut self) {
        if self.expiries.is_empty() {
            self.unsettled += 1;
        } else {
            self.ends.pop();
        }
    }

    /// Forgets the rows that no later row at or after `time` can meet and that are settled.
    pub(super) fn forget(&mut self, time: i64) {
        self.move_window(time);
        let keeps = match self.window {
            Some(_) if self.preserved && self.expiries.is_empty() => self.window_start.min(self.unsettled),
            _ => self.window_start,
        };
        while self.first < keeps {
            let id = self.first;
            let Some(gone) = self.held.pop_front() else { break };
            self.first += 1;
            self.bytes = self.bytes.saturating_sub(gone.bytes as usize);
            if let Some(list) = self.lists.get_mut(gone.group as usize).filter(|list| list.first == id) {
                list.first = gone.next;
            }
        }
        self.unsettled = self.unsettled.max(self.first);
        while self.chunks.front().is_some_and(|chunk| chunk.first + chunk.batch.len() as u64 <= self.first) {
            self.chunks.pop_front();
        }
    }

    /// All rows held, oldest first.
    pub(super) fn rows(&self) -> Vec<Batch> {
        self.chunks
            .iter()
            .map(|chunk| {
                let gone = self.first.saturating_sub(chunk.first) as usize;
                chunk.batch.slice(gone, chunk.batch.len() - gone)
            })
            .collect()
    }

    /// The rows with numbers `from..to` as bytes.
    pub(super) fn encoded(&self, from: u64, to: u64) -> Vec<u8> {
        encode_rows(self.chunks.iter().map(|chunk| (chunk.first, &chunk.batch)), from, to)
    }

    /// The unsettled rows, with expiries.
    pub(super) fn open_ends(&self) -> Vec<(i64, u64)> {
        self.ends.iter().map(|Reverse(end)| *end).collect()
    }

    /// Takes over what [`open_ends`](Side::open_ends) gave.
    pub(super) fn set_open_ends(&mut self, ends: Vec<(i64, u64)>) {
        self.ends = ends.into_iter().map(Reverse).collect();
    }

    /// The matched flags of all rows held.
    pub(super) fn matched(&self) -> Vec<bool> {
        self.held.iter().map(|held| held.matched).collect()
    }

    /// Gives every row held a new group and builds the lists again. `groups` has one for each row.
    pub(super) fn regroup(&mut self, groups: &[u32]) {
        self.lists.clear();
        for (held, group) in self.held.iter_mut().zip(groups) {
            (held.group, held.next) = (*group, NONE);
        }
        let (window_start, arrived) = (self.window_start.max(self.first), self.arrived);
        let ends = std::mem::take(&mut self.ends);
        for id in window_start..arrived {
            self.enter(id);
        }
        self.arrived = arrived;
        self.ends = ends;
    }

    /// The values of a column at these rows; NULL at [`NONE`].
    pub(super) fn gather(&self, places: &Places) -> Vec<ArrayRef> {
        (0..self.input_types.len())
            .map(|column| match places {
                Places::OneChunk { chunk, rows } => {
                    arrow_select::take::take(&self.chunks[*chunk].batch.columns[column], rows, None)
                        .expect("the rows are there")
                }
                Places::Many(indices) => {
                    let null = crate::expression::null_array(self.input_types[column], 1);
                    let mut arrays: Vec<&dyn Array> =
                        self.chunks.iter().map(|chunk| chunk.batch.columns[column].as_ref()).collect();
                    arrays.push(null.as_ref());
                    arrow_select::interleave::interleave(&arrays, indices)
                        .expect("all chunks have the columns of the side")
                }
            })
            .collect()
    }

    /// Where these rows stand in the chunks.
    pub(super) fn places(&self, ids: &[u64]) -> Places {
        let mut indices = Vec::with_capacity(ids.len());
        let mut only: Option<usize> = None;
        let mut is_one = true;
        let (mut chunk, mut range) = (0, 0..0);
        for id in ids {
            if *id == NONE {
                indices.push((self.chunks.len(), 0));
                is_one = false;
                continue;
            }
            if !range.contains(id) {
                chunk = self.chunks.partition_point(|chunk| chunk.first <= *id) - 1;
                let found = &self.chunks[chunk];
                range = found.first..found.first + found.batch.len() as u64;
                is_one &= *only.get_or_insert(chunk) == chunk;
            }
            indices.push((chunk, (*id - range.start) as usize));
        }
        match only {
            Some(chunk) if is_one => {
                Places::OneChunk { chunk, rows: indices.iter().map(|(_, row)| *row as u32).collect() }
            }
            _ => Places::Many(indices),
        }
    }
}

/// Whether no row at or after `time` finds this one in its RANGE window.
fn is_over(held: &Held, time: i64, excludes_lower_bound: bool) -> bool {
    // Rows of one time are in a window of no length.
    if excludes_lower_bound && held.end > held.rowtime { held.end <= time } else { held.end < time }
}

/// Where rows stand in the chunks of a side.
pub(super) enum Places {
    /// All in one.
    OneChunk { chunk: usize, rows: UInt32Array },
    /// Chunk and row of each; the chunk behind the last is NULL.
    Many(Vec<(usize, usize)>),
}

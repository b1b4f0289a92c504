//! The stagger windows whose keys fall to one shard.

use crate::aggregates::Accumulator;
use crate::codec::{Decoder, put_i64, put_u64};
use crate::grouping::{EncodedKeys, KeyTable, decode_keys};
use crate::state::StateError;
use crate::state::keyed::{Changes, Shard};
use arrow_array::ArrayRef;
use millstream_columns::RowErrors;
use millstream_sql::SqlType;
use std::collections::VecDeque;

/// A window in its queue. Windows order by their ends, those of one end by the rows that opened them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) closes_at: i64,
    /// The row that opened it, counted from the start.
    pub(super) opened_by: u64,
    pub(super) slot: u32,
}

/// A shard. Slots of its keys are places in all lists.
pub(super) struct WindowShard {
    pub(super) keys: KeyTable,
    /// Open windows in the order of opening, which is that of closing.
    queue: VecDeque<Due>,
    /// By slot: the end of the window, and the row that opened it.
    windows: Vec<(i64, u64)>,
    pub(super) accumulators: Vec<Accumulator>,
    /// Windows that have closed and not been given.
    pub(super) closed: Vec<Due>,
    /// Their columns, once they are computed.
    columns: Option<ClosedColumns>,
    /// Bytes of open windows, but for the values that accumulators keep.
    bytes: usize,
    changes: Changes,
    slots: Vec<u32>,
}

/// What windows that have closed give, a row for each.
pub(super) struct ClosedColumns {
    pub(super) keys: Vec<ArrayRef>,
    /// For each aggregate its values, and the windows whose value does not exist.
    pub(super) results: Vec<(ArrayRef, RowErrors)>,
}

/// Rows with what their windows look at.
pub(super) struct StaggeredRows<'r> {
    pub(super) encoded: &'r EncodedKeys,
    pub(super) rowtimes: &'r [i64],
    pub(super) values: &'r [ArrayRef],
    /// For each aggregate, the place of its argument in `values`.
    pub(super) arguments: &'r [Option<usize>],
    /// Milliseconds.
    pub(super) range: i64,
    /// Rows before this batch.
    pub(super) rows_before: u64,
}

impl WindowShard {
    pub(super) fn new(accumulators: Vec<Accumulator>) -> WindowShard {
        WindowShard {
            keys: KeyTable::default(),
            queue: VecDeque::new(),
            windows: Vec::new(),
            accumulators,
            closed: Vec::new(),
            columns: None,
            bytes: 0,
            changes: Changes::default(),
            slots: Vec::new(),
        }
    }

    /// Bytes of a window with a key of so many bytes.
    pub(super) fn window_bytes(&self, key_length: usize) -> usize {
        const PLACES: usize = 2 * (size_of::<Due>() + size_of::<(i64, u64)>() + size_of::<u8>());
        let accumulators: usize = self.accumulators.iter().map(Accumulator::group_bytes).sum();
        KeyTable::bytes_of(key_length) + PLACES + accumulators
    }

    /// All bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.accumulators.iter().map(Accumulator::value_bytes).sum::<usize>()
    }

    /// The next window to close.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.queue.front().map(|due| due.closes_at)
    }

    /// Closes the windows that end at or before `time`.
    pub(super) fn close(&mut self, time: i64) {
        while let Some(due) = self.queue.front().copied().filter(|due| due.closes_at <= time) {
            self.queue.pop_front();
            self.bytes -= self.window_bytes(self.keys.key(due.slot as usize).len());
            self.keys.detach(due.slot);
            self.closed.push(due);
        }
    }

    /// Adds rows to the windows of their keys, closing those that end before.
    pub(super) fn add(&mut self, rows: &[u32], of: &StaggeredRows<'_>) {
        self.slots.clear();
        self.slots.reserve(rows.len());
        for row in rows {
            let (row, rowtime) = (*row as usize, of.rowtimes[*row as usize]);
            self.close(rowtime);
            let (slot, is_new) = self.keys.slot(of.encoded, row);
            if is_new {
                self.open(slot, rowtime.saturating_add(of.range), of.rows_before + row as u64);
            }
            self.slots.push(slot);
        }
        // Slots of windows that have closed meanwhile are not used again before they are given.
        let slots = self.keys.slots();
        for (accumulator, argument) in self.accumulators.iter_mut().zip(of.arguments) {
            accumulator.resize(slots);
            accumulator.update_groups(argument.map(|index| &of.values[index]), rows, &self.slots);
        }
        self.changes.states(&self.slots, slots);
    }

    fn open(&mut self, slot: u32, closes_at: i64, opened_by: u64) {
        self.bytes += self.window_bytes(self.keys.key(slot as usize).len());
        let slots = self.keys.slots();
        self.windows.resize(slots, (0, 0));
        self.windows[slot as usize] = (closes_at, opened_by);
        self.queue.push_back(Due { closes_at, opened_by, slot });
        self.changes.key(slot as usize);
    }

    /// Computes the columns of the windows that have closed. To be called when no more will close before they are given.
    pub(super) fn compute_columns(&mut self, types: &[SqlType]) {
        if self.columns.is_some() || self.closed.is_empty() {
            return;
        }
        let slots: Vec<usize> = self.closed.iter().map(|due| due.slot as usize).collect();
        let keys = decode_keys(types, slots.iter().map(|slot| self.keys.key(*slot)));
        self.columns = Some(ClosedColumns {
            keys: keys.expect("keys were encoded from these types"),
            results: self.accumulators.iter().map(|accumulator| accumulator.results(&slots)).collect(),
        });
    }

    /// The columns of the windows that have closed, if there are any.
    pub(super) fn take_columns(&mut self, types: &[SqlType]) -> Option<ClosedColumns> {
        self.compute_columns(types);
        self.columns.take()
    }

    /// The windows that have closed have been given: their slots are free.
    pub(super) fn release_closed(&mut self) {
        if self.closed.is_empty() {
            return;
        }
        let slots: Vec<usize> = self.closed.drain(..).map(|due| due.slot as usize).collect();
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.reset(&slots));
        for slot in slots {
            self.keys.release(slot as u32);
            self.changes.key(slot);
        }
    }

    /// Takes over a window of a checkpoint of version 1. They come in the order of their opening.
    pub(super) fn take_window(
        &mut self,
        key: &[u8],
        due: (i64, u64),
        saved: &[Accumulator],
        place: usize,
    ) -> Result<(), StateError> {
        let slot = self.keys.slots();
        if !self.keys.put(slot as u32, key) || saved.len() != self.accumulators.len() {
            return Err(StateError::Damaged("its windows are not those of its keys"));
        }
        let mut state = Vec::new();
        for (accumulator, saved) in self.accumulators.iter_mut().zip(saved) {
            state.clear();
            saved.put_group(place, &mut state)?;
            accumulator.resize(slot + 1);
            accumulator.take_group(slot, &mut Decoder::new(&state))?;
        }
        self.open(slot as u32, due.0, due.1);
        Ok(())
    }
}

impl Shard for WindowShard {
    fn slots(&self) -> usize {
        self.keys.slots()
    }

    fn key(&self, slot: usize) -> Option<&[u8]> {
        self.keys.is_used(slot).then(|| self.keys.key(slot))
    }

    fn put_state(&self, slot: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        let (closes_at, opened_by) = self.windows[slot];
        put_i64(out, closes_at);
        put_u64(out, opened_by);
        self.accumulators.iter().try_for_each(|accumulator| accumulator.put_group(slot, out))
    }

    fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    fn changes_seen(&self) -> &Changes {
        &self.changes
    }

    fn take_key(&mut self, slot: usize, key: &[u8]) -> Result<(), StateError> {
        if !self.keys.put(slot as u32, key) {
            return Err(StateError::Damaged("two windows have one key"));
        }
        let slots = self.keys.slots();
        self.windows.resize(slots, (0, 0));
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(slots));
        self.bytes += self.window_bytes(key.len());
        Ok(())
    }

    fn take_state(&mut self, slot: usize, from: &mut Decoder<'_>) -> Result<(), StateError> {
        self.windows[slot] = (from.i64()?, from.u64()?);
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.take_group(slot, from))
    }

    fn take_out(&mut self, slot: usize) {
        self.bytes -= self.window_bytes(self.keys.key(slot).len());
        self.keys.take_out(slot as u32);
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.reset(&[slot]));
    }

    fn taken_over(&mut self, slots: usize) {
        self.keys.find_free_slots(slots);
        self.windows.resize(slots, (0, 0));
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(slots));
        let due = |slot: usize| {
            let (closes_at, opened_by) = self.windows[slot];
            Due { closes_at, opened_by, slot: slot as u32 }
        };
        let mut queue: Vec<Due> = (0..slots).filter(|slot| self.keys.is_used(*slot)).map(due).collect();
        queue.sort_unstable();
        self.queue = queue.into();
    }
}

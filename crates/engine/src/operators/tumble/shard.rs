//! The groups of a tumbling window whose keys fall to one shard.

use crate::aggregates::Accumulator;
use crate::codec::{Decoder, put_u64};
use crate::grouping::{EncodedKeys, KeyTable, decode_keys};
use crate::state::StateError;
use crate::state::keyed::{Changes, Shard};
use arrow_array::ArrayRef;
use millstream_columns::RowErrors;
use millstream_sql::SqlType;

/// A shard. Slots of its keys are places in all lists.
pub(super) struct GroupShard {
    pub(super) keys: KeyTable,
    /// The place in the window of the row that opened each group.
    pub(super) firsts: Vec<u64>,
    pub(super) accumulators: Vec<Accumulator>,
    /// Bytes of keys and places, but for the values that accumulators keep.
    pub(super) bytes: usize,
    changes: Changes,
    slots: Vec<u32>,
    /// How many windows have ended since their groups were taken.
    passed: usize,
    /// Of those with groups, which it was.
    ended: Vec<(usize, EndedGroups)>,
}

/// The groups of a window that has ended.
pub(super) struct EndedGroups {
    /// The place in the window of the row that opened each.
    pub(super) firsts: Vec<u64>,
    /// The columns of the keys.
    pub(super) keys: Vec<ArrayRef>,
    /// For each aggregate its values, and the groups whose value does not exist.
    pub(super) results: Vec<(ArrayRef, RowErrors)>,
}

/// Rows with what their groups look at.
pub(super) struct GroupedRows<'r> {
    pub(super) encoded: &'r EncodedKeys,
    pub(super) values: &'r [ArrayRef],
    /// For each aggregate, the place of its argument in `values`.
    pub(super) arguments: &'r [Option<usize>],
    /// The first row of the batch that is in the window, and its place there.
    pub(super) start: usize,
    pub(super) place: u64,
}

impl GroupShard {
    pub(super) fn new(accumulators: Vec<Accumulator>) -> GroupShard {
        GroupShard {
            keys: KeyTable::default(),
            firsts: Vec::new(),
            accumulators,
            bytes: 0,
            changes: Changes::default(),
            slots: Vec::new(),
            passed: 0,
            ended: Vec::new(),
        }
    }

    /// So many windows have ended in all: the groups that are there are those of the first that has not been noted.
    pub(super) fn end_windows(&mut self, ended: usize, types: &[SqlType]) {
        if self.passed >= ended {
            return;
        }
        if self.keys.slots() > 0 {
            let slots: Vec<usize> = (0..self.keys.slots()).collect();
            let results = self.accumulators.iter().map(|accumulator| accumulator.results(&slots)).collect();
            let groups = EndedGroups {
                firsts: std::mem::take(&mut self.firsts),
                keys: decode_keys(types, (0..self.keys.slots()).map(|slot| self.keys.key(slot)))
                    .expect("keys were encoded from these types"),
                results,
            };
            self.ended.push((self.passed, groups));
            self.clear();
        }
        self.passed = ended;
    }

    /// The groups of the windows that have ended, each with the number of its window.
    pub(super) fn take_ended(&mut self) -> impl Iterator<Item = (usize, EndedGroups)> {
        self.passed = 0;
        self.ended.drain(..)
    }

    /// Bytes of a group with a key of so many bytes.
    pub(super) fn group_bytes(&self, key_length: usize) -> usize {
        const PLACES: usize = 2 * (size_of::<u64>() + size_of::<u8>());
        let accumulators: usize = self.accumulators.iter().map(Accumulator::group_bytes).sum();
        KeyTable::bytes_of(key_length) + PLACES + accumulators
    }

    /// All bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.accumulators.iter().map(Accumulator::value_bytes).sum::<usize>()
    }

    /// Adds rows to their groups.
    pub(super) fn add(&mut self, rows: &[u32], of: &GroupedRows<'_>) {
        self.slots.clear();
        self.slots.reserve(rows.len());
        for row in rows {
            let slot = self.group_of(*row as usize, of);
            self.slots.push(slot);
        }
        let slots = self.keys.slots();
        for (accumulator, argument) in self.accumulators.iter_mut().zip(of.arguments) {
            accumulator.resize(slots);
            accumulator.update_groups(argument.map(|index| &of.values[index]), rows, &self.slots);
        }
        self.changes.states(&self.slots, slots);
    }

    /// Adds rows that are all of one group, the only one.
    pub(super) fn add_single(&mut self, rows: std::ops::Range<usize>, of: &GroupedRows<'_>) {
        let slot = self.group_of(rows.start, of);
        for (accumulator, argument) in self.accumulators.iter_mut().zip(of.arguments) {
            accumulator.resize(1);
            accumulator.update_single(argument.map(|index| &of.values[index]), rows.clone());
        }
        self.changes.states(&[slot], 1);
    }

    fn group_of(&mut self, row: usize, of: &GroupedRows<'_>) -> u32 {
        let (slot, is_new) = self.keys.slot(of.encoded, row);
        if is_new {
            self.open(slot, of.place + (row - of.start) as u64);
        }
        slot
    }

    fn open(&mut self, slot: u32, first: u64) {
        self.bytes += self.group_bytes(self.keys.key(slot as usize).len());
        self.firsts.push(first);
        self.changes.key(slot as usize);
    }

    /// Takes over a group of a checkpoint of version 1.
    pub(super) fn take_group(
        &mut self,
        key: &[u8],
        first: u64,
        saved: &[Accumulator],
        group: usize,
    ) -> Result<(), StateError> {
        let slot = self.keys.slots();
        if !self.keys.put(slot as u32, key) || saved.len() != self.accumulators.len() {
            return Err(StateError::Damaged("its groups are not those of its keys"));
        }
        let mut state = Vec::new();
        for (accumulator, saved) in self.accumulators.iter_mut().zip(saved) {
            state.clear();
            saved.put_group(group, &mut state)?;
            accumulator.resize(slot + 1);
            accumulator.take_group(slot, &mut Decoder::new(&state))?;
        }
        self.open(slot as u32, first);
        Ok(())
    }

    /// Forgets all groups.
    fn clear(&mut self) {
        if self.keys.slots() > 0 {
            self.changes.cleared();
        }
        self.keys.clear_and_shrink();
        self.firsts.clear();
        self.bytes = 0;
        self.accumulators.iter_mut().for_each(Accumulator::clear);
    }
}

impl Shard for GroupShard {
    fn slots(&self) -> usize {
        self.keys.slots()
    }

    fn key(&self, slot: usize) -> Option<&[u8]> {
        self.keys.is_used(slot).then(|| self.keys.key(slot))
    }

    fn put_state(&self, slot: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        put_u64(out, self.firsts[slot]);
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
            return Err(StateError::Damaged("two groups have one key"));
        }
        let slots = self.keys.slots();
        self.firsts.resize(slots, 0);
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(slots));
        self.bytes += self.group_bytes(key.len());
        Ok(())
    }

    fn take_state(&mut self, slot: usize, from: &mut Decoder<'_>) -> Result<(), StateError> {
        self.firsts[slot] = from.u64()?;
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.take_group(slot, from))
    }

    fn take_out(&mut self, slot: usize) {
        self.bytes -= self.group_bytes(self.keys.key(slot).len());
        self.keys.take_out(slot as u32);
    }

    fn taken_over(&mut self, slots: usize) {
        self.keys.find_free_slots(slots);
    }
}

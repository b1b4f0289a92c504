//! Keys with a count each, in the order in which they came.

use crate::codec::{Decoder, put_i64};
use crate::grouping::{EncodedKeys, KeyTable};
use crate::state::StateError;
use crate::state::keyed::{Changes, Shard};

/// The keys. None is ever taken out alone, so slots are in the order of first appearance.
#[derive(Default)]
pub(super) struct CountedKeys {
    keys: KeyTable,
    pub(super) counts: Vec<i64>,
    bytes: usize,
    changes: Changes,
}

impl CountedKeys {
    /// Bytes of a key of this length.
    pub(super) fn bytes_of(length: usize) -> usize {
        KeyTable::bytes_of(length) + 2 * (size_of::<i64>() + size_of::<u8>())
    }

    /// Bytes of all keys.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether the key of a row is there.
    pub(super) fn contains(&self, keys: &EncodedKeys, row: usize) -> bool {
        self.keys.find(keys, row).is_some()
    }

    /// The key in a slot.
    pub(super) fn key(&self, slot: usize) -> &[u8] {
        self.keys.key(slot)
    }

    /// Counts the key of a row; whether it is new.
    pub(super) fn count(&mut self, keys: &EncodedKeys, row: usize) -> bool {
        let (slot, is_new) = self.keys.slot(keys, row);
        if is_new {
            self.enter(slot as usize);
        }
        self.counts[slot as usize] += 1;
        self.changes.states(&[slot], self.counts.len());
        is_new
    }

    /// Adds a key that is new, with its count.
    pub(super) fn put(&mut self, key: &[u8], count: i64) -> bool {
        let slot = self.keys.slots();
        if !self.keys.put(slot as u32, key) {
            return false;
        }
        self.enter(slot);
        self.counts[slot] = count;
        true
    }

    fn enter(&mut self, slot: usize) {
        self.bytes += CountedKeys::bytes_of(self.keys.key(slot).len());
        self.counts.push(0);
        self.changes.key(slot);
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        if !self.counts.is_empty() {
            self.changes.cleared();
        }
        self.keys.clear_and_shrink();
        self.counts.clear();
        self.bytes = 0;
    }
}

impl Shard for CountedKeys {
    fn slots(&self) -> usize {
        self.keys.slots()
    }

    fn key(&self, slot: usize) -> Option<&[u8]> {
        self.keys.is_used(slot).then(|| self.keys.key(slot))
    }

    fn put_state(&self, slot: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        put_i64(out, self.counts[slot]);
        Ok(())
    }

    fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    fn changes_seen(&self) -> &Changes {
        &self.changes
    }

    fn take_key(&mut self, slot: usize, key: &[u8]) -> Result<(), StateError> {
        if slot != self.counts.len() || !self.keys.put(slot as u32, key) {
            return Err(StateError::Damaged("keys are not in their order"));
        }
        self.counts.push(0);
        self.bytes += CountedKeys::bytes_of(key.len());
        Ok(())
    }

    fn take_state(&mut self, slot: usize, from: &mut Decoder<'_>) -> Result<(), StateError> {
        self.counts[slot] = from.i64()?;
        Ok(())
    }

    fn take_out(&mut self, _slot: usize) {}

    fn taken_over(&mut self, slots: usize) {
        self.keys.find_free_slots(slots);
    }
}

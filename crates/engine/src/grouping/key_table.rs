//! Keys with a number each that stays while the key is there: its slot. Slots of keys that are removed are used again,
//! the lowest first.

use super::{EncodedKeys, PackedKey};
use hashbrown::HashTable;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The keys.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    short: HashTable<(PackedKey, u32)>,
    /// Slots of the keys that are too long for that.
    long: HashTable<u32>,
    /// By slot.
    keys: Vec<StoredKey>,
    free: BinaryHeap<Reverse<u32>>,
}

/// A key by its slot.
#[derive(Debug, Default)]
enum StoredKey {
    /// The slot is free.
    #[default]
    Free,
    Short {
        bytes: [u8; 15],
        length: u8,
    },
    Long(Box<[u8]>),
}

impl StoredKey {
    fn bytes(&self) -> &[u8] {
        match self {
            StoredKey::Free => &[],
            StoredKey::Short { bytes, length } => &bytes[..usize::from(*length)],
            StoredKey::Long(bytes) => bytes,
        }
    }
}

/// A hash that is the same in every build: checkpoints depend on it, by way of shards.
pub(crate) fn stable_hash(key: &[u8]) -> u64 {
    if let Some(packed) = PackedKey::of(key, 0, key.len()) {
        return packed.hash();
    }
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * 0xd6e8_feb8_6659_fd93;
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = key.as_chunks::<8>();
    let mut hash = (key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xc2b2_ae3d_27d4_eb4f;
    for word in words {
        // Never 0, from which multiplying leads nowhere.
        hash = fold(hash, u64::from_le_bytes(*word)) ^ 0x2545_f491_4f6c_dd1d;
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold(hash, u64::from_le_bytes(last)) ^ 0x2545_f491_4f6c_dd1d, 0x9e37_79b9_7f4a_7c15)
}

impl KeyTable {
    /// Bytes that a key of this length takes, with its places in the tables, which are half empty at the worst.
    pub(crate) fn bytes_of(length: usize) -> usize {
        const PLACES: usize = 2 * (size_of::<StoredKey>() + size_of::<(PackedKey, u32)>());
        if length < 16 { PLACES } else { PLACES + 16 + length }
    }

    /// Slots, free ones included.
    pub(crate) fn slots(&self) -> usize {
        self.keys.len()
    }

    /// Forgets all keys.
    pub(crate) fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
        self.keys.clear();
        self.free.clear();
    }

    /// As [`KeyTable::clear`], and gives back memory that few keys do not need.
    pub(crate) fn clear_and_shrink(&mut self) {
        const FEW: usize = 4_096;
        self.clear();
        self.short.shrink_to(FEW, |(key, _)| key.hash());
        self.long.shrink_to(FEW, |_| 0);
        self.keys.shrink_to(FEW);
    }

    /// The key in a slot; empty for a free one.
    pub(crate) fn key(&self, slot: usize) -> &[u8] {
        self.keys[slot].bytes()
    }

    /// Whether a key is in the slot.
    pub(crate) fn is_used(&self, slot: usize) -> bool {
        !matches!(self.keys.get(slot), None | Some(StoredKey::Free))
    }

    /// The slot of a row's key, if it is there.
    pub(crate) fn find(&self, keys: &EncodedKeys, row: usize) -> Option<u32> {
        if let Some(packed) = keys.packed(row) {
            return self.short.find(packed.hash(), |(known, _)| *known == packed).map(|(_, slot)| *slot);
        }
        let mut scratch = [0; 8];
        self.find_long(keys.row_bytes(row, &mut scratch))
    }

    fn find_long(&self, key: &[u8]) -> Option<u32> {
        self.long.find(stable_hash(key), |slot| self.keys[*slot as usize].bytes() == key).copied()
    }

    /// The slot of a row's key, and whether it is new.
    pub(crate) fn slot(&mut self, keys: &EncodedKeys, row: usize) -> (u32, bool) {
        if let Some(packed) = keys.packed(row) {
            return self.packed_slot(packed);
        }
        let mut scratch = [0; 8];
        let key = keys.row_bytes(row, &mut scratch);
        match self.find_long(key) {
            Some(slot) => (slot, false),
            None => (self.insert_long(key), true),
        }
    }

    fn packed_slot(&mut self, packed: PackedKey) -> (u32, bool) {
        let hash = packed.hash();
        if let Some((_, slot)) = self.short.find(hash, |(known, _)| *known == packed) {
            return (*slot, false);
        }
        let slot = self.next_slot();
        let (bytes, length) = packed.bytes();
        self.keys[slot as usize] = StoredKey::Short { bytes, length };
        self.short.insert_unique(hash, (packed, slot), |(known, _)| known.hash());
        (slot, true)
    }

    fn insert_long(&mut self, key: &[u8]) -> u32 {
        let slot = self.next_slot();
        self.keys[slot as usize] = StoredKey::Long(key.into());
        self.enter_long(slot);
        slot
    }

    fn enter_long(&mut self, slot: u32) {
        let KeyTable { long, keys, .. } = self;
        let hash = |slot: &u32| stable_hash(keys[*slot as usize].bytes());
        long.insert_unique(hash(&slot), slot, hash);
    }

    fn next_slot(&mut self) -> u32 {
        if let Some(Reverse(slot)) = self.free.pop() {
            return slot;
        }
        self.keys.push(StoredKey::Free);
        u32::try_from(self.keys.len() - 1).expect("an operator holds fewer than 2^32 keys")
    }

    /// The key in the slot is not found any more; the slot keeps it until it is [released](Self::release).
    pub(crate) fn detach(&mut self, slot: u32) {
        let key = self.keys[slot as usize].bytes();
        if let Some(packed) = PackedKey::of(key, 0, key.len()) {
            if let Ok(entry) = self.short.find_entry(packed.hash(), |(_, known)| *known == slot) {
                entry.remove();
            }
        } else if let Ok(entry) = self.long.find_entry(stable_hash(key), |known| *known == slot) {
            entry.remove();
        }
    }

    /// The slot of a key that is detached is free.
    pub(crate) fn release(&mut self, slot: u32) {
        self.keys[slot as usize] = StoredKey::Free;
        self.free.push(Reverse(slot));
    }

    /// Puts a key of a checkpoint into its slot; false when the slot is taken or the key is there. Free slots are told by
    /// [`KeyTable::find_free_slots`] at the end.
    pub(crate) fn put(&mut self, slot: u32, key: &[u8]) -> bool {
        if self.is_used(slot as usize) {
            return false;
        }
        if self.keys.len() <= slot as usize {
            self.keys.resize_with(slot as usize + 1, StoredKey::default);
        }
        match PackedKey::of(key, 0, key.len()) {
            Some(packed) => {
                if self.short.find(packed.hash(), |(known, _)| *known == packed).is_some() {
                    return false;
                }
                let (bytes, length) = packed.bytes();
                self.keys[slot as usize] = StoredKey::Short { bytes, length };
                self.short.insert_unique(packed.hash(), (packed, slot), |(known, _)| known.hash());
            }
            None => {
                if self.find_long(key).is_some() {
                    return false;
                }
                self.keys[slot as usize] = StoredKey::Long(key.into());
                self.enter_long(slot);
            }
        }
        true
    }

    /// Takes a key of a checkpoint out of its slot again.
    pub(crate) fn take_out(&mut self, slot: u32) {
        if self.is_used(slot as usize) {
            self.detach(slot);
            self.keys[slot as usize] = StoredKey::Free;
        }
    }

    /// Notes which slots are free, all keys of a checkpoint being there.
    pub(crate) fn find_free_slots(&mut self, slots: usize) {
        self.keys.resize_with(slots.max(self.keys.len()), StoredKey::default);
        let free = (0..self.keys.len()).filter(|slot| !self.is_used(*slot));
        self.free = free.map(|slot| Reverse(slot as u32)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> EncodedKeys {
        EncodedKeys::Texts(arrow_array::StringArray::from(texts.to_vec()))
    }

    #[test]
    fn slots_stay_and_the_lowest_free_one_is_used_again() {
        let rows = keys(&["a", "a key that is longer than fifteen bytes", "c", "a", "d", "e", "f"]);
        let mut table = KeyTable::default();
        let slots: Vec<(u32, bool)> = (0..4).map(|row| table.slot(&rows, row)).collect();
        assert_eq!(slots, [(0, true), (1, true), (2, true), (0, false)]);
        for slot in [2, 1] {
            table.detach(slot);
            table.release(slot);
        }
        assert_eq!((table.find(&rows, 1), table.find(&rows, 2), table.find(&rows, 0)), (None, None, Some(0)));
        assert_eq!(
            (table.slot(&rows, 4), table.slot(&rows, 5), table.slot(&rows, 6)),
            ((1, true), (2, true), (3, true))
        );
        assert_eq!((table.key(1), table.slots()), (&b"d"[..], 4));
    }

    #[test]
    fn keys_of_a_checkpoint_come_in_any_order() {
        let rows = keys(&["a", "a key that is longer than fifteen bytes", "new"]);
        let mut table = KeyTable::default();
        assert!(
            table.put(3, b"a key that is longer than fifteen bytes")
                && table.put(0, b"a")
                && table.put(2, b"x")
        );
        assert!(!table.put(0, b"y") && !table.put(5, b"a"));
        table.take_out(2);
        table.find_free_slots(4);
        assert_eq!((table.find(&rows, 0), table.find(&rows, 1)), (Some(0), Some(3)));
        assert_eq!(table.slot(&rows, 2), (1, true));
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        let hashes = ["", "a", "fifteen bytes!!", "sixteen bytes!!!", "a key that is longer than two words"]
            .map(|key| stable_hash(key.as_bytes()));
        let known = [
            2599828072133381016,
            11776209943988118556,
            12918985440040557802,
            11709035760334284916,
            5822183522946967391,
        ];
        assert_eq!(hashes, known);
    }
}

//! Numbers the groups of a window: equal keys get the same number, new keys the next one.

use super::{EncodedKeys, PackedKey};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// The keys seen so far, in order of first appearance. Short keys live in the table itself, long ones behind it.
#[derive(Debug, Default)]
pub(crate) struct GroupTable {
    short: HashTable<(PackedKey, u32)>,
    /// Group numbers, found by the hash of their keys.
    long: HashTable<(u32, Box<[u8]>)>,
    groups: u32,
}

/// Hashes need not resist an attacker beyond one window: the state is fixed so that runs repeat.
const HASHER: FixedState = FixedState::with_seed(0x6d69_6c6c_7374_7265);

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

impl GroupTable {
    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups as usize
    }

    /// Forgets all groups.
    pub(crate) fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
        self.groups = 0;
    }

    fn next_group(&mut self) -> u32 {
        let group = self.groups;
        self.groups = group.checked_add(1).expect("a window holds fewer than 2^32 groups");
        group
    }

    /// The group of a key, new or known.
    pub(crate) fn group(&mut self, key: &[u8]) -> u32 {
        if let Some(packed) = PackedKey::of(key, 0, key.len()) {
            return self.packed_group(packed);
        }
        let hash_of_key = hash(key);
        if let Some((group, _)) = self.long.find(hash_of_key, |(_, known)| &**known == key) {
            return *group;
        }
        let group = self.next_group();
        self.long.insert_unique(hash_of_key, (group, key.into()), |(_, known)| hash(known));
        group
    }

    fn packed_group(&mut self, key: PackedKey) -> u32 {
        let hash_of_key = key.hash();
        if let Some((_, group)) = self.short.find(hash_of_key, |(known, _)| *known == key) {
            return *group;
        }
        let group = self.next_group();
        self.short.insert_unique(hash_of_key, (key, group), |(known, _)| known.hash());
        group
    }

    /// The group of a row's key, if it is known.
    pub(crate) fn find(&self, keys: &EncodedKeys, row: usize) -> Option<u32> {
        if let Some(packed) = keys.packed(row) {
            return self.short.find(packed.hash(), |(known, _)| *known == packed).map(|(_, group)| *group);
        }
        let mut scratch = [0; 8];
        let key = keys.row_bytes(row, &mut scratch);
        self.long.find(hash(key), |(_, known)| &**known == key).map(|(group, _)| *group)
    }

    /// Appends the group of each row in `range` to `ids`.
    pub(crate) fn assign(&mut self, keys: &EncodedKeys, range: Range<usize>, ids: &mut Vec<u32>) {
        ids.reserve(range.len());
        match keys {
            EncodedKeys::None => {
                let group = self.group(&[]);
                ids.extend(range.map(|_| group));
            }
            EncodedKeys::Numbers(numbers) => {
                ids.extend(
                    numbers[range].iter().map(|number| self.packed_group(PackedKey::of_number(*number))),
                );
            }
            EncodedKeys::Texts(texts) => {
                let (offsets, data) = (texts.value_offsets(), texts.value_data());
                let bounds = offsets[range.start..=range.end].windows(2);
                ids.extend(bounds.map(|pair| {
                    let (start, end) = (pair[0] as usize, pair[1] as usize);
                    match PackedKey::of(data, start, end) {
                        Some(packed) => self.packed_group(packed),
                        None => self.group(&data[start..end]),
                    }
                }));
            }
            EncodedKeys::Bytes { bytes, ends } => {
                for row in range {
                    let start = if row == 0 { 0 } else { ends[row - 1] };
                    ids.push(self.group(&bytes[start..ends[row]]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
    use std::sync::Arc;

    fn groups(columns: &[ArrayRef]) -> Vec<u32> {
        let rows = columns[0].len();
        let keys = EncodedKeys::new(columns, rows);
        let (mut table, mut ids) = (GroupTable::default(), Vec::new());
        table.assign(&keys, 0..rows, &mut ids);
        ids
    }

    #[test]
    fn equal_keys_share_a_group_whatever_their_encoding() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a", ""]));
        assert_eq!(groups(&[texts]), [0, 1, 0, 2]);
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![7, 7, -1, 7]));
        assert_eq!(groups(&[numbers]), [0, 0, 1, 0]);
        let nulls: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(0), None]));
        assert_eq!(groups(&[nulls]), [0, 1, 0]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, f64::NAN]));
        assert_eq!(groups(&[floats]), [0, 0, 1, 1]);
    }

    #[test]
    fn a_null_in_the_batch_does_not_change_the_keys_of_its_neighbours() {
        let check = |without: ArrayRef, with: ArrayRef| {
            let mut table = GroupTable::default();
            for (column, expected) in [(&without, [0, 1]), (&with, [2, 1]), (&without, [0, 1])] {
                let mut ids = Vec::new();
                table.assign(&EncodedKeys::new(std::slice::from_ref(column), 2), 0..2, &mut ids);
                assert_eq!(ids, expected, "{column:?}");
            }
        };
        let long = "longer than any key that is packed";
        check(Arc::new(StringArray::from(vec!["a", ""])), Arc::new(StringArray::from(vec![None, Some("")])));
        check(
            Arc::new(StringArray::from(vec!["a", long])),
            Arc::new(StringArray::from(vec![None, Some(long)])),
        );
        check(Arc::new(Int32Array::from(vec![0, -1])), Arc::new(Int32Array::from(vec![None, Some(-1)])));
        check(
            Arc::new(Float64Array::from(vec![0.0, 1.5])),
            Arc::new(Float64Array::from(vec![None, Some(1.5)])),
        );
    }

    #[test]
    fn texts_of_two_columns_do_not_run_together() {
        let left: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let right: ArrayRef = Arc::new(StringArray::from(vec!["c", "bc"]));
        assert_eq!(groups(&[left, right]), [0, 1]);
    }
}

//! Numbers the groups of a window: equal keys get the same number, new keys the next one.

use super::EncodedKeys;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// The keys seen so far, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct GroupTable {
    /// Group numbers, found by the hash of their keys.
    table: HashTable<u32>,
    /// The keys one after the other; group `g` is `bytes[ends[g - 1]..ends[g]]`.
    bytes: Vec<u8>,
    ends: Vec<usize>,
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
        self.ends.len()
    }

    /// Forgets all groups.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.bytes.clear();
        self.ends.clear();
    }

    /// The group of a key, new or known.
    pub(crate) fn group(&mut self, key: &[u8]) -> u32 {
        let hash_of_key = hash(key);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let key_of = |group: u32| {
            let group = group as usize;
            let start = if group == 0 { 0 } else { ends[group - 1] };
            &bytes[start..ends[group]]
        };
        if let Some(group) = self.table.find(hash_of_key, |group| key_of(*group) == key) {
            return *group;
        }
        let group = u32::try_from(self.ends.len()).expect("a window holds fewer than 2^32 groups");
        self.table.insert_unique(hash_of_key, group, |known| hash(key_of(*known)));
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        group
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
                // Neighbouring rows often share their key.
                let mut last: Option<(u64, u32)> = None;
                for number in &numbers[range] {
                    let group = match last {
                        Some((known, group)) if known == *number => group,
                        _ => self.group(&number.to_le_bytes()),
                    };
                    last = Some((*number, group));
                    ids.push(group);
                }
            }
            EncodedKeys::Texts(texts) => {
                let offsets = texts.value_offsets();
                let data = texts.value_data();
                for row in range {
                    let key = &data[offsets[row] as usize..offsets[row + 1] as usize];
                    ids.push(self.group(key));
                }
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
    fn texts_of_two_columns_do_not_run_together() {
        let left: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let right: ArrayRef = Arc::new(StringArray::from(vec!["c", "bc"]));
        assert_eq!(groups(&[left, right]), [0, 1]);
    }
}

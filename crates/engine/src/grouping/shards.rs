//! Rows by the shard of their key: what keeps a state for each key keeps it in so many shards, which know nothing of each
//! other. Any thread may work on a shard, and a checkpoint writes them one by one.

use super::{EncodedKeys, PackedKey, stable_hash};
use std::ops::Range;

/// How many shards there are, whatever the number of threads.
pub(crate) const SHARDS: usize = 16;

/// The shard of a hash. Its middle bits: tables use the lowest and the highest.
pub(crate) fn shard_of_hash(hash: u64) -> usize {
    (hash >> 36) as usize % SHARDS
}

/// Rows of a batch by shard, in their order.
#[derive(Debug, Default)]
pub(crate) struct RoutedRows {
    shards: Vec<u8>,
    rows: Vec<u32>,
    ends: [usize; SHARDS],
}

impl RoutedRows {
    /// Sorts the rows of a range by the shards of their keys. About three nanoseconds a row.
    pub(crate) fn route(&mut self, keys: &EncodedKeys, range: Range<usize>) {
        self.shards.clear();
        self.shards.reserve(range.len());
        let mut counts = [0_usize; SHARDS];
        let mut note = |hash: u64| {
            let shard = shard_of_hash(hash);
            counts[shard] += 1;
            self.shards.push(shard as u8);
        };
        match keys {
            EncodedKeys::Numbers(numbers) => {
                numbers[range.clone()].iter().for_each(|number| note(PackedKey::of_number(*number).hash()));
            }
            EncodedKeys::Texts(texts) => {
                let (offsets, data) = (texts.value_offsets(), texts.value_data());
                for pair in offsets[range.start..=range.end].windows(2) {
                    let (start, end) = (pair[0] as usize, pair[1] as usize);
                    match PackedKey::of(data, start, end) {
                        Some(packed) => note(packed.hash()),
                        None => note(stable_hash(&data[start..end])),
                    }
                }
            }
            EncodedKeys::None | EncodedKeys::Bytes { .. } => {
                let mut scratch = [0; 8];
                range.clone().for_each(|row| note(stable_hash(keys.row_bytes(row, &mut scratch))));
            }
        }
        let mut places = [0_usize; SHARDS];
        let mut total = 0;
        for (shard, count) in counts.iter().enumerate() {
            places[shard] = total;
            total += count;
            self.ends[shard] = total;
        }
        self.rows.clear();
        self.rows.resize(total, 0);
        for (shard, row) in self.shards.iter().zip(range.start as u32..) {
            let place = &mut places[usize::from(*shard)];
            self.rows[*place] = row;
            *place += 1;
        }
    }

    /// The rows of a shard, in their order.
    pub(crate) fn of(&self, shard: usize) -> &[u32] {
        let start = shard.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start..self.ends[shard]]
    }
}

impl EncodedKeys {
    /// The shard of a row's key.
    pub(crate) fn shard(&self, row: usize) -> usize {
        let mut scratch = [0; 8];
        shard_of_hash(match self.packed(row) {
            Some(packed) => packed.hash(),
            None => stable_hash(self.row_bytes(row, &mut scratch)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, ArrayRef, Int32Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn every_row_comes_to_the_shard_of_its_key_however_it_is_encoded() {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values((0..1_000).map(|row| row % 37)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..1_000).map(|row| "x".repeat(row % 23) + &(row % 23).to_string()),
        ));
        for columns in [vec![numbers.clone()], vec![texts.clone()], vec![numbers, texts]] {
            let rows = columns[0].len();
            let keys = EncodedKeys::new(&columns, rows);
            let mut routed = RoutedRows::default();
            routed.route(&keys, 100..900);
            let mut seen: Vec<u32> = Vec::new();
            for shard in 0..SHARDS {
                assert!(routed.of(shard).is_sorted());
                assert!(routed.of(shard).iter().all(|row| keys.shard(*row as usize) == shard));
                seen.extend(routed.of(shard));
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq(100..900));
            assert!((0..SHARDS).filter(|shard| !routed.of(*shard).is_empty()).count() > SHARDS / 2);
        }
    }
}

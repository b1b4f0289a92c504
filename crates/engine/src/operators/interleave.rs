//! Rows that several shards have made, in one order.

use arrow_array::{Array, ArrayRef};
use millstream_columns::{RowError, RowErrors};
use std::collections::HashMap;

/// Which row of which shard comes where.
pub(super) struct Interleaved {
    /// Shard and row, in the order of the output.
    places: Vec<(usize, usize)>,
}

impl Interleaved {
    /// Rows in this order: of which shard, and which of its rows.
    pub(super) fn new(places: impl Iterator<Item = (usize, usize)>) -> Interleaved {
        Interleaved { places: places.collect() }
    }

    /// One column of what the shards have made, each with the errors of its rows; and the errors by place in the output.
    pub(super) fn column(
        &self,
        results: impl Iterator<Item = (ArrayRef, RowErrors)>,
    ) -> (ArrayRef, Vec<(usize, RowError)>) {
        let (arrays, errors): (Vec<ArrayRef>, Vec<RowErrors>) = results.unzip();
        let mut failed = Vec::new();
        if errors.iter().any(|errors| !errors.is_empty()) {
            let places = self.places.iter().enumerate().map(|(place, of)| (*of, place));
            let places: HashMap<(usize, usize), usize> = places.collect();
            for (shard, errors) in errors.into_iter().enumerate() {
                for (row, error) in errors.iter() {
                    failed.extend(places.get(&(shard, row)).map(|place| (*place, error.clone())));
                }
            }
            failed.sort_by_key(|(place, _)| *place);
        }
        (self.array(&arrays), failed)
    }

    /// One column of what the shards have made.
    pub(super) fn array(&self, arrays: &[ArrayRef]) -> ArrayRef {
        let mut filled = arrays.iter().filter(|array| !array.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && only.len() == self.places.len()
            && self.places.iter().map(|(_, row)| *row).eq(0..only.len())
        {
            return only.clone();
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
        arrow_select::interleave::interleave(&arrays, &self.places)
            .expect("all shards give values of the same type")
    }
}

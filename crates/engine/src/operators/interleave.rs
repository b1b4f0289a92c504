//! Rows that several shards have made, in one order.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, downcast_primitive_array};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use millstream_columns::{RowError, RowErrors};
use std::collections::HashMap;
use std::sync::Arc;

/// A column of `rows` rows from parts, each with the places of its values; every place comes once.
pub(super) fn scattered<'p>(parts: &[(&'p [u32], &'p ArrayRef)], rows: usize) -> ArrayRef {
    if let [(places, only)] = parts
        && places.iter().copied().eq(0..rows as u32)
    {
        return Arc::clone(only);
    }
    let first = parts.first().expect("rows were given to a shard").1.as_ref();
    downcast_primitive_array!(
        first => scattered_numbers(first, parts, rows),
        _ => {
            let mut places = vec![(0, 0); rows];
            for (part, (of_part, _)) in parts.iter().enumerate() {
                for (place, row) in of_part.iter().enumerate() {
                    places[*row as usize] = (part, place);
                }
            }
            let arrays: Vec<ArrayRef> = parts.iter().map(|(_, array)| Arc::clone(array)).collect();
            Interleaved::new(places.into_iter()).array(&arrays)
        }
    )
}

/// [`scattered`] for numbers, of the type of `like`: one write for each.
fn scattered_numbers<T: ArrowPrimitiveType>(
    like: &PrimitiveArray<T>,
    parts: &[(&[u32], &ArrayRef)],
    rows: usize,
) -> ArrayRef {
    let mut values = vec![T::default_value(); rows];
    let has_nulls = parts.iter().any(|(_, array)| array.null_count() > 0);
    let mut valid = has_nulls.then(|| {
        let mut valid = BooleanBufferBuilder::new(rows);
        valid.append_n(rows, true);
        valid
    });
    for (places, array) in parts {
        let array = array.as_primitive::<T>();
        for (place, value) in places.iter().zip(array.values()) {
            values[*place as usize] = *value;
        }
        if let Some(valid) = &mut valid {
            for (row, place) in places.iter().enumerate() {
                valid.set_bit(*place as usize, array.is_valid(row));
            }
        }
    }
    let nulls = valid.map(|mut valid| NullBuffer::new(valid.finish()));
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(like.data_type().clone()))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Decimal128Array, Int64Array, StringArray};

    #[test]
    fn values_come_to_their_places() {
        let decimals = |values: [Option<i128>; 2]| -> ArrayRef {
            Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(9, 2).unwrap())
        };
        let parts: [(ArrayRef, ArrayRef, ArrayRef); 4] = [
            (
                Arc::new(Int64Array::from(vec![2, 0])),
                Arc::new(Int64Array::from(vec![3, 1])),
                Arc::new(Int64Array::from(vec![0, 1, 2, 3])),
            ),
            (
                Arc::new(Int64Array::from(vec![None, Some(0)])),
                Arc::new(Int64Array::from(vec![3, 1])),
                Arc::new(Int64Array::from(vec![Some(0), Some(1), None, Some(3)])),
            ),
            (
                decimals([Some(2), None]),
                decimals([Some(3), Some(1)]),
                Arc::new(
                    Decimal128Array::from(vec![None, Some(1), Some(2), Some(3)])
                        .with_precision_and_scale(9, 2)
                        .unwrap(),
                ),
            ),
            (
                Arc::new(StringArray::from(vec!["c", "a"])),
                Arc::new(StringArray::from(vec![None, Some("b")])),
                Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("c"), None])),
            ),
        ];
        for (one, other, expected) in &parts {
            assert_eq!(*scattered(&[(&[2, 0], one), (&[3, 1], other)], 4), **expected);
        }
        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
        let expected: ArrayRef = Arc::new(BooleanArray::from(vec![false, true]));
        assert_eq!(*scattered(&[(&[1, 0], &booleans)], 2), *expected);
    }
}

//! The order of rows by some of their columns.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use millstream_sql::SortColumn;
use std::cmp::Ordering;

type Comparison<'a> = Box<dyn Fn(usize, usize) -> Ordering + 'a>;

/// Compares rows of a batch.
pub(super) struct SortOrder<'a> {
    comparisons: Vec<Comparison<'a>>,
}

impl<'a> SortOrder<'a> {
    pub(super) fn new(columns: &'a [ArrayRef], keys: &[SortColumn]) -> SortOrder<'a> {
        let comparisons = keys.iter().map(|key| comparison(&columns[key.column], *key)).collect();
        SortOrder { comparisons }
    }

    /// How row `left` stands to row `right`.
    pub(super) fn compare(&self, left: usize, right: usize) -> Ordering {
        let orders = self.comparisons.iter().map(|compare| compare(left, right));
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// NULLs stand where the key says, whatever its direction.
fn comparison(column: &ArrayRef, key: SortColumn) -> Comparison<'_> {
    let values = value_comparison(column);
    let has_nulls = column.null_count() > 0;
    let of_null = if key.nulls_first { Ordering::Less } else { Ordering::Greater };
    Box::new(move |left, right| {
        if has_nulls {
            match (column.is_null(left), column.is_null(right)) {
                (true, true) => return Ordering::Equal,
                (true, false) => return of_null,
                (false, true) => return of_null.reverse(),
                (false, false) => {}
            }
        }
        let order = values(left, right);
        if key.descending { order.reverse() } else { order }
    })
}

fn value_comparison(column: &ArrayRef) -> Comparison<'_> {
    match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(|left, right| values.value(left).cmp(&values.value(right)))
        }
        DataType::Int8 => numbers::<Int8Type>(column),
        DataType::Int16 => numbers::<Int16Type>(column),
        DataType::Int32 => numbers::<Int32Type>(column),
        DataType::Int64 => numbers::<Int64Type>(column),
        DataType::Date32 => numbers::<Date32Type>(column),
        DataType::Time32(_) => numbers::<Time32MillisecondType>(column),
        DataType::Timestamp(_, _) => numbers::<TimestampMillisecondType>(column),
        DataType::Duration(_) => numbers::<DurationMillisecondType>(column),
        DataType::Decimal128(_, _) => numbers::<Decimal128Type>(column),
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>().values();
            Box::new(|left, right| floats(f64::from(values[left]), f64::from(values[right])))
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            Box::new(|left, right| floats(values[left], values[right]))
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Box::new(|left, right| values.value(left).cmp(values.value(right)))
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            Box::new(|left, right| values.value(left).cmp(values.value(right)))
        }
        // A column of NULLs alone.
        _ => Box::new(|_, _| Ordering::Equal),
    }
}

fn numbers<T: ArrowPrimitiveType>(column: &ArrayRef) -> Comparison<'_>
where
    T::Native: Ord,
{
    let values = column.as_primitive::<T>().values();
    Box::new(|left, right| values[left].cmp(&values[right]))
}

/// NaN is above all numbers, and equal to itself.
fn floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray};
    use std::sync::Arc;

    fn sorted(columns: &[ArrayRef], keys: &[SortColumn]) -> Vec<usize> {
        let order = SortOrder::new(columns, keys);
        let mut rows: Vec<usize> = (0..columns[0].len()).collect();
        rows.sort_by(|left, right| order.compare(*left, *right));
        rows
    }

    #[test]
    fn keys_count_in_order_and_nulls_stand_where_they_are_told() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, f64::NAN, -0.0]));
        let columns = [texts, floats];
        let key = |column, descending, nulls_first| SortColumn { column, descending, nulls_first };
        assert_eq!(sorted(&columns, &[key(0, false, false), key(1, false, false)]), [2, 3, 0, 1]);
        assert_eq!(sorted(&columns, &[key(0, true, true), key(1, true, true)]), [1, 0, 3, 2]);
        assert_eq!(sorted(&columns, &[key(1, false, false)]), [3, 0, 1, 2]);
    }
}

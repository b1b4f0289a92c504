//! Batches: some rows of a stream, column by column, with the ROWTIME of each.

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, UInt32Array, new_empty_array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use millstream_sql::SqlType;
use std::sync::Arc;

/// Rows of a stream in columns.
#[derive(Clone, Debug)]
pub struct Batch {
    /// ROWTIME of each row in milliseconds since the epoch, never decreasing within a stream.
    pub rowtimes: ScalarBuffer<i64>,
    /// The columns, each as long as `rowtimes`, with the [`physical_type`] of its SQL type.
    pub columns: Vec<ArrayRef>,
}

impl Batch {
    /// A batch; all columns must have one value for each ROWTIME.
    ///
    /// # Panics
    /// When a column has another length: the caller mixed up batches.
    pub fn new(rowtimes: ScalarBuffer<i64>, columns: Vec<ArrayRef>) -> Batch {
        for column in &columns {
            assert_eq!(column.len(), rowtimes.len(), "every column has one value for each row");
        }
        Batch { rowtimes, columns }
    }

    /// No rows of these types.
    pub fn empty(types: &[SqlType]) -> Batch {
        let columns = types.iter().map(|sql_type| new_empty_array(&physical_type(*sql_type))).collect();
        Batch { rowtimes: ScalarBuffer::from(Vec::new()), columns }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rowtimes.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rowtimes.is_empty()
    }

    /// `length` rows from `offset`; no copy.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Batch {
        Batch {
            rowtimes: self.rowtimes.slice(offset, length),
            columns: self.columns.iter().map(|column| column.slice(offset, length)).collect(),
        }
    }

    /// The rows of all batches, one after the other. All must have columns of the same types.
    ///
    /// # Errors
    /// When types differ or the text of a column would exceed 2 GiB.
    pub fn concat(batches: &[Batch]) -> Result<Batch, ArrowError> {
        let Some(first) = batches.first() else {
            return Err(ArrowError::InvalidArgumentError("no batches to put together".into()));
        };
        if batches.len() == 1 {
            return Ok(first.clone());
        }
        let mut rowtimes = Vec::with_capacity(batches.iter().map(Batch::len).sum());
        batches.iter().for_each(|batch| rowtimes.extend_from_slice(&batch.rowtimes));
        let columns = (0..first.columns.len())
            .map(|index| {
                let parts: Vec<&dyn Array> =
                    batches.iter().map(|batch| batch.columns[index].as_ref()).collect();
                arrow_select::concat::concat(&parts)
            })
            .collect::<Result<_, _>>()?;
        Ok(Batch { rowtimes: ScalarBuffer::from(rowtimes), columns })
    }

    /// Whether this batch, which waits, is put together with the one that comes behind it: as long as both are small, and
    /// not much smaller than the other. Then there are few batches, and a row is copied about as often as they double.
    pub fn absorbs(&self, next: &Batch) -> bool {
        const SMALL: usize = 4_096;
        next.len() < SMALL && self.len() <= 2 * next.len()
    }

    /// Both, one behind the other. Both must have columns of the same types.
    pub fn followed_by(&self, next: &Batch) -> Option<Batch> {
        Batch::concat(&[self.clone(), next.clone()]).ok()
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Errors
    /// When the text of a column would exceed 2 GiB.
    pub fn take(&self, indices: &UInt32Array) -> Result<Batch, ArrowError> {
        let rowtimes: Vec<i64> =
            indices.values().iter().map(|index| self.rowtimes[*index as usize]).collect();
        let columns = self
            .columns
            .iter()
            .map(|column| arrow_select::take::take(column, indices, None))
            .collect::<Result<_, _>>()?;
        Ok(Batch { rowtimes: ScalarBuffer::from(rowtimes), columns })
    }

    /// The rows for which `mask` is TRUE; NULL counts as FALSE. Without a copy when all or none are.
    ///
    /// # Errors
    /// Never for a mask of this batch's length.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Batch, ArrowError> {
        let kept = mask.true_count();
        if kept == self.len() {
            return Ok(self.clone());
        }
        if kept == 0 {
            return Ok(self.slice(0, 0));
        }
        let predicate = arrow_select::filter::FilterBuilder::new(mask).optimize().build();
        let columns = self.columns.iter().map(|column| predicate.filter(column)).collect::<Result<_, _>>()?;
        let rowtimes = arrow_array::Int64Array::new(self.rowtimes.clone(), None);
        let rowtimes = predicate.filter(&rowtimes)?;
        let rowtimes = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(&rowtimes);
        Ok(Batch { rowtimes: rowtimes.values().clone(), columns })
    }
}

/// How the engine holds values of a SQL type.
pub fn physical_type(sql_type: SqlType) -> DataType {
    match sql_type {
        SqlType::Null => DataType::Null,
        SqlType::Boolean => DataType::Boolean,
        SqlType::TinyInt => DataType::Int8,
        SqlType::SmallInt => DataType::Int16,
        SqlType::Integer => DataType::Int32,
        SqlType::BigInt => DataType::Int64,
        SqlType::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        SqlType::Real => DataType::Float32,
        SqlType::Double => DataType::Float64,
        SqlType::Char { .. } | SqlType::Varchar { .. } => DataType::Utf8,
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time => DataType::Time32(TimeUnit::Millisecond),
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => DataType::Int32,
        SqlType::Interval(_) => DataType::Duration(TimeUnit::Millisecond),
    }
}

/// An array of these values as the physical type `result`, which has the width of `R`.
pub fn primitive_array<R: ArrowPrimitiveType>(
    values: Vec<R::Native>,
    nulls: Option<NullBuffer>,
    result: &DataType,
) -> ArrayRef {
    let array = PrimitiveArray::<R>::new(ScalarBuffer::from(values), nulls);
    if array.data_type() == result { Arc::new(array) } else { Arc::new(array.with_data_type(result.clone())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, StringArray};

    #[test]
    fn rows_can_be_sliced_filtered_taken_and_joined() {
        let batch = Batch::new(
            ScalarBuffer::from(vec![1, 2, 3]),
            vec![
                Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
                Arc::new(StringArray::from(vec!["a", "b", "c"])),
            ],
        );
        let filtered = batch.filter(&BooleanArray::from(vec![Some(true), None, Some(true)])).unwrap();
        assert_eq!(filtered.rowtimes.as_ref(), &[1, 3]);
        let joined = Batch::concat(&[batch.slice(0, 1), batch.slice(2, 1)]).unwrap();
        assert_eq!(joined.columns[1].as_ref(), filtered.columns[1].as_ref());
        let taken = batch.take(&UInt32Array::from(vec![2, 0])).unwrap();
        assert_eq!(taken.rowtimes.as_ref(), &[3, 1]);
        assert!(Batch::empty(&[SqlType::Integer]).is_empty());
    }
}

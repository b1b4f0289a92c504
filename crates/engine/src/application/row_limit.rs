//! How large a row of a stream may be.

use super::ErrorRow;
use crate::evaluation_context::EvaluationContext;
use crate::operators::RowSize;
use arrow_array::BooleanArray;
use millstream_columns::{Batch, ErrorName, RowError};
use millstream_sql::SqlType;
use std::sync::Arc;

/// Bytes of a row in a stream, its metadata included.
const MOST_BYTES: usize = 512 * 1024;

/// Bytes of those that are for metadata.
const METADATA_BYTES: usize = 1024;

/// What is left for the columns.
const MOST: usize = MOST_BYTES - METADATA_BYTES;

/// The rows of one stream.
pub(super) struct RowLimit {
    size: RowSize,
    types: Vec<SqlType>,
}

impl RowLimit {
    /// For rows with columns of these types.
    pub(super) fn of_types(types: Vec<SqlType>) -> RowLimit {
        RowLimit { size: RowSize::of_types(&types), types }
    }

    /// How many rows there are before the first that is too large.
    pub(super) fn rows_within(&self, batch: &Batch) -> usize {
        if self.size.bound_of_each(batch) <= MOST {
            return batch.len();
        }
        (0..batch.len()).find(|row| self.size.of(batch, *row) > MOST).unwrap_or(batch.len())
    }

    /// Takes out the rows that are too large; they become errors. `None` when there are none. `pump` is empty for rows
    /// of an input.
    pub(super) fn refuse(
        &self,
        batch: &Batch,
        pump: &Arc<str>,
        clock: EvaluationContext,
        errors: &mut Vec<ErrorRow>,
    ) -> Option<Batch> {
        if self.size.bound_of_each(batch) <= MOST {
            return None;
        }
        let sizes: Vec<usize> = (0..batch.len()).map(|row| self.size.of(batch, row)).collect();
        let kept: BooleanArray = sizes.iter().map(|size| Some(*size <= MOST)).collect();
        if kept.false_count() == 0 {
            return None;
        }
        for (row, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size > MOST) {
            let message = format!(
                "the row has {size} bytes; a row of a stream has at most {MOST}, and {METADATA_BYTES} for what is known \
                 about it: select fewer columns, or shorten texts with SUBSTRING"
            );
            let error = RowError::new(ErrorName::RowTooLarge, message);
            errors.push(ErrorRow::of_batch_row(&error, batch, row, &self.types, pump, clock));
        }
        Some(batch.filter(&kept).expect("the mask has one value for each row"))
    }
}

//! Rows as a checkpoint holds them.

use super::StateError;
use millstream_columns::{Batch, array_from_values, value_at};
use millstream_sql::{SqlType, Value};
use serde::{Deserialize, Serialize};

/// Rows by columns, as plain values.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedBatch {
    rowtimes: Vec<i64>,
    columns: Vec<Vec<Value>>,
}

impl SavedBatch {
    /// The rows of a batch with columns of these types.
    pub(super) fn of(batch: &Batch, types: &[SqlType]) -> SavedBatch {
        let columns =
            batch.columns.iter().zip(types).map(|(column, sql_type)| {
                (0..batch.len()).map(|row| value_at(column, *sql_type, row)).collect()
            });
        SavedBatch { rowtimes: batch.rowtimes.to_vec(), columns: columns.collect() }
    }

    /// The rows again.
    pub(super) fn restored(&self, types: &[SqlType]) -> Result<Batch, StateError> {
        if self.columns.len() != types.len()
            || self.columns.iter().any(|column| column.len() != self.rowtimes.len())
        {
            return Err(StateError::Columns);
        }
        let columns = self.columns.iter().zip(types);
        let columns = columns.map(|(values, sql_type)| array_from_values(*sql_type, values));
        Ok(Batch::new(self.rowtimes.clone().into(), columns.collect::<Result<_, _>>()?))
    }

    /// The rows of batches of these types, as one.
    pub(super) fn of_all(batches: &[Batch], types: &[SqlType]) -> SavedBatch {
        let whole = Batch::concat(batches).unwrap_or_else(|_| Batch::empty(types));
        SavedBatch::of(&whole, types)
    }

    /// The rows again; no batch without rows.
    pub(super) fn restored_rows(&self, types: &[SqlType]) -> Result<Vec<Batch>, StateError> {
        let batch = self.restored(types)?;
        Ok(if batch.is_empty() { Vec::new() } else { vec![batch] })
    }
}

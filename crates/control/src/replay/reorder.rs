//! Rows in the order of their times, whatever the order of their records.

use std::collections::VecDeque;

use arrow_array::{Array, UInt32Array};
use arrow_schema::ArrowError;
use millstream_columns::Batch;

/// How many bytes of rows may wait before replays without a lateness begin to give them.
const WHOLE_INPUT_BYTES: usize = 1 << 30;

/// Rows that go to the engine at once.
const BATCH_ROWS: usize = 4_096;

/// Rows whose order cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A row is later than was allowed for.
    #[error(
        "record {record} is {} s behind one before it, and --lateness allows for {} s: allow for more, or give no \
         --lateness, then the whole input is sorted",
        seconds(*behind), seconds(*lateness)
    )]
    TooLate {
        /// Its number, from 1.
        record: u64,
        /// In milliseconds.
        behind: i64,
        /// In milliseconds.
        lateness: i64,
    },
    /// The input is too large to be sorted as a whole.
    #[error(
        "the times of {count} of the first {rows} rows go back, the first in record {record}, by {} s at most; the input is \
         too large to be sorted as a whole (at most {limit} bytes of rows are held): say with --lateness by how much times may \
         go back",
        seconds(*behind)
    )]
    TooLarge {
        /// Rows that are behind one before them.
        count: u64,
        /// Rows so far.
        rows: u64,
        /// The number of the first one's record, from 1.
        record: u64,
        /// By how much at most, in milliseconds.
        behind: i64,
        /// Bytes of rows that are held.
        limit: usize,
    },
    /// The texts of a column are too large to be sorted.
    #[error("the rows cannot be sorted: {0}")]
    Arrow(String),
}

fn seconds(millis: i64) -> String {
    if millis % 1_000 == 0 { (millis / 1_000).to_string() } else { format!("{:.3}", millis as f64 / 1_000.0) }
}

impl From<ArrowError> for OrderError {
    fn from(error: ArrowError) -> OrderError {
        OrderError::Arrow(error.to_string())
    }
}

/// Holds rows back until none can come that belongs before them; equal times stay in the order of their records.
///
/// Cost: rows are sorted each time they have doubled, O(n log n) altogether.
pub(super) struct Reorder {
    /// By how much times may go back, in milliseconds; without it, by any amount as long as the input can be held.
    lateness: Option<i64>,
    limit: usize,
    is_too_large: bool,
    held: Vec<Batch>,
    held_rows: usize,
    held_bytes: usize,
    /// How many rows stayed behind when rows were last released.
    kept_rows: usize,
    newest: Option<i64>,
    rows: u64,
    /// Rows that are behind one before them, the first one's record, and by how much at most.
    disorder: Option<(u64, u64, i64)>,
    ready: VecDeque<Batch>,
}

impl Reorder {
    pub(super) fn new(lateness: Option<i64>) -> Reorder {
        Reorder {
            lateness,
            limit: WHOLE_INPUT_BYTES,
            is_too_large: false,
            held: Vec::new(),
            held_rows: 0,
            held_bytes: 0,
            kept_rows: 0,
            newest: None,
            rows: 0,
            disorder: None,
            ready: VecDeque::new(),
        }
    }

    /// Rows with the times that they claim. `record` gives the number of a row's record.
    ///
    /// # Errors
    /// A row is later than is allowed for, or the input is too large to be sorted.
    pub(super) fn hold(&mut self, batch: Batch, record: impl Fn(usize) -> u64) -> Result<(), OrderError> {
        for (row, time) in batch.rowtimes.iter().enumerate() {
            let newest = self.newest.map_or(*time, |newest| newest.max(*time));
            let behind = newest.saturating_sub(*time);
            self.newest = Some(newest);
            if behind > 0 {
                match self.lateness.filter(|lateness| behind > *lateness) {
                    Some(_) if self.is_too_large => return Err(self.too_large((1, record(row), behind))),
                    Some(lateness) => {
                        return Err(OrderError::TooLate { record: record(row), behind, lateness });
                    }
                    None => {}
                }
                let (count, _, most) = self.disorder.get_or_insert((0, record(row), 0));
                *count += 1;
                *most = behind.max(*most);
            }
        }
        self.rows += batch.len() as u64;
        self.held_rows += batch.len();
        self.held_bytes += batch.columns.iter().map(|column| column.get_array_memory_size()).sum::<usize>();
        self.held_bytes += batch.len() * size_of::<i64>();
        self.held.push(batch);
        if self.lateness.is_none() && self.held_bytes > self.limit {
            if let Some(disorder) = self.disorder {
                return Err(self.too_large(disorder));
            }
            // Sorted so far, and no longer to be held: from here on it must stay so.
            self.is_too_large = true;
            self.lateness = Some(0);
        }
        if let (Some(lateness), Some(newest)) = (self.lateness, self.newest)
            && self.held_rows >= (2 * self.kept_rows).max(1)
        {
            self.release(Some(newest.saturating_sub(lateness)))?;
        }
        Ok(())
    }

    fn too_large(&self, (count, record, behind): (u64, u64, i64)) -> OrderError {
        OrderError::TooLarge { count, rows: self.rows, record, behind, limit: self.limit }
    }

    /// No more rows come: all are ready.
    ///
    /// # Errors
    /// [`OrderError::Arrow`].
    pub(super) fn end(&mut self) -> Result<(), OrderError> {
        self.release(None)
    }

    /// The next rows in order.
    pub(super) fn next(&mut self) -> Option<Batch> {
        let batch = self.ready.pop_front()?;
        if batch.len() > BATCH_ROWS {
            self.ready.push_front(batch.slice(BATCH_ROWS, batch.len() - BATCH_ROWS));
            return Some(batch.slice(0, BATCH_ROWS));
        }
        Some(batch)
    }

    /// Makes the rows up to a time ready.
    fn release(&mut self, until: Option<i64>) -> Result<(), OrderError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let all = Batch::concat(&held)?;
        drop(held);
        let all = if all.rowtimes.is_sorted() {
            all
        } else {
            let rows =
                u32::try_from(all.len()).map_err(|_| OrderError::Arrow("there are too many".into()))?;
            let mut order: Vec<u32> = (0..rows).collect();
            order.sort_by_key(|row| all.rowtimes[*row as usize]);
            all.take(&UInt32Array::from(order))?
        };
        let ready = until.map_or(all.len(), |until| all.rowtimes.partition_point(|time| *time <= until));
        let kept = all.len() - ready;
        if ready > 0 {
            self.ready.push_back(all.slice(0, ready));
        }
        if kept > 0 {
            self.held.push(all.slice(ready, kept));
        }
        (self.held_rows, self.kept_rows) = (kept, kept);
        self.held_bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;

    use super::*;

    /// Rows whose value is their number.
    fn batch(first: usize, times: &[i64]) -> Batch {
        let numbers = (first..first + times.len()).map(|number| number as i64);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        Batch::new(times.to_vec().into(), vec![numbers])
    }

    fn rows(reorder: &mut Reorder) -> Vec<(i64, i64)> {
        let mut rows = Vec::new();
        while let Some(batch) = reorder.next() {
            assert!(batch.len() <= BATCH_ROWS);
            let numbers = batch.columns[0].as_any().downcast_ref::<Int64Array>().unwrap().values().clone();
            rows.extend(batch.rowtimes.iter().copied().zip(numbers.iter().copied()));
        }
        rows
    }

    fn hold_all(reorder: &mut Reorder, times: &[i64], size: usize) -> Result<Vec<(i64, i64)>, OrderError> {
        let mut came = Vec::new();
        for (index, chunk) in times.chunks(size).enumerate() {
            reorder.hold(batch(index * size, chunk), |row| (index * size + row + 1) as u64)?;
            came.extend(rows(reorder));
        }
        reorder.end()?;
        came.extend(rows(reorder));
        Ok(came)
    }

    proptest! {
        /// A stable sort, whatever the batches, with and without a lateness that is large enough.
        #[test]
        fn rows_come_in_order(
            times in prop::collection::vec(0_i64..1_000, 0..300),
            size in 1_usize..50,
            more in 0_i64..500,
        ) {
            let mut expected: Vec<(i64, i64)> = times.iter().copied().zip(0..).collect();
            expected.sort_by_key(|(time, _)| *time);
            prop_assert_eq!(&hold_all(&mut Reorder::new(None), &times, size).unwrap(), &expected);
            let mut newest = i64::MIN;
            let behind = times.iter().map(|time| { newest = newest.max(*time); newest - time }).max().unwrap_or(0);
            let mut reorder = Reorder::new(Some(behind + more));
            prop_assert_eq!(&hold_all(&mut reorder, &times, size).unwrap(), &expected);
            if behind > 0 {
                let error = hold_all(&mut Reorder::new(Some(behind - 1)), &times, size).unwrap_err();
                let is_too_late = matches!(error, OrderError::TooLate { .. });
                prop_assert!(is_too_late);
            }
        }
    }

    #[test]
    fn a_large_input_must_be_sorted_or_have_a_lateness() {
        let sorted: Vec<i64> = (0..10_000).collect();
        let mut reorder = Reorder { limit: 10_000, ..Reorder::new(None) };
        assert_eq!(hold_all(&mut reorder, &sorted, 100).unwrap().len(), 10_000);

        let mut late = sorted.clone();
        late[9_000] = 5_000;
        let mut reorder = Reorder { limit: 10_000, ..Reorder::new(None) };
        let OrderError::TooLarge { count, record, behind, .. } =
            hold_all(&mut reorder, &late, 100).unwrap_err()
        else {
            panic!()
        };
        assert_eq!((count, record, behind), (1, 9_001, 3_999));

        late[50] = 20;
        late[60] = 10;
        let mut reorder = Reorder { limit: 10_000, ..Reorder::new(None) };
        let OrderError::TooLarge { count, record, behind, .. } =
            hold_all(&mut reorder, &late, 100).unwrap_err()
        else {
            panic!()
        };
        assert_eq!((count, record, behind), (2, 51, 49));
    }
}

//! SELECT DISTINCT: the first of equal rows leaves at once; what has left is forgotten when the monotonic column moves.

use super::counted_keys::CountedKeys;
use super::row_failures::report_row;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::grouping::EncodedKeys;
use crate::state::keyed::KeyedLog;
use arrow_array::{ArrayRef, BooleanArray};
use millstream_columns::Batch;
use millstream_columns::values::most_value_bytes;
use millstream_sql::SqlType;

pub(super) struct Distinct {
    columns: Vec<usize>,
    /// ROWTIME when absent.
    moving: Option<usize>,
    /// The rows that have left since the column that moves had its value.
    seen: CountedKeys,
    /// That value, encoded.
    current: Option<Vec<u8>>,
    types: Vec<SqlType>,
    log: KeyedLog,
}

impl Distinct {
    pub(super) fn new(columns: &[usize], moving: Option<usize>, types: Vec<SqlType>) -> Distinct {
        let (seen, log) = (CountedKeys::default(), KeyedLog::default());
        Distinct { columns: columns.to_vec(), moving, seen, current: None, types, log }
    }
}

/// The encoded key of a row.
fn bytes_of(keys: &EncodedKeys, row: usize) -> Vec<u8> {
    let mut scratch = [0; 8];
    keys.row_bytes(row, &mut scratch).to_vec()
}

impl Operator for Distinct {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let compared: Vec<ArrayRef> =
            self.columns.iter().map(|column| batch.columns[*column].clone()).collect();
        let keys = EncodedKeys::new(&compared, batch.len());
        let times = match self.moving {
            Some(column) => EncodedKeys::new(std::slice::from_ref(&batch.columns[column]), batch.len()),
            None => EncodedKeys::Numbers(batch.rowtimes.iter().map(|time| *time as u64).collect()),
        };
        let mut kept = vec![false; batch.len()];
        let mut scratch = [0; 8];
        for (row, kept) in kept.iter_mut().enumerate() {
            let time = times.row_bytes(row, &mut scratch);
            if self.current.as_deref() != Some(time) {
                self.current = Some(time.to_vec());
                self.seen.clear();
            }
            if context.is_tight && !self.seen.contains(&keys, row) {
                let needed = CountedKeys::bytes_of(bytes_of(&keys, row).len());
                if let Some(refusal) = context.refusal(self.seen.bytes(), needed) {
                    report_row(&refusal, &batch, row, &self.types, context);
                    continue;
                }
            }
            *kept = self.seen.count(&keys, row);
        }
        outbox.rows(batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row"));
        outbox.bound(last);
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        25
    }

    fn held_bytes(&self) -> usize {
        self.seen.bytes()
    }

    fn most_bytes_a_row(&self) -> usize {
        // A column is encoded with its length and whether it is NULL.
        let key: usize = self.columns.iter().map(|column| most_value_bytes(self.types[*column]) + 8).sum();
        CountedKeys::bytes_of(key)
    }

    fn bounds_change_state(&self) -> bool {
        false
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let header = postcard::to_allocvec(&self.current)?;
        self.log.save(header, std::slice::from_mut(&mut self.seen), state)
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        if state.version() > 1 {
            let header = self.log.restore(std::slice::from_mut(&mut self.seen), state)?;
            self.current = postcard::from_bytes(header)?;
            return Ok(());
        }
        let kept: Vec<Vec<u8>>;
        (self.current, kept) = postcard::from_bytes(&state.whole()?)?;
        for key in kept {
            if !self.seen.put(&key, 1) {
                return Err(StateError::Damaged("two rows are equal"));
            }
        }
        Ok(())
    }
}

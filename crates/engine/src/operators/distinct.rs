//! SELECT DISTINCT: the first of equal rows leaves at once; what has left is forgotten when the monotonic column moves.

use super::memory::GROUP_OVERHEAD;
use super::row_failures::report_row;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::batch::Batch;
use crate::grouping::{EncodedKeys, GroupTable};
use crate::values::most_value_bytes;
use arrow_array::{ArrayRef, BooleanArray};
use millstream_sql::SqlType;

pub(super) struct Distinct {
    columns: Vec<usize>,
    /// ROWTIME when absent.
    moving: Option<usize>,
    seen: GroupTable,
    ids: Vec<u32>,
    /// What a checkpoint holds: the rows that have left as bytes, in order, and the value of the column that moves.
    kept: Vec<Vec<u8>>,
    current: Option<Vec<u8>>,
    kept_bytes: usize,
    types: Vec<SqlType>,
}

impl Distinct {
    pub(super) fn new(columns: &[usize], moving: Option<usize>, types: Vec<SqlType>) -> Distinct {
        Distinct {
            columns: columns.to_vec(),
            moving,
            seen: GroupTable::default(),
            ids: Vec::new(),
            kept: Vec::new(),
            current: None,
            kept_bytes: 0,
            types,
        }
    }
}

/// Bytes held of a row that has left: in the table and for a checkpoint.
fn needed_bytes(key: &[u8]) -> usize {
    GROUP_OVERHEAD + 2 * key.len()
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
        let mut start = 0;
        while start < batch.len() {
            let time = bytes_of(&times, start);
            let mut scratch = [0; 8];
            let end =
                (start + 1..batch.len()).find(|row| times.row_bytes(*row, &mut scratch) != time.as_slice());
            let end = end.unwrap_or(batch.len());
            if self.current.as_ref() != Some(&time) {
                self.current = Some(time);
                self.seen.clear();
                self.kept.clear();
                self.kept_bytes = 0;
            }
            if context.is_tight
                && !self.kept.contains(&bytes_of(&keys, start))
                && let Some(refusal) = context.refusal(self.kept_bytes, needed_bytes(&bytes_of(&keys, start)))
            {
                report_row(&refusal, &batch, start, &self.types, context);
                start = end;
                continue;
            }
            self.ids.clear();
            self.seen.assign(&keys, start..end, &mut self.ids);
            for (index, id) in self.ids.iter().enumerate() {
                if *id as usize == self.kept.len() {
                    kept[start + index] = true;
                    let key = bytes_of(&keys, start + index);
                    self.kept_bytes += needed_bytes(&key);
                    self.kept.push(key);
                }
            }
            start = end;
        }
        outbox.rows(batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row"));
        outbox.bound(last);
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }

    fn held_bytes(&self) -> usize {
        self.kept_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        // A column is encoded with its length and whether it is NULL.
        let key: usize = self.columns.iter().map(|column| most_value_bytes(self.types[*column]) + 8).sum();
        GROUP_OVERHEAD + 2 * key
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&(&self.current, &self.kept)))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        (self.current, self.kept) = postcard::from_bytes(&state)?;
        self.kept_bytes = self.kept.iter().map(|key| needed_bytes(key)).sum();
        self.seen.clear();
        for key in &self.kept {
            self.seen.group(key);
        }
        Ok(())
    }
}

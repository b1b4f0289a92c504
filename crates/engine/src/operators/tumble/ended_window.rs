//! A window that has ended: its groups, of all shards, become rows.

use super::super::interleave::Interleaved;
use super::super::{Outbox, RunContext};
use super::shard::EndedGroups;
use crate::error_row::ErrorRow;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::values::array_from_values;
use millstream_columns::{Batch, RowError};
use millstream_sql::{SqlType, Value};

/// What a row holds: all keys, then the aggregates.
pub(super) struct ResultShape<'t> {
    pub(super) key_types: &'t [SqlType],
    /// Which keys tell the groups of one window apart; the other one moves the window.
    pub(super) grouping_keys: &'t [usize],
    pub(super) aggregates: usize,
}

/// A window that has ended.
pub(super) struct EndedWindow {
    /// ROWTIME of its rows.
    rowtime: i64,
    /// The value of the key that moves the window.
    key: Value,
    /// What the shards held of it.
    groups: Vec<EndedGroups>,
    made: Option<Rows>,
}

/// A row for each group, in the order of their first rows.
struct Rows {
    batch: Batch,
    /// Rows without the value of an aggregate, by aggregate.
    failed: Vec<(usize, RowError)>,
}

impl EndedWindow {
    /// A window with the ROWTIME of its rows and the key that moves it, without groups yet.
    pub(super) fn new((rowtime, key): (i64, Value)) -> EndedWindow {
        EndedWindow { rowtime, key, groups: Vec::new(), made: None }
    }

    /// Adds what a shard held of it.
    pub(super) fn add(&mut self, groups: EndedGroups) {
        self.groups.push(groups);
    }

    /// Estimated nanoseconds of [`EndedWindow::make_rows`].
    pub(super) fn cost(&self, shape: &ResultShape<'_>) -> u64 {
        let groups: usize = self.groups.iter().map(|groups| groups.firsts.len()).sum();
        let columns = shape.key_types.len() + shape.aggregates;
        2_000 + (groups * (40 + 20 * columns)) as u64
    }

    /// Makes the rows of its groups, in the order of their first rows.
    pub(super) fn make_rows(&mut self, shape: &ResultShape<'_>) {
        let groups = std::mem::take(&mut self.groups);
        let mut order: Vec<(u64, usize, usize)> =
            Vec::with_capacity(groups.iter().map(|groups| groups.firsts.len()).sum());
        for (index, groups) in groups.iter().enumerate() {
            order.extend(groups.firsts.iter().enumerate().map(|(group, first)| (*first, index, group)));
        }
        if order.is_empty() {
            return;
        }
        order.sort_unstable();
        let count = order.len();
        let interleaved = Interleaved::new(order.iter().map(|(_, shard, group)| (*shard, *group)));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(shape.key_types.len() + shape.aggregates);
        for (index, sql_type) in shape.key_types.iter().enumerate() {
            columns.push(match shape.grouping_keys.iter().position(|key| *key == index) {
                Some(place) => {
                    let keys: Vec<ArrayRef> = groups.iter().map(|it| it.keys[place].clone()).collect();
                    interleaved.array(&keys)
                }
                None => array_from_values(*sql_type, &vec![self.key.clone(); count])
                    .expect("the key that moves the window has the type of its expression"),
            });
        }
        let mut failed = Vec::new();
        for aggregate in 0..shape.aggregates {
            let (column, errors) = interleaved.column(groups.iter().map(|it| it.results[aggregate].clone()));
            columns.push(column);
            failed.extend(errors);
        }
        let batch = Batch::new(ScalarBuffer::from(vec![self.rowtime; count]), columns);
        self.made = Some(Rows { batch, failed });
    }

    /// Gives the rows that were made; those whose aggregates do not exist become errors.
    pub(super) fn give(self, key_types: &[SqlType], context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(Rows { mut batch, failed }) = self.made else { return };
        if !failed.is_empty() {
            let mut kept = vec![true; batch.len()];
            for (group, error) in failed {
                if std::mem::replace(&mut kept[group], false) {
                    let keys = &batch.columns[..key_types.len()];
                    let row = Batch::new(batch.rowtimes.clone(), keys.to_vec());
                    let clock = context.evaluation;
                    let error = ErrorRow::of_batch_row(&error, &row, group, key_types, context.pump, clock);
                    context.errors.push(error);
                }
            }
            batch = batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each group");
        }
        outbox.rows(batch);
    }
}

//! Tumbling windows: GROUP BY with a monotonic key.
//!
//! ```text
//!   rows      ──▶ │ window 1 │ window 2 │ …        a window closes when a row or a bound reaches its end:
//!   ROWTIME       0          5          10         its groups leave with that end as ROWTIME
//! ```

use super::memory::GROUP_OVERHEAD;
use super::row_failures::{evaluate_all, report_row};
use super::{END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter, compile_all};
use crate::aggregates::Accumulator;
use crate::application::ErrorRow;
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use crate::values::{array_from_values, most_value_bytes, value_at, value_bytes};
use crate::windows::WindowBoundary;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use millstream_sql::{AggregateCall, Expression, ExpressionKind, GroupDriver, SqlType, Value};
use serde::{Deserialize, Serialize};
use std::ops::Range;

pub(super) struct Tumble {
    /// All grouping expressions, then the arguments of the aggregates that have one.
    expressions: Vec<CompiledExpression>,
    key_types: Vec<SqlType>,
    /// Which keys tell the groups of one window apart.
    grouping_keys: Vec<usize>,
    /// For each aggregate, the place of its argument in `expressions`.
    arguments: Vec<Option<usize>>,
    driver: Driver,
    /// The key that moves the window by ROWTIME: the same for all its rows, so it is not computed for each.
    lazy_key: Option<LazyKey>,
    input_types: Vec<SqlType>,
    groups: GroupTable,
    ids: Vec<u32>,
    /// Bytes of the keys of all groups and what surrounds them.
    key_bytes: usize,
    /// ROWTIME of the latest row; states of version 1 do not have it.
    latest: Option<i64>,
    state: TumbleState,
}

enum Driver {
    /// The window ends by ROWTIME.
    Time(WindowBoundary),
    /// The window ends with a row of another value of this key.
    Value { key: usize },
}

struct LazyKey {
    key: usize,
    expression: CompiledExpression,
}

/// What a checkpoint holds.
#[derive(Serialize, Deserialize)]
struct TumbleState {
    /// The open window; its groups' keys in order of first appearance.
    window: Option<OpenWindow>,
    accumulators: Vec<Accumulator>,
    /// For each group, all its keys.
    group_keys: Vec<Vec<Value>>,
    /// For each group, the bytes that tell it apart.
    encoded_keys: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
enum OpenWindow {
    /// Rows below this ROWTIME belong to it.
    Until(i64),
    /// Rows with this value of the key belong to it.
    While(Value),
}

impl Tumble {
    pub(super) fn new(
        keys: &[Expression],
        driver: &GroupDriver,
        aggregates: &[AggregateCall],
        input_types: Vec<SqlType>,
    ) -> Result<Tumble, CompileError> {
        let mut expressions = compile_all(keys)?;
        let mut arguments = Vec::new();
        for call in aggregates {
            arguments.push(match &call.argument {
                Some(argument) => {
                    expressions.push(CompiledExpression::compile(argument)?);
                    Some(expressions.len() - 1)
                }
                None => None,
            });
        }
        let (driving_key, driver) = match driver {
            GroupDriver::Periodic { key, period, offset } => {
                (*key, Driver::Time(WindowBoundary::Periodic { period: *period, offset: *offset }))
            }
            GroupDriver::Rowtime { key } => {
                (*key, Driver::Time(WindowBoundary::Key(CompiledExpression::compile(&keys[*key])?)))
            }
            GroupDriver::Value { key } => (*key, Driver::Value { key: *key }),
        };
        let grouping_keys: Vec<usize> = (0..keys.len()).filter(|index| *index != driving_key).collect();
        let lazy_key = match driver {
            Driver::Time(_) => {
                // Its place in the list of expressions is taken by a constant, which costs nothing.
                let null = Expression::new(
                    ExpressionKind::Literal(Value::Null),
                    SqlType::Null,
                    keys[driving_key].span,
                );
                let expression =
                    std::mem::replace(&mut expressions[driving_key], CompiledExpression::compile(&null)?);
                Some(LazyKey { key: driving_key, expression })
            }
            Driver::Value { .. } => None,
        };
        let single = grouping_keys.is_empty();
        Ok(Tumble {
            expressions,
            key_types: keys.iter().map(|key| key.sql_type).collect(),
            grouping_keys,
            arguments,
            driver,
            lazy_key,
            input_types,
            groups: GroupTable::default(),
            ids: Vec::new(),
            key_bytes: 0,
            latest: None,
            state: TumbleState {
                window: None,
                accumulators: aggregates.iter().map(|call| Accumulator::new(call, single)).collect(),
                group_keys: Vec::new(),
                encoded_keys: Vec::new(),
            },
        })
    }

    /// How many rows from `start` on belong to one window, and that window.
    fn segment(
        &self,
        batch: &Batch,
        values: &[ArrayRef],
        start: usize,
        context: &RunContext<'_>,
    ) -> (Range<usize>, OpenWindow) {
        match &self.driver {
            Driver::Time(boundary) => {
                let rowtime = batch.rowtimes[start];
                let end = match &self.state.window {
                    Some(OpenWindow::Until(end)) if rowtime < *end => *end,
                    _ => boundary.end_of(rowtime, &context.evaluation),
                };
                let length = batch.rowtimes[start..].partition_point(|time| *time < end);
                (start..start + length, OpenWindow::Until(end))
            }
            Driver::Value { key } => {
                let sql_type = self.key_types[*key];
                let value = value_at(&values[*key], sql_type, start);
                let mut end = start + 1;
                while end < batch.len() && value_at(&values[*key], sql_type, end) == value {
                    end += 1;
                }
                (start..end, OpenWindow::While(value))
            }
        }
    }

    fn add(
        &mut self,
        values: &[ArrayRef],
        encoded: &EncodedKeys,
        range: Range<usize>,
        window_key: Option<&Value>,
    ) {
        self.ids.clear();
        if self.grouping_keys.is_empty() {
            self.groups.group(&[]);
        } else {
            self.groups.assign(encoded, range.clone(), &mut self.ids);
        }
        self.remember_new_groups(values, encoded, &range, window_key);
        for (accumulator, argument) in self.state.accumulators.iter_mut().zip(&self.arguments) {
            accumulator.resize(self.groups.len());
            let values = argument.map(|index| &values[index]);
            if self.grouping_keys.is_empty() {
                accumulator.update_single(values, range.clone());
            } else {
                accumulator.update_groups(values, range.start, &self.ids);
            }
        }
    }

    /// Bytes of a group: its keys as values and encoded, its place in every accumulator.
    fn group_bytes(&self, keys: &[Value]) -> usize {
        let keys: usize = keys.iter().map(|key| 2 * value_bytes(key)).sum();
        GROUP_OVERHEAD + keys + self.state.accumulators.len() * Accumulator::MOST_GROUP_BYTES
    }

    /// Bytes that a row adds to what is held.
    fn needed_bytes(&self, values: &[ArrayRef], encoded: &EncodedKeys, row: usize) -> usize {
        let group = match self.grouping_keys.as_slice() {
            [] => (self.groups.len() > 0).then_some(0),
            _ => self.groups.find(encoded, row).map(|group| group as usize),
        };
        let group_bytes = match group {
            Some(_) => 0,
            None => {
                let lazy = self.lazy_key.as_ref().map(|lazy| lazy.key);
                let keys = self.key_types.iter().enumerate().map(|(index, sql_type)| match lazy {
                    Some(lazy) if lazy == index => Value::Null,
                    _ => value_at(&values[index], *sql_type, row),
                });
                self.group_bytes(&keys.collect::<Vec<Value>>())
            }
        };
        let accumulators = self.state.accumulators.iter().zip(&self.arguments);
        let distinct = accumulators.map(|(accumulator, argument)| {
            argument.map_or(0, |index| accumulator.needed_bytes(&values[index], row, group))
        });
        group_bytes + distinct.sum::<usize>()
    }

    /// Notes the keys of groups that appeared in this range.
    fn remember_new_groups(
        &mut self,
        values: &[ArrayRef],
        encoded: &EncodedKeys,
        range: &Range<usize>,
        window_key: Option<&Value>,
    ) {
        if self.state.group_keys.len() == self.groups.len() {
            return;
        }
        let lazy = self.lazy_key.as_ref().map(|lazy| lazy.key);
        let keys_of = |row: usize| -> Vec<Value> {
            let types = self.key_types.iter().enumerate();
            types
                .map(|(index, sql_type)| match window_key {
                    Some(value) if lazy == Some(index) => value.clone(),
                    _ => value_at(&values[index], *sql_type, row),
                })
                .collect()
        };
        if self.grouping_keys.is_empty() {
            let keys = keys_of(range.start);
            self.key_bytes += self.group_bytes(&keys);
            self.state.group_keys.push(keys);
            self.state.encoded_keys.push(Vec::new());
            return;
        }
        let mut scratch = [0; 8];
        for (index, group) in self.ids.iter().enumerate() {
            if *group as usize == self.state.group_keys.len() {
                let row = range.start + index;
                let keys = keys_of(row);
                self.key_bytes += self.group_bytes(&keys);
                self.state.group_keys.push(keys);
                self.state.encoded_keys.push(encoded.row_bytes(row, &mut scratch).to_vec());
            }
        }
    }

    /// Gives the groups of the open window, which ended at `rowtime`.
    fn close(&mut self, rowtime: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.state.window = None;
        let count = self.state.group_keys.len();
        if count == 0 {
            return;
        }
        let groups: Vec<usize> = (0..count).collect();
        let mut columns: Vec<ArrayRef> =
            Vec::with_capacity(self.key_types.len() + self.state.accumulators.len());
        for (index, sql_type) in self.key_types.iter().enumerate() {
            let keys: Vec<Value> = self.state.group_keys.iter().map(|keys| keys[index].clone()).collect();
            columns
                .push(array_from_values(*sql_type, &keys).expect("keys have the type of their expression"));
        }
        let mut failed = Vec::new();
        for accumulator in &self.state.accumulators {
            let (column, errors) = accumulator.results(&groups);
            failed.extend(errors.iter().map(|(group, error)| (group, error.clone())));
            columns.push(column);
        }
        let mut batch = Batch::new(ScalarBuffer::from(vec![rowtime; count]), columns);
        if !failed.is_empty() {
            let mut kept = vec![true; count];
            for (group, error) in failed {
                if std::mem::replace(&mut kept[group], false) {
                    let keys = &batch.columns[..self.key_types.len()];
                    let row = Batch::new(batch.rowtimes.clone(), keys.to_vec());
                    let now = context.evaluation.now;
                    let error =
                        ErrorRow::of_batch_row(&error, &row, group, &self.key_types, context.pump, now);
                    context.errors.push(error);
                }
            }
            batch = batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each group");
        }
        outbox.rows(batch);
        self.groups.clear();
        self.key_bytes = 0;
        self.state.group_keys.clear();
        self.state.encoded_keys.clear();
        self.state.accumulators.iter_mut().for_each(Accumulator::clear);
    }

    /// Closes the open window if `time` is at or past its end.
    fn close_before(&mut self, time: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        if let Some(OpenWindow::Until(end)) = self.state.window
            && time >= end
        {
            self.close(end, context, outbox);
        }
    }

    /// The bound of the output when the input has come to `bound`.
    fn output_bound(&self, bound: i64) -> i64 {
        match &self.state.window {
            Some(OpenWindow::Until(end)) => *end,
            // The row of a window that a row ends will bear the ROWTIME of that row.
            Some(OpenWindow::While(_)) | None => bound,
        }
    }
}

impl Operator for Tumble {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        self.latest = Some(last);
        let expressions: Vec<&CompiledExpression> = self.expressions.iter().collect();
        let (batch, values) = evaluate_all(&expressions, batch, &self.input_types, context);
        let key_columns: Vec<ArrayRef> = self.grouping_keys.iter().map(|key| values[*key].clone()).collect();
        let encoded = EncodedKeys::new(&key_columns, batch.len());
        let mut start = 0;
        while start < batch.len() {
            let (range, window) = self.segment(&batch, &values, start, context);
            let window_key = match &self.lazy_key {
                None => None,
                Some(lazy) => {
                    match lazy.expression.evaluate_rowtime_only(batch.rowtimes[start], &context.evaluation) {
                        Ok(value) => Some(value),
                        Err(error) => {
                            // A key out of the range of its type: none of these rows has a window.
                            for row in range.clone() {
                                report_row(&error, &batch, row, &self.input_types, context);
                            }
                            start = range.end;
                            continue;
                        }
                    }
                }
            };
            if self.state.window.as_ref().is_some_and(|open| *open != window) {
                let rowtime = match &self.state.window {
                    Some(OpenWindow::Until(end)) => *end,
                    _ => batch.rowtimes[start],
                };
                self.close(rowtime, context, outbox);
            }
            self.state.window = Some(window);
            start = range.end;
            if context.is_tight {
                let needed = self.needed_bytes(&values, &encoded, range.start);
                if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                    report_row(&refusal, &batch, range.start, &self.input_types, context);
                    continue;
                }
            }
            self.add(&values, &encoded, range, window_key.as_ref());
        }
        // A row that failed still shows how far time has come.
        self.close_before(last, context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(bound, context, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(END_OF_TIME, context, outbox);
        if self.state.window.is_some() {
            // Neither a row nor the end of all time has ended it: its own latest row does.
            let latest = self.latest.unwrap_or(context.evaluation.now);
            self.close(latest, context, outbox);
        }
        outbox.bound(END_OF_TIME);
    }

    fn held_bytes(&self) -> usize {
        self.key_bytes + self.state.accumulators.iter().map(Accumulator::distinct_bytes).sum::<usize>()
    }

    fn most_bytes_a_row(&self) -> usize {
        let keys: usize = self.key_types.iter().map(|sql_type| 2 * most_value_bytes(*sql_type)).sum();
        let accumulators = self.state.accumulators.iter();
        let accumulators =
            accumulators.map(|it| Accumulator::MOST_GROUP_BYTES + it.most_distinct_bytes_a_row());
        GROUP_OVERHEAD + keys + accumulators.sum::<usize>()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&(&self.state, self.latest)))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let bytes = state.whole()?;
        (self.state, self.latest) = match state.version() {
            1 => (postcard::from_bytes(&bytes)?, None),
            _ => postcard::from_bytes(&bytes)?,
        };
        self.state.accumulators.iter_mut().for_each(Accumulator::recount);
        self.groups.clear();
        for key in &self.state.encoded_keys {
            self.groups.group(key);
        }
        self.key_bytes = self.state.group_keys.iter().map(|keys| self.group_bytes(keys)).sum();
        Ok(())
    }
}

//! Sliding windows: OVER. One row out for each row in, with the value of each call over its window.

use super::row_failures::evaluate_all;
use super::{Operator, Outbox, RunContext, StateError, compile_all};
use crate::application::ErrorRow;
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use crate::row_error::RowError;
use crate::values::{array_from_values, value_at};
use crate::windows::{CallState, FrameRows};
use arrow_array::{ArrayRef, BooleanArray};
use millstream_sql::{Frame, SlidingWindow, SqlType, Value, WindowCall};
use serde::{Deserialize, Serialize};

pub(super) struct Slide {
    windows: Vec<Window>,
    calls: Vec<Call>,
    /// The arguments of the calls that have one.
    arguments: Vec<CompiledExpression>,
    lower_bound_is_exclusive: bool,
    input_types: Vec<SqlType>,
}

struct Window {
    partition: Vec<CompiledExpression>,
    frame: Frame,
    /// Calls over this window, by number.
    calls: Vec<usize>,
    /// Numbers the partitions by their keys.
    numbers: GroupTable,
    partitions: Vec<Partition>,
    /// Rows since the last look for partitions that are past.
    rows_since_sweep: usize,
}

struct Call {
    plan: WindowCall,
    /// Place of its argument among the evaluated ones.
    argument: Option<usize>,
}

/// The rows that windows move over, with what their calls look at.
struct SlideRows<'r> {
    rowtimes: &'r [i64],
    calls: &'r [Call],
    arguments: &'r [ArrayRef],
    lower_bound_is_exclusive: bool,
}

/// What the calls gave.
struct CallResults {
    /// One list for each call, one value for each row.
    values: Vec<Vec<Value>>,
    /// Rows whose value does not exist; their place in `values` holds NULL.
    failed: Vec<(usize, RowError)>,
}

/// One partition of a window.
#[derive(Serialize, Deserialize)]
struct Partition {
    key: Vec<u8>,
    rows: FrameRows,
    /// One for each call over the window.
    states: Vec<CallState>,
}

impl Slide {
    pub(super) fn new(
        windows: &[SlidingWindow],
        calls: &[WindowCall],
        lower_bound_is_exclusive: bool,
        input_types: Vec<SqlType>,
    ) -> Result<Slide, CompileError> {
        let mut arguments = Vec::new();
        let mut planned = Vec::new();
        for call in calls {
            let argument = match &call.argument {
                Some(argument) => {
                    arguments.push(CompiledExpression::compile(argument)?);
                    Some(arguments.len() - 1)
                }
                None => None,
            };
            planned.push(Call { plan: call.clone(), argument });
        }
        let windows = windows
            .iter()
            .enumerate()
            .map(|(number, window)| {
                let over_this = |index: &usize| calls[*index].window == number;
                Ok(Window {
                    partition: compile_all(&window.partition)?,
                    frame: window.frame,
                    calls: (0..calls.len()).filter(over_this).collect(),
                    numbers: GroupTable::default(),
                    partitions: Vec::new(),
                    rows_since_sweep: 0,
                })
            })
            .collect::<Result<_, CompileError>>()?;
        Ok(Slide { windows, calls: planned, arguments, lower_bound_is_exclusive, input_types })
    }
}

impl Window {
    /// Gives each row its partition, new ones being empty.
    fn assign(&mut self, encoded: &EncodedKeys, rows: usize, calls: &[Call]) -> Vec<u32> {
        let mut ids = Vec::new();
        self.numbers.assign(encoded, 0..rows, &mut ids);
        let mut scratch = [0; 8];
        for (row, id) in ids.iter().enumerate() {
            if *id as usize == self.partitions.len() {
                let key = encoded.row_bytes(row, &mut scratch).to_vec();
                let states = self.calls.iter().map(|call| CallState::new(&calls[*call].plan)).collect();
                self.partitions.push(Partition { key, rows: FrameRows::default(), states });
            }
        }
        ids
    }

    /// Drops partitions whose rows no later row can see, so that memory is bounded by the rows of the window. The
    /// work is paid for by the rows that came since the last time.
    fn sweep(&mut self, bound: i64) {
        if !matches!(self.frame, Frame::Range { .. })
            || self.rows_since_sweep < self.partitions.len().max(1_024)
        {
            return;
        }
        self.rows_since_sweep = 0;
        let frame = self.frame;
        let before = self.partitions.len();
        self.partitions.retain(|partition| !partition.rows.is_past(bound, frame));
        if self.partitions.len() != before {
            self.renumber();
        }
    }

    fn renumber(&mut self) {
        self.numbers.clear();
        for partition in &self.partitions {
            self.numbers.group(&partition.key);
        }
    }

    /// Moves the window over all rows; fills the value of each of its calls.
    fn advance(&mut self, rows: &SlideRows<'_>, keys: &[ArrayRef], found: &mut CallResults) {
        let SlideRows { rowtimes, calls, arguments, lower_bound_is_exclusive } = *rows;
        let encoded = EncodedKeys::new(keys, rowtimes.len());
        let keeps = self.frame != Frame::Unbounded;
        let ids = self.assign(&encoded, rowtimes.len(), calls);
        let argument_types: Vec<SqlType> = self
            .calls
            .iter()
            .map(|call| {
                calls[*call].plan.argument.as_ref().map_or(SqlType::Null, |argument| argument.sql_type)
            })
            .collect();
        for (row, (rowtime, id)) in rowtimes.iter().zip(ids).enumerate() {
            let rowtime = *rowtime;
            let partition = &mut self.partitions[id as usize];
            let leaving = partition.rows.admit(rowtime, self.frame, lower_bound_is_exclusive);
            for (place, call_number) in self.calls.iter().enumerate() {
                let call = &calls[*call_number];
                let state = &mut partition.states[place];
                for _ in 0..leaving {
                    state.leave();
                }
                let value = match call.argument {
                    Some(argument) => value_at(&arguments[argument], argument_types[place], row),
                    None => Value::Boolean(true),
                };
                state.enter(value, rowtime, &call.plan, keeps);
                let value = state.value(rowtime, &call.plan).unwrap_or_else(|error| {
                    found.failed.push((row, error));
                    Value::Null
                });
                found.values[*call_number].push(value);
            }
        }
        self.rows_since_sweep += rowtimes.len();
    }
}

impl Operator for Slide {
    fn rows(&mut self, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut expressions: Vec<&CompiledExpression> = self.arguments.iter().collect();
        for window in &self.windows {
            expressions.extend(&window.partition);
        }
        let (batch, values) = evaluate_all(&expressions, batch, &self.input_types, context);
        let (arguments, mut keys) = values.split_at(self.arguments.len());
        let mut found = CallResults {
            values: self.calls.iter().map(|_| Vec::with_capacity(batch.len())).collect(),
            failed: Vec::new(),
        };
        let rows = SlideRows {
            rowtimes: &batch.rowtimes,
            calls: &self.calls,
            arguments,
            lower_bound_is_exclusive: self.lower_bound_is_exclusive,
        };
        for window in &mut self.windows {
            let (own, rest) = keys.split_at(window.partition.len());
            keys = rest;
            window.advance(&rows, own, &mut found);
            window.sweep(last);
        }
        let mut columns = batch.columns.clone();
        for (call, values) in self.calls.iter().zip(&found.values) {
            let column = array_from_values(call.plan.sql_type, values);
            columns.push(column.expect("a call gives values of its own type"));
        }
        let mut output = Batch::new(batch.rowtimes.clone(), columns);
        if !found.failed.is_empty() {
            let mut kept = vec![true; output.len()];
            for (row, error) in found.failed {
                if std::mem::replace(&mut kept[row], false) {
                    let now = context.evaluation.now;
                    let error =
                        ErrorRow::of_batch_row(&error, &batch, row, &self.input_types, context.pump, now);
                    context.errors.push(error);
                }
            }
            output = output.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row");
        }
        outbox.rows(output);
        outbox.bound(last);
    }

    fn bound(&mut self, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        let partitions: Vec<&Vec<Partition>> = self.windows.iter().map(|window| &window.partitions).collect();
        Ok(postcard::to_allocvec(&partitions)?)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let saved: Vec<Vec<Partition>> = postcard::from_bytes(state)?;
        for (window, partitions) in self.windows.iter_mut().zip(saved) {
            window.partitions = partitions;
            window.renumber();
        }
        Ok(())
    }
}

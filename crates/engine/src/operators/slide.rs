//! Sliding windows: OVER. One row out for each row in, with the value of each call over its window.

use super::memory::GROUP_OVERHEAD;
use super::row_failures::{evaluate_all, report_row};
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter, compile_all};
use crate::application::ErrorRow;
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use crate::row_error::RowError;
use crate::values::{array_from_values, most_value_bytes, value_at};
use crate::windows::{CallState, FrameRows, Lag};
use arrow_array::{ArrayRef, BooleanArray};
use millstream_sql::{Expression, Frame, SlidingWindow, SqlType, Value, WindowCall, WindowFunction};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Milliseconds between two looks for partitions that are past, at least.
const SHORTEST_STRETCH: i64 = 1_000;

pub(super) struct Slide {
    windows: Vec<Window>,
    calls: Vec<Call>,
    /// The arguments of the calls that have one, and what LAG takes besides.
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
    /// ROWTIME of the latest row.
    latest: i64,
    /// Bytes of all partitions with their rows.
    bytes: usize,
}

struct Call {
    plan: WindowCall,
    /// Place of its argument among the evaluated ones.
    argument: Option<usize>,
    /// Places of the offset and of the default of LAG.
    lag: Option<(usize, Option<usize>)>,
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
        let mut place_of = |expression: &Expression| {
            arguments.push(CompiledExpression::compile(expression)?);
            Ok::<usize, CompileError>(arguments.len() - 1)
        };
        for call in calls {
            let argument = call.argument.as_ref().map(&mut place_of).transpose()?;
            let lag = match &call.function {
                WindowFunction::Lag { offset, default, .. } => {
                    let offset = place_of(offset)?;
                    Some((offset, default.as_deref().map(&mut place_of).transpose()?))
                }
                _ => None,
            };
            planned.push(Call { plan: call.clone(), argument, lag });
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
                    latest: i64::MIN,
                    bytes: 0,
                })
            })
            .collect::<Result<_, CompileError>>()?;
        let calls = planned;
        Ok(Slide { windows, calls, arguments, lower_bound_is_exclusive, input_types })
    }
}

impl Slide {
    /// Lets all rows go that a single row no longer sees; gives the bytes that the row itself needs.
    fn make_room(&mut self, row: &Batch, arguments: &[ArrayRef], mut keys: &[ArrayRef]) -> usize {
        let mut needed = 0;
        for window in &mut self.windows {
            let (own, rest) = keys.split_at(window.partition.len());
            keys = rest;
            let encoded = EncodedKeys::new(own, 1);
            window.sweep(row.rowtimes[0]);
            window.let_go(&encoded, row.rowtimes[0], self.lower_bound_is_exclusive);
            needed += window.needed_bytes(&encoded, &self.calls, arguments, 0);
        }
        needed
    }
}

impl Call {
    /// The argument of a row; TRUE for a call without one.
    fn value(&self, arguments: &[ArrayRef], row: usize) -> Value {
        match (self.argument, &self.plan.argument) {
            (Some(place), Some(argument)) => value_at(&arguments[place], argument.sql_type, row),
            _ => Value::Boolean(true),
        }
    }

    /// What LAG asks for in a row.
    fn lag(&self, arguments: &[ArrayRef], row: usize) -> Lag {
        let Some((offset, default)) = self.lag else { return Lag::UNUSED };
        let offset = match value_at(&arguments[offset], SqlType::BigInt, row) {
            Value::Integer(offset) => Some(offset),
            _ => None,
        };
        let default =
            default.map_or(Value::Null, |place| value_at(&arguments[place], self.plan.sql_type, row));
        Lag { offset, default }
    }
}

impl Window {
    /// Gives each row its partition, new ones being empty.
    fn assign(&mut self, encoded: &EncodedKeys, rows: Range<usize>, calls: &[Call]) -> Vec<u32> {
        let mut ids = Vec::new();
        self.numbers.assign(encoded, rows.clone(), &mut ids);
        let mut scratch = [0; 8];
        for (row, id) in rows.zip(&ids) {
            if *id as usize == self.partitions.len() {
                let key = encoded.row_bytes(row, &mut scratch).to_vec();
                self.bytes += self.partition_bytes(key.len());
                let states = self.calls.iter().map(|call| CallState::new(&calls[*call].plan)).collect();
                self.partitions.push(Partition { key, rows: FrameRows::default(), states });
            }
        }
        ids
    }

    /// Bytes of a partition without rows: its key, twice, and its states.
    fn partition_bytes(&self, key_length: usize) -> usize {
        GROUP_OVERHEAD + 2 * key_length + self.calls.len() * size_of::<CallState>()
    }

    /// Drops partitions whose rows no row from `time` on can see, so that memory is bounded by the rows of the window.
    /// It does so whenever ROWTIME enters another stretch as long as the window: the partitions looked at have had a
    /// row in the last two, and which row does it does not depend on batches.
    fn sweep(&mut self, time: i64) {
        let stretch = match self.frame {
            Frame::Range { millis } => millis.max(SHORTEST_STRETCH),
            Frame::Rows { .. } | Frame::Unbounded => return,
        };
        let earlier = std::mem::replace(&mut self.latest, time);
        if earlier.div_euclid(stretch) == time.div_euclid(stretch) {
            return;
        }
        let frame = self.frame;
        let before = self.partitions.len();
        self.partitions.retain(|partition| !partition.rows.is_past(time, frame));
        if self.partitions.len() != before {
            self.renumber();
            self.bytes = self.count_bytes();
        }
    }

    /// Where the rows from `start` on come into another stretch.
    fn next_sweep(&self, rowtimes: &[i64], start: usize) -> usize {
        let Frame::Range { millis } = self.frame else { return rowtimes.len() };
        let stretch = millis.max(SHORTEST_STRETCH);
        let end = rowtimes[start].div_euclid(stretch).saturating_add(1).saturating_mul(stretch);
        // A row at the end of all time is in the last stretch there is.
        (start + rowtimes[start..].partition_point(|time| *time < end)).max(start + 1)
    }

    fn count_bytes(&self) -> usize {
        let bytes = |partition: &Partition| {
            let states: usize = partition.states.iter().map(CallState::held_bytes).sum();
            self.partition_bytes(partition.key.len()) + partition.rows.held_bytes() + states
        };
        self.partitions.iter().map(bytes).sum()
    }

    /// Bytes that a row adds to what is held. Rows that are past have left their window already.
    fn needed_bytes(
        &self,
        encoded: &EncodedKeys,
        calls: &[Call],
        arguments: &[ArrayRef],
        row: usize,
    ) -> usize {
        let mut scratch = [0; 8];
        let partition = self.numbers.find(encoded, row).map(|id| &self.partitions[id as usize]);
        let new_partition = match partition {
            Some(_) => 0,
            None => self.partition_bytes(encoded.row_bytes(row, &mut scratch).len()),
        };
        // A full window of rows gives one up for each that comes.
        if partition.is_some_and(|partition| partition.rows.is_full(self.frame)) {
            return 0;
        }
        let values = self.calls.iter().map(|number| {
            let call = &calls[*number];
            let value = call.value(arguments, row);
            match partition.and_then(|it| it.states.get(self.calls.iter().position(|c| c == number)?)) {
                Some(state) => state.needed_bytes(&value, &call.plan, self.keeps()),
                None => CallState::new(&call.plan).needed_bytes(&value, &call.plan, self.keeps()),
            }
        });
        new_partition + FrameRows::bytes_a_row(self.frame) + values.sum::<usize>()
    }

    /// Lets the rows go that a row at `rowtime` in this partition no longer sees.
    fn let_go(&mut self, encoded: &EncodedKeys, rowtime: i64, lower_bound_is_exclusive: bool) {
        let Some(id) = self.numbers.find(encoded, 0) else { return };
        let partition = &mut self.partitions[id as usize];
        let leaving = partition.rows.expire(rowtime, self.frame, lower_bound_is_exclusive);
        self.bytes -= leaving * FrameRows::bytes_a_row(self.frame);
        for state in &mut partition.states {
            (0..leaving).for_each(|_| self.bytes -= state.leave());
        }
    }

    /// Whether rows ever leave: an unbounded window need not remember them.
    fn keeps(&self) -> bool {
        self.frame != Frame::Unbounded
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
        let keeps = self.keeps();
        let row_bytes = FrameRows::bytes_a_row(self.frame);
        let mut start = 0;
        while start < rowtimes.len() {
            self.sweep(rowtimes[start]);
            let end = self.next_sweep(rowtimes, start);
            let ids = self.assign(&encoded, start..end, calls);
            for (row, id) in (start..end).zip(ids) {
                let rowtime = rowtimes[row];
                let partition = &mut self.partitions[id as usize];
                let leaving = partition.rows.admit(rowtime, self.frame, lower_bound_is_exclusive);
                self.bytes += row_bytes;
                self.bytes -= leaving * row_bytes;
                for (place, call_number) in self.calls.iter().enumerate() {
                    let call = &calls[*call_number];
                    let state = &mut partition.states[place];
                    for _ in 0..leaving {
                        self.bytes -= state.leave();
                    }
                    let (more, less) = state.enter(call.value(arguments, row), rowtime, &call.plan, keeps);
                    self.bytes += more;
                    self.bytes -= less;
                    let lag = call.lag(arguments, row);
                    let value = state.value(rowtime, &call.plan, &lag).unwrap_or_else(|error| {
                        found.failed.push((row, error));
                        Value::Null
                    });
                    found.values[*call_number].push(value);
                }
            }
            self.latest = rowtimes[end - 1];
            start = end;
        }
    }
}

impl Operator for Slide {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut expressions: Vec<&CompiledExpression> = self.arguments.iter().collect();
        for window in &self.windows {
            expressions.extend(&window.partition);
        }
        let (batch, values) = evaluate_all(&expressions, batch, &self.input_types, context);
        let (arguments, mut keys) = values.split_at(self.arguments.len());
        if context.is_tight && !batch.is_empty() {
            let needed = self.make_room(&batch, arguments, keys);
            if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                report_row(&refusal, &batch, 0, &self.input_types, context);
                outbox.bound(last);
                return;
            }
        }
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

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        50 * (self.windows.len() + self.calls.len()) as u64
    }

    fn held_bytes(&self) -> usize {
        self.windows.iter().map(|window| window.bytes).sum()
    }

    fn most_bytes_a_row(&self) -> usize {
        let partition = |expression: &CompiledExpression| 2 * most_value_bytes(expression.sql_type());
        let partitions = self.windows.iter().map(|window| {
            let key: usize = window.partition.iter().map(partition).sum();
            window.partition_bytes(key) + FrameRows::bytes_a_row(window.frame)
        });
        let calls = self.calls.iter().map(|call| {
            let argument = call.plan.argument.as_ref();
            CallState::most_bytes_a_row(argument.map_or(0, |it| most_value_bytes(it.sql_type)))
        });
        partitions.sum::<usize>() + calls.sum::<usize>()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let windows: Vec<(i64, &Vec<Partition>)> =
            self.windows.iter().map(|window| (window.latest, &window.partitions)).collect();
        state.whole(|| postcard::to_allocvec(&windows))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let saved: Vec<(i64, Vec<Partition>)> = postcard::from_bytes(&state.whole()?)?;
        for (window, (latest, partitions)) in self.windows.iter_mut().zip(saved) {
            (window.latest, window.partitions) = (latest, partitions);
            window.renumber();
            window.bytes = window.count_bytes();
        }
        Ok(())
    }
}

//! Stagger windows: each key's window opens with its first row and closes a fixed time later.
//!
//! All windows are equally long, so they close in the order in which they opened: a queue holds them.

use super::memory::GROUP_OVERHEAD;
use super::row_failures::{evaluate_all, report_row};
use super::{END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter, compile_all};
use crate::aggregates::Accumulator;
use crate::application::ErrorRow;
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::EncodedKeys;
use crate::values::{array_from_values, most_value_bytes, value_at, value_bytes};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use foldhash::fast::FixedState;
use millstream_sql::{AggregateCall, Expression, SqlType, Value};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

pub(super) struct Stagger {
    /// The keys, then the arguments of the aggregates that have one.
    expressions: Vec<CompiledExpression>,
    key_types: Vec<SqlType>,
    arguments: Vec<Option<usize>>,
    /// Milliseconds.
    range: i64,
    input_types: Vec<SqlType>,
    /// Bytes of the open windows, but for the values that DISTINCT has counted.
    window_bytes: usize,
    state: StaggerState,
}

/// What a checkpoint holds.
#[derive(Serialize, Deserialize)]
struct StaggerState {
    /// Open windows in order of opening, which is the order of closing.
    queue: VecDeque<Window>,
    /// The open window of each key, by the place of its states: told by the queue.
    #[serde(skip)]
    open: HashMap<Vec<u8>, usize, FixedState>,
    accumulators: Vec<Accumulator>,
    /// Places that no window uses.
    free: Vec<usize>,
    /// Places in all.
    places: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Window {
    closes_at: i64,
    place: usize,
    encoded: Vec<u8>,
    keys: Vec<Value>,
}

impl Stagger {
    pub(super) fn new(
        keys: &[Expression],
        range: i64,
        aggregates: &[AggregateCall],
        input_types: Vec<SqlType>,
    ) -> Result<Stagger, CompileError> {
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
        Ok(Stagger {
            expressions,
            key_types: keys.iter().map(|key| key.sql_type).collect(),
            arguments,
            range,
            input_types,
            window_bytes: 0,
            state: StaggerState {
                queue: VecDeque::new(),
                open: HashMap::default(),
                accumulators: aggregates.iter().map(|call| Accumulator::new(call, false)).collect(),
                free: Vec::new(),
                places: 0,
            },
        })
    }

    /// Takes the windows that close at or before `time` out of the queue.
    fn take_closed(&mut self, time: i64, closed: &mut Vec<Window>) {
        while let Some(window) = self.state.queue.front()
            && window.closes_at <= time
        {
            if let Some(window) = self.state.queue.pop_front() {
                self.state.open.remove(&window.encoded);
                self.window_bytes -= self.bytes_of(&window.keys);
                closed.push(window);
            }
        }
    }

    /// Bytes of a window: its keys as values and twice encoded, its place in every accumulator.
    fn bytes_of(&self, keys: &[Value]) -> usize {
        let keys: usize = keys.iter().map(|key| 3 * value_bytes(key)).sum();
        GROUP_OVERHEAD + keys + self.state.accumulators.len() * Accumulator::MOST_GROUP_BYTES
    }

    /// Bytes that a row adds to what is held.
    fn needed_bytes(&self, values: &[ArrayRef], row: usize, place: Option<usize>) -> usize {
        let window = match place {
            Some(_) => 0,
            None => self.bytes_of(&self.keys_of(values, row)),
        };
        let accumulators = self.state.accumulators.iter().zip(&self.arguments);
        let distinct = accumulators.map(|(accumulator, argument)| {
            argument.map_or(0, |index| accumulator.needed_bytes(&values[index], row, place))
        });
        window + distinct.sum::<usize>()
    }

    fn keys_of(&self, values: &[ArrayRef], row: usize) -> Vec<Value> {
        let types = self.key_types.iter().enumerate();
        types.map(|(index, sql_type)| value_at(&values[index], *sql_type, row)).collect()
    }

    fn open_window(&mut self, rowtime: i64, encoded: &[u8], keys: Vec<Value>) -> usize {
        let place = self.state.free.pop().unwrap_or_else(|| {
            self.state.places += 1;
            self.state.places - 1
        });
        self.state.open.insert(encoded.to_vec(), place);
        self.window_bytes += self.bytes_of(&keys);
        let closes_at = rowtime.saturating_add(self.range);
        self.state.queue.push_back(Window { closes_at, place, encoded: encoded.to_vec(), keys });
        place
    }

    /// Gives the rows of closed windows, and frees their places.
    fn give(&mut self, closed: Vec<Window>, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        if closed.is_empty() {
            return;
        }
        let places: Vec<usize> = closed.iter().map(|window| window.place).collect();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (index, sql_type) in self.key_types.iter().enumerate() {
            let keys: Vec<Value> = closed.iter().map(|window| window.keys[index].clone()).collect();
            columns
                .push(array_from_values(*sql_type, &keys).expect("keys have the type of their expression"));
        }
        let key_columns = columns.clone();
        let mut kept = vec![true; closed.len()];
        let rowtimes = ScalarBuffer::from(closed.iter().map(|window| window.closes_at).collect::<Vec<_>>());
        for accumulator in &self.state.accumulators {
            let (column, errors) = accumulator.results(&places);
            columns.push(column);
            for (row, error) in errors.iter() {
                if std::mem::replace(&mut kept[row], false) {
                    let keys = Batch::new(rowtimes.clone(), key_columns.clone());
                    let now = context.evaluation.now;
                    let error = ErrorRow::of_batch_row(error, &keys, row, &self.key_types, context.pump, now);
                    context.errors.push(error);
                }
            }
        }
        let batch = Batch::new(rowtimes, columns);
        outbox.rows(batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row"));
        for accumulator in &mut self.state.accumulators {
            accumulator.reset(&places);
        }
        self.state.free.extend(places);
    }

    fn output_bound(&self, bound: i64) -> i64 {
        let earliest = bound.saturating_add(self.range);
        self.state.queue.front().map_or(earliest, |window| window.closes_at.min(earliest))
    }
}

impl Operator for Stagger {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let expressions: Vec<&CompiledExpression> = self.expressions.iter().collect();
        let (batch, values) = evaluate_all(&expressions, batch, &self.input_types, context);
        let encoded = EncodedKeys::new(&values[..self.key_types.len()], batch.len());
        let mut closed = Vec::new();
        let mut ids: Vec<u32> = Vec::with_capacity(batch.len());
        let mut scratch = [0; 8];
        for row in 0..batch.len() {
            let rowtime = batch.rowtimes[row];
            self.take_closed(rowtime, &mut closed);
            let key = encoded.row_bytes(row, &mut scratch);
            let place = self.state.open.get(key).copied();
            if context.is_tight {
                self.give(std::mem::take(&mut closed), context, outbox);
                let needed = self.needed_bytes(&values, row, place);
                if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                    report_row(&refusal, &batch, row, &self.input_types, context);
                    outbox.bound(self.output_bound(last));
                    return;
                }
            }
            let place = match place {
                Some(place) => place,
                None => self.open_window(rowtime, key, self.keys_of(&values, row)),
            };
            ids.push(u32::try_from(place).expect("a window holds fewer than 2^32 keys"));
        }
        // Places of windows closed within the batch are not used again before its end.
        for (accumulator, argument) in self.state.accumulators.iter_mut().zip(&self.arguments) {
            accumulator.resize(self.state.places);
            accumulator.update_groups(argument.map(|index| &values[index]), 0, &ids);
        }
        self.take_closed(last, &mut closed);
        self.give(closed, context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut closed = Vec::new();
        self.take_closed(bound, &mut closed);
        self.give(closed, context, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut closed = Vec::new();
        self.take_closed(i64::MAX, &mut closed);
        self.give(closed, context, outbox);
        outbox.bound(END_OF_TIME);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        40
    }

    fn held_bytes(&self) -> usize {
        self.window_bytes + self.state.accumulators.iter().map(Accumulator::distinct_bytes).sum::<usize>()
    }

    fn most_bytes_a_row(&self) -> usize {
        let keys: usize = self.key_types.iter().map(|sql_type| 3 * most_value_bytes(*sql_type)).sum();
        let accumulators = self.state.accumulators.iter();
        let accumulators =
            accumulators.map(|it| Accumulator::MOST_GROUP_BYTES + it.most_distinct_bytes_a_row());
        GROUP_OVERHEAD + keys + accumulators.sum::<usize>()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.state))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.state = postcard::from_bytes(&state)?;
        let open = self.state.queue.iter().map(|window| (window.encoded.clone(), window.place));
        self.state.open = open.collect();
        self.state.accumulators.iter_mut().for_each(Accumulator::recount);
        self.window_bytes = self.state.queue.iter().map(|window| self.bytes_of(&window.keys)).sum();
        Ok(())
    }
}

//! Stagger windows: each key's window opens with its first row and closes a fixed time later.
//!
//! All windows are equally long, so they close in the order in which they opened: queues hold them, one for each shard of
//! the keys.

mod shard;

use super::interleave::Interleaved;
use super::row_failures::{evaluate_all, report_row};
use super::workers::KeptRoutes;
use super::{
    END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter,
    compile_keys_and_arguments,
};
use crate::aggregates::Accumulator;
use crate::codec::{Decoder, put_u64};
use crate::error_row::ErrorRow;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, SHARDS, shard_of_hash, stable_hash};
use crate::state::keyed::KeyedLog;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_columns::values::most_value_bytes;
use millstream_sql::{AggregateCall, Expression, SqlType, Value};
use serde::Deserialize;
use shard::{ClosedColumns, Due, StaggeredRows, WindowShard};

pub(super) struct Stagger {
    /// The keys, then the arguments of the aggregates that have one.
    expressions: Vec<CompiledExpression>,
    key_types: Vec<SqlType>,
    arguments: Vec<Option<usize>>,
    /// Milliseconds.
    range: i64,
    input_types: Vec<SqlType>,
    shards: Vec<WindowShard>,
    routed: KeptRoutes,
    /// Rows so far.
    rows: u64,
    log: KeyedLog,
}

/// What a checkpoint of version 1 holds.
#[derive(Deserialize)]
struct Version1 {
    /// Open windows in order of opening.
    queue: Vec<Version1Window>,
    accumulators: Vec<Accumulator>,
    _free: Vec<usize>,
    _places: usize,
}

#[derive(Deserialize)]
struct Version1Window {
    closes_at: i64,
    /// Of its states.
    place: usize,
    encoded: Vec<u8>,
    _keys: Vec<Value>,
}

impl Stagger {
    pub(super) fn new(
        keys: &[Expression],
        range: i64,
        aggregates: &[AggregateCall],
        input_types: Vec<SqlType>,
    ) -> Result<Stagger, CompileError> {
        let (expressions, arguments) = compile_keys_and_arguments(keys, aggregates)?;
        let shard = |_| {
            let accumulators = aggregates.iter().map(|call| Accumulator::new(call, false));
            WindowShard::new(accumulators.collect())
        };
        Ok(Stagger {
            expressions,
            key_types: keys.iter().map(|key| key.sql_type).collect(),
            arguments,
            range,
            input_types,
            shards: (0..SHARDS).map(shard).collect(),
            routed: KeptRoutes::default(),
            rows: 0,
            log: KeyedLog::default(),
        })
    }

    /// Closes the windows that end at or before `time`.
    fn close(&mut self, time: i64) {
        self.shards.iter_mut().for_each(|shard| shard.close(time));
    }

    /// Bytes that a row adds to what is held.
    fn needed_bytes(&self, values: &[ArrayRef], encoded: &EncodedKeys, row: usize) -> usize {
        let shard = &self.shards[encoded.shard(row)];
        let slot = shard.keys.find(encoded, row).map(|slot| slot as usize);
        let mut scratch = [0; 8];
        let window = match slot {
            Some(_) => 0,
            None => shard.window_bytes(encoded.row_bytes(row, &mut scratch).len()),
        };
        let accumulators = shard.accumulators.iter().zip(&self.arguments);
        let kept = accumulators.map(|(accumulator, argument)| {
            argument.map_or(0, |index| accumulator.needed_bytes(&values[index], row, slot))
        });
        window + kept.sum::<usize>()
    }

    /// Gives the rows of closed windows in the order of their ends, and frees their places.
    fn give(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        // Each with its shard and its place among those of its shard.
        let mut closed: Vec<(Due, usize, usize)> = Vec::new();
        let mut given: Vec<ClosedColumns> = Vec::new();
        for shard in &mut self.shards {
            let Some(columns) = shard.take_columns(&self.key_types) else { continue };
            let index = given.len();
            closed.extend(shard.closed.iter().enumerate().map(|(place, due)| (*due, index, place)));
            given.push(columns);
        }
        if closed.is_empty() {
            return;
        }
        closed.sort_unstable_by_key(|(due, ..)| (due.closes_at, due.opened_by));
        let interleaved = Interleaved::new(closed.iter().map(|(_, shard, place)| (*shard, *place)));
        let key_column = |key: usize| {
            let arrays: Vec<ArrayRef> = given.iter().map(|given| given.keys[key].clone()).collect();
            interleaved.array(&arrays)
        };
        let key_columns: Vec<ArrayRef> = (0..self.key_types.len()).map(key_column).collect();
        let mut columns = key_columns.clone();
        let mut kept = vec![true; closed.len()];
        let rowtimes = ScalarBuffer::from(closed.iter().map(|(due, ..)| due.closes_at).collect::<Vec<_>>());
        for aggregate in 0..self.arguments.len() {
            let results = given.iter().map(|given| given.results[aggregate].clone());
            let (column, errors) = interleaved.column(results);
            columns.push(column);
            for (row, error) in errors {
                if std::mem::replace(&mut kept[row], false) {
                    let keys = Batch::new(rowtimes.clone(), key_columns.clone());
                    let clock = context.evaluation;
                    let error =
                        ErrorRow::of_batch_row(&error, &keys, row, &self.key_types, context.pump, clock);
                    context.errors.push(error);
                }
            }
        }
        let batch = Batch::new(rowtimes, columns);
        outbox.rows(batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row"));
        self.shards.iter_mut().for_each(WindowShard::release_closed);
    }

    fn output_bound(&self, bound: i64) -> i64 {
        let earliest = bound.saturating_add(self.range);
        let due = self.shards.iter().filter_map(WindowShard::next_due).min();
        due.map_or(earliest, |due| due.min(earliest))
    }

    fn restore_version_1(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let Version1 { queue, accumulators, .. } = postcard::from_bytes(bytes)?;
        for window in queue {
            let shard = &mut self.shards[shard_of_hash(stable_hash(&window.encoded))];
            let due = (window.closes_at, self.rows);
            shard.take_window(&window.encoded, due, &accumulators, window.place)?;
            self.rows += 1;
        }
        Ok(())
    }
}

impl Operator for Stagger {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let expressions: Vec<&CompiledExpression> = self.expressions.iter().collect();
        let (batch, values) = evaluate_all(&expressions, batch, &self.input_types, context);
        let encoded = EncodedKeys::new(&values[..self.key_types.len()], batch.len());
        if context.is_tight && !batch.is_empty() {
            self.close(batch.rowtimes[0]);
            self.give(context, outbox);
            let needed = self.needed_bytes(&values, &encoded, 0);
            if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                report_row(&refusal, &batch, 0, &self.input_types, context);
                outbox.bound(self.output_bound(last));
                return;
            }
        }
        let rows = StaggeredRows {
            encoded: &encoded,
            rowtimes: &batch.rowtimes,
            values: &values,
            arguments: &self.arguments,
            range: self.range,
            rows_before: self.rows,
        };
        self.rows += batch.len() as u64;
        let work = |shard: &mut WindowShard, own: &[u32]| shard.add(own, &rows);
        let types = &self.key_types;
        let finish = |shard: &mut WindowShard| {
            shard.close(last);
            shard.compute_columns(types);
        };
        let shards = (self.shards.as_mut_slice(), &mut self.routed);
        context.workers.run(&encoded, 0..batch.len(), 40, shards, work, finish);
        self.give(context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close(bound);
        self.give(context, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close(i64::MAX);
        self.give(context, outbox);
        outbox.bound(END_OF_TIME);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        40
    }

    fn held_bytes(&self) -> usize {
        self.shards.iter().map(WindowShard::held_bytes).sum()
    }

    fn most_bytes_a_row(&self) -> usize {
        let key = self.key_types.iter().map(|sql_type| most_value_bytes(*sql_type) + 8).sum();
        let shard = &self.shards[0];
        let kept = shard.accumulators.iter().map(Accumulator::most_value_bytes_a_row);
        shard.window_bytes(key) + kept.sum::<usize>()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let mut header = Vec::new();
        put_u64(&mut header, self.rows);
        self.log.save(header, &mut self.shards, state)
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        if state.version() == 1 {
            return self.restore_version_1(&state.whole()?);
        }
        let mut header = Decoder::new(self.log.restore(&mut self.shards, state)?);
        self.rows = header.u64()?;
        header.end()
    }
}

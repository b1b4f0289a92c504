//! Sliding windows: OVER. One row out for each row in, with the value of each call over its window.

mod shard;

use super::interleave::scattered;
use super::row_failures::{evaluate_all, report_row};
use super::workers::KeptRoutes;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter, Workers, compile_all};
use crate::codec::{Decoder, put_i64};
use crate::error_row::ErrorRow;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, SHARDS, shard_of_hash, stable_hash};
use crate::state::keyed::KeyedLog;
use crate::windows::{CallState, FrameRows, Lag};
use arrow_array::{ArrayRef, BooleanArray};
use millstream_columns::values::{most_value_bytes, value_at};
use millstream_columns::{Batch, RowError};
use millstream_sql::{Expression, Frame, SlidingWindow, SqlType, Value, WindowCall, WindowFunction};
use serde::Deserialize;
use shard::{Partition, PartitionShard, SlideRows, partition_bytes};

/// Milliseconds between two looks for partitions that are past, at least.
const SHORTEST_STRETCH: i64 = 1_000;

pub(super) struct Slide {
    windows: Vec<Window>,
    /// How many calls there are over all windows.
    calls: usize,
    /// The arguments of the calls that have one, and what LAG takes besides.
    arguments: Vec<CompiledExpression>,
    lower_bound_is_exclusive: bool,
    input_types: Vec<SqlType>,
    /// The shards of all windows, one window after the other.
    shards: Vec<PartitionShard>,
    routed: KeptRoutes,
    log: KeyedLog,
}

struct Window {
    partition: Vec<CompiledExpression>,
    frame: Frame,
    /// Calls over this window.
    calls: Vec<Call>,
    /// ROWTIME of the latest row.
    latest: i64,
}

struct Call {
    plan: WindowCall,
    /// Its place among all calls.
    place: usize,
    /// Place of its argument among the evaluated ones.
    argument: Option<usize>,
    /// Places of the offset and of the default of LAG.
    lag: Option<(usize, Option<usize>)>,
}

/// A partition as checkpoints of version 1 hold it.
#[derive(Deserialize)]
struct Version1Partition {
    key: Vec<u8>,
    rows: FrameRows,
    states: Vec<CallState>,
}

/// What the calls gave.
struct CallResults {
    /// The column of each call.
    columns: Vec<Option<ArrayRef>>,
    /// Rows whose value does not exist; their place in the column holds NULL.
    failed: Vec<(usize, RowError)>,
}

impl Slide {
    pub(super) fn new(
        windows: &[SlidingWindow],
        calls: &[WindowCall],
        lower_bound_is_exclusive: bool,
        input_types: Vec<SqlType>,
    ) -> Result<Slide, CompileError> {
        let mut arguments = Vec::new();
        let mut planned: Vec<Window> = Vec::new();
        for window in windows {
            let partition = compile_all(&window.partition)?;
            planned.push(Window { partition, frame: window.frame, calls: Vec::new(), latest: i64::MIN });
        }
        let mut place_of = |expression: &Expression| {
            arguments.push(CompiledExpression::compile(expression)?);
            Ok::<usize, CompileError>(arguments.len() - 1)
        };
        for (place, call) in calls.iter().enumerate() {
            let argument = call.argument.as_ref().map(&mut place_of).transpose()?;
            let lag = match &call.function {
                WindowFunction::Lag { offset, default, .. } => {
                    let offset = place_of(offset)?;
                    Some((offset, default.as_deref().map(&mut place_of).transpose()?))
                }
                _ => None,
            };
            planned[call.window].calls.push(Call { plan: call.clone(), place, argument, lag });
        }
        Ok(Slide {
            shards: (0..SHARDS * planned.len()).map(|_| PartitionShard::default()).collect(),
            windows: planned,
            calls: calls.len(),
            arguments,
            lower_bound_is_exclusive,
            input_types,
            routed: KeptRoutes::default(),
            log: KeyedLog::default(),
        })
    }

    /// Lets all rows go that a single row no longer sees; gives the bytes that the row itself needs.
    fn make_room(&mut self, row: &Batch, arguments: &[ArrayRef], mut keys: &[ArrayRef]) -> usize {
        let mut needed = 0;
        for (window, shards) in self.windows.iter_mut().zip(self.shards.chunks_mut(SHARDS)) {
            let (own, rest) = keys.split_at(window.partition.len());
            keys = rest;
            let encoded = EncodedKeys::new(own, 1);
            window.sweep(row.rowtimes[0], shards);
            let rows = window.rows(&encoded, &row.rowtimes, arguments, self.lower_bound_is_exclusive);
            let shard = &mut shards[encoded.shard(0)];
            shard.let_go(0, &rows);
            needed += shard.needed_bytes(0, &rows);
        }
        needed
    }

    fn restore_version_1(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let saved: Vec<(i64, Vec<Version1Partition>)> = postcard::from_bytes(bytes)?;
        let windows = self.windows.iter_mut().zip(self.shards.chunks_mut(SHARDS));
        for ((window, shards), (latest, partitions)) in windows.zip(saved) {
            window.latest = latest;
            for Version1Partition { key, rows, states } in partitions {
                let shard = &mut shards[shard_of_hash(stable_hash(&key))];
                shard.take_partition(&key, Partition { rows, states })?;
            }
        }
        Ok(())
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
    fn rows<'r>(
        &'r self,
        encoded: &'r EncodedKeys,
        rowtimes: &'r [i64],
        arguments: &'r [ArrayRef],
        lower_bound_is_exclusive: bool,
    ) -> SlideRows<'r> {
        let (calls, frame) = (self.calls.as_slice(), self.frame);
        SlideRows { encoded, rowtimes, calls, arguments, frame, lower_bound_is_exclusive }
    }

    /// Drops partitions whose rows no row from `time` on can see, so that memory is bounded by the rows of the window.
    /// It does so whenever ROWTIME enters another stretch as long as the window: the partitions looked at have had a
    /// row in the last two, and which row does it does not depend on batches.
    fn sweep(&mut self, time: i64, shards: &mut [PartitionShard]) {
        let stretch = match self.frame {
            Frame::Range { millis } => millis.max(SHORTEST_STRETCH),
            Frame::Rows { .. } | Frame::Unbounded => return,
        };
        let earlier = std::mem::replace(&mut self.latest, time);
        if earlier.div_euclid(stretch) != time.div_euclid(stretch) {
            shards.iter_mut().for_each(|shard| shard.sweep(time, self.frame));
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

    /// About how long a row takes, in nanoseconds.
    fn cost(&self) -> u64 {
        50 * (1 + self.calls.len()) as u64
    }

    /// Moves the window over all rows; fills the column of each of its calls.
    fn advance(
        &mut self,
        (rowtimes, arguments, keys): (&[i64], &[ArrayRef], &[ArrayRef]),
        lower_bound_is_exclusive: bool,
        (shards, routed, workers): (&mut [PartitionShard], &mut KeptRoutes, Workers),
        found: &mut CallResults,
    ) {
        let encoded = EncodedKeys::new(keys, rowtimes.len());
        let mut start = 0;
        while start < rowtimes.len() {
            self.sweep(rowtimes[start], shards);
            let end = self.next_sweep(rowtimes, start);
            let rows = self.rows(&encoded, rowtimes, arguments, lower_bound_is_exclusive);
            let work = |shard: &mut PartitionShard, own: &[u32]| shard.advance(own, &rows);
            workers.run(&encoded, start..end, self.cost(), (&mut *shards, &mut *routed), work, |_| {});
            self.latest = rowtimes[end - 1];
            start = end;
        }
        let work = 4 * (self.calls.len() * rowtimes.len()) as u64;
        workers.each(work, shards, |shard| shard.make_columns(&self.calls));
        self.take_given(rowtimes.len(), shards, found);
    }

    /// Puts what the shards have given in the order of the rows.
    fn take_given(&self, rows: usize, shards: &mut [PartitionShard], found: &mut CallResults) {
        let with_rows: Vec<_> =
            shards.iter_mut().map(|shard| &mut shard.given).filter(|given| !given.rows.is_empty()).collect();
        for (number, call) in self.calls.iter().enumerate() {
            let parts = with_rows.iter().map(|given| (given.rows.as_slice(), &given.columns[number]));
            found.columns[call.place] = Some(scattered(&parts.collect::<Vec<_>>(), rows));
        }
        let mut failed = Vec::new();
        for given in with_rows {
            failed.append(&mut given.failed);
            given.rows.clear();
            given.columns.clear();
        }
        failed.sort_by_key(|(row, place, _)| (*row, *place));
        found.failed.extend(failed.into_iter().map(|(row, _, error)| (row as usize, error)));
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
        if batch.is_empty() {
            outbox.bound(last);
            return;
        }
        let (arguments, mut keys) = values.split_at(self.arguments.len());
        if context.is_tight {
            let needed = self.make_room(&batch, arguments, keys);
            if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                report_row(&refusal, &batch, 0, &self.input_types, context);
                outbox.bound(last);
                return;
            }
        }
        let mut found = CallResults { columns: vec![None; self.calls], failed: Vec::new() };
        for (window, shards) in self.windows.iter_mut().zip(self.shards.chunks_mut(SHARDS)) {
            let (own, rest) = keys.split_at(window.partition.len());
            keys = rest;
            let rows = (&*batch.rowtimes, arguments, own);
            let workers = (shards, &mut self.routed, context.workers);
            window.advance(rows, self.lower_bound_is_exclusive, workers, &mut found);
        }
        let mut columns = batch.columns.clone();
        columns.extend(found.columns.into_iter().map(|column| column.expect("every call is over a window")));
        let mut output = Batch::new(batch.rowtimes.clone(), columns);
        if !found.failed.is_empty() {
            let mut kept = vec![true; output.len()];
            for (row, error) in found.failed {
                if std::mem::replace(&mut kept[row], false) {
                    let clock = context.evaluation;
                    let error =
                        ErrorRow::of_batch_row(&error, &batch, row, &self.input_types, context.pump, clock);
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
        50 * (self.windows.len() + self.calls) as u64
    }

    fn held_bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }

    fn most_bytes_a_row(&self) -> usize {
        let partition = |expression: &CompiledExpression| most_value_bytes(expression.sql_type()) + 8;
        let windows = self.windows.iter().map(|window| {
            let key: usize = window.partition.iter().map(partition).sum();
            let calls = window.calls.iter().map(|call| {
                let argument = call.plan.argument.as_ref();
                CallState::most_bytes_a_row(argument.map_or(0, |it| most_value_bytes(it.sql_type)))
            });
            partition_bytes(key, window.calls.len())
                + FrameRows::bytes_a_row(window.frame)
                + calls.sum::<usize>()
        });
        windows.sum()
    }

    fn bounds_change_state(&self) -> bool {
        false
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let mut header = Vec::new();
        self.windows.iter().for_each(|window| put_i64(&mut header, window.latest));
        self.log.save(header, &mut self.shards, state)
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        if state.version() == 1 {
            return self.restore_version_1(&state.whole()?);
        }
        let mut header = Decoder::new(self.log.restore(&mut self.shards, state)?);
        for window in &mut self.windows {
            window.latest = header.i64()?;
        }
        header.end()
    }
}

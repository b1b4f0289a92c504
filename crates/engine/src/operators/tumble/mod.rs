//! Tumbling windows: GROUP BY with a monotonic key.
//!
//! ```text
//!   rows      ──▶ │ window 1 │ window 2 │ …        a window closes when a row or a bound reaches its end:
//!   ROWTIME       0          5          10         its groups leave with that end as ROWTIME
//! ```

mod ended_window;
mod shard;

use super::row_failures::{evaluate_all, report_row};
use super::workers::KeptRoutes;
use super::{
    END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter,
    compile_keys_and_arguments,
};
use crate::aggregates::Accumulator;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, SHARDS, shard_of_hash, stable_hash};
use crate::state::keyed::KeyedLog;
use crate::windows::WindowBoundary;
use arrow_array::ArrayRef;
use ended_window::{EndedWindow, ResultShape};
use millstream_columns::Batch;
use millstream_columns::values::{most_value_bytes, value_at};
use millstream_sql::{AggregateCall, Expression, ExpressionKind, GroupDriver, SqlType, Value};
use serde::{Deserialize, Serialize};
use shard::{GroupShard, GroupedRows};
use std::ops::Range;

pub(super) struct Tumble {
    /// All grouping expressions, then the arguments of the aggregates that have one.
    expressions: Vec<CompiledExpression>,
    key_types: Vec<SqlType>,
    /// Which keys tell the groups of one window apart, and their types.
    grouping_keys: Vec<usize>,
    grouping_types: Vec<SqlType>,
    /// For each aggregate, the place of its argument in `expressions`.
    arguments: Vec<Option<usize>>,
    /// Which key moves the window, and how.
    driving_key: usize,
    driver: Driver,
    /// The key that moves the window by ROWTIME: the same for all its rows, so it is not computed for each.
    lazy_key: Option<CompiledExpression>,
    input_types: Vec<SqlType>,
    /// The groups by the shards of their keys; one shard when there is but one group.
    shards: Vec<GroupShard>,
    routed: KeptRoutes,
    window: Window,
    /// ROWTIME of the latest row; checkpoints of some earlier versions do not have it.
    latest: Option<i64>,
    log: KeyedLog,
}

/// What is known of the open window.
#[derive(Default, Serialize, Deserialize)]
struct Window {
    open: Option<OpenWindow>,
    /// The value of the key that moves it.
    key: Value,
    /// Rows that it has had.
    rows: u64,
}

enum Driver {
    /// The window ends by ROWTIME.
    Time(WindowBoundary),
    /// The window ends with a row of another value of this key.
    Value { key: usize },
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
enum OpenWindow {
    /// Rows below this ROWTIME belong to it.
    Until(i64),
    /// Rows with this value of the key belong to it.
    While(Value),
}

/// Rows of a batch that belong to one window, and windows that end before them: work for the shards.
#[derive(Default)]
struct Pending {
    segments: Vec<Segment>,
    /// The windows that end, in order: the ROWTIME of their rows, and the key that moves the window.
    ended: Vec<(i64, Value)>,
}

struct Segment {
    rows: Range<usize>,
    /// Rows of the window before them.
    place: u64,
    /// How many windows end before them.
    ended: usize,
}

/// What a checkpoint holds whose groups are one piece.
#[derive(Deserialize)]
struct WholeGroups {
    window: Option<OpenWindow>,
    accumulators: Vec<Accumulator>,
    /// For each group, all its keys.
    group_keys: Vec<Vec<Value>>,
    /// For each group, the bytes that tell it apart.
    encoded_keys: Vec<Vec<u8>>,
}

impl Tumble {
    pub(super) fn new(
        keys: &[Expression],
        driver: &GroupDriver,
        aggregates: &[AggregateCall],
        input_types: Vec<SqlType>,
    ) -> Result<Tumble, CompileError> {
        let (mut expressions, arguments) = compile_keys_and_arguments(keys, aggregates)?;
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
                Some(std::mem::replace(&mut expressions[driving_key], CompiledExpression::compile(&null)?))
            }
            Driver::Value { .. } => None,
        };
        let is_single = grouping_keys.is_empty();
        let shard = |_| {
            let accumulators = aggregates.iter().map(|call| Accumulator::new(call, is_single));
            GroupShard::new(accumulators.collect())
        };
        let key_types: Vec<SqlType> = keys.iter().map(|key| key.sql_type).collect();
        Ok(Tumble {
            expressions,
            grouping_types: grouping_keys.iter().map(|key| key_types[*key]).collect(),
            key_types,
            grouping_keys,
            arguments,
            driving_key,
            driver,
            lazy_key,
            input_types,
            shards: (0..if is_single { 1 } else { SHARDS }).map(shard).collect(),
            routed: KeptRoutes::default(),
            window: Window::default(),
            latest: None,
            log: KeyedLog::default(),
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
                let end = match &self.window.open {
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

    /// Adds rows to their groups, window by window, and gives the groups of the windows that end meanwhile.
    fn work_off(
        &mut self,
        pending: Pending,
        (values, encoded): (&[ArrayRef], &EncodedKeys),
        context: &mut RunContext<'_>,
        outbox: &mut Outbox,
    ) {
        let Pending { segments, ended } = pending;
        let (arguments, types) = (&self.arguments, &self.grouping_types);
        let rows_of = |segment: &Segment| GroupedRows {
            encoded,
            values,
            arguments,
            start: segment.rows.start,
            place: segment.place,
        };
        if self.grouping_keys.is_empty() {
            for segment in &segments {
                self.shards[0].end_windows(segment.ended, types);
                self.shards[0].add_single(segment.rows.clone(), &rows_of(segment));
            }
        } else if let (Some(first), Some(last)) = (segments.first(), segments.last()) {
            let cost = 15 + 2 * arguments.len() as u64;
            let work = |shard: &mut GroupShard, mut own: &[u32]| {
                let before = own.first().copied().unwrap_or(0) as usize;
                let from = segments.partition_point(|segment| segment.rows.end <= before);
                for segment in &segments[from..] {
                    // Rows between two segments have no window.
                    let start = own.partition_point(|row| (*row as usize) < segment.rows.start);
                    let end = own.partition_point(|row| (*row as usize) < segment.rows.end);
                    if start < end {
                        shard.end_windows(segment.ended, types);
                        shard.add(&own[start..end], &rows_of(segment));
                    }
                    own = &own[end..];
                    if own.is_empty() {
                        return;
                    }
                }
            };
            let range = first.rows.start..last.rows.end;
            let finish = |shard: &mut GroupShard| shard.end_windows(ended.len(), types);
            let shards = (self.shards.as_mut_slice(), &mut self.routed);
            context.workers.run(encoded, range, cost, shards, work, finish);
        }
        // Those of shards without rows, when there are none at all.
        self.shards.iter_mut().for_each(|shard| shard.end_windows(ended.len(), types));
        let mut windows: Vec<EndedWindow> = ended.into_iter().map(EndedWindow::new).collect();
        for shard in &mut self.shards {
            shard.take_ended().for_each(|(window, groups)| windows[window].add(groups));
        }
        let shape = ResultShape {
            key_types: &self.key_types,
            grouping_keys: &self.grouping_keys,
            aggregates: self.arguments.len(),
        };
        let cost = windows.iter().map(|window| window.cost(&shape)).sum();
        context.workers.each(cost, &mut windows, |window| window.make_rows(&shape));
        windows.into_iter().for_each(|window| window.give(&self.key_types, context, outbox));
    }

    /// Bytes that a row adds to what is held.
    fn needed_bytes(&self, values: &[ArrayRef], encoded: &EncodedKeys, row: usize) -> usize {
        let shard = match self.shards.len() {
            1 => &self.shards[0],
            _ => &self.shards[encoded.shard(row)],
        };
        let group = shard.keys.find(encoded, row).map(|group| group as usize);
        let mut scratch = [0; 8];
        let group_bytes = match group {
            Some(_) => 0,
            None => shard.group_bytes(encoded.row_bytes(row, &mut scratch).len()),
        };
        let accumulators = shard.accumulators.iter().zip(&self.arguments);
        let kept = accumulators.map(|(accumulator, argument)| {
            argument.map_or(0, |index| accumulator.needed_bytes(&values[index], row, group))
        });
        group_bytes + kept.sum::<usize>()
    }

    /// Notes that the open window ends at `rowtime`.
    fn end_window(&mut self, rowtime: i64, pending: &mut Pending) {
        let window = std::mem::take(&mut self.window);
        pending.ended.push((rowtime, window.key));
    }

    /// Notes that the open window ends if `time` is at or past its end.
    fn end_before(&mut self, time: i64, pending: &mut Pending) {
        if let Some(OpenWindow::Until(end)) = self.window.open
            && time >= end
        {
            self.end_window(end, pending);
        }
    }

    /// The bound of the output when the input has come to `bound`.
    fn output_bound(&self, bound: i64) -> i64 {
        match &self.window.open {
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
        let columns = (values.as_slice(), &encoded);
        let mut pending = Pending::default();
        let mut start = 0;
        while start < batch.len() {
            let (range, window) = self.segment(&batch, &values, start, context);
            let window_key = match (&self.lazy_key, &window) {
                (None, OpenWindow::While(value)) => value.clone(),
                (None, OpenWindow::Until(_)) => Value::Null,
                (Some(lazy), _) => {
                    match lazy.evaluate_rowtime_only(batch.rowtimes[start], &context.evaluation) {
                        Ok(value) => value,
                        Err(error) => {
                            // A key out of the range of its type: none of these rows has a window.
                            self.work_off(std::mem::take(&mut pending), columns, context, outbox);
                            for row in range.clone() {
                                report_row(&error, &batch, row, &self.input_types, context);
                            }
                            start = range.end;
                            continue;
                        }
                    }
                }
            };
            if self.window.open.as_ref().is_some_and(|open| *open != window) {
                let rowtime = match &self.window.open {
                    Some(OpenWindow::Until(end)) => *end,
                    _ => batch.rowtimes[start],
                };
                self.end_window(rowtime, &mut pending);
            }
            self.window.open = Some(window);
            if self.window.rows == 0 {
                self.window.key = window_key;
            }
            start = range.end;
            if context.is_tight {
                // What has ended is no longer held.
                self.work_off(std::mem::take(&mut pending), columns, context, outbox);
                let needed = self.needed_bytes(&values, &encoded, range.start);
                if let Some(refusal) = context.refusal(self.held_bytes(), needed) {
                    report_row(&refusal, &batch, range.start, &self.input_types, context);
                    continue;
                }
            }
            let place = self.window.rows;
            self.window.rows += range.len() as u64;
            pending.segments.push(Segment { rows: range, place, ended: pending.ended.len() });
        }
        // A row that failed still shows how far time has come.
        self.end_before(last, &mut pending);
        self.work_off(pending, columns, context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut pending = Pending::default();
        self.end_before(bound, &mut pending);
        if !pending.ended.is_empty() {
            self.work_off(pending, (&[], &EncodedKeys::None), context, outbox);
        }
        outbox.bound(self.output_bound(bound));
    }

    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut pending = Pending::default();
        self.end_before(END_OF_TIME, &mut pending);
        if self.window.open.is_some() {
            // Neither a row nor the end of all time has ended it: its own latest row does.
            let latest = self.latest.unwrap_or(context.evaluation.now);
            self.end_window(latest, &mut pending);
        }
        if !pending.ended.is_empty() {
            self.work_off(pending, (&[], &EncodedKeys::None), context, outbox);
        }
        outbox.bound(END_OF_TIME);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        if self.grouping_keys.is_empty() { 10 } else { 20 }
    }

    fn held_bytes(&self) -> usize {
        self.shards.iter().map(GroupShard::held_bytes).sum()
    }

    fn most_bytes_a_row(&self) -> usize {
        let key = self.grouping_types.iter().map(|sql_type| most_value_bytes(*sql_type) + 8).sum();
        let shard = &self.shards[0];
        let kept = shard.accumulators.iter().map(Accumulator::most_value_bytes_a_row);
        shard.group_bytes(key) + kept.sum::<usize>()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let header = postcard::to_allocvec(&(&self.window, self.latest))?;
        self.log.save(header, &mut self.shards, state)
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        // Version 2 has two layouts: the one of version 1, with the latest ROWTIME behind it, and groups in shards.
        let version = state.version();
        if version == 1 || version == 2 && state.is_whole() {
            let bytes = state.whole()?;
            let (groups, rest) = postcard::take_from_bytes(&bytes)?;
            self.latest = if version == 1 { None } else { postcard::from_bytes(rest)? };
            return self.restore_whole(groups);
        }
        let header = self.log.restore(&mut self.shards, state)?;
        (self.window, self.latest) = match version {
            2 => (postcard::from_bytes(header)?, None),
            _ => postcard::from_bytes(header)?,
        };
        Ok(())
    }
}

impl Tumble {
    fn restore_whole(&mut self, groups: WholeGroups) -> Result<(), StateError> {
        let WholeGroups { window, accumulators, group_keys, encoded_keys } = groups;
        let key = group_keys.first().and_then(|keys| keys.get(self.driving_key)).cloned();
        let rows = encoded_keys.len() as u64;
        self.window = Window { open: window, key: key.unwrap_or_default(), rows };
        for (group, key) in encoded_keys.iter().enumerate() {
            let shard = if self.shards.len() == 1 { 0 } else { shard_of_hash(stable_hash(key)) };
            self.shards[shard].take_group(key, group as u64, &accumulators, group)?;
        }
        Ok(())
    }
}

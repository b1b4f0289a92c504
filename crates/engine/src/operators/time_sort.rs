//! ORDER BY a time of the row WITHIN an interval: brings a stream in order by that time, which becomes its ROWTIME.
//!
//! A row leaves when the latest time is an interval ahead of its own, or when a row comes that finds it waiting for an
//! interval. Bounds of the input release nothing; the end of the input does. What has left is never overtaken: a row that
//! belongs before it is out of order. How far time has come follows from the rows alone, one after the other, so batches
//! make no difference.

use super::memory::RowSize;
use super::row_failures::report_row;
use super::saved_batch::SavedBatch;
use super::sort_order::SortOrder;
use super::{END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::batch::Batch;
use crate::row_error::{ErrorName, RowError};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use millstream_sql::{SortColumn, SqlType};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

pub(super) struct TimeSort {
    column: usize,
    keys: Vec<SortColumn>,
    interval: i64,
    types: Vec<SqlType>,
    /// The rows that wait, in order of arrival.
    waiting: Vec<Batch>,
    waiting_bytes: usize,
    row_size: RowSize,
    progress: Progress,
    /// How far the input has come, for whoever asks the rows to go.
    latest_bound: Option<i64>,
}

/// Bytes that are kept of a row besides itself.
const ARRIVAL_BYTES: usize = 16;

/// How far time has come.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    /// Rows before this time have left or are too late.
    passed: Option<i64>,
    /// For each row that waits: when it came, and its time.
    arrivals: VecDeque<(i64, i64)>,
}

impl TimeSort {
    pub(super) fn new(column: usize, keys: &[SortColumn], interval: i64, types: Vec<SqlType>) -> TimeSort {
        let keys = keys.to_vec();
        let row_size = RowSize::of_types(&types);
        let (waiting, progress) = (Vec::new(), Progress::default());
        TimeSort {
            column,
            keys,
            interval,
            types,
            waiting,
            waiting_bytes: 0,
            row_size,
            progress,
            latest_bound: None,
        }
    }

    /// Rows of one time leave together when there are keys to sort them by.
    fn just_behind(&self, time: i64) -> i64 {
        if self.keys.is_empty() { time } else { time.saturating_add(1) }
    }

    fn pass(&mut self, time: i64) {
        self.progress.passed = self.progress.passed.max(Some(time));
    }

    /// Ends the wait of rows that came an interval before `now`.
    fn expire(&mut self, now: i64) {
        while let Some((arrived, time)) = self.progress.arrivals.front().copied() {
            if arrived.saturating_add(self.interval) > now {
                return;
            }
            self.progress.arrivals.pop_front();
            self.pass(self.just_behind(time));
        }
    }

    /// Lets the rows go whose time has passed.
    fn give_passed(&mut self, outbox: &mut Outbox) {
        let Some(passed) = self.progress.passed else { return };
        if self.waiting.is_empty() {
            return;
        }
        let batch = Batch::concat(&self.waiting).expect("rows of one operator have the same types");
        let times = batch.columns[self.column].as_primitive::<TimestampMillisecondType>().values();
        let goes = |row: usize| self.just_behind(times[row]) <= passed;
        let mut rows: Vec<u32> = (0..batch.len() as u32).filter(|row| goes(*row as usize)).collect();
        if rows.is_empty() {
            self.waiting = vec![batch];
            return;
        }
        let order = SortOrder::new(&batch.columns, &self.keys);
        rows.sort_by(|left, right| {
            let (left, right) = (*left as usize, *right as usize);
            times[left].cmp(&times[right]).then_with(|| order.compare(left, right))
        });
        let rowtimes: Vec<i64> = rows.iter().map(|row| times[*row as usize]).collect();
        let stays: BooleanArray = (0..batch.len()).map(|row| Some(!goes(row))).collect();
        let released = batch.take(&UInt32Array::from(rows)).expect("the rows are there");
        outbox.rows(Batch::new(ScalarBuffer::from(rowtimes), released.columns));
        let left = batch.filter(&stays).expect("the mask has one value for each row");
        self.progress.arrivals.retain(|(_, time)| {
            let behind = if self.keys.is_empty() { *time } else { time.saturating_add(1) };
            behind > passed
        });
        self.waiting = if left.is_empty() { Vec::new() } else { vec![left] };
        self.waiting_bytes = self.bytes_of_waiting();
    }

    fn bytes_of_waiting(&self) -> usize {
        let bytes = |batch: &Batch| self.row_size.of_all(batch) + ARRIVAL_BYTES * batch.len();
        self.waiting.iter().map(bytes).sum()
    }

    fn give_bound(&self, outbox: &mut Outbox) {
        if let Some(passed) = self.progress.passed {
            outbox.bound(passed);
        }
    }
}

impl Operator for TimeSort {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let times = batch.columns[self.column].as_primitive::<TimestampMillisecondType>().clone();
        let mut kept = vec![false; batch.len()];
        for (row, keep) in kept.iter_mut().enumerate() {
            self.expire(batch.rowtimes[row]);
            if times.is_null(row) {
                continue;
            }
            let time = times.value(row);
            if self.progress.passed.is_some_and(|passed| time < passed) {
                let message = "the row comes too late for ORDER BY … WITHIN: later rows have left before it";
                let error = RowError::new(ErrorName::OutOfOrder, message);
                report_row(&error, &batch, row, &self.types, context);
                continue;
            }
            let bytes = self.row_size.of(&batch, row) + ARRIVAL_BYTES;
            if context.is_tight {
                // What has passed is no longer held.
                self.give_passed(outbox);
                if let Some(refusal) = context.refusal(self.waiting_bytes, bytes) {
                    report_row(&refusal, &batch, row, &self.types, context);
                    continue;
                }
            }
            self.waiting_bytes += bytes;
            *keep = true;
            self.progress.arrivals.push_back((batch.rowtimes[row], time));
            self.pass(time.saturating_sub(self.interval));
        }
        let kept = batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row");
        if !kept.is_empty() {
            self.waiting.push(kept);
        }
        self.give_passed(outbox);
        self.give_bound(outbox);
    }

    /// A bound says nothing of the times of the rows to come: those that wait go on waiting (section 2.6).
    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, _outbox: &mut Outbox) {
        self.latest_bound = self.latest_bound.max(Some(bound));
    }

    fn end(&mut self, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.pass(END_OF_TIME);
        self.give_passed(outbox);
        self.give_bound(outbox);
    }

    /// All rows go, and time goes on to the latest of them, or to where the input has come if that is later.
    fn release(&mut self, outbox: &mut Outbox) {
        let times = self.progress.arrivals.iter().map(|(_, time)| self.just_behind(*time));
        if let Some(passed) = times.max().max(self.latest_bound) {
            self.pass(passed);
            self.give_passed(outbox);
            self.give_bound(outbox);
        }
    }

    fn held_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        self.row_size.most() + ARRIVAL_BYTES
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| {
            let rows = SavedBatch::of_all(&self.waiting, &self.types);
            postcard::to_allocvec(&(&self.progress, rows, self.latest_bound))
        })
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let bytes = state.whole()?;
        let (progress, rows, latest_bound): (Progress, SavedBatch, Option<i64>) = match state.version() {
            1 => {
                let (progress, rows) = postcard::from_bytes(&bytes)?;
                // Bounds had released rows: what has passed is known.
                (progress, rows, None)
            }
            _ => postcard::from_bytes(&bytes)?,
        };
        self.progress = progress;
        self.latest_bound = latest_bound;
        self.waiting = rows.restored_rows(&self.types)?;
        self.waiting_bytes = self.bytes_of_waiting();
        Ok(())
    }
}

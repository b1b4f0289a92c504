//! ORDER BY on a stream: the rows of a bucket wait for its end and leave sorted.
//!
//! ```text
//!   ORDER BY FLOOR(s.ROWTIME TO SECOND), score DESC
//!   rows 0.1 | 5   0.7 | 9   │ 1.2 | 1          the row at 1.2, or a bound at 1.0, ends the first second
//!   out                      1.0 | 9   1.0 | 5
//! ```

use super::memory::RowSize;
use super::row_failures::report_row;
use super::saved_batch::SavedBatch;
use super::sort_order::SortOrder;
use super::{END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::codec::Decoder;
use crate::expression::{CompileError, CompiledExpression};
use crate::state::runs::{RowRuns, encode_rows};
use crate::windows::WindowBoundary;
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use millstream_columns::{Batch, value_at};
use millstream_sql::{SortBucket, SortColumn, SqlType, Value};
use serde::{Deserialize, Serialize};

pub(super) struct Sort {
    keys: Vec<SortColumn>,
    bucket: Bucket,
    types: Vec<SqlType>,
    /// The rows of the open bucket.
    waiting: Vec<Batch>,
    waiting_bytes: usize,
    row_size: RowSize,
    open: Option<Open>,
    /// The number of the first row of the open bucket, counted from the start, and that behind its last.
    first: u64,
    end: u64,
    runs: RowRuns,
}

/// The piece of a checkpoint that holds everything but rows; the pieces of rows come behind it.
const HEADER: u64 = 0;
const ROWS: u64 = 1;

enum Bucket {
    /// Ends by ROWTIME; its rows keep theirs, or get the end.
    Time { boundary: WindowBoundary, keeps_rowtime: bool },
    /// Ends with a row of another value.
    Value { column: usize },
    /// Is a batch.
    Batch,
}

/// Which bucket is open.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
enum Open {
    Until(i64),
    While(Value),
}

impl Sort {
    pub(super) fn new(
        keys: &[SortColumn],
        bucket: &SortBucket,
        types: Vec<SqlType>,
    ) -> Result<Sort, CompileError> {
        let by_time = |boundary, keeps_rowtime| Bucket::Time { boundary, keeps_rowtime };
        let bucket = match bucket {
            SortBucket::Rowtime => by_time(WindowBoundary::Periodic { period: 1, offset: 0 }, true),
            SortBucket::Periodic { period, offset } => {
                by_time(WindowBoundary::Periodic { period: *period, offset: *offset }, false)
            }
            SortBucket::Key(key) => by_time(WindowBoundary::Key(CompiledExpression::compile(key)?), false),
            SortBucket::Value { column } => Bucket::Value { column: *column },
            SortBucket::Window => Bucket::Batch,
        };
        let row_size = RowSize::of_types(&types);
        let (keys, waiting) = (keys.to_vec(), Vec::new());
        Ok(Sort {
            keys,
            bucket,
            types,
            waiting,
            waiting_bytes: 0,
            row_size,
            open: None,
            first: 0,
            end: 0,
            runs: RowRuns::default(),
        })
    }

    /// How many rows from `start` on belong to one bucket, and that bucket.
    fn segment(&self, batch: &Batch, start: usize, context: &RunContext<'_>) -> (usize, Open) {
        match &self.bucket {
            Bucket::Time { boundary, .. } => {
                let rowtime = batch.rowtimes[start];
                let end = match self.open {
                    Some(Open::Until(end)) if rowtime < end => end,
                    _ => boundary.end_of(rowtime, &context.evaluation),
                };
                (start + batch.rowtimes[start..].partition_point(|time| *time < end), Open::Until(end))
            }
            Bucket::Value { column } => {
                let value = |row| value_at(&batch.columns[*column], self.types[*column], row);
                let current = value(start);
                let end = (start + 1..batch.len()).find(|row| value(*row) != current);
                (end.unwrap_or(batch.len()), Open::While(current))
            }
            Bucket::Batch => (batch.len(), Open::Until(i64::MIN)),
        }
    }

    /// Lets the rows of the open bucket go. `rowtime` is that of the row that ends it.
    fn close(&mut self, rowtime: i64, outbox: &mut Outbox) {
        let rowtime = match (self.open.take(), &self.bucket) {
            (_, Bucket::Time { keeps_rowtime: true, .. } | Bucket::Batch) => None,
            (Some(Open::Until(end)), _) => Some(end),
            _ => Some(rowtime),
        };
        self.waiting_bytes = 0;
        self.first = self.end;
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return;
        }
        let batch = Batch::concat(&waiting).expect("rows of one operator have the same types");
        let order = SortOrder::new(&batch.columns, &self.keys);
        let mut rows: Vec<u32> = (0..batch.len() as u32).collect();
        rows.sort_by(|left, right| order.compare(*left as usize, *right as usize));
        let sorted = batch.take(&UInt32Array::from(rows)).expect("the rows are there");
        outbox.rows(match rowtime {
            None => sorted,
            Some(rowtime) => Batch::new(ScalarBuffer::from(vec![rowtime; sorted.len()]), sorted.columns),
        });
    }

    fn close_before(&mut self, time: i64, outbox: &mut Outbox) {
        if let Some(Open::Until(end)) = self.open
            && time >= end
        {
            self.close(time, outbox);
        }
    }

    fn output_bound(&self, bound: i64) -> i64 {
        match (&self.open, &self.bucket) {
            (Some(Open::Until(end)), Bucket::Time { keeps_rowtime: true, .. }) => end - 1,
            (Some(Open::Until(end)), Bucket::Time { .. }) => *end,
            _ => bound,
        }
    }

    /// Keeps rows until their bucket ends, if there is room.
    fn keep(&mut self, rows: Batch, context: &mut RunContext<'_>) {
        let bytes = self.row_size.of_all(&rows);
        if context.is_tight
            && let Some(refusal) = context.refusal(self.waiting_bytes, bytes)
        {
            report_row(&refusal, &rows, 0, &self.types, context);
            return;
        }
        self.waiting_bytes += bytes;
        self.end += rows.len() as u64;
        let mut rows = rows;
        while let Some(both) =
            self.waiting.last().filter(|before| before.absorbs(&rows)).and_then(|it| it.followed_by(&rows))
        {
            self.waiting.pop();
            rows = both;
        }
        self.waiting.push(rows);
    }
}

impl Operator for Sort {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut start = 0;
        while start < batch.len() {
            let (end, open) = self.segment(&batch, start, context);
            if self.open.as_ref().is_some_and(|known| *known != open) {
                self.close(batch.rowtimes[start], outbox);
            }
            self.open = Some(open);
            self.keep(batch.slice(start, end - start), context);
            start = end;
        }
        if matches!(self.bucket, Bucket::Batch) {
            self.close(last, outbox);
        }
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(bound, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(END_OF_TIME, outbox);
        if self.open.is_some() {
            // Neither a row nor the end of all time has ended the bucket: its own latest row does.
            let latest = self.waiting.last().and_then(|batch| batch.rowtimes.last().copied());
            let latest = latest.unwrap_or(context.evaluation.now);
            if !matches!(self.bucket, Bucket::Time { keeps_rowtime: true, .. } | Bucket::Batch) {
                self.open = Some(Open::Until(latest));
            }
            self.close(latest, outbox);
        }
        outbox.bound(END_OF_TIME);
    }

    fn held_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        // A batch of groups goes on at once, and must stay whole.
        if matches!(self.bucket, Bucket::Batch) { 0 } else { self.row_size.most() }
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let rows = || {
            let mut number = self.first;
            self.waiting.iter().map(move |batch| {
                let first = number;
                number += batch.len() as u64;
                (first, batch)
            })
        };
        let encode = |from, to| encode_rows(rows(), from, to);
        self.runs.save((self.first, self.end), ROWS, state, encode);
        let mut header = postcard::to_allocvec(&(&self.open, self.first, self.end))?;
        self.runs.put_ranges(&mut header);
        state.put_if_new(HEADER, header);
        Ok(())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        if state.version() == 1 {
            let (open, rows): (Option<Open>, SavedBatch) = postcard::from_bytes(&state.whole()?)?;
            self.open = open;
            self.waiting = rows.restored_rows(&self.types)?;
        } else {
            let header = state.whole()?;
            let ((open, first, end), rest) = postcard::take_from_bytes(&header)?;
            (self.open, self.first, self.end) = (open, first, end);
            self.runs.take_ranges(&mut Decoder::new(rest))?;
            let waiting = &mut self.waiting;
            self.runs.restore(self.first, ROWS, &self.types, state, |batch| waiting.push(batch))?;
        }
        let rows: u64 = self.waiting.iter().map(|batch| batch.len() as u64).sum();
        if state.version() > 1 && self.first.saturating_add(rows) != self.end {
            return Err(StateError::Damaged("a bucket has another number of rows"));
        }
        self.end = self.first + rows;
        self.waiting_bytes = self.waiting.iter().map(|batch| self.row_size.of_all(batch)).sum();
        Ok(())
    }
}

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
use crate::codec::{Decoder, put_batch, take_batch};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use millstream_columns::{Batch, ErrorName, RowError};
use millstream_sql::{SortColumn, SqlType};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

pub(super) struct TimeSort {
    column: usize,
    keys: Vec<SortColumn>,
    interval: i64,
    types: Vec<SqlType>,
    /// The rows that wait by their times, those of one time in the order of arrival: time and number.
    waiting: BinaryHeap<Reverse<(i64, u64)>>,
    /// The rows themselves, and some that have left, by number.
    chunks: Vec<Chunk>,
    /// The number of the next row.
    next: u64,
    waiting_bytes: usize,
    row_size: RowSize,
    progress: Progress,
    /// How far the input has come, for whoever asks the rows to go.
    latest_bound: Option<i64>,
    /// Rows that have been copied so far.
    moves: u64,
}

struct Chunk {
    /// Numbers of its rows, ascending.
    numbers: Vec<u64>,
    rows: Batch,
}

/// Bytes that are kept of a row that waits besides itself: in the queue of arrivals, in the heap, its number, each in a
/// list that is half empty at the worst.
const ARRIVAL_BYTES: usize = 2 * (size_of::<(i64, i64)>() + size_of::<(i64, u64)>() + size_of::<u64>());

/// Chunks are put together when rows that have left are most of them, and more than this.
const FEW_ROWS: usize = 1_024;

/// How far time has come.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    /// Rows before this time have left or are too late.
    passed: Option<i64>,
    /// When rows came, and their times, from the first that still waits on.
    arrivals: VecDeque<(i64, i64)>,
}

/// What a checkpoint of version 2 holds in the one of its two layouts that has rows as plain values. The other is
/// `progress` and the rows as [`put_batch`] writes them.
#[derive(Deserialize)]
struct Version2Plain {
    progress: Progress,
    rows: SavedBatch,
    latest_bound: Option<i64>,
}

impl TimeSort {
    pub(super) fn new(column: usize, keys: &[SortColumn], interval: i64, types: Vec<SqlType>) -> TimeSort {
        TimeSort {
            column,
            keys: keys.to_vec(),
            interval,
            row_size: RowSize::of_types(&types),
            types,
            waiting: BinaryHeap::new(),
            chunks: Vec::new(),
            next: 0,
            waiting_bytes: 0,
            progress: Progress::default(),
            latest_bound: None,
            moves: 0,
        }
    }

    /// Rows of one time leave together when there are keys to sort them by.
    fn just_behind(&self, time: i64) -> i64 {
        if self.keys.is_empty() { time } else { time.saturating_add(1) }
    }

    fn pass(&mut self, time: i64) {
        self.progress.passed = self.progress.passed.max(Some(time));
    }

    /// Whether a row of this time has left.
    fn has_left(&self, time: i64) -> bool {
        self.progress.passed.is_some_and(|passed| self.just_behind(time) <= passed)
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

    /// Rows are here, each with its time: they wait.
    fn wait(&mut self, rows: Batch) {
        if rows.is_empty() {
            return;
        }
        let times = rows.columns[self.column].as_primitive::<TimestampMillisecondType>().values().clone();
        let numbers: Vec<u64> = (self.next..self.next + rows.len() as u64).collect();
        self.next += rows.len() as u64;
        self.waiting.extend(times.iter().zip(&numbers).map(|(time, number)| Reverse((*time, *number))));
        self.chunks.push(Chunk { numbers, rows });
        // Chunks halve in size from one to the next: there are few, and a row is moved as often as they have doubled.
        while let [.., before, last] = self.chunks.as_slice()
            && before.numbers.len() <= 2 * last.numbers.len()
        {
            let rows = Batch::concat(&[before.rows.clone(), last.rows.clone()]);
            let rows = rows.expect("rows of one operator have the same types");
            let numbers = [before.numbers.as_slice(), last.numbers.as_slice()].concat();
            self.note_moves(numbers.len());
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(Chunk { numbers, rows });
        }
    }

    /// Rows are copied: what that comes to is looked at by tests alone.
    fn note_moves(&mut self, rows: usize) {
        self.moves += rows as u64;
    }

    /// Lets the rows go whose time has passed: as many steps as there are such rows, whatever else waits.
    fn give_passed(&mut self, outbox: &mut Outbox) {
        let mut leaving = Vec::new();
        while let Some(Reverse((time, number))) =
            self.waiting.peek().copied().filter(|it| self.has_left(it.0.0))
        {
            self.waiting.pop();
            leaving.push((time, number));
        }
        while self.progress.arrivals.front().is_some_and(|(_, time)| self.has_left(*time)) {
            self.progress.arrivals.pop_front();
        }
        if leaving.is_empty() {
            return;
        }
        let numbers: Vec<u64> = leaving.iter().map(|(_, number)| *number).collect();
        self.note_moves(numbers.len());
        let rows = self.gather(&numbers);
        self.waiting_bytes -= self.row_size.of_all(&rows);
        let times: Vec<i64> = leaving.into_iter().map(|(time, _)| time).collect();
        let rows = self.sorted(rows, &times);
        outbox.rows(Batch::new(ScalarBuffer::from(times), rows.columns));
        self.clear_away();
    }

    /// The rows, which are in the order of their times, with those of one time in the order of the keys.
    fn sorted(&self, rows: Batch, times: &[i64]) -> Batch {
        if self.keys.is_empty() {
            return rows;
        }
        let order = SortOrder::new(&rows.columns, &self.keys);
        let mut places: Vec<u32> = (0..rows.len() as u32).collect();
        places.sort_by(|left, right| {
            let (left, right) = (*left as usize, *right as usize);
            times[left].cmp(&times[right]).then_with(|| order.compare(left, right))
        });
        rows.take(&UInt32Array::from(places)).expect("the rows are there")
    }

    /// The rows with these numbers, in this order.
    fn gather(&self, numbers: &[u64]) -> Batch {
        let place = |number: &u64| {
            let chunk = self.chunks.partition_point(|chunk| chunk.numbers[0] <= *number) - 1;
            (chunk, self.chunks[chunk].numbers.partition_point(|known| known < number))
        };
        let places: Vec<(usize, usize)> = numbers.iter().map(place).collect();
        let rowtimes: Vec<i64> =
            places.iter().map(|(chunk, row)| self.chunks[*chunk].rows.rowtimes[*row]).collect();
        let columns = (0..self.types.len()).map(|column| {
            let arrays: Vec<&dyn Array> =
                self.chunks.iter().map(|chunk| chunk.rows.columns[column].as_ref()).collect();
            arrow_select::interleave::interleave(&arrays, &places).expect("all chunks have the same columns")
        });
        Batch::new(rowtimes.into(), columns.collect())
    }

    /// Puts the rows that wait together when most of the others have left: each time at least as many have left since the
    /// last as are moved.
    fn clear_away(&mut self) {
        if self.waiting.is_empty() {
            self.chunks.clear();
            return;
        }
        let held: usize = self.chunks.iter().map(|chunk| chunk.numbers.len()).sum();
        if held > 2 * self.waiting.len() + FEW_ROWS {
            let numbers = self.waiting_numbers();
            self.note_moves(numbers.len());
            let rows = self.gather(&numbers);
            self.chunks = vec![Chunk { numbers, rows }];
        }
    }

    /// The numbers of the rows that wait, in the order of arrival.
    fn waiting_numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.waiting.iter().map(|Reverse((_, number))| *number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn give_bound(&self, outbox: &mut Outbox) {
        if let Some(passed) = self.progress.passed {
            outbox.bound(passed);
        }
    }

    /// A state of version 2 whose rows are plain values; `None` when it has the other layout. Behind the ROWTIMEs the one
    /// has the number of columns, which is never 0, and the other whether the first column has NULLs. Where these look
    /// alike, the time is the only column, and has none.
    fn version_2_plain(&self, bytes: &[u8]) -> Option<Version2Plain> {
        let (state, rest) = postcard::take_from_bytes::<Version2Plain>(bytes).ok()?;
        (rest.is_empty() && state.rows.restored(&self.types).is_ok()).then_some(state)
    }

    /// Takes over rows of a checkpoint.
    fn restored(&mut self, progress: Progress, rows: Vec<Batch>) {
        self.progress = progress;
        for rows in rows {
            self.waiting_bytes += self.row_size.of_all(&rows);
            self.wait(rows);
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
            let bytes = self.row_size.of(&batch, row);
            if context.is_tight {
                // What has passed is no longer held.
                self.give_passed(outbox);
                if let Some(refusal) = context.refusal(self.held_bytes(), bytes + ARRIVAL_BYTES) {
                    report_row(&refusal, &batch, row, &self.types, context);
                    continue;
                }
            }
            self.waiting_bytes += bytes;
            *keep = true;
            self.progress.arrivals.push_back((batch.rowtimes[row], time));
            self.pass(time.saturating_sub(self.interval));
        }
        self.wait(batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row"));
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

    fn nanoseconds_a_row(&self) -> u64 {
        200
    }

    fn held_bytes(&self) -> usize {
        self.waiting_bytes + ARRIVAL_BYTES * self.progress.arrivals.len()
    }

    fn most_bytes_a_row(&self) -> usize {
        self.row_size.most() + ARRIVAL_BYTES
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| {
            let rows = match self.waiting.is_empty() {
                true => Batch::empty(&self.types),
                false => self.gather(&self.waiting_numbers()),
            };
            let mut bytes = postcard::to_allocvec(&(&self.progress, self.latest_bound))?;
            put_batch(&mut bytes, &rows);
            Ok(bytes)
        })
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let bytes = state.whole()?;
        // Before version 2 bounds released rows: what has passed is known.
        if state.version() == 1 {
            let (progress, rows): (Progress, SavedBatch) = postcard::from_bytes(&bytes)?;
            self.restored(progress, rows.restored_rows(&self.types)?);
            return Ok(());
        }
        if state.version() == 2
            && let Some(Version2Plain { progress, rows, latest_bound }) = self.version_2_plain(&bytes)
        {
            self.latest_bound = latest_bound;
            self.restored(progress, rows.restored_rows(&self.types)?);
            return Ok(());
        }
        let ((progress, latest_bound), rest) = match state.version() {
            2 => {
                let (progress, rest) = postcard::take_from_bytes(&bytes)?;
                ((progress, None), rest)
            }
            _ => postcard::take_from_bytes(&bytes)?,
        };
        self.latest_bound = latest_bound;
        let mut from = Decoder::new(rest);
        let rows = take_batch(&mut from, &self.types)?;
        from.end()?;
        self.restored(progress, vec![rows]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::EvaluationContext;
    use arrow_array::{ArrayRef, TimestampMillisecondArray};
    use std::sync::Arc;

    /// How often rows were copied while `rows` of them came one by one, in no order, and most waited at the limit.
    fn moves(rows: u64) -> u64 {
        let mut operator = TimeSort::new(0, &[], 1_000_000_000, vec![SqlType::Timestamp]);
        let bytes = rows / 2 * (ARRIVAL_BYTES + operator.row_size.most()) as u64;
        let (pump, mut errors, tables) = (Arc::from("P"), Vec::new(), super::super::Tables::default());
        let mut context = RunContext {
            evaluation: EvaluationContext::default(),
            pump: &pump,
            errors: &mut errors,
            tables: &tables,
            share: super::super::MemoryShare::new(bytes, 0, 1),
            workers: super::super::Workers::ONE,
            is_tight: true,
            made_of_row: None,
        };
        for row in 0..rows as i64 {
            let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![row * 7_919 % 10_007 + row]));
            operator.rows(0, Batch::new(vec![row].into(), vec![times]), &mut context, &mut Outbox::default());
        }
        assert!(!operator.waiting.is_empty());
        assert!(operator.chunks.len() < 40, "{}", operator.chunks.len());
        operator.end(&mut context, &mut Outbox::default());
        assert!(operator.waiting.is_empty() && operator.chunks.is_empty());
        operator.moves
    }

    #[test]
    fn r6e_rows_at_the_limit_are_copied_a_few_times_each() {
        for rows in [1_000, 4_000, 16_000] {
            let moves = moves(rows);
            assert!(moves < 20 * rows, "{moves} copies of {rows} rows");
        }
    }
}

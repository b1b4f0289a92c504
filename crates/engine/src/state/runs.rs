//! Rows that come at one end and go at the other, as pieces of a checkpoint: what a snapshot finds new becomes a run, which
//! stays as it is until its rows have gone.
//!
//! ```text
//!   rows   first ─────────────────────────── end
//!   runs   │   16   │  8  │ 4 │2│1│             a run is put together with those before it that are not much larger,
//!                                               so a row is written again about as often as the rows have doubled
//! ```

use super::{StateError, StateReader, StateWriter};
use crate::codec::{Decoder, put_batch, put_u64, take_batch};
use millstream_columns::Batch;
use millstream_sql::SqlType;

/// The runs of one list of rows.
#[derive(Debug, Default)]
pub(crate) struct RowRuns {
    runs: Vec<Run>,
    /// Number of the next piece.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    piece: u64,
    from: u64,
    to: u64,
    bytes: usize,
}

/// Runs larger than this are left alone.
const LARGE: usize = 4 << 20;

impl RowRuns {
    /// Writes the rows `first..end` as pieces from number `base` on, with bytes from `encode`.
    pub(crate) fn save(
        &mut self,
        (first, end): (u64, u64),
        base: u64,
        state: &mut StateWriter<'_>,
        encode: impl Fn(u64, u64) -> Vec<u8>,
    ) {
        self.runs.retain(|run| run.to > first);
        if !self.runs.iter().all(|run| state.is_stored(base + run.piece))
            || self.runs.iter().any(|run| run.to > end)
        {
            self.runs.clear();
        }
        let from = self.runs.last().map_or(first, |run| run.to).max(first);
        let mut new = Vec::new();
        if from < end {
            let mut bytes = encode(from, end);
            let mut start = from;
            while let Some(last) = self.runs.last()
                && last.bytes < LARGE
                && last.bytes <= 2 * bytes.len()
            {
                start = last.from.max(first);
                self.runs.pop();
                bytes = encode(start, end);
            }
            self.runs.push(Run { piece: self.next, from: start, to: end, bytes: bytes.len() });
            new.push((base + self.next, bytes));
            self.next += 1;
        }
        for run in &self.runs {
            match new.pop_if(|(piece, _)| *piece == base + run.piece) {
                Some((piece, bytes)) => state.put(piece, bytes),
                None => {
                    // They are stored: see above.
                    let _ = state.keep(base + run.piece);
                }
            }
        }
    }

    /// Appends which rows each run holds.
    pub(crate) fn put_ranges(&self, out: &mut Vec<u8>) {
        put_u64(out, self.runs.len() as u64);
        for run in &self.runs {
            [run.piece, run.from, run.to].iter().for_each(|number| put_u64(out, *number));
        }
    }

    /// Reads what [`RowRuns::put_ranges`] wrote.
    pub(crate) fn take_ranges(&mut self, from: &mut Decoder<'_>) -> Result<(), StateError> {
        self.runs.clear();
        for _ in 0..from.count()? {
            let run = Run { piece: from.u64()?, from: from.u64()?, to: from.u64()?, bytes: 0 };
            if run.from >= run.to || self.runs.last().is_some_and(|last| last.to != run.from) {
                return Err(StateError::Damaged("rows are missing between two others"));
            }
            self.next = self.next.max(run.piece.saturating_add(1));
            self.runs.push(run);
        }
        Ok(())
    }

    /// Reads the runs, whose pieces have numbers from `base` on, and hands their rows from `first` on to `take`.
    pub(crate) fn restore(
        &mut self,
        first: u64,
        base: u64,
        types: &[SqlType],
        state: &mut StateReader<'_>,
        mut take: impl FnMut(Batch),
    ) -> Result<(), StateError> {
        for run in &mut self.runs {
            let Some((piece, bytes)) = state.next()? else {
                return Err(StateError::Damaged("rows are missing at the end"));
            };
            if piece != base + run.piece {
                return Err(StateError::Damaged("rows are missing between two others"));
            }
            run.bytes = bytes.len();
            let mut from = Decoder::new(&bytes);
            let mut row = run.from;
            while !from.is_empty() {
                let batch = take_batch(&mut from, types)?;
                let gone = usize::try_from(first.saturating_sub(row)).unwrap_or(usize::MAX).min(batch.len());
                row += batch.len() as u64;
                if gone < batch.len() {
                    take(batch.slice(gone, batch.len() - gone));
                }
            }
            if row != run.to {
                return Err(StateError::Damaged("a run has another number of rows"));
            }
        }
        Ok(())
    }
}

/// Rows of a batch at most.
const BATCH_ROWS: usize = 8_192;

/// The rows `from..to` of batches, each with the number of its first row.
pub(crate) fn encode_rows<'b>(
    batches: impl Iterator<Item = (u64, &'b Batch)>,
    from: u64,
    to: u64,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut pending, mut rows) = (Vec::new(), 0);
    let mut put = |pending: &mut Vec<Batch>| {
        match Batch::concat(pending) {
            Ok(whole) => put_batch(&mut bytes, &whole),
            // Texts of more than 2 GiB together.
            Err(_) => pending.iter().for_each(|batch| put_batch(&mut bytes, batch)),
        }
        pending.clear();
    };
    for (first, batch) in batches {
        let start = from.saturating_sub(first).min(batch.len() as u64) as usize;
        let end = to.saturating_sub(first).min(batch.len() as u64) as usize;
        if start < end {
            pending.push(batch.slice(start, end - start));
            rows += end - start;
        }
        if rows >= BATCH_ROWS {
            put(&mut pending);
            rows = 0;
        }
    }
    if !pending.is_empty() {
        put(&mut pending);
    }
    bytes
}

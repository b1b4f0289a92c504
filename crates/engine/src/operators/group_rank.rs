//! GROUP_RANK: ranks the rows of one ROWTIME, which leave together as soon as time goes on.

use super::memory::RowSize;
use super::row_failures::report_row;
use super::saved_batch::SavedBatch;
use super::sort_order::SortOrder;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use arrow_array::{Int32Array, UInt32Array};
use millstream_columns::Batch;
use millstream_sql::{GroupRankCall, RankOrder, SqlType};
use std::sync::Arc;

pub(super) struct GroupRank {
    call: GroupRankCall,
    types: Vec<SqlType>,
    /// Rows of one ROWTIME.
    group: Vec<Batch>,
    waiting_bytes: usize,
    row_size: RowSize,
}

impl GroupRank {
    pub(super) fn new(call: &GroupRankCall, types: Vec<SqlType>) -> GroupRank {
        let row_size = RowSize::of_types(&types);
        GroupRank { call: call.clone(), types, group: Vec::new(), waiting_bytes: 0, row_size }
    }

    fn rowtime(&self) -> Option<i64> {
        self.group.first().map(|batch| batch.rowtimes[0])
    }

    fn release(&mut self, outbox: &mut Outbox) {
        let group = std::mem::take(&mut self.group);
        self.waiting_bytes = 0;
        if group.is_empty() {
            return;
        }
        let batch = Batch::concat(&group).expect("rows of one operator have the same types");
        let keys = [self.call.key];
        let order = SortOrder::new(&batch.columns, &keys);
        let mut rows: Vec<usize> = (0..batch.len()).collect();
        rows.sort_by(|left, right| order.compare(*left, *right));
        let mut ranks = vec![0_i32; batch.len()];
        let mut rank = 1;
        for (place, row) in rows.iter().enumerate() {
            let tied = place > 0 && order.compare(rows[place - 1], *row).is_eq();
            if !tied {
                rank = i32::try_from(place + 1).unwrap_or(i32::MAX);
            }
            ranks[*row] = rank;
        }
        let mut output: Vec<usize> = (0..batch.len()).collect();
        match self.call.output {
            None => {}
            Some(RankOrder::Ascending) => output.sort_by_key(|row| ranks[*row]),
            Some(RankOrder::Descending) => output.sort_by_key(|row| std::cmp::Reverse(ranks[*row])),
        }
        output.truncate(self.call.output_max.unwrap_or(usize::MAX));
        let ranks: Int32Array = output.iter().map(|row| Some(ranks[*row])).collect();
        let output: UInt32Array = output.iter().map(|row| Some(*row as u32)).collect();
        let mut sorted = batch.take(&output).expect("the rows are there");
        sorted.columns.push(Arc::new(ranks));
        outbox.rows(sorted);
    }
}

impl Operator for GroupRank {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut start = 0;
        while start < batch.len() {
            let rowtime = batch.rowtimes[start];
            if self.rowtime().is_some_and(|open| open != rowtime) {
                self.release(outbox);
            }
            let end = start + batch.rowtimes[start..].partition_point(|time| *time <= rowtime);
            let rows = batch.slice(start, end - start);
            let bytes = self.row_size.of_all(&rows);
            match context.is_tight.then(|| context.refusal(self.waiting_bytes, bytes)).flatten() {
                Some(refusal) => report_row(&refusal, &rows, 0, &self.types, context),
                None => {
                    self.waiting_bytes += bytes;
                    self.group.push(rows);
                }
            }
            start = end;
        }
        if let Some(last) = batch.rowtimes.last() {
            outbox.bound(*last);
        }
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        if self.rowtime().is_some_and(|open| bound > open) {
            self.release(outbox);
        }
        outbox.bound(bound);
    }

    fn held_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        self.row_size.most()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&SavedBatch::of_all(&self.group, &self.types)))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        let rows: SavedBatch = postcard::from_bytes(&state)?;
        self.group = rows.restored_rows(&self.types)?;
        self.waiting_bytes = self.group.iter().map(|batch| self.row_size.of_all(batch)).sum();
        Ok(())
    }
}

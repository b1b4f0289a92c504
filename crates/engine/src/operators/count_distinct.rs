//! COUNT_DISTINCT_ITEMS_TUMBLING: how many different items each window holds.

use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::grouping::{EncodedKeys, PackedKey};
use arrow_array::{Array, Int64Array};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_sketch::DistinctCounter;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) struct CountDistinct {
    column: usize,
    /// Milliseconds; windows are aligned to the epoch.
    period: i64,
    state: CountDistinctState,
    /// Short items met of late in this window: most items of a stream are repeated, and need not go to the counter.
    recent: Vec<Option<PackedKey>>,
}

/// Places for recent items.
const RECENT: usize = 1 << 12;

/// What a checkpoint holds.
#[derive(Serialize, Deserialize)]
struct CountDistinctState {
    /// End of the open window.
    end: Option<i64>,
    items: DistinctCounter,
}

impl CountDistinct {
    pub(super) fn new(column: usize, period: i64, seed: u64) -> CountDistinct {
        let state = CountDistinctState { end: None, items: DistinctCounter::new(seed) };
        CountDistinct { column, period, state, recent: vec![None; RECENT] }
    }

    fn close_before(&mut self, time: i64, outbox: &mut Outbox) {
        let Some(end) = self.state.end.filter(|end| time >= *end) else { return };
        self.state.end = None;
        let count = i64::try_from(self.state.items.count()).unwrap_or(i64::MAX);
        self.state.items.clear();
        self.recent.fill(None);
        if count > 0 {
            outbox.rows(Batch::new(
                ScalarBuffer::from(vec![end]),
                vec![Arc::new(Int64Array::from(vec![count]))],
            ));
        }
    }

    fn output_bound(&self, bound: i64) -> i64 {
        self.state.end.unwrap_or(bound)
    }
}

impl Operator for CountDistinct {
    fn rows(&mut self, _port: usize, batch: Batch, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let column = &batch.columns[self.column];
        let encoded = EncodedKeys::new(std::slice::from_ref(column), batch.len());
        let has_nulls = column.null_count() > 0;
        let mut scratch = [0; 8];
        let mut start = 0;
        while start < batch.len() {
            let rowtime = batch.rowtimes[start];
            self.close_before(rowtime, outbox);
            let end = match self.state.end {
                Some(end) => end,
                None => rowtime.div_euclid(self.period).saturating_add(1).saturating_mul(self.period),
            };
            self.state.end = Some(end);
            let stop = start + batch.rowtimes[start..].partition_point(|time| *time < end);
            for row in start..stop {
                if has_nulls && column.is_null(row) {
                    continue;
                }
                let Some(packed) = encoded.packed(row) else {
                    self.state.items.insert(encoded.row_bytes(row, &mut scratch));
                    continue;
                };
                let place = &mut self.recent[(packed.hash() >> 48) as usize % RECENT];
                if *place != Some(packed) {
                    *place = Some(packed);
                    self.state.items.insert_short(packed.bits());
                }
            }
            start = stop;
        }
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(bound, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.state))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.state = postcard::from_bytes(&state)?;
        self.recent.fill(None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_item_is_the_same_item_packed_or_not() {
        for item in ["", "a", "fifteen bytes!!"] {
            let mut items = DistinctCounter::new(7);
            items.insert(item.as_bytes());
            items.insert_short(PackedKey::of(item.as_bytes(), 0, item.len()).expect("it is short").bits());
            assert_eq!(items.count(), 1, "{item}");
        }
    }
}

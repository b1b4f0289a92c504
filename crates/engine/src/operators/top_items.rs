//! TOP_K_ITEMS_TUMBLING: the most frequent items of each window.
//!
//! Counts are exact while a window has fewer different items than there is room for. Beyond, the rarer half is forgotten
//! and an item that comes again counts from 1: frequent items stay, and their counts are never too high.

use super::counted_keys::CountedKeys;
use super::row_failures::report_row;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, decode_key};
use crate::state::keyed::KeyedLog;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_columns::values::{array_from_values, most_value_bytes};
use millstream_sql::{CastMode, Expression, ExpressionKind, Span, SqlType, Value};
use serde::Deserialize;
use std::cmp::Reverse;
use std::sync::Arc;

/// Most different items of a window that are counted at a time.
const MAX_ITEMS: usize = 1 << 20;

pub(super) struct TopItems {
    column: usize,
    k: usize,
    /// Milliseconds; windows are aligned to the epoch.
    period: i64,
    item_type: SqlType,
    /// The text of an item.
    text: CompiledExpression,
    /// End of the open window.
    end: Option<i64>,
    items: CountedKeys,
    max_items: usize,
    input_types: Vec<SqlType>,
    log: KeyedLog,
}

/// What a checkpoint of version 1 holds.
#[derive(Deserialize)]
struct Version1 {
    end: Option<i64>,
    /// The items in order of first appearance.
    items: Vec<Value>,
    counts: Vec<i64>,
}

impl TopItems {
    pub(super) fn new(
        column: usize,
        k: usize,
        period: i64,
        input_types: Vec<SqlType>,
    ) -> Result<TopItems, CompileError> {
        let item_type = input_types[column];
        let item_type = if item_type == SqlType::Null { SqlType::Varchar { length: 1 } } else { item_type };
        let operand = Box::new(Expression::column(0, item_type, Span::default()));
        let kind = ExpressionKind::Cast { operand, mode: CastMode::Explicit };
        let text = Expression::new(kind, SqlType::Varchar { length: 1_024 }, Span::default());
        Ok(TopItems {
            column,
            k,
            period,
            item_type,
            text: CompiledExpression::compile(&text)?,
            end: None,
            items: CountedKeys::default(),
            max_items: MAX_ITEMS,
            input_types,
            log: KeyedLog::default(),
        })
    }

    /// The numbers of the `most` most frequent items, the most frequent first, of equal ones the first seen.
    fn most_frequent(&self, most: usize) -> Vec<usize> {
        let counts = &self.items.counts;
        let key = |item: &usize| (Reverse(counts[*item]), *item);
        let mut items: Vec<usize> = (0..counts.len()).collect();
        if most < items.len() {
            items.select_nth_unstable_by_key(most, key);
            items.truncate(most);
        }
        items.sort_unstable_by_key(key);
        items
    }

    fn close_before(&mut self, time: i64, context: &RunContext<'_>, outbox: &mut Outbox) {
        let Some(end) = self.end.filter(|end| time >= *end) else { return };
        let top = self.most_frequent(self.k);
        if !top.is_empty() {
            let item = |item: &usize| {
                let key = decode_key(&[self.item_type], self.items.key(*item));
                key.expect("the item was encoded from this type").swap_remove(0)
            };
            let items: Vec<Value> = top.iter().map(item).collect();
            let counts: Vec<i64> = top.iter().map(|item| self.items.counts[*item]).collect();
            let items =
                array_from_values(self.item_type, &items).expect("items have the type of their column");
            let rowtimes = ScalarBuffer::from(vec![end; counts.len()]);
            let items = Batch::new(rowtimes.clone(), vec![items]);
            let texts = self.text.evaluate(&items, &context.evaluation).values;
            outbox.rows(Batch::new(rowtimes, vec![texts, Arc::new(Int64Array::from(counts))]));
        }
        self.items.clear();
        self.end = None;
    }

    fn forget_rare_items(&mut self) {
        let mut kept = self.most_frequent(self.max_items / 2);
        kept.sort_unstable();
        let kept = kept.iter().map(|item| (self.items.key(*item).to_vec(), self.items.counts[*item]));
        let kept: Vec<(Vec<u8>, i64)> = kept.collect();
        self.items.clear();
        for (key, count) in kept {
            self.items.put(&key, count);
        }
    }

    fn output_bound(&self, bound: i64) -> i64 {
        self.end.unwrap_or(bound)
    }
}

impl Operator for TopItems {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let column = &batch.columns[self.column];
        let items = if column.null_count() > 0 {
            let mask = mask_of(column);
            Batch::new(batch.rowtimes.clone(), vec![Arc::clone(column)])
                .filter(&mask)
                .expect("the mask has one value for each row")
        } else {
            Batch::new(batch.rowtimes.clone(), vec![Arc::clone(column)])
        };
        let column = &items.columns[0];
        let encoded = EncodedKeys::new(std::slice::from_ref(column), items.len());
        let mut start = 0;
        while start < items.len() {
            let rowtime = items.rowtimes[start];
            self.close_before(rowtime, context, outbox);
            let end = match self.end {
                Some(end) => end,
                None => rowtime.div_euclid(self.period).saturating_add(1).saturating_mul(self.period),
            };
            self.end = Some(end);
            if context.is_tight && !self.items.contains(&encoded, start) {
                let mut scratch = [0; 8];
                let needed = CountedKeys::bytes_of(encoded.row_bytes(start, &mut scratch).len());
                if let Some(refusal) = context.refusal(self.items.bytes(), needed) {
                    report_row(&refusal, &batch, 0, &self.input_types, context);
                    break;
                }
            }
            let stop = start + items.rowtimes[start..].partition_point(|time| *time < end);
            for row in start..stop {
                // When items are forgotten must not depend on batches.
                if self.items.len() >= self.max_items {
                    self.forget_rare_items();
                }
                self.items.count(&encoded, row);
            }
            start = stop;
        }
        self.close_before(last, context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(bound, context, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn nanoseconds_a_row(&self) -> u64 {
        25
    }

    fn held_bytes(&self) -> usize {
        self.items.bytes()
    }

    fn most_bytes_a_row(&self) -> usize {
        CountedKeys::bytes_of(most_value_bytes(self.item_type) + 8)
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        let header = postcard::to_allocvec(&self.end)?;
        self.log.save(header, std::slice::from_mut(&mut self.items), state)
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        if state.version() > 1 {
            let header = self.log.restore(std::slice::from_mut(&mut self.items), state)?;
            self.end = postcard::from_bytes(header)?;
            return Ok(());
        }
        let saved: Version1 = postcard::from_bytes(&state.whole()?)?;
        self.end = saved.end;
        let items = array_from_values(self.item_type, &saved.items)?;
        let encoded = EncodedKeys::new(std::slice::from_ref(&items), items.len());
        let mut scratch = [0; 8];
        for (row, count) in saved.counts.iter().enumerate().take(items.len()) {
            self.items.put(encoded.row_bytes(row, &mut scratch), *count);
        }
        Ok(())
    }
}

/// TRUE for the rows that have a value.
fn mask_of(column: &ArrayRef) -> arrow_array::BooleanArray {
    (0..column.len()).map(|row| Some(column.is_valid(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::EvaluationContext;
    use arrow_array::Int32Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    /// The items and counts of one window.
    fn top(items: &[i32], batch_size: usize) -> Vec<(String, i64)> {
        let mut operator = TopItems::new(0, 3, 1_000, vec![SqlType::Integer]).unwrap();
        operator.max_items = 8;
        let pump: Arc<str> = Arc::from("P");
        let mut errors = Vec::new();
        let evaluation = EvaluationContext::default();
        let tables = super::super::Tables::default();
        let share = super::super::MemoryShare::new(0, 0, 1);
        let mut context = RunContext {
            evaluation,
            pump: &pump,
            errors: &mut errors,
            tables: &tables,
            share,
            workers: super::super::Workers::ONE,
            is_tight: false,
            made_of_row: None,
        };
        let mut outbox = Outbox::default();
        for items in items.chunks(batch_size) {
            let column: ArrayRef = Arc::new(Int32Array::from(items.to_vec()));
            let batch = Batch::new(ScalarBuffer::from(vec![1; items.len()]), vec![column]);
            operator.rows(0, batch, &mut context, &mut outbox);
        }
        operator.bound(0, 1_000, &mut context, &mut outbox);
        let rows = outbox.messages.into_iter().find_map(|message| match message {
            super::super::Message::Rows(batch) => Some(batch),
            _ => None,
        });
        let rows = rows.unwrap();
        let (texts, counts) =
            (rows.columns[0].as_string::<i32>(), rows.columns[1].as_primitive::<Int64Type>());
        (0..rows.len()).map(|row| (texts.value(row).to_owned(), counts.value(row))).collect()
    }

    #[test]
    fn frequent_items_outlive_a_crowd_of_rare_ones() {
        let items: Vec<i32> = (0..400).flat_map(|rare| [1_000 + rare, 7, 7, 9]).collect();
        let found = top(&items, 1);
        assert_eq!(found[..2], [("7".to_owned(), 800), ("9".to_owned(), 400)]);
        for batch_size in [3, 64, 1_600] {
            assert_eq!(top(&items, batch_size), found);
        }
    }
}

//! TOP_K_ITEMS_TUMBLING: the most frequent items of each window.
//!
//! Counts are exact while a window has fewer different items than there is room for. Beyond, the rarer half is forgotten
//! and an item that comes again counts from 1: frequent items stay, and their counts are never too high.

use super::memory::GROUP_OVERHEAD;
use super::row_failures::report_row;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use crate::values::{array_from_values, most_value_bytes, value_at};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::ScalarBuffer;
use millstream_sql::{CastMode, Expression, ExpressionKind, Span, SqlType, Value};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::ops::Range;
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
    groups: GroupTable,
    ids: Vec<u32>,
    state: TopItemsState,
    max_items: usize,
    item_bytes: usize,
    input_types: Vec<SqlType>,
}

/// What a checkpoint holds.
#[derive(Default, Serialize, Deserialize)]
struct TopItemsState {
    /// End of the open window.
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
            groups: GroupTable::default(),
            ids: Vec::new(),
            state: TopItemsState::default(),
            max_items: MAX_ITEMS,
            item_bytes: 0,
            input_types,
        })
    }

    /// The numbers of the `most` most frequent items, the most frequent first, of equal ones the first seen.
    fn most_frequent(&self, most: usize) -> Vec<usize> {
        let counts = &self.state.counts;
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
        let Some(end) = self.state.end.filter(|end| time >= *end) else { return };
        let top = self.most_frequent(self.k);
        if !top.is_empty() {
            let items: Vec<Value> = top.iter().map(|item| self.state.items[*item].clone()).collect();
            let counts: Vec<i64> = top.iter().map(|item| self.state.counts[*item]).collect();
            let items =
                array_from_values(self.item_type, &items).expect("items have the type of their column");
            let rowtimes = ScalarBuffer::from(vec![end; counts.len()]);
            let items = Batch::new(rowtimes.clone(), vec![items]);
            let texts = self.text.evaluate(&items, &context.evaluation).values;
            outbox.rows(Batch::new(rowtimes, vec![texts, Arc::new(Int64Array::from(counts))]));
        }
        self.groups.clear();
        self.item_bytes = 0;
        self.state = TopItemsState::default();
    }

    fn count(&mut self, column: &ArrayRef, encoded: &EncodedKeys, range: Range<usize>) {
        let mut start = range.start;
        while start < range.end {
            if self.groups.len() >= self.max_items {
                self.forget_rare_items();
            }
            // Where there may be no room for all, one by one: when items are forgotten must not depend on batches.
            let room = self.max_items - self.groups.len();
            let end = if range.end - start <= room { range.end } else { start + 1 };
            self.ids.clear();
            self.groups.assign(encoded, start..end, &mut self.ids);
            self.state.counts.resize(self.groups.len(), 0);
            for (index, id) in self.ids.iter().enumerate() {
                self.state.counts[*id as usize] += 1;
                if *id as usize == self.state.items.len() {
                    let item = value_at(column, self.item_type, start + index);
                    self.item_bytes += bytes_of(&item);
                    self.state.items.push(item);
                }
            }
            start = end;
        }
    }

    fn forget_rare_items(&mut self) {
        let mut kept = self.most_frequent(self.max_items / 2);
        kept.sort_unstable();
        self.state.items =
            kept.iter().map(|item| std::mem::replace(&mut self.state.items[*item], Value::Null)).collect();
        self.state.counts = kept.iter().map(|item| self.state.counts[*item]).collect();
        self.number_items();
    }

    /// Numbers the items anew, in their order.
    fn number_items(&mut self) {
        self.item_bytes = self.state.items.iter().map(bytes_of).sum();
        self.groups.clear();
        if let Ok(column) = array_from_values(self.item_type, &self.state.items) {
            let encoded = EncodedKeys::new(std::slice::from_ref(&column), column.len());
            self.ids.clear();
            self.groups.assign(&encoded, 0..column.len(), &mut self.ids);
        }
    }

    fn output_bound(&self, bound: i64) -> i64 {
        self.state.end.unwrap_or(bound)
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
            let end = match self.state.end {
                Some(end) => end,
                None => rowtime.div_euclid(self.period).saturating_add(1).saturating_mul(self.period),
            };
            self.state.end = Some(end);
            let item = value_at(column, self.item_type, start);
            if context.is_tight
                && !self.state.items.contains(&item)
                && let Some(refusal) = context.refusal(self.item_bytes, bytes_of(&item))
            {
                report_row(&refusal, &batch, 0, &self.input_types, context);
                break;
            }
            let stop = start + items.rowtimes[start..].partition_point(|time| *time < end);
            self.count(column, &encoded, start..stop);
            start = stop;
        }
        self.close_before(last, context, outbox);
        outbox.bound(self.output_bound(last));
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.close_before(bound, context, outbox);
        outbox.bound(self.output_bound(bound));
    }

    fn held_bytes(&self) -> usize {
        self.item_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        GROUP_OVERHEAD + 2 * most_value_bytes(self.item_type)
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.state))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.state = postcard::from_bytes(&state)?;
        self.number_items();
        Ok(())
    }
}

/// Bytes held of an item: as a value and in the table.
fn bytes_of(item: &Value) -> usize {
    let text = match item {
        Value::Text(text) => text.len(),
        _ => 16,
    };
    GROUP_OVERHEAD + 2 * text
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
        let share = super::super::MemoryShare::new(0, 1);
        let mut context = RunContext {
            evaluation,
            pump: &pump,
            errors: &mut errors,
            tables: &tables,
            share,
            is_tight: false,
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

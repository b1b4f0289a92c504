//! GROUP BY and aggregates over a finite relation, whose rows are all there: no window, no state.

use super::row_failures::{evaluate_all, report};
use super::{RunContext, compile_all};
use crate::aggregates::Accumulator;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use arrow_array::{ArrayRef, UInt32Array};
use millstream_columns::{Batch, RowErrors};
use millstream_sql::{AggregateCall, Expression, SqlType};

/// What is computed: the keys, then the aggregates.
pub(super) struct FiniteGroups {
    /// The keys, then the arguments of the aggregates that have one.
    expressions: Vec<CompiledExpression>,
    key_types: Vec<SqlType>,
    aggregates: Vec<AggregateCall>,
    input_types: Vec<SqlType>,
}

impl FiniteGroups {
    pub(super) fn new(
        keys: &[Expression],
        aggregates: &[AggregateCall],
        input_types: Vec<SqlType>,
    ) -> Result<FiniteGroups, CompileError> {
        let mut expressions = compile_all(keys)?;
        for argument in aggregates.iter().filter_map(|call| call.argument.as_ref()) {
            expressions.push(CompiledExpression::compile(argument)?);
        }
        Ok(FiniteGroups {
            expressions,
            key_types: keys.iter().map(|key| key.sql_type).collect(),
            aggregates: aggregates.to_vec(),
            input_types,
        })
    }

    /// The groups of these rows in order of first appearance; without keys a single one, even of no rows. Rows and
    /// groups that fail are reported and skipped.
    pub(super) fn of(&self, rows: Batch, context: &mut RunContext<'_>) -> Batch {
        let expressions: Vec<&CompiledExpression> = self.expressions.iter().collect();
        let (rows, values) = evaluate_all(&expressions, rows, &self.input_types, context);
        let (keys, arguments) = values.split_at(self.key_types.len());
        let (ids, firsts) = group(keys, rows.len());
        let groups = if keys.is_empty() { 1 } else { firsts.len() };
        let firsts = UInt32Array::from(firsts);
        let mut columns: Vec<ArrayRef> = keys
            .iter()
            .map(|key| {
                arrow_select::take::take(key, &firsts, None).expect("the first row of a group is there")
            })
            .collect();
        let mut arguments = arguments.iter();
        let mut errors = RowErrors::default();
        let all: Vec<usize> = (0..groups).collect();
        let every_row: Vec<u32> = (0..ids.len() as u32).collect();
        for call in &self.aggregates {
            let argument = call.argument.as_ref().and_then(|_| arguments.next());
            let mut accumulator = Accumulator::new(call, false);
            accumulator.resize(groups);
            accumulator.update_groups(argument, &every_row, &ids);
            let (column, failed) = accumulator.results(&all);
            errors.append(failed);
            columns.push(column);
        }
        let times: Vec<i64> = vec![0; groups];
        let given = Batch::new(times.clone().into(), columns);
        if errors.is_empty() {
            return given;
        }
        errors.settle();
        let shown = Batch::new(times.into(), given.columns[..self.key_types.len()].to_vec());
        let kept = report(&errors, &shown, &self.key_types, context);
        given.filter(&kept).expect("the mask has one value for each group")
    }
}

/// The group of each row, and the first row of each group.
fn group(keys: &[ArrayRef], rows: usize) -> (Vec<u32>, Vec<u32>) {
    if keys.is_empty() {
        return (vec![0; rows], Vec::new());
    }
    let mut ids = Vec::with_capacity(rows);
    GroupTable::default().assign(&EncodedKeys::new(keys, rows), 0..rows, &mut ids);
    let mut firsts: Vec<u32> = Vec::new();
    for (row, id) in (0..).zip(&ids) {
        if *id as usize == firsts.len() {
            firsts.push(row);
        }
    }
    (ids, firsts)
}

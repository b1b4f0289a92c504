//! Queries in expressions: one more column for each row, from a finite relation.

use super::finite::FiniteRelation;
use super::memory::{GROUP_OVERHEAD, RowSize};
use super::row_failures::{evaluate_all, report_row};
use super::{BuildSettings, Operator, Outbox, RunContext, column_types};
use crate::expression::{CompileError, CompiledExpression, null_array};
use crate::grouping::{EncodedKeys, GroupTable};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use millstream_columns::{Batch, RowError};
use millstream_sql::{Node, SqlType, SubqueryValue};
use std::sync::Arc;

pub(super) struct Subquery {
    relation: FiniteRelation,
    relation_types: Vec<SqlType>,
    asks: Asks,
    input_types: Vec<SqlType>,
    rows: Batch,
    /// The values of the relation, without NULL, for IN.
    values: GroupTable,
    has_null: bool,
    /// The version of the reference tables that the rows were made of.
    version: Option<u64>,
    row_size: RowSize,
    /// Bytes of the rows of the relation and what finds them.
    bytes: usize,
    /// There is no room for them.
    refusal: Option<RowError>,
}

enum Asks {
    Scalar,
    Exists,
    In(CompiledExpression),
}

impl Subquery {
    pub(super) fn new(
        input: &Node,
        relation: &Node,
        value: &SubqueryValue,
        settings: BuildSettings,
    ) -> Result<Subquery, CompileError> {
        let relation_types = column_types(relation);
        Ok(Subquery {
            relation: FiniteRelation::new(relation, settings)?,
            rows: Batch::empty(&relation_types),
            row_size: RowSize::of_types(&relation_types),
            relation_types,
            asks: match value {
                SubqueryValue::Scalar => Asks::Scalar,
                SubqueryValue::Exists => Asks::Exists,
                SubqueryValue::In(operand) => Asks::In(CompiledExpression::compile(operand)?),
            },
            input_types: column_types(input),
            values: GroupTable::default(),
            has_null: false,
            version: None,
            bytes: 0,
            refusal: None,
        })
    }

    /// Computes the relation again when the tables have changed.
    fn refresh(&mut self, context: &mut RunContext<'_>) {
        if self.version == Some(context.tables.version) {
            return;
        }
        self.version = Some(context.tables.version);
        self.rows = self.relation.evaluate(context);
        self.values.clear();
        self.has_null = false;
        let found = if matches!(self.asks, Asks::In(_)) { GROUP_OVERHEAD } else { 0 };
        self.bytes = self.row_size.of_all(&self.rows) + self.rows.len() * found;
        self.refusal = context.relation_refusal(self.bytes);
        if self.refusal.is_some() {
            (self.rows, self.bytes) = (Batch::empty(&self.relation_types), 0);
            return;
        }
        if let Asks::In(_) = self.asks {
            let column = &self.rows.columns[0];
            self.has_null = column.null_count() > 0;
            let known = arrow_select::filter::filter(column, &present(column));
            let known = known.expect("the mask has one value for each row");
            let rows = known.len();
            self.values.assign(&EncodedKeys::new(&[known], rows), 0..rows, &mut Vec::new());
        }
    }

    /// Whether each value is among those of the relation.
    fn is_among(&self, values: &ArrayRef) -> BooleanArray {
        let keys = EncodedKeys::new(std::slice::from_ref(values), values.len());
        (0..values.len())
            .map(|row| {
                if self.rows.is_empty() {
                    Some(false)
                } else if values.is_null(row) {
                    None
                } else if self.values.find(&keys, row).is_some() {
                    Some(true)
                } else {
                    (!self.has_null).then_some(false)
                }
            })
            .collect()
    }

    fn scalar(&self, rows: usize) -> ArrayRef {
        if self.rows.is_empty() {
            return null_array(self.relation_types[0], rows);
        }
        let first = UInt32Array::from(vec![0; rows]);
        arrow_select::take::take(&self.rows.columns[0], &first, None).expect("there is a first row")
    }
}

fn present(column: &ArrayRef) -> BooleanArray {
    (0..column.len()).map(|row| Some(column.is_valid(row))).collect()
}

impl Operator for Subquery {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        self.refresh(context);
        if let Some(refusal) = &self.refusal {
            (0..batch.len()).for_each(|row| report_row(refusal, &batch, row, &self.input_types, context));
            outbox.bound(last);
            return;
        }
        let (mut batch, column): (Batch, ArrayRef) = match &self.asks {
            Asks::Scalar if self.rows.len() > 1 => {
                let message =
                    format!("a query in an expression gives one row, this gave {}", self.rows.len());
                let error = RowError::function(message);
                for row in 0..batch.len() {
                    report_row(&error, &batch, row, &self.input_types, context);
                }
                outbox.bound(last);
                return;
            }
            Asks::Scalar => {
                let column = self.scalar(batch.len());
                (batch, column)
            }
            Asks::Exists => {
                let column = Arc::new(BooleanArray::from(vec![!self.rows.is_empty(); batch.len()]));
                (batch, column)
            }
            Asks::In(operand) => {
                let (batch, values) = evaluate_all(&[operand], batch, &self.input_types, context);
                let column = Arc::new(self.is_among(&values[0]));
                (batch, column)
            }
        };
        batch.columns.push(column);
        outbox.rows(batch);
        outbox.bound(last);
    }

    fn holds_rows(&self) -> bool {
        true
    }

    fn held_bytes(&self) -> usize {
        self.bytes
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }
}

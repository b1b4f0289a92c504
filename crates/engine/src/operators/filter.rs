//! WHERE and HAVING: keeps the rows for which a condition is TRUE.

use super::row_failures::evaluate_all;
use super::{Operator, Outbox, RunContext};
use crate::expression::{CompileError, CompiledExpression};
use arrow_array::cast::AsArray;
use millstream_columns::Batch;
use millstream_sql::{Expression, SqlType};

pub(super) struct Filter {
    predicate: CompiledExpression,
    input_types: Vec<SqlType>,
}

impl Filter {
    pub(super) fn new(predicate: &Expression, input_types: Vec<SqlType>) -> Result<Filter, CompileError> {
        Ok(Filter { predicate: CompiledExpression::compile(predicate)?, input_types })
    }
}

impl Operator for Filter {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let (batch, columns) = evaluate_all(&[&self.predicate], batch, &self.input_types, context);
        let kept = batch.filter(columns[0].as_boolean()).expect("the mask has one value for each row");
        outbox.rows(kept);
        // Time goes on with the rows that are dropped.
        outbox.bound(last);
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }
}

//! Compiled expressions: a typed tree, built once from the plan, that computes whole columns.
//!
//! ```text
//!   sql::Expression ─▶ compile ─▶ Node tree ─▶ evaluate(batch) ─▶ values + row errors
//! ```
//!
//! - Constants stay one value (`Datum::Constant`) all the way: a literal is never spread over the rows.
//! - A row that fails gets NULL and an entry in [`RowErrors`]; its neighbours go on. AND, OR, CASE and COALESCE drop
//!   the errors of operands that a row does not need. Expressions have no effects, so computing a value that
//!   is not needed is allowed, and cheaper than leaving rows out.
//! - Constant operands are computed when the expression is compiled, patterns prepared.

pub(crate) mod arithmetic;
pub(crate) mod comparison;
mod compile;
mod conditional;
pub(crate) mod datetime;
pub(crate) mod intervals;
pub(crate) mod java_regex;
pub(crate) mod like;
mod logic;
mod membership;
mod node;
pub(crate) mod similar;
mod texts;

#[cfg(test)]
mod tests;

pub(crate) use crate::datum;

pub use crate::compile_error::CompileError;
pub use crate::evaluation_context::EvaluationContext;

use crate::cast::text::counted_text;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::{Batch, RowError, RowErrors, physical_type, value_at};
use millstream_sql::{self as sql, SqlType, Value};
use node::{Input, Node};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A column of results.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One value for each row; NULL where the row failed.
    pub values: ArrayRef,
    /// The rows that failed, each once.
    pub errors: RowErrors,
}

/// An expression ready to run over batches. Compile once, evaluate often; may be shared by threads.
pub struct CompiledExpression {
    root: Node,
    sql_type: SqlType,
}

impl CompiledExpression {
    /// Compiles an expression of a plan.
    ///
    /// # Errors
    /// When the plan is not one of the front end's: see [`CompileError`].
    pub fn compile(expression: &sql::Expression) -> Result<CompiledExpression, CompileError> {
        let root = compile::compile(expression)?;
        Ok(CompiledExpression { root, sql_type: expression.sql_type })
    }

    /// The same for a value on its way into a column: gives the number of texts that were cut to its length, too, where
    /// that can happen.
    ///
    /// # Errors
    /// As [`CompiledExpression::compile`].
    pub(crate) fn compile_assignment(
        expression: &sql::Expression,
    ) -> Result<(CompiledExpression, Option<Arc<AtomicU64>>), CompileError> {
        if let sql::ExpressionKind::Cast { operand, mode: sql::CastMode::Assignment } = &expression.kind {
            let cut = Arc::new(AtomicU64::new(0));
            let kernel = counted_text(operand.sql_type, expression.sql_type, Arc::clone(&cut));
            if let Some(kernel) = kernel {
                let root = Node::operation(vec![compile::compile(operand)?], false, kernel);
                return Ok((CompiledExpression { root, sql_type: expression.sql_type }, Some(cut)));
            }
        }
        Ok((CompiledExpression::compile(expression)?, None))
    }

    /// The type of the values.
    pub fn sql_type(&self) -> SqlType {
        self.sql_type
    }

    /// Whether any row can fail. `false` is a promise.
    pub fn can_fail(&self) -> bool {
        self.root.can_fail()
    }

    /// The value when it is the same for every row, computed already.
    pub fn constant(&self) -> Option<Value> {
        self.root.literal().map(|array| value_at(array, self.sql_type, 0))
    }

    /// Computes the expression for every row of `batch`.
    ///
    /// # Panics
    /// When the batch does not have the columns that the expression was planned for.
    pub fn evaluate(&self, batch: &Batch, context: &EvaluationContext) -> Evaluated {
        let input = Input { rowtimes: &batch.rowtimes, columns: &batch.columns, rows: batch.len(), context };
        let mut errors = RowErrors::default();
        let datum = self.root.evaluate(&input, &mut errors);
        errors.settle();
        let values = datum.into_column(batch.len());
        Evaluated { values: nullify_failed(values, &errors), errors }
    }

    /// Computes the expression for one instant, for expressions of ROWTIME, constants and the clock alone. A few
    /// microseconds at most; made to search for the end of a window.
    ///
    /// # Errors
    /// The row error, when the expression fails at that instant.
    ///
    /// # Panics
    /// When the expression uses columns.
    pub fn evaluate_rowtime_only(
        &self,
        rowtime: i64,
        context: &EvaluationContext,
    ) -> Result<Value, RowError> {
        let rowtimes = ScalarBuffer::from(vec![rowtime]);
        let input = Input { rowtimes: &rowtimes, columns: &[], rows: 1, context };
        let mut errors = RowErrors::default();
        let datum = self.root.evaluate(&input, &mut errors);
        errors.settle();
        match errors.iter().next() {
            Some((_, error)) => Err(error.clone()),
            None => Ok(value_at(datum.array(), self.sql_type, 0)),
        }
    }

    /// Computes an expression without columns or ROWTIME: an `eval` line, a default, a bound.
    ///
    /// # Errors
    /// The row error, when the expression fails.
    ///
    /// # Panics
    /// When the expression uses columns.
    pub fn evaluate_constant(&self, context: &EvaluationContext) -> Result<Value, RowError> {
        self.evaluate_rowtime_only(context.now, context)
    }
}

impl std::fmt::Debug for CompiledExpression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledExpression").field("sql_type", &self.sql_type).finish_non_exhaustive()
    }
}

/// Sets the rows that failed to NULL, whatever an operation that ignores NULL made of them.
fn nullify_failed(values: ArrayRef, errors: &RowErrors) -> ArrayRef {
    if errors.is_empty() || errors.iter().all(|(row, _)| values.is_null(row)) {
        return values;
    }
    let mut failed = vec![false; values.len()];
    errors.iter().for_each(|(row, _)| failed[row] = true);
    arrow_select::nullif::nullif(&values, &BooleanArray::from(failed))
        .expect("the mask has the length of the values")
}

/// An array of `rows` NULLs of a SQL type.
pub(crate) fn null_array(sql_type: SqlType, rows: usize) -> ArrayRef {
    arrow_array::new_null_array(&physical_type(sql_type), rows)
}

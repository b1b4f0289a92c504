//! Taking failed rows out of a batch and sending them to the error stream.

use super::RunContext;
use crate::error_row::ErrorRow;
use crate::expression::{CompiledExpression, Evaluated};
use arrow_array::{ArrayRef, BooleanArray};
use millstream_columns::{Batch, RowError, RowErrors};
use millstream_sql::SqlType;

/// One row of an input that goes through a pump alone makes no more errors there, however many rows come of it.
const MOST_ERRORS_OF_ROW: usize = 1_000;

/// Evaluates all expressions over the batch. Rows that fail in any of them are reported and taken out; the values of
/// the others come back with the batch that is left.
pub(super) fn evaluate_all(
    expressions: &[&CompiledExpression],
    mut batch: Batch,
    types: &[SqlType],
    context: &mut RunContext<'_>,
) -> (Batch, Vec<ArrayRef>) {
    let evaluated: Vec<Evaluated> =
        expressions.iter().map(|expression| expression.evaluate(&batch, &context.evaluation)).collect();
    if evaluated.iter().all(|result| result.errors.is_empty()) {
        return (batch, evaluated.into_iter().map(|result| result.values).collect());
    }
    let mut errors = RowErrors::default();
    let mut columns = Vec::with_capacity(evaluated.len());
    for result in evaluated {
        errors.append(result.errors);
        columns.push(result.values);
    }
    errors.settle();
    let kept = report(&errors, &batch, types, context);
    batch = batch.filter(&kept).expect("the mask has one value for each row");
    let columns = columns
        .iter()
        .map(|column| {
            arrow_select::filter::filter(column, &kept).expect("the mask has one value for each row")
        })
        .collect();
    (batch, columns)
}

/// Sends the failed rows of a batch to the error stream; gives the mask of the others.
pub(super) fn report(
    errors: &RowErrors,
    batch: &Batch,
    types: &[SqlType],
    context: &mut RunContext<'_>,
) -> BooleanArray {
    let mut kept = vec![true; batch.len()];
    for (row, error) in errors.iter() {
        kept[row] = false;
        report_row(error, batch, row, types, context);
    }
    BooleanArray::from(kept)
}

/// Sends one row to the error stream.
pub(super) fn report_row(
    error: &RowError,
    batch: &Batch,
    row: usize,
    types: &[SqlType],
    context: &mut RunContext<'_>,
) {
    let before = context.made_of_row.as_ref().map_or(0, |made| made.errors);
    if before == MOST_ERRORS_OF_ROW {
        return;
    }
    let mut error_row = ErrorRow::of_batch_row(error, batch, row, types, context.pump, context.evaluation);
    if let Some(made) = &mut context.made_of_row {
        made.errors += 1;
        if made.errors == MOST_ERRORS_OF_ROW {
            error_row.message.push_str("; more errors that come of the same row are left out");
        }
    }
    context.errors.push(error_row);
}

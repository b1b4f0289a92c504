//! CASE and COALESCE: each row counts only the operands that it takes.

use crate::expression::datum::Datum;
use crate::expression::logic::masks;
use crate::expression::node::{Input, Node};
use crate::expression::null_array;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Scalar};
use arrow_buffer::BooleanBuffer;
use millstream_columns::RowErrors;
use millstream_sql::SqlType;

/// Searched CASE: conditions in order, the first TRUE one decides.
pub(super) fn evaluate_case(
    branches: &[(Node, Node)],
    otherwise: &Node,
    sql_type: SqlType,
    input: &Input<'_>,
    errors: &mut RowErrors,
) -> Datum {
    let mut remaining = BooleanBuffer::new_set(input.rows);
    let mut chosen: Vec<(BooleanBuffer, Datum)> = Vec::with_capacity(branches.len() + 1);
    for (condition, value) in branches {
        if remaining.count_set_bits() == 0 {
            break;
        }
        let mut own = RowErrors::default();
        let condition = condition.evaluate(input, &mut own).into_column(input.rows);
        let failed = keep_rows(own, &remaining, errors);
        let (trues, _) = masks(condition.as_boolean());
        let mut taken = &remaining & &trues;
        if let Some(failed) = failed {
            taken = &taken & &!&failed;
            remaining = &remaining & &!&failed;
        }
        if taken.count_set_bits() == 0 {
            continue;
        }
        chosen.push(evaluate_where(value, &taken, input, errors));
        remaining = &remaining & &!&chosen.last().expect("just pushed").0;
    }
    if remaining.count_set_bits() > 0 {
        chosen.push(evaluate_where(otherwise, &remaining, input, errors));
    }
    assemble(chosen, sql_type, input.rows)
}

/// The first operand that is not NULL.
pub(super) fn evaluate_coalesce(
    operands: &[Node],
    sql_type: SqlType,
    input: &Input<'_>,
    errors: &mut RowErrors,
) -> Datum {
    let mut remaining = BooleanBuffer::new_set(input.rows);
    let mut chosen: Vec<(BooleanBuffer, Datum)> = Vec::new();
    for operand in operands {
        if remaining.count_set_bits() == 0 {
            break;
        }
        let (_, value) = evaluate_where(operand, &remaining, input, errors);
        let taken = match &value {
            Datum::Constant(array) if array.is_null(0) => continue,
            Datum::Constant(_) => remaining.clone(),
            Datum::Column(array) => match array.nulls() {
                None => remaining.clone(),
                Some(nulls) => &remaining & nulls.inner(),
            },
        };
        remaining = &remaining & &!&taken;
        chosen.push((taken, value));
    }
    assemble(chosen, sql_type, input.rows)
}

/// Computes a value of which only the rows in `mask` count.
fn evaluate_where(
    node: &Node,
    mask: &BooleanBuffer,
    input: &Input<'_>,
    errors: &mut RowErrors,
) -> (BooleanBuffer, Datum) {
    if !node.can_fail() {
        return (mask.clone(), node.evaluate(input, errors));
    }
    let mut own = RowErrors::default();
    let value = node.evaluate(input, &mut own);
    keep_rows(own, mask, errors);
    (mask.clone(), value)
}

/// Adds the errors of the rows in `mask`; gives those rows.
fn keep_rows(mut own: RowErrors, mask: &BooleanBuffer, errors: &mut RowErrors) -> Option<BooleanBuffer> {
    own.retain(|row| mask.value(row));
    if own.is_empty() {
        return None;
    }
    let mut failed = vec![false; mask.len()];
    own.iter().for_each(|(row, _)| failed[row] = true);
    errors.append(own);
    Some(BooleanBuffer::from(failed))
}

/// Puts the chosen rows together; rows that nothing chose are NULL.
fn assemble(mut chosen: Vec<(BooleanBuffer, Datum)>, sql_type: SqlType, rows: usize) -> Datum {
    if let [(mask, _)] = chosen.as_slice()
        && mask.count_set_bits() == rows
    {
        return chosen.pop().expect("there is one").1;
    }
    let covered = chosen.iter().map(|(mask, _)| mask.count_set_bits()).sum::<usize>() == rows;
    let mut result = match chosen.pop() {
        Some((_, last)) if covered => last,
        Some((mask, last)) => select(mask, last, Datum::Constant(null_array(sql_type, 1)), rows),
        None => return Datum::Constant(null_array(sql_type, 1)),
    };
    while let Some((mask, value)) = chosen.pop() {
        result = select(mask, value, result, rows);
    }
    result
}

fn select(mask: BooleanBuffer, then: Datum, otherwise: Datum, rows: usize) -> Datum {
    let mask = BooleanArray::new(mask, None);
    let zipped = match (&then, &otherwise) {
        (Datum::Column(then), Datum::Column(otherwise)) => {
            arrow_select::zip::zip(&mask, then as &ArrayRef, otherwise as &ArrayRef)
        }
        (Datum::Constant(then), Datum::Column(otherwise)) => {
            arrow_select::zip::zip(&mask, &Scalar::new(then.clone()), otherwise)
        }
        (Datum::Column(then), Datum::Constant(otherwise)) => {
            arrow_select::zip::zip(&mask, then, &Scalar::new(otherwise.clone()))
        }
        (Datum::Constant(then), Datum::Constant(otherwise)) => {
            arrow_select::zip::zip(&mask, &Scalar::new(then.clone()), &Scalar::new(otherwise.clone()))
        }
    };
    Datum::Column(zipped.unwrap_or_else(|_| arrow_array::new_null_array(then.array().data_type(), rows)))
}

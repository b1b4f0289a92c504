//! Three-valued AND, OR, NOT, and the tests IS NULL, IS TRUE, IS UNKNOWN.

use crate::expression::datum::{Datum, Kernel};
use crate::expression::node::{Input, Node};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use millstream_columns::RowErrors;
use millstream_sql::TruthTest;
use std::sync::Arc;

/// `left AND right`; errors of `right` count only where `left` is not FALSE.
pub(super) fn evaluate_and(left: &Node, right: &Node, input: &Input<'_>, errors: &mut RowErrors) -> Datum {
    connective(left, right, false, input, errors)
}

/// `left OR right`; errors of `right` count only where `left` is not TRUE.
pub(super) fn evaluate_or(left: &Node, right: &Node, input: &Input<'_>, errors: &mut RowErrors) -> Datum {
    connective(left, right, true, input, errors)
}

/// Both connectives: `deciding` is the value of one operand that settles the result (FALSE for AND, TRUE for OR).
fn connective(left: &Node, right: &Node, deciding: bool, input: &Input<'_>, errors: &mut RowErrors) -> Datum {
    let left = left.evaluate(input, errors);
    if left.is_constant() && is_value(left.array().as_boolean(), 0, deciding) {
        return left;
    }
    let left_is_column = !left.is_constant();
    if left_is_column {
        let array = left.array().as_boolean();
        let decided = if deciding { array.true_count() } else { array.false_count() };
        if decided == array.len() && decided > 0 {
            return left;
        }
    }
    let right = if right.can_fail() {
        let mut own = RowErrors::default();
        let value = right.evaluate(input, &mut own);
        if left_is_column {
            let array = left.array().as_boolean();
            own.retain(|row| !is_value(array, row, deciding));
        }
        errors.append(own);
        value
    } else {
        right.evaluate(input, errors)
    };
    let constant = left.is_constant() && right.is_constant();
    let rows = if constant { 1 } else { input.rows };
    let (left, right) = (left.into_column(rows), right.into_column(rows));
    let combined = combine(left.as_boolean(), right.as_boolean(), deciding);
    if constant { Datum::Constant(combined) } else { Datum::Column(combined) }
}

fn is_value(array: &BooleanArray, row: usize, value: bool) -> bool {
    array.is_valid(row) && array.value(row) == value
}

fn combine(left: &BooleanArray, right: &BooleanArray, deciding: bool) -> ArrayRef {
    if left.null_count() == 0 && right.null_count() == 0 {
        let values = if deciding { left.values() | right.values() } else { left.values() & right.values() };
        return Arc::new(BooleanArray::new(values, None));
    }
    let (left_true, left_false) = masks(left);
    let (right_true, right_false) = masks(right);
    let (values, falses) = if deciding {
        (&left_true | &right_true, &left_false & &right_false)
    } else {
        (&left_true & &right_true, &left_false | &right_false)
    };
    let valid = NullBuffer::new(&values | &falses);
    Arc::new(BooleanArray::new(values, Some(valid).filter(|valid| valid.null_count() > 0)))
}

/// The rows that are TRUE, and those that are FALSE.
pub(super) fn masks(array: &BooleanArray) -> (BooleanBuffer, BooleanBuffer) {
    match array.nulls() {
        None => (array.values().clone(), !array.values()),
        Some(nulls) => {
            let trues = array.values() & nulls.inner();
            let falses = &!array.values() & nulls.inner();
            (trues, falses)
        }
    }
}

/// NOT.
pub(super) fn not_kernel() -> Kernel {
    Box::new(|arguments, _| {
        let array = arguments.boolean(0);
        Arc::new(BooleanArray::new(!array.values(), array.nulls().cloned()))
    })
}

/// IS NULL and IS NOT NULL.
pub(super) fn is_null_kernel(negated: bool) -> Kernel {
    Box::new(move |arguments, _| {
        let valid = match arguments.array(0).logical_nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(arguments.rows),
        };
        Arc::new(BooleanArray::new(if negated { valid } else { !&valid }, None))
    })
}

/// IS TRUE, IS FALSE, IS UNKNOWN and their negations.
pub(super) fn is_truth_kernel(test: TruthTest, negated: bool) -> Kernel {
    Box::new(move |arguments, _| {
        let (trues, falses) = masks(arguments.boolean(0));
        let answer = match test {
            TruthTest::True => trues,
            TruthTest::False => falses,
            TruthTest::Unknown => !&(&trues | &falses),
        };
        Arc::new(BooleanArray::new(if negated { !&answer } else { answer }, None))
    })
}

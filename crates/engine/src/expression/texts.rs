//! `||` of texts and byte strings.

use crate::expression::datum::Kernel;
use arrow_array::cast::AsArray;
use millstream_columns::RowError;
use millstream_columns::text_builder::{TextBuilder, binary_array};
use millstream_sql::SqlType;
use std::sync::Arc;

/// Puts two texts or two byte strings together.
pub(super) fn concat(sql_type: SqlType) -> Kernel {
    if !sql_type.is_character() {
        return Box::new(|arguments, _| {
            let (left, right) =
                (arguments.array(0).as_binary::<i32>(), arguments.array(1).as_binary::<i32>());
            let at = |index: usize, row: usize| if arguments.operands[index].is_constant() { 0 } else { row };
            let rows: Vec<Option<Vec<u8>>> = (0..arguments.rows)
                .map(|row| {
                    if arguments.is_null(0, row) || arguments.is_null(1, row) {
                        return None;
                    }
                    Some([left.value(at(0, row)), right.value(at(1, row))].concat())
                })
                .collect();
            Arc::new(binary_array(rows.iter().map(Option::as_deref)))
        });
    }
    Box::new(|arguments, errors| {
        let (left, right) = (arguments.text(0), arguments.text(1));
        let width = |index: usize, lane: &crate::expression::datum::TextLane<'_>| {
            let bytes = lane.bytes().len();
            if arguments.operands[index].is_constant() { bytes * arguments.rows } else { bytes }
        };
        let capacity = (width(0, &left) + width(1, &right)).min(i32::MAX as usize);
        let mut builder = TextBuilder::with_capacity(arguments.rows, capacity);
        for row in 0..arguments.rows {
            match (left.get(row), right.get(row)) {
                (Some(left), Some(right)) if builder.has_room(left.len() + right.len()) => {
                    builder.write(left);
                    builder.write(right);
                    builder.finish_value();
                }
                (Some(_), Some(_)) => {
                    errors.push(row, RowError::function("|| made more text than a batch may hold (2 GiB)"));
                    builder.push_null();
                }
                _ => builder.push_null(),
            }
        }
        Arc::new(builder.finish())
    })
}

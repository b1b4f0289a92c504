//! `x IN (constants)`: looks constants up instead of comparing one after the other.

use crate::expression::datum::{Kernel, pack_unary};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use hashbrown::HashSet;
use millstream_sql::SqlType;
use std::sync::Arc;

/// Up to here a list is searched one by one, which is faster than hashing.
const SHORT_LIST: usize = 8;

/// The kernel for an operand of `sql_type` and a list of constants (arrays of length 1); `None` for types that are
/// compared one by one. A NULL in the list makes every FALSE an UNKNOWN.
pub(super) fn in_constants(sql_type: SqlType, list: &[ArrayRef]) -> Option<Kernel> {
    let has_null = list.iter().any(|item| item.is_null(0));
    let items: Vec<&ArrayRef> = list.iter().filter(|item| item.is_valid(0)).collect();
    match sql_type {
        SqlType::TinyInt => Some(numbers::<Int8Type>(&items, has_null)),
        SqlType::SmallInt => Some(numbers::<Int16Type>(&items, has_null)),
        SqlType::Integer => Some(numbers::<Int32Type>(&items, has_null)),
        SqlType::BigInt => Some(numbers::<Int64Type>(&items, has_null)),
        SqlType::Timestamp => Some(numbers::<TimestampMillisecondType>(&items, has_null)),
        SqlType::Char { .. } | SqlType::Varchar { .. } => Some(texts(&items, has_null)),
        _ => None,
    }
}

fn numbers<T>(items: &[&ArrayRef], has_null: bool) -> Kernel
where
    T: arrow_array::ArrowPrimitiveType,
    T::Native: std::hash::Hash + Eq,
{
    let list: Vec<T::Native> = items.iter().map(|item| item.as_primitive::<T>().value(0)).collect();
    let set: HashSet<T::Native> = list.iter().copied().collect();
    Box::new(move |arguments, _| {
        let array: &PrimitiveArray<T> = arguments.array(0).as_primitive::<T>();
        let found = if list.len() <= SHORT_LIST {
            pack_unary(array.values(), |value| {
                list.iter().fold(false, |found, item| found | (*item == value))
            })
        } else {
            pack_unary(array.values(), |value| set.contains(&value))
        };
        answer(found, array.nulls(), has_null)
    })
}

fn texts(items: &[&ArrayRef], has_null: bool) -> Kernel {
    let list: Vec<String> = items.iter().map(|item| item.as_string::<i32>().value(0).to_owned()).collect();
    let set: HashSet<String> = list.iter().cloned().collect();
    Box::new(move |arguments, _| {
        let array = arguments.array(0).as_string::<i32>();
        let found = BooleanBuffer::collect_bool(array.len(), |row| {
            let value = array.value(row);
            if list.len() <= SHORT_LIST { list.iter().any(|item| item == value) } else { set.contains(value) }
        });
        answer(found, array.nulls(), has_null)
    })
}

fn answer(found: BooleanBuffer, nulls: Option<&NullBuffer>, has_null: bool) -> ArrayRef {
    let nulls = if has_null {
        NullBuffer::union(nulls, Some(&NullBuffer::new(found.clone())))
    } else {
        nulls.cloned()
    };
    Arc::new(BooleanArray::new(found, nulls))
}

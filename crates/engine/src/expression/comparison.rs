//! Comparisons, IS DISTINCT FROM and IN.
//!
//! Texts compare by code point (which is the byte order of UTF-8), byte strings by byte, numbers by value; NaN is
//! above every other number and equal to itself, so that comparisons are a total order.

use crate::expression::CompileError;
use crate::expression::datum::{Arguments, Kernel, Lane, pack_binary, pack_unary};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use millstream_sql::{ComparisonOperator, SqlType};
use std::cmp::Ordering;
use std::sync::Arc;

/// A function that compares the operands of all rows; NULL rows hold anything.
type Comparer = Box<dyn Fn(&Arguments<'_>) -> BooleanBuffer + Send + Sync>;

/// The kernel of a comparison: strict, never fails.
pub(crate) fn compare(
    operator: ComparisonOperator,
    sql_type: SqlType,
    ignore_trailing_blanks: bool,
) -> Result<Kernel, CompileError> {
    let comparer = comparer(operator, sql_type, ignore_trailing_blanks)?;
    Ok(Box::new(move |arguments, _| -> ArrayRef {
        if arguments.has_null_constant() {
            return Arc::new(BooleanArray::new_null(arguments.rows));
        }
        Arc::new(BooleanArray::new(comparer(arguments), arguments.strict_nulls()))
    }))
}

/// IS [NOT] DISTINCT FROM: two NULLs are equal, the answer is never UNKNOWN.
pub(crate) fn not_distinct(sql_type: SqlType, negated: bool) -> Result<Kernel, CompileError> {
    let equal = comparer(ComparisonOperator::Equal, sql_type, false)?;
    Ok(Box::new(move |arguments, _| {
        let left = validity(arguments, 0);
        let right = validity(arguments, 1);
        let equal = if arguments.has_null_constant() {
            BooleanBuffer::new_unset(arguments.rows)
        } else {
            equal(arguments)
        };
        let both = &left & &right;
        let neither = !&(&left | &right);
        let same = &(&both & &equal) | &neither;
        Arc::new(BooleanArray::new(if negated { !&same } else { same }, None))
    }))
}

fn validity(arguments: &Arguments<'_>, index: usize) -> BooleanBuffer {
    let operand = &arguments.operands[index];
    if operand.is_constant() {
        return if operand.array().is_null(0) {
            BooleanBuffer::new_unset(arguments.rows)
        } else {
            BooleanBuffer::new_set(arguments.rows)
        };
    }
    match operand.array().nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(arguments.rows),
    }
}

fn comparer(
    operator: ComparisonOperator,
    sql_type: SqlType,
    ignore_trailing_blanks: bool,
) -> Result<Comparer, CompileError> {
    let comparer: Comparer = match sql_type {
        SqlType::Boolean => Box::new(move |arguments| booleans(operator, arguments)),
        SqlType::TinyInt => ordered::<Int8Type>(operator),
        SqlType::SmallInt => ordered::<Int16Type>(operator),
        SqlType::Integer => ordered::<Int32Type>(operator),
        SqlType::BigInt => ordered::<Int64Type>(operator),
        SqlType::Decimal { .. } => ordered::<Decimal128Type>(operator),
        SqlType::Real => Box::new(move |arguments| {
            primitives::<Float32Type>(operator, arguments, |value| {
                let bits = (value + 0.0).to_bits() as i32;
                bits ^ (((bits >> 31) as u32) >> 1) as i32
            })
        }),
        SqlType::Double => Box::new(move |arguments| {
            primitives::<Float64Type>(operator, arguments, |value| {
                let bits = (value + 0.0).to_bits() as i64;
                bits ^ (((bits >> 63) as u64) >> 1) as i64
            })
        }),
        SqlType::Char { .. } | SqlType::Varchar { .. } => {
            Box::new(move |arguments| texts(operator, arguments, ignore_trailing_blanks))
        }
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => Box::new(move |arguments| {
            let (left, right) =
                (arguments.array(0).as_binary::<i32>(), arguments.array(1).as_binary::<i32>());
            let (left_constant, right_constant) =
                (arguments.operands[0].is_constant(), arguments.operands[1].is_constant());
            BooleanBuffer::collect_bool(arguments.rows, |row| {
                let left = left.value(if left_constant { 0 } else { row });
                let right = right.value(if right_constant { 0 } else { row });
                holds(operator, left.cmp(right))
            })
        }),
        SqlType::Date => ordered::<Date32Type>(operator),
        SqlType::Time => ordered::<Time32MillisecondType>(operator),
        SqlType::Timestamp => ordered::<TimestampMillisecondType>(operator),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => ordered::<Int32Type>(operator),
        SqlType::Interval(_) => ordered::<DurationMillisecondType>(operator),
        SqlType::Null => {
            return Err(CompileError::OperandTypes { operation: "a comparison", types: "NULL".into() });
        }
    };
    Ok(comparer)
}

fn holds(operator: ComparisonOperator, ordering: Ordering) -> bool {
    match operator {
        ComparisonOperator::Equal => ordering.is_eq(),
        ComparisonOperator::NotEqual => ordering.is_ne(),
        ComparisonOperator::Less => ordering.is_lt(),
        ComparisonOperator::LessOrEqual => ordering.is_le(),
        ComparisonOperator::Greater => ordering.is_gt(),
        ComparisonOperator::GreaterOrEqual => ordering.is_ge(),
    }
}

fn ordered<T: Keyed<Key = <T as ArrowPrimitiveType>::Native>>(operator: ComparisonOperator) -> Comparer {
    Box::new(move |arguments| primitives::<T>(operator, arguments, |value| value))
}

fn primitives<T: Keyed>(
    operator: ComparisonOperator,
    arguments: &Arguments<'_>,
    key: impl Fn(T::Native) -> T::Key + Copy,
) -> BooleanBuffer {
    match operator {
        ComparisonOperator::Equal => pairs::<T>(arguments, |left, right| key(left) == key(right)),
        ComparisonOperator::NotEqual => pairs::<T>(arguments, |left, right| key(left) != key(right)),
        ComparisonOperator::Less => pairs::<T>(arguments, |left, right| key(left) < key(right)),
        ComparisonOperator::LessOrEqual => pairs::<T>(arguments, |left, right| key(left) <= key(right)),
        ComparisonOperator::Greater => pairs::<T>(arguments, |left, right| key(left) > key(right)),
        ComparisonOperator::GreaterOrEqual => pairs::<T>(arguments, |left, right| key(left) >= key(right)),
    }
}

fn pairs<T: ArrowPrimitiveType>(
    arguments: &Arguments<'_>,
    predicate: impl Fn(T::Native, T::Native) -> bool,
) -> BooleanBuffer {
    match (arguments.lane::<T>(0), arguments.lane::<T>(1)) {
        (Lane::Column(left), Lane::Column(right)) => pack_binary(left, right, predicate),
        (Lane::Column(left), Lane::Constant(right)) => pack_unary(left, |left| predicate(left, right)),
        (Lane::Constant(left), Lane::Column(right)) => pack_unary(right, |right| predicate(left, right)),
        (Lane::Constant(left), Lane::Constant(right)) => {
            let answer = predicate(left, right);
            BooleanBuffer::collect_bool(arguments.rows, |_| answer)
        }
    }
}

fn texts(
    operator: ComparisonOperator,
    arguments: &Arguments<'_>,
    ignore_trailing_blanks: bool,
) -> BooleanBuffer {
    let (left, right) = (arguments.text(0), arguments.text(1));
    let pair = |row: usize| {
        let left = left.get(row).unwrap_or_default();
        let right = right.get(row).unwrap_or_default();
        if ignore_trailing_blanks {
            (left.trim_end_matches(' '), right.trim_end_matches(' '))
        } else {
            (left, right)
        }
    };
    match operator {
        ComparisonOperator::Equal => BooleanBuffer::collect_bool(arguments.rows, |row| {
            let (left, right) = pair(row);
            left == right
        }),
        ComparisonOperator::NotEqual => BooleanBuffer::collect_bool(arguments.rows, |row| {
            let (left, right) = pair(row);
            left != right
        }),
        _ => BooleanBuffer::collect_bool(arguments.rows, |row| {
            let (left, right) = pair(row);
            holds(operator, left.cmp(right))
        }),
    }
}

fn booleans(operator: ComparisonOperator, arguments: &Arguments<'_>) -> BooleanBuffer {
    let value = |index: usize, row: usize| {
        let array = arguments.boolean(index);
        array.value(if arguments.operands[index].is_constant() { 0 } else { row })
    };
    BooleanBuffer::collect_bool(arguments.rows, |row| holds(operator, value(0, row).cmp(&value(1, row))))
}

/// Types whose values compare by a key that is totally ordered.
pub(crate) trait Keyed: ArrowPrimitiveType {
    /// The key.
    type Key: Ord + Copy;
}

macro_rules! keyed {
    ($($arrow:ty => $key:ty),*) => {
        $(impl Keyed for $arrow { type Key = $key; })*
    };
}

keyed!(
    Int8Type => i8, Int16Type => i16, Int32Type => i32, Int64Type => i64, Decimal128Type => i128,
    Float32Type => i32, Float64Type => i64, Date32Type => i32, Time32MillisecondType => i32,
    TimestampMillisecondType => i64, DurationMillisecondType => i64
);

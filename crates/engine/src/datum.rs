//! Operands of a vectorised operation, and the loops that every operation on numbers shares.

use crate::evaluation_context::EvaluationContext;
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray, UInt32Array, new_null_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder};
use arrow_schema::DataType;
use millstream_columns::{RowError, RowErrors, primitive_array};

/// One value for all rows, or one for each.
#[derive(Clone, Debug)]
pub(crate) enum Datum {
    /// An array of length 1 that stands for every row.
    Constant(ArrayRef),
    /// One value for each row.
    Column(ArrayRef),
}

impl Datum {
    pub(crate) fn array(&self) -> &ArrayRef {
        match self {
            Datum::Constant(array) | Datum::Column(array) => array,
        }
    }

    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Datum::Constant(_))
    }

    /// One value for each of `rows` rows.
    pub(crate) fn into_column(self, rows: usize) -> ArrayRef {
        match self {
            Datum::Column(array) => array,
            Datum::Constant(array) if rows == 1 => array,
            Datum::Constant(array) if rows == 0 => array.slice(0, 0),
            Datum::Constant(array) if array.is_null(0) => new_null_array(array.data_type(), rows),
            Datum::Constant(array) => {
                let indices = UInt32Array::from(vec![0; rows]);
                arrow_select::take::take(&array, &indices, None)
                    .unwrap_or_else(|_| new_null_array(array.data_type(), rows))
            }
        }
    }
}

/// What an operation gets: its operands, computed, and the number of rows it has to produce. When all operands are
/// constants that is 1.
pub(crate) struct Arguments<'a> {
    pub(crate) operands: &'a [Datum],
    pub(crate) rows: usize,
    pub(crate) context: &'a EvaluationContext,
}

/// An operation on columns: gives an array of `rows` values, with NULL in the rows for which it adds an error.
pub(crate) type Kernel = Box<dyn Fn(&Arguments<'_>, &mut RowErrors) -> ArrayRef + Send + Sync>;

/// The numbers of an operand.
#[derive(Clone, Copy)]
pub(crate) enum Lane<'a, N> {
    Column(&'a [N]),
    Constant(N),
}

impl<N: Copy> Lane<'_, N> {
    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> N {
        match self {
            Lane::Column(values) => values[row],
            Lane::Constant(value) => *value,
        }
    }
}

/// The texts of an operand.
#[derive(Clone, Copy)]
pub(crate) struct TextLane<'a> {
    array: &'a StringArray,
    constant: bool,
    nullable: bool,
}

impl<'a> TextLane<'a> {
    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        let row = if self.constant { 0 } else { row };
        if self.nullable && self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }

    /// All texts of the rows as one run of bytes.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        let offsets = self.array.value_offsets();
        let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
        &self.array.value_data()[first..last]
    }

    pub(crate) fn array(&self) -> &'a StringArray {
        self.array
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.constant
    }
}

impl<'a> Arguments<'a> {
    pub(crate) fn array(&self, index: usize) -> &'a ArrayRef {
        self.operands[index].array()
    }

    pub(crate) fn lane<T: ArrowPrimitiveType>(&self, index: usize) -> Lane<'a, T::Native> {
        let operand = &self.operands[index];
        let array: &'a PrimitiveArray<T> = operand.array().as_primitive::<T>();
        if operand.is_constant() { Lane::Constant(array.value(0)) } else { Lane::Column(array.values()) }
    }

    pub(crate) fn text(&self, index: usize) -> TextLane<'a> {
        let operand = &self.operands[index];
        let array = operand.array().as_string::<i32>();
        TextLane { array, constant: operand.is_constant(), nullable: array.null_count() > 0 }
    }

    pub(crate) fn boolean(&self, index: usize) -> &'a BooleanArray {
        self.array(index).as_boolean()
    }

    pub(crate) fn is_null(&self, index: usize, row: usize) -> bool {
        let operand = &self.operands[index];
        operand.array().is_null(if operand.is_constant() { 0 } else { row })
    }

    /// True when a constant operand is NULL: then a strict operation gives nothing but NULL.
    pub(crate) fn has_null_constant(&self) -> bool {
        self.operands.iter().any(|operand| operand.is_constant() && operand.array().is_null(0))
    }

    /// Rows in which any column operand is NULL, as the validity of a strict operation's result.
    pub(crate) fn strict_nulls(&self) -> Option<NullBuffer> {
        self.operands
            .iter()
            .filter(|operand| !operand.is_constant())
            .fold(None, |nulls, operand| NullBuffer::union(nulls.as_ref(), operand.array().nulls()))
    }
}

/// Applies `operation` to each row of one operand; the flag of its answer says that the value does not exist, and
/// `error` then names the reason.
pub(crate) fn checked_unary<A: ArrowPrimitiveType, R: ArrowPrimitiveType>(
    arguments: &Arguments<'_>,
    result: &DataType,
    errors: &mut RowErrors,
    operation: impl Fn(A::Native) -> (R::Native, bool),
    error: impl Fn(A::Native) -> RowError,
) -> ArrayRef {
    if arguments.has_null_constant() {
        return new_null_array(result, arguments.rows);
    }
    let nulls = arguments.strict_nulls();
    let mut failed = false;
    let lane = arguments.lane::<A>(0);
    let values: Vec<R::Native> = match lane {
        Lane::Column(column) => column
            .iter()
            .map(|value| {
                let (value, bad) = operation(*value);
                failed |= bad;
                value
            })
            .collect(),
        Lane::Constant(value) => {
            let (value, bad) = operation(value);
            failed |= bad;
            vec![value; arguments.rows]
        }
    };
    let nulls = if failed {
        mark_failed(arguments.rows, nulls, errors, |row| {
            let value = lane.get(row);
            operation(value).1.then(|| error(value))
        })
    } else {
        nulls
    };
    primitive_array::<R>(values, nulls, result)
}

/// Applies `operation` to each row of one operand.
pub(crate) fn unary<A: ArrowPrimitiveType, R: ArrowPrimitiveType>(
    arguments: &Arguments<'_>,
    result: &DataType,
    operation: impl Fn(A::Native) -> R::Native,
) -> ArrayRef {
    let mut none = RowErrors::default();
    checked_unary::<A, R>(
        arguments,
        result,
        &mut none,
        |value| (operation(value), false),
        |_| RowError::function("cannot happen"),
    )
}

/// Applies `operation` to each row of two operands; the flag of its answer says that the value does not exist, and
/// `error` then names the reason. The loop has no branch: rows are looked at again only when a flag was set.
pub(crate) fn checked_binary<A: ArrowPrimitiveType, B: ArrowPrimitiveType, R: ArrowPrimitiveType>(
    arguments: &Arguments<'_>,
    result: &DataType,
    errors: &mut RowErrors,
    operation: impl Fn(A::Native, B::Native) -> (R::Native, bool),
    error: impl Fn(A::Native, B::Native) -> RowError,
) -> ArrayRef {
    if arguments.has_null_constant() {
        return new_null_array(result, arguments.rows);
    }
    let nulls = arguments.strict_nulls();
    let mut failed = false;
    let (left, right) = (arguments.lane::<A>(0), arguments.lane::<B>(1));
    let mut apply = |left: A::Native, right: B::Native| {
        let (value, bad) = operation(left, right);
        failed |= bad;
        value
    };
    let values: Vec<R::Native> = match (left, right) {
        (Lane::Column(left), Lane::Column(right)) => {
            left.iter().zip(right).map(|(left, right)| apply(*left, *right)).collect()
        }
        (Lane::Column(left), Lane::Constant(right)) => left.iter().map(|left| apply(*left, right)).collect(),
        (Lane::Constant(left), Lane::Column(right)) => {
            right.iter().map(|right| apply(left, *right)).collect()
        }
        (Lane::Constant(left), Lane::Constant(right)) => vec![apply(left, right); arguments.rows],
    };
    let nulls = if failed {
        mark_failed(arguments.rows, nulls, errors, |row| {
            let (left, right) = (left.get(row), right.get(row));
            operation(left, right).1.then(|| error(left, right))
        })
    } else {
        nulls
    };
    primitive_array::<R>(values, nulls, result)
}

/// The slow path after a batch in which something failed: finds the failed rows, adds their errors and gives the new
/// validity. NULL rows cannot fail.
pub(crate) fn mark_failed(
    rows: usize,
    nulls: Option<NullBuffer>,
    errors: &mut RowErrors,
    check: impl Fn(usize) -> Option<RowError>,
) -> Option<NullBuffer> {
    let mut validity = NullBufferBuilder::new(rows);
    for row in 0..rows {
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        match if valid { check(row) } else { None } {
            Some(error) => {
                errors.push(row, error);
                validity.append_null();
            }
            None => validity.append(valid),
        }
    }
    validity.finish()
}

/// Packs `predicate` of two slices of one length into bits.
pub(crate) fn pack_binary<A: Copy, B: Copy>(
    left: &[A],
    right: &[B],
    predicate: impl Fn(A, B) -> bool,
) -> BooleanBuffer {
    let rows = left.len().min(right.len());
    let mut words: Vec<u64> = Vec::with_capacity(rows.div_ceil(64));
    for (left, right) in left[..rows].chunks(64).zip(right[..rows].chunks(64)) {
        let mut bytes = [0u8; 64];
        for ((byte, left), right) in bytes.iter_mut().zip(left).zip(right) {
            *byte = u8::from(predicate(*left, *right));
        }
        words.push(pack_word(&bytes));
    }
    BooleanBuffer::new(Buffer::from_vec(words), 0, rows)
}

/// Packs `predicate` of each value of a slice into bits.
pub(crate) fn pack_unary<A: Copy>(values: &[A], predicate: impl Fn(A) -> bool) -> BooleanBuffer {
    let mut words: Vec<u64> = Vec::with_capacity(values.len().div_ceil(64));
    for chunk in values.chunks(64) {
        let mut bytes = [0u8; 64];
        for (byte, value) in bytes.iter_mut().zip(chunk) {
            *byte = u8::from(predicate(*value));
        }
        words.push(pack_word(&bytes));
    }
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}

/// Sixty-four bytes of 0 or 1 as bits, the first byte lowest. Each group of eight is gathered by one multiplication that
/// moves byte `i` to bit `56 + i`; no two products meet, so nothing carries.
fn pack_word(bytes: &[u8; 64]) -> u64 {
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut word = 0;
    for (group, eight) in bytes.chunks_exact(8).enumerate() {
        let eight = u64::from_le_bytes(eight.try_into().expect("chunks of eight"));
        word |= (eight.wrapping_mul(GATHER) >> 56) << (8 * group);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bits_are_the_predicate() {
        let values: Vec<i32> = (0..200).map(|value| value * 37 % 101).collect();
        let packed = pack_unary(&values, |value| value > 50);
        let also = pack_binary(&values, &values, |left, right| left + right > 100);
        for (row, value) in values.iter().enumerate() {
            assert_eq!(packed.value(row), *value > 50);
            assert_eq!(also.value(row), *value > 50);
        }
    }
}

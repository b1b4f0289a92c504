//! Single values: arrays from plan values, plan values from arrays.

use crate::batch::physical_type;
use crate::text_builder::binary_array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, PrimitiveArray, StringArray};
use millstream_sql::{SqlType, Value};
use std::sync::Arc;

/// A value that is not one of its type: the plan contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the value {value:?} is not of type {sql_type}")]
pub struct ValueTypeError {
    /// The value.
    pub value: Value,
    /// The type that it should have.
    pub sql_type: SqlType,
}

/// An array of type `sql_type` with these values.
///
/// # Errors
/// When a value belongs to another type or does not fit it.
pub fn array_from_values(sql_type: SqlType, values: &[Value]) -> Result<ArrayRef, ValueTypeError> {
    match sql_type {
        SqlType::Null => {
            if let Some(value) = values.iter().find(|value| **value != Value::Null) {
                return Err(ValueTypeError { value: value.clone(), sql_type });
            }
            Ok(Arc::new(NullArray::new(values.len())))
        }
        SqlType::Boolean => {
            let items = collect(sql_type, values, |value| match value {
                Value::Boolean(value) => Some(*value),
                _ => None,
            })?;
            Ok(Arc::new(BooleanArray::from(items)))
        }
        SqlType::TinyInt => primitive::<Int8Type>(sql_type, values, |value| integer(value)?.try_into().ok()),
        SqlType::SmallInt => {
            primitive::<Int16Type>(sql_type, values, |value| integer(value)?.try_into().ok())
        }
        SqlType::Integer => primitive::<Int32Type>(sql_type, values, |value| integer(value)?.try_into().ok()),
        SqlType::BigInt => primitive::<Int64Type>(sql_type, values, integer),
        SqlType::Decimal { .. } => primitive::<Decimal128Type>(sql_type, values, |value| match value {
            Value::Decimal(value) => Some(*value),
            _ => None,
        }),
        SqlType::Real => primitive::<Float32Type>(sql_type, values, |value| match value {
            Value::Double(value) => Some(*value as f32),
            _ => None,
        }),
        SqlType::Double => primitive::<Float64Type>(sql_type, values, |value| match value {
            Value::Double(value) => Some(*value),
            _ => None,
        }),
        SqlType::Char { .. } | SqlType::Varchar { .. } => {
            let items = collect(sql_type, values, |value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })?;
            Ok(Arc::new(StringArray::from(items)))
        }
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => {
            let items = collect(sql_type, values, |value| match value {
                Value::Binary(bytes) => Some(bytes.as_slice()),
                _ => None,
            })?;
            Ok(Arc::new(binary_array(items)))
        }
        SqlType::Date => primitive::<Date32Type>(sql_type, values, |value| match value {
            Value::Date(days) => Some(*days),
            _ => None,
        }),
        SqlType::Time => primitive::<Time32MillisecondType>(sql_type, values, |value| match value {
            Value::Time(millis) => Some(*millis),
            _ => None,
        }),
        SqlType::Timestamp => primitive::<TimestampMillisecondType>(sql_type, values, |value| match value {
            Value::Timestamp(millis) => Some(*millis),
            _ => None,
        }),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => {
            primitive::<Int32Type>(sql_type, values, |value| match value {
                Value::IntervalMonths(months) => Some(*months),
                _ => None,
            })
        }
        SqlType::Interval(_) => primitive::<DurationMillisecondType>(sql_type, values, |value| match value {
            Value::IntervalMillis(millis) => Some(*millis),
            _ => None,
        }),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        _ => None,
    }
}

fn collect<'a, T>(
    sql_type: SqlType,
    values: &'a [Value],
    convert: impl Fn(&'a Value) -> Option<T>,
) -> Result<Vec<Option<T>>, ValueTypeError> {
    values
        .iter()
        .map(|value| match value {
            Value::Null => Ok(None),
            value => match convert(value) {
                Some(item) => Ok(Some(item)),
                None => Err(ValueTypeError { value: value.clone(), sql_type }),
            },
        })
        .collect()
}

fn primitive<T: ArrowPrimitiveType>(
    sql_type: SqlType,
    values: &[Value],
    convert: impl Fn(&Value) -> Option<T::Native>,
) -> Result<ArrayRef, ValueTypeError> {
    let items = collect(sql_type, values, convert)?;
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(items).with_data_type(physical_type(sql_type))))
}

/// The value of one row of an array of type `sql_type`.
///
/// # Panics
/// When the array does not have the [`physical_type`] of `sql_type`, or no such row.
pub fn value_at(array: &ArrayRef, sql_type: SqlType, row: usize) -> Value {
    if sql_type == SqlType::Null || array.is_null(row) {
        return Value::Null;
    }
    match sql_type {
        SqlType::Null => Value::Null,
        SqlType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        SqlType::TinyInt => Value::Integer(i64::from(array.as_primitive::<Int8Type>().value(row))),
        SqlType::SmallInt => Value::Integer(i64::from(array.as_primitive::<Int16Type>().value(row))),
        SqlType::Integer => Value::Integer(i64::from(array.as_primitive::<Int32Type>().value(row))),
        SqlType::BigInt => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        SqlType::Decimal { .. } => Value::Decimal(array.as_primitive::<Decimal128Type>().value(row)),
        SqlType::Real => Value::Double(f64::from(array.as_primitive::<Float32Type>().value(row))),
        SqlType::Double => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        SqlType::Char { .. } | SqlType::Varchar { .. } => {
            Value::Text(array.as_string::<i32>().value(row).to_owned())
        }
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => {
            Value::Binary(array.as_binary::<i32>().value(row).to_vec())
        }
        SqlType::Date => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        SqlType::Time => Value::Time(array.as_primitive::<Time32MillisecondType>().value(row)),
        SqlType::Timestamp => Value::Timestamp(array.as_primitive::<TimestampMillisecondType>().value(row)),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => {
            Value::IntervalMonths(array.as_primitive::<Int32Type>().value(row))
        }
        SqlType::Interval(_) => {
            Value::IntervalMillis(array.as_primitive::<DurationMillisecondType>().value(row))
        }
    }
}

/// Bytes of an entry of a set or map besides its key.
pub const ENTRY_OVERHEAD: usize = 48;

/// Bytes of a value that is kept.
pub fn value_bytes(value: &Value) -> usize {
    let text = match value {
        Value::Text(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        _ => 0,
    };
    size_of::<Value>() + text
}

/// The most bytes that a value of this type has when it is kept.
pub fn most_value_bytes(sql_type: SqlType) -> usize {
    let text = match sql_type {
        // A character has up to four bytes.
        SqlType::Char { length } | SqlType::Varchar { length } => 4 * length as usize,
        SqlType::Binary { length } | SqlType::Varbinary { length } => length as usize,
        _ => 0,
    };
    size_of::<Value>() + text
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::{IntervalQualifier, TimeUnit};

    #[test]
    fn values_survive_the_way_through_an_array() {
        let cases = [
            (SqlType::Boolean, Value::Boolean(true)),
            (SqlType::TinyInt, Value::Integer(-128)),
            (SqlType::BigInt, Value::Integer(i64::MIN)),
            (SqlType::Decimal { precision: 5, scale: 2 }, Value::Decimal(12345)),
            (SqlType::Real, Value::Double(0.5)),
            (SqlType::Varchar { length: 3 }, Value::Text("äb".into())),
            (SqlType::Varbinary { length: 3 }, Value::Binary(vec![0, 255])),
            (SqlType::Date, Value::Date(-1)),
            (SqlType::Time, Value::Time(1)),
            (SqlType::Timestamp, Value::Timestamp(-5)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Year)), Value::IntervalMonths(12)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Day)), Value::IntervalMillis(12)),
        ];
        for (sql_type, value) in cases {
            let array = array_from_values(sql_type, &[Value::Null, value.clone()]).unwrap();
            assert_eq!(array.data_type(), &physical_type(sql_type));
            assert_eq!(value_at(&array, sql_type, 0), Value::Null);
            assert_eq!(value_at(&array, sql_type, 1), value);
        }
        assert!(array_from_values(SqlType::TinyInt, &[Value::Integer(128)]).is_err());
        assert!(array_from_values(SqlType::Null, &[Value::Integer(1)]).is_err());
    }
}

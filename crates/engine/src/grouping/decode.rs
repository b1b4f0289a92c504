//! Keys back from their bytes.

use crate::state::StateError;
use arrow_array::{ArrayRef, StringArray};
use millstream_columns::array_from_values;
use millstream_sql::{SqlType, Value};
use std::sync::Arc;

const DAMAGED: StateError = StateError::Damaged("a key is not of its types");

/// The values of a key that [`super::EncodedKeys`] has encoded from columns of these types. Floats come back as the one of
/// those that are equal: `0.0` for `-0.0`.
pub(crate) fn decode_key(types: &[SqlType], key: &[u8]) -> Result<Vec<Value>, StateError> {
    match types {
        [] => Ok(Vec::new()),
        [sql_type] if is_plain(*sql_type) => match key {
            [0xff] => Ok(vec![Value::Null]),
            _ => Ok(vec![plain(*sql_type, key)?]),
        },
        _ => {
            let mut rest = key;
            let values =
                types.iter().map(|sql_type| element(*sql_type, &mut rest)).collect::<Result<_, _>>()?;
            if rest.is_empty() { Ok(values) } else { Err(DAMAGED) }
        }
    }
}

/// The columns of many keys, a row for each.
pub(crate) fn decode_keys<'k>(
    types: &[SqlType],
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<ArrayRef>, StateError> {
    if let [sql_type] = types
        && sql_type.is_character()
    {
        let texts = keys.map(|key| match key {
            [0xff] => Ok(None),
            _ => std::str::from_utf8(key).map(Some).map_err(|_| DAMAGED),
        });
        return Ok(vec![Arc::new(texts.collect::<Result<StringArray, _>>()?)]);
    }
    let mut columns: Vec<Vec<Value>> = types.iter().map(|_| Vec::with_capacity(keys.size_hint().0)).collect();
    for key in keys {
        let values = decode_key(types, key)?;
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let columns = columns
        .iter()
        .zip(types)
        .map(|(values, sql_type)| array_from_values(*sql_type, values).map_err(|_| DAMAGED));
    columns.collect()
}

/// Whether a single column of this type is encoded as its values are: numbers as eight bytes, texts as they are.
fn is_plain(sql_type: SqlType) -> bool {
    match sql_type {
        SqlType::TinyInt
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Date
        | SqlType::Timestamp
        | SqlType::Char { .. }
        | SqlType::Varchar { .. } => true,
        SqlType::Interval(qualifier) => qualifier.is_year_month(),
        SqlType::Null
        | SqlType::Boolean
        | SqlType::Decimal { .. }
        | SqlType::Binary { .. }
        | SqlType::Varbinary { .. }
        | SqlType::Time => false,
    }
}

fn plain(sql_type: SqlType, key: &[u8]) -> Result<Value, StateError> {
    if sql_type.is_character() {
        return text(key);
    }
    let bits = u64::from_le_bytes(key.try_into().map_err(|_| DAMAGED)?);
    let small = || i32::try_from(bits as i64).map_err(|_| DAMAGED);
    Ok(match sql_type {
        SqlType::Real | SqlType::Double => Value::Double(f64::from_bits(bits)),
        SqlType::Date => Value::Date(small()?),
        SqlType::Timestamp => Value::Timestamp(bits as i64),
        SqlType::Interval(_) => Value::IntervalMonths(small()?),
        _ => Value::Integer(bits as i64),
    })
}

fn text(key: &[u8]) -> Result<Value, StateError> {
    String::from_utf8(key.to_vec()).map(Value::Text).map_err(|_| DAMAGED)
}

fn take<'k, const N: usize>(rest: &mut &'k [u8]) -> Result<&'k [u8; N], StateError> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(DAMAGED)?;
    *rest = left;
    Ok(taken)
}

/// One column of several, or of a type that is never plain.
fn element(sql_type: SqlType, rest: &mut &[u8]) -> Result<Value, StateError> {
    if take::<1>(rest)? == &[0] {
        return Ok(Value::Null);
    }
    let int32 = |rest: &mut &[u8]| Ok::<_, StateError>(i32::from_le_bytes(*take(rest)?));
    let int64 = |rest: &mut &[u8]| Ok::<_, StateError>(i64::from_le_bytes(*take(rest)?));
    Ok(match sql_type {
        SqlType::Null => Value::Null,
        SqlType::Boolean => Value::Boolean(take::<1>(rest)? == &[1]),
        SqlType::TinyInt => Value::Integer(i64::from(i8::from_le_bytes(*take(rest)?))),
        SqlType::SmallInt => Value::Integer(i64::from(i16::from_le_bytes(*take(rest)?))),
        SqlType::Integer => Value::Integer(i64::from(int32(rest)?)),
        SqlType::BigInt => Value::Integer(int64(rest)?),
        SqlType::Decimal { .. } => Value::Decimal(i128::from_le_bytes(*take(rest)?)),
        SqlType::Real | SqlType::Double => Value::Double(f64::from_bits(u64::from_le_bytes(*take(rest)?))),
        SqlType::Date => Value::Date(int32(rest)?),
        SqlType::Time => Value::Time(int32(rest)?),
        SqlType::Timestamp => Value::Timestamp(int64(rest)?),
        SqlType::Interval(qualifier) if qualifier.is_year_month() => Value::IntervalMonths(int32(rest)?),
        SqlType::Interval(_) => Value::IntervalMillis(int64(rest)?),
        SqlType::Char { .. } | SqlType::Varchar { .. } => text(counted(rest)?)?,
        SqlType::Binary { .. } | SqlType::Varbinary { .. } => Value::Binary(counted(rest)?.to_vec()),
    })
}

fn counted<'k>(rest: &mut &'k [u8]) -> Result<&'k [u8], StateError> {
    let length = u32::from_le_bytes(*take(rest)?) as usize;
    let (taken, left) = rest.split_at_checked(length).ok_or(DAMAGED)?;
    *rest = left;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grouping::EncodedKeys;
    use millstream_columns::array_from_values;
    use millstream_sql::{IntervalQualifier, TimeUnit};

    #[test]
    fn keys_survive_the_way_through_their_bytes() {
        let cases = [
            (SqlType::Boolean, Value::Boolean(true)),
            (SqlType::TinyInt, Value::Integer(-128)),
            (SqlType::SmallInt, Value::Integer(-129)),
            (SqlType::Integer, Value::Integer(-70_000)),
            (SqlType::BigInt, Value::Integer(i64::MIN)),
            (SqlType::Decimal { precision: 5, scale: 2 }, Value::Decimal(-12345)),
            (SqlType::Real, Value::Double(0.5)),
            (SqlType::Double, Value::Double(-0.1)),
            (SqlType::Varchar { length: 3 }, Value::Text("äb".into())),
            (SqlType::Char { length: 0 }, Value::Text(String::new())),
            (SqlType::Varbinary { length: 3 }, Value::Binary(vec![0, 255])),
            (SqlType::Date, Value::Date(-1)),
            (SqlType::Time, Value::Time(1)),
            (SqlType::Timestamp, Value::Timestamp(-5)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Year)), Value::IntervalMonths(-12)),
            (SqlType::Interval(IntervalQualifier::single(TimeUnit::Day)), Value::IntervalMillis(12)),
        ];
        let check = |types: &[SqlType], values: &[Value], with_null: bool| {
            let columns: Vec<_> = types
                .iter()
                .zip(values)
                .map(|(sql_type, value)| {
                    let mut rows = vec![value.clone()];
                    rows.extend(with_null.then_some(Value::Null));
                    array_from_values(*sql_type, &rows).unwrap()
                })
                .collect();
            let keys = EncodedKeys::new(&columns, 1 + usize::from(with_null));
            let mut scratch = [0; 8];
            assert_eq!(decode_key(types, keys.row_bytes(0, &mut scratch)).unwrap(), values, "{types:?}");
            if with_null {
                let nulls = vec![Value::Null; types.len()];
                assert_eq!(decode_key(types, keys.row_bytes(1, &mut scratch)).unwrap(), nulls, "{types:?}");
            }
        };
        for (sql_type, value) in &cases {
            for with_null in [false, true] {
                check(&[*sql_type], std::slice::from_ref(value), with_null);
                check(&[*sql_type, SqlType::Boolean], &[value.clone(), Value::Boolean(false)], with_null);
            }
        }
        let (types, values): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        check(&types, &values, true);
    }
}

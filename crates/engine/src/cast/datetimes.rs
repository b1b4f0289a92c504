//! Datetimes to datetimes, texts to datetimes.

use crate::cast::Cast;
use crate::cast::numbers::from_texts;
use crate::datum::{checked_unary, unary};
use crate::expression::CompileError;
use arrow_array::types::{Date32Type, Time32MillisecondType, TimestampMillisecondType};
use millstream_columns::RowError;
use millstream_columns::calendar::{MILLIS_PER_DAY, split_millis};
use millstream_columns::datetime_text::{parse_date, parse_time, parse_timestamp};
use millstream_columns::number_text::trim_blanks;
use millstream_columns::physical_type;
use millstream_sql::SqlType;

pub(super) fn datetime_to_datetime(from: SqlType, to: SqlType) -> Result<Option<Cast>, CompileError> {
    let data_type = physical_type(to);
    let cast = match (from, to) {
        (SqlType::Timestamp, SqlType::Date) => Cast::failing(Box::new(move |arguments, errors| {
            checked_unary::<TimestampMillisecondType, Date32Type>(
                arguments,
                &data_type,
                errors,
                |millis| {
                    let days = split_millis(millis).0;
                    (days as i32, i64::from(days as i32) != days)
                },
                |_| RowError::overflow("the timestamp is out of the range of DATE"),
            )
        })),
        (SqlType::Timestamp, SqlType::Time) => Cast::safe(Box::new(move |arguments, _| {
            unary::<TimestampMillisecondType, Time32MillisecondType>(arguments, &data_type, |millis| {
                split_millis(millis).1 as i32
            })
        })),
        (SqlType::Date, SqlType::Timestamp) => Cast::safe(Box::new(move |arguments, _| {
            unary::<Date32Type, TimestampMillisecondType>(arguments, &data_type, |days| {
                i64::from(days) * MILLIS_PER_DAY
            })
        })),
        (SqlType::Time, SqlType::Timestamp) => Some(Cast {
            kernel: Box::new(move |arguments, _| {
                let today = split_millis(arguments.context.query_started).0 * MILLIS_PER_DAY;
                unary::<Time32MillisecondType, TimestampMillisecondType>(arguments, &data_type, |millis| {
                    today + i64::from(millis)
                })
            }),
            can_fail: false,
            uses_clock: true,
        }),
        _ => return Err(CompileError::Cast { from, to }),
    };
    Ok(cast)
}

pub(super) fn text_to_datetime(to: SqlType) -> Result<Option<Cast>, CompileError> {
    let refused =
        move |text: &str, form: &str| RowError::cast(format!("'{text}' is not a {to}: write it as {form}"));
    Ok(match to {
        SqlType::Date => Cast::failing(Box::new(move |arguments, errors| {
            from_texts::<Date32Type>(arguments, errors, to, |text| {
                parse_date(trim_blanks(text.as_bytes())).ok_or_else(|| refused(text, "yyyy-MM-dd"))
            })
        })),
        SqlType::Time => Cast::failing(Box::new(move |arguments, errors| {
            from_texts::<Time32MillisecondType>(arguments, errors, to, |text| {
                parse_time(trim_blanks(text.as_bytes())).ok_or_else(|| refused(text, "HH:mm:ss"))
            })
        })),
        SqlType::Timestamp => Cast::failing(Box::new(move |arguments, errors| {
            from_texts::<TimestampMillisecondType>(arguments, errors, to, |text| {
                parse_timestamp(trim_blanks(text.as_bytes()))
                    .ok_or_else(|| refused(text, "yyyy-MM-dd HH:mm:ss"))
            })
        })),
        _ => return Err(CompileError::Cast { from: SqlType::Varchar { length: 1 }, to }),
    })
}

//! `CHAR_TO_TIMESTAMP / DATE / TIME(format, text)` and `TIMESTAMP / DATE / TIME_TO_CHAR(format, value)`.
//!
//! The `…_TO_CHAR` functions give the text `null` for a NULL value.

use crate::expression::CompileError;
use crate::expression::datum::{Arguments, Kernel};
use crate::expression::null_array;
use crate::functions::simple_date_format::SimpleDateFormat;
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::{ArrowPrimitiveType, Date32Type, Time32MillisecondType, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBufferBuilder;
use millstream_columns::calendar::{MILLIS_PER_DAY, split_millis};
use millstream_columns::text_builder::TextBuilder;
use millstream_columns::{RowError, RowErrors};
use millstream_columns::{physical_type, primitive_array};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};
use std::sync::Arc;

/// Longest text that `…_TO_CHAR` makes.
const FORMATTED_LENGTH: u32 = 1_024;

const fn parses(name: &'static str, signature: Typing) -> Function {
    Function { name, signature, compile: compile_parse, can_fail: true, uses_clock: true }
}

const fn formats(name: &'static str, signature: Typing) -> Function {
    Function { name, signature, compile: compile_format, can_fail: true, uses_clock: false }
}

type Typing = fn(&[Argument]) -> Result<Signature, SignatureError>;

pub(super) const FUNCTIONS: &[Function] = &[
    parses("CHAR_TO_TIMESTAMP", |arguments| parse_signature(arguments, SqlType::Timestamp)),
    parses("CHAR_TO_DATE", |arguments| parse_signature(arguments, SqlType::Date)),
    parses("CHAR_TO_TIME", |arguments| parse_signature(arguments, SqlType::Time)),
    formats("TIMESTAMP_TO_CHAR", |arguments| format_signature(arguments, SqlType::Timestamp, "a TIMESTAMP")),
    formats("DATE_TO_CHAR", |arguments| format_signature(arguments, SqlType::Date, "a DATE")),
    formats("TIME_TO_CHAR", |arguments| format_signature(arguments, SqlType::Time, "a TIME")),
];

fn parse_signature(arguments: &[Argument], returns: SqlType) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let parameters = vec![signature::text(arguments, 0)?, signature::text(arguments, 1)?];
    Ok(Signature { parameters, returns })
}

fn format_signature(
    arguments: &[Argument],
    value: SqlType,
    expected: &'static str,
) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let format = signature::text(arguments, 0)?;
    signature::exactly(arguments, 1, value, expected)?;
    Ok(Signature { parameters: vec![format, value], returns: SqlType::Varchar { length: FORMATTED_LENGTH } })
}

/// The template of each row; prepared once when it is a constant or stays the same.
struct Templates {
    fixed: Option<Result<SimpleDateFormat, RowError>>,
}

impl Templates {
    fn of(site: &CallSite<'_>) -> Templates {
        Templates { fixed: site.constant_text(0).map(SimpleDateFormat::new) }
    }

    fn with<'a>(
        &'a self,
        cache: &'a mut Option<(String, Result<SimpleDateFormat, RowError>)>,
        template: &str,
    ) -> Result<&'a SimpleDateFormat, RowError> {
        let prepared = match &self.fixed {
            Some(prepared) => prepared,
            None => {
                if cache.as_ref().is_none_or(|(known, _)| known != template) {
                    *cache = Some((template.to_owned(), SimpleDateFormat::new(template)));
                }
                &cache.as_ref().expect("filled above").1
            }
        };
        prepared.as_ref().map_err(RowError::clone)
    }
}

fn compile_parse(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let templates = Templates::of(site);
    match site.returns {
        SqlType::Timestamp => Ok(Box::new(move |arguments, errors| {
            parsed::<TimestampMillisecondType>(&templates, arguments, errors, SqlType::Timestamp, Some)
        })),
        SqlType::Date => Ok(Box::new(move |arguments, errors| {
            parsed::<Date32Type>(&templates, arguments, errors, SqlType::Date, |millis| {
                i32::try_from(split_millis(millis).0).ok()
            })
        })),
        SqlType::Time => Ok(Box::new(move |arguments, errors| {
            parsed::<Time32MillisecondType>(&templates, arguments, errors, SqlType::Time, |millis| {
                Some(split_millis(millis).1 as i32)
            })
        })),
        _ => Err(site.wrong_types("CHAR_TO_TIMESTAMP")),
    }
}

fn parsed<T: ArrowPrimitiveType>(
    templates: &Templates,
    arguments: &Arguments<'_>,
    errors: &mut RowErrors,
    returns: SqlType,
    convert: impl Fn(i64) -> Option<T::Native>,
) -> ArrayRef {
    if arguments.has_null_constant() {
        return null_array(returns, arguments.rows);
    }
    let (formats, texts) = (arguments.text(0), arguments.text(1));
    let mut cache = None;
    let mut validity = NullBufferBuilder::new(arguments.rows);
    let values = (0..arguments.rows)
        .map(|row| {
            let (Some(format), Some(text)) = (formats.get(row), texts.get(row)) else {
                validity.append_null();
                return T::Native::default();
            };
            let millis = templates
                .with(&mut cache, format)
                .and_then(|template| template.parse(text, arguments.context.query_started));
            let value = millis.and_then(|millis| {
                convert(millis).ok_or_else(|| RowError::overflow(format!("'{text}' is out of range")))
            });
            match value {
                Ok(value) => {
                    validity.append_non_null();
                    value
                }
                Err(error) => {
                    errors.push(row, error);
                    validity.append_null();
                    T::Native::default()
                }
            }
        })
        .collect();
    primitive_array::<T>(values, validity.finish(), &physical_type(returns))
}

fn compile_format(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let templates = Templates::of(site);
    match site.parameters[1] {
        SqlType::Timestamp => Ok(Box::new(move |arguments, errors| {
            formatted::<TimestampMillisecondType>(&templates, arguments, errors, |millis| millis)
        })),
        SqlType::Date => Ok(Box::new(move |arguments, errors| {
            formatted::<Date32Type>(&templates, arguments, errors, |days| i64::from(days) * MILLIS_PER_DAY)
        })),
        SqlType::Time => Ok(Box::new(move |arguments, errors| {
            formatted::<Time32MillisecondType>(&templates, arguments, errors, i64::from)
        })),
        _ => Err(site.wrong_types("TIMESTAMP_TO_CHAR")),
    }
}

fn formatted<T: ArrowPrimitiveType>(
    templates: &Templates,
    arguments: &Arguments<'_>,
    errors: &mut RowErrors,
    millis: impl Fn(T::Native) -> i64,
) -> ArrayRef {
    let formats = arguments.text(0);
    let values = arguments.lane::<T>(1);
    let nulls = arguments.array(1).nulls();
    let value_is_constant = arguments.operands[1].is_constant();
    let mut cache = None;
    let mut builder = TextBuilder::with_capacity(arguments.rows, arguments.rows * 20);
    let mut scratch = Vec::new();
    for row in 0..arguments.rows {
        let Some(format) = formats.get(row) else {
            builder.push_null();
            continue;
        };
        let index = if value_is_constant { 0 } else { row };
        if nulls.is_some_and(|nulls| nulls.is_null(index)) {
            builder.push("null");
            continue;
        }
        match templates.with(&mut cache, format) {
            Ok(template) => {
                scratch.clear();
                template.format(millis(values.get(row)), &mut scratch);
                let text = std::str::from_utf8(&scratch).unwrap_or_default();
                crate::cast::text::push_sized(&mut builder, text, FORMATTED_LENGTH as usize, false);
            }
            Err(error) => {
                errors.push(row, error);
                builder.push_null();
            }
        }
    }
    Arc::new(builder.finish())
}

//! A log parser over the rows: their own columns, then the fields of the record.

use super::row_failures::{evaluate_all, report};
use super::{Operator, Outbox, RunContext};
use crate::expression::{CompileError, CompiledExpression};
use crate::log_parsers::{self, Fields, Split};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use millstream_columns::{Batch, ErrorName, RowError, RowErrors};
use millstream_sql::{CastMode, Expression, ExpressionKind, LogParserCall, Span, SqlType, Value};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) struct ParseLog {
    text: CompiledExpression,
    split: Split,
    fields: Vec<Field>,
    input_types: Vec<SqlType>,
    /// A text that does not match gives no row, where it otherwise gives NULLs.
    drops_unmatched: bool,
}

struct Field {
    name: String,
    is_text: bool,
    not_null: bool,
    /// From the texts of all fields, as columns.
    value: CompiledExpression,
}

/// Texts of fields have no limit of their own before they become values.
const RAW: SqlType = SqlType::Varchar { length: 65_535 };

impl ParseLog {
    pub(super) fn new(
        call: &LogParserCall,
        input_types: Vec<SqlType>,
        drops_unmatched: bool,
    ) -> Result<ParseLog, CompileError> {
        let unknown = || CompileError::UnknownFunction(call.function.clone());
        let parser = log_parsers::find(&call.function).ok_or_else(unknown)?;
        let prepared = (parser.prepare)(&call.arguments).map_err(|_| unknown())?;
        let mut fields = Vec::new();
        for (index, field) in call.fields.iter().enumerate() {
            fields.push(Field {
                name: field.name.clone(),
                is_text: field.sql_type.is_character(),
                not_null: field.not_null,
                value: CompiledExpression::compile(&typed(index, field.sql_type, field.format.as_deref()))?,
            });
        }
        let text = if call.text.sql_type == SqlType::Null {
            Expression { sql_type: RAW, ..call.text.clone() }
        } else {
            call.text.clone()
        };
        let text = CompiledExpression::compile(&text)?;
        Ok(ParseLog { text, split: prepared.split, fields, input_types, drops_unmatched })
    }

    /// The texts of the fields, column by column, and which rows stay.
    fn split_rows(
        &self,
        batch: &Batch,
        texts: &StringArray,
        errors: &mut RowErrors,
    ) -> (Vec<ArrayRef>, Vec<bool>) {
        let mut matched = Vec::with_capacity(batch.len());
        let mut columns: Vec<Vec<Option<Cow<'_, str>>>> =
            self.fields.iter().map(|_| Vec::with_capacity(batch.len())).collect();
        for row in 0..batch.len() {
            let mut split: Option<Fields<'_>> = None;
            if texts.is_valid(row) {
                split = (self.split)(texts.value(row), batch.rowtimes[row]).unwrap_or_else(|error| {
                    errors.push(row, error);
                    None
                });
            }
            matched.push(split.is_some());
            match split {
                None => columns.iter_mut().for_each(|column| column.push(None)),
                Some(values) => {
                    for ((field, column), value) in self.fields.iter().zip(&mut columns).zip(values) {
                        let value = if field.is_text { value } else { value.and_then(trimmed) };
                        if value.is_none() && field.not_null {
                            let message =
                                format!("field {} is NOT NULL, and the text has no value for it", field.name);
                            errors.push(row, RowError::new(ErrorName::NullViolation, message));
                        }
                        column.push(value);
                    }
                }
            }
        }
        let columns = columns.iter().map(|column| {
            let values = column.iter().map(|value| value.as_deref());
            Arc::new(values.collect::<StringArray>()) as ArrayRef
        });
        (columns.collect(), matched)
    }
}

/// The text of a value that is not a text; nothing but blanks is no value.
fn trimmed(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let range = text.trim_matches(' ');
    if range.is_empty() {
        return None;
    }
    Some(Cow::Owned(range.to_owned()))
}

/// The value of field `index` from its text.
fn typed(index: usize, sql_type: SqlType, format: Option<&str>) -> Expression {
    let span = Span::default();
    let text = Expression::column(index, RAW, span);
    let function = match sql_type {
        SqlType::Date => "CHAR_TO_DATE",
        SqlType::Time => "CHAR_TO_TIME",
        _ => "CHAR_TO_TIMESTAMP",
    };
    let kind = match format {
        None => ExpressionKind::Cast { operand: Box::new(text), mode: CastMode::Explicit },
        Some(format) => {
            let literal = ExpressionKind::Literal(Value::Text(format.to_owned()));
            let length = u32::try_from(format.chars().count().max(1)).unwrap_or(u32::MAX);
            let format = Expression::new(literal, SqlType::Varchar { length }, span);
            ExpressionKind::Call { function: function.to_owned(), arguments: vec![format, text] }
        }
    };
    Expression::new(kind, sql_type, span)
}

impl Operator for ParseLog {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let (batch, texts) = evaluate_all(&[&self.text], batch, &self.input_types, context);
        let mut errors = RowErrors::default();
        let (raw, matched) = self.split_rows(&batch, texts[0].as_string::<i32>(), &mut errors);
        let raw = Batch::new(batch.rowtimes.clone(), raw);
        let mut columns = batch.columns.clone();
        for field in &self.fields {
            let result = field.value.evaluate(&raw, &context.evaluation);
            errors.append(result.errors);
            columns.push(result.values);
        }
        let mut output = Batch::new(batch.rowtimes.clone(), columns);
        let mut kept = vec![true; batch.len()];
        if !errors.is_empty() {
            errors.settle();
            report(&errors, &batch, &self.input_types, context);
            errors.iter().for_each(|(row, _)| kept[row] = false);
        }
        if self.drops_unmatched {
            kept.iter_mut().zip(&matched).for_each(|(kept, matched)| *kept &= *matched);
        }
        output = output.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row");
        outbox.rows(output);
        outbox.bound(last);
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }
}

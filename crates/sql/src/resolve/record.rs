//! Record-valued items of a select list: calls of log parsers, and record columns that are handed on.

use super::Resolver;
use super::query::{ListMode, SelectList, strip};
use super::scope::{Scope, is_rowtime, record_fields};
use crate::syntax::{Expr, ExprKind, Name, SelectItem};
use crate::{Argument, Expression, LogParserCall, Node, NodeKind, Output};
use std::collections::HashMap;

/// For each record-valued item, by its number, its fields with their places in the row; `None` for an item that was refused.
pub(super) type Records = HashMap<usize, Option<Vec<(usize, Output)>>>;

impl Resolver<'_> {
    /// Puts a log parser over `input` for each call of one among the items, those that are refused excepted.
    pub(super) fn record_items(
        &mut self,
        items: &[SelectItem],
        mut input: Node,
        scope: &Scope,
    ) -> (Node, Records) {
        let mut records = Records::new();
        for (number, item) in items.iter().enumerate() {
            let SelectItem::Expr { expr, .. } = item else { continue };
            match &strip(expr).kind {
                ExprKind::Column(parts) => {
                    if let Some(fields) = record_fields(parts, scope) {
                        records.insert(number, Some(fields));
                    }
                }
                ExprKind::Call(call)
                    if !call.star
                        && !call.distinct
                        && call.over.is_none()
                        && self.catalog.record(&call.name.value, &[]).is_some() =>
                {
                    let arguments: Vec<Option<Expression>> =
                        call.arguments.iter().map(|a| self.scalar(a, scope, "a log parser")).collect();
                    let arguments: Option<Vec<Expression>> = arguments.into_iter().collect();
                    let parsed =
                        arguments.and_then(|arguments| self.log_parser(&call.name.value, expr, arguments));
                    let Some(parsed) = parsed else {
                        records.insert(number, None);
                        continue;
                    };
                    let first = input.output.len();
                    let fields = parsed.fields.iter().enumerate();
                    let fields: Vec<(usize, Output)> = fields
                        .map(|(index, field)| {
                            (first + index, Output::of_field("", &field.name, field.sql_type))
                        })
                        .collect();
                    let mut output = input.output.clone();
                    output.extend(fields.iter().map(|(_, field)| field.clone()));
                    let kind = NodeKind::ParseLog { input: Box::new(input), call: parsed };
                    input = Node { kind, output };
                    records.insert(number, Some(fields));
                }
                _ => {}
            }
        }
        (input, records)
    }

    fn log_parser(&mut self, name: &str, expr: &Expr, arguments: Vec<Expression>) -> Option<LogParserCall> {
        let described: Vec<Argument> = arguments
            .iter()
            .map(|argument| Argument { sql_type: argument.sql_type, literal: argument.literal().cloned() })
            .collect();
        match self.catalog.record(name, &described)? {
            Ok(fields) => {
                let text = arguments.into_iter().next()?;
                Some(LogParserCall { function: name.to_owned(), text, arguments: described, fields })
            }
            Err(refusal) => self.refused_call(name, refusal, &arguments, expr.span),
        }
    }

    /// Adds the fields of a record-valued item to the select list.
    pub(super) fn record_list_item(
        &mut self,
        expr: &Expr,
        fields: &[(usize, Output)],
        alias: Option<&Name>,
        mode: &ListMode<'_>,
        list: &mut SelectList,
    ) -> bool {
        if alias.is_some_and(is_rowtime) || matches!(mode, ListMode::Grouped(_)) {
            self.error::<()>(expr.span, "a record is not allowed here: name one of its fields");
            return false;
        }
        let name = match (alias, &strip(expr).kind) {
            (Some(alias), _) => alias.value.clone(),
            (None, ExprKind::Column(parts)) => {
                parts.last().map(|name| name.value.clone()).unwrap_or_default()
            }
            _ => format!("EXPR${}", list.len()),
        };
        for (index, output) in fields {
            let field = output.record_field().map_or("", |(_, field)| field);
            let expression = Expression::column(*index, output.sql_type, expr.span);
            list.push_output(expression, Output::of_field(&name, field, output.sql_type), expr.span);
        }
        true
    }
}

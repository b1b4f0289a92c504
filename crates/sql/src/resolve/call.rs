//! Calls: clock functions, COALESCE and its kin, and the functions of the catalog.

use super::Resolver;
use super::aggregate::{is_aggregate_name, is_analytic_name, is_unsupported_aggregate_name};
use super::conversion::coerce;
use super::expression::Context;
use super::literal::literal;
use crate::similar_name;
use crate::syntax::Call;
use crate::{
    Argument, CaseBranch, ClockFunction, ComparisonOperator, Expression, ExpressionKind, Signature,
    SignatureError, Span, SqlType, Value,
};

/// Functions that the front end knows by itself, for hints.
const BUILT_IN: [&str; 22] = [
    "ANY",
    "AVG",
    "CAST",
    "CEIL",
    "COALESCE",
    "COUNT",
    "EVERY",
    "EXP_AVG",
    "EXTRACT",
    "FIRST_VALUE",
    "FLOOR",
    "LAG",
    "LAST_VALUE",
    "MAX",
    "MIN",
    "MONOTONIC",
    "NTH_VALUE",
    "NULLIF",
    "STDDEV",
    "STEP",
    "SUM",
    "TRIM",
];

impl Resolver<'_> {
    pub(super) fn call(&mut self, call: &Call, span: Span, context: &mut Context<'_>) -> Option<Expression> {
        let name = call.name.value.as_str();
        if let Some(clock) = clock_function(name).filter(|_| !call.name.quoted) {
            let (function, sql_type) = clock;
            self.lint_clock(name, span);
            return Some(Expression::new(ExpressionKind::Clock(function), sql_type, span));
        }
        if let Some(called) = self.user_function(call, span, context) {
            return called;
        }
        if is_unsupported_aggregate_name(name) {
            let message = format!("{name} is reserved, but the language has no such function");
            let mut mistake = crate::Diagnostic::error(call.name.span, message);
            mistake.hint = crate::foreign::dialect_form(name);
            self.report(mistake);
            self.check_names(&call.arguments, context.scope);
            return None;
        }
        let is_known = |name: &str| {
            is_analytic_name(name)
                || is_aggregate_name(name)
                || BUILT_IN.contains(&name)
                || self.catalog.names().contains(&name)
        };
        if call.over.is_some() && !is_known(name) {
            self.check_names(&call.arguments, context.scope);
            return self.unknown_function(call, span);
        }
        if call.over.is_some() || is_analytic_name(name) {
            self.check_names(&call.arguments, context.scope);
            let place = context.place;
            let hint = if call.over.is_some() {
                "compute it in a subquery, and use its column outside"
            } else if context.is_grouped {
                "compute it in a subquery with OVER (PARTITION BY … RANGE INTERVAL '…' … PRECEDING), and group its rows"
            } else {
                "it needs a window: OVER (PARTITION BY … RANGE INTERVAL '…' … PRECEDING)"
            };
            return self.error_with_hint(
                span,
                format!("analytic function {name} is not allowed in {place}"),
                hint,
            );
        }
        if is_aggregate_name(name) {
            self.check_names(&call.arguments, context.scope);
            let message = format!("aggregate function {name} is not allowed in {}", context.place);
            let hint = "aggregate in a subquery with GROUP BY, and use its column outside";
            return self.error_with_hint(span, message, hint);
        }
        let exists =
            self.catalog.names().contains(&name) || matches!(name, "COALESCE" | "NULLIF" | "MONOTONIC");
        if self.catalog.record(name, &[]).is_some() {
            self.check_names(&call.arguments, context.scope);
            let message =
                format!("{name} gives a record: it can only be an item of its own in a select list");
            let hint = "name it in a subquery and use its fields outside: SELECT STREAM t.r.COLUMN1 FROM (SELECT STREAM … AS r \
                        FROM …) AS t";
            return self.error_with_hint(span, message, hint);
        }
        if !exists {
            self.check_names(&call.arguments, context.scope);
            return self.unknown_function(call, span);
        }
        let arguments: Vec<Option<Expression>> =
            call.arguments.iter().map(|argument| self.expression(argument, context)).collect();
        let arguments: Vec<Expression> = arguments.into_iter().collect::<Option<_>>()?;
        if call.star || call.distinct || call.ignore_nulls || call.from_last {
            return self.error(span, format!("{name} is not an aggregate: it takes plain arguments"));
        }
        match (name, arguments.len()) {
            ("COALESCE", 1..) => self.coalesce(arguments, span),
            ("NULLIF", 2) => {
                let mut arguments = arguments.into_iter();
                let (value, other) = (arguments.next()?, arguments.next()?);
                self.nullif(value, other, span)
            }
            ("MONOTONIC", 1) => {
                let argument = arguments.into_iter().next()?;
                self.asserted_monotonic.insert(span);
                Some(Expression { span, ..argument })
            }
            ("COALESCE" | "NULLIF" | "MONOTONIC", _) => {
                let takes = match name {
                    "COALESCE" => "at least one argument",
                    "NULLIF" => "2 arguments",
                    _ => "1 argument",
                };
                self.error(span, format!("{name} takes {takes}, not {}", arguments.len()))
            }
            _ => {
                self.lint_tsdiff(call, span);
                self.function(call, arguments, span)
            }
        }
    }

    fn coalesce(&mut self, operands: Vec<Expression>, span: Span) -> Option<Expression> {
        let types: Vec<SqlType> = operands.iter().map(|operand| operand.sql_type).collect();
        let sql_type = self.common_type(&types, "the arguments of COALESCE", span)?;
        let operands = operands.into_iter().map(|operand| coerce(operand, sql_type)).collect();
        Some(Expression::new(ExpressionKind::Coalesce(operands), sql_type, span))
    }

    /// `NULLIF(a, b)` is `CASE WHEN a = b THEN NULL ELSE a END`.
    fn nullif(&mut self, value: Expression, other: Expression, span: Span) -> Option<Expression> {
        let sql_type = value.sql_type;
        let condition = self.comparison(ComparisonOperator::Equal, value.clone(), other, span)?;
        let branch = CaseBranch { condition, value: literal(Value::Null, sql_type, span) };
        let kind = ExpressionKind::Case { branches: vec![branch], otherwise: Some(Box::new(value)) };
        Some(Expression::new(kind, sql_type, span))
    }

    pub(super) fn unknown_function(&mut self, call: &Call, span: Span) -> Option<Expression> {
        let name = call.name.value.as_str();
        if !self.refused_names.contains(name) {
            let message = format!("there is no function {}", shown_function_name(name));
            let mut mistake = crate::Diagnostic::error(span, message);
            mistake.hint = crate::foreign::dialect_form(name)
                .or_else(|| similar_name::hint(name, self.catalog.names().into_iter().chain(BUILT_IN)));
            self.report(mistake);
        }
        None
    }

    /// A function of the catalog.
    fn function(&mut self, call: &Call, arguments: Vec<Expression>, span: Span) -> Option<Expression> {
        let mut name = call.name.value.as_str();
        // The two FROM forms differ by the type of what follows: text is a regular expression.
        if name == "SUBSTRING_FROM" && arguments.len() == 2 && arguments[1].sql_type.is_character() {
            name = "SUBSTRING_REGEX";
        }
        let described: Vec<Argument> = arguments
            .iter()
            .map(|argument| Argument { sql_type: argument.sql_type, literal: argument.literal().cloned() })
            .collect();
        let shown = shown_function_name(name);
        match self.catalog.signature(name, &described) {
            None => self.unknown_function(call, span),
            Some(Ok(Signature { parameters, returns })) => {
                let arguments = arguments.into_iter().zip(parameters).map(|(a, p)| coerce(a, p)).collect();
                let kind = ExpressionKind::Call { function: name.to_owned(), arguments };
                Some(Expression::new(kind, returns, span))
            }
            Some(Err(refusal)) => self.refused_call(shown, refusal, &arguments, span),
        }
    }

    /// Says why the catalog refuses a call.
    pub(super) fn refused_call<T>(
        &mut self,
        shown: &str,
        refusal: SignatureError,
        arguments: &[Expression],
        span: Span,
    ) -> Option<T> {
        match refusal {
            SignatureError::ArgumentCount(takes) => {
                let noun = if takes == "1" { "argument" } else { "arguments" };
                self.error(span, format!("{shown} takes {takes} {noun}, not {}", arguments.len()))
            }
            SignatureError::ArgumentType { index, expected } => {
                let found = arguments.get(index).map_or(SqlType::Null, |argument| argument.sql_type);
                let message = format!("argument {} of {shown} is {found}: it takes {expected}", index + 1);
                self.error_with_hint(span, message, "convert it with CAST")
            }
            SignatureError::ArgumentValue { index, message } => {
                let place = arguments.get(index).map_or(span, |argument| argument.span);
                self.error(place, format!("{shown}: {message}"))
            }
        }
    }
}

/// The name that the author writes, for a function of the catalog whose calls have syntax of their own.
pub fn shown_function_name(name: &str) -> &str {
    match name {
        "SUBSTRING_FROM" | "SUBSTRING_REGEX" | "SUBSTRING_SIMILAR" => "SUBSTRING",
        "TRIM_LEADING" | "TRIM_TRAILING" | "TRIM_BOTH" => "TRIM",
        other => other,
    }
}

pub(super) fn clock_function(name: &str) -> Option<(ClockFunction, SqlType)> {
    match name {
        "CURRENT_ROW_TIMESTAMP" => Some((ClockFunction::RowTimestamp, SqlType::Timestamp)),
        "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" => Some((ClockFunction::QueryTimestamp, SqlType::Timestamp)),
        "CURRENT_DATE" => Some((ClockFunction::QueryDate, SqlType::Date)),
        "CURRENT_TIME" | "LOCALTIME" => Some((ClockFunction::QueryTime, SqlType::Time)),
        _ => None,
    }
}

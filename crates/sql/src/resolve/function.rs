//! CREATE FUNCTION: the application's own scalar functions, put in place of their calls.

use super::Resolver;
use super::expression::Context;
use super::literal::literal;
use super::scope::Scope;
use crate::limits::{MAX_EXPRESSION_HEIGHT, MAX_FUNCTION_OPERATORS};
use crate::syntax::{Call, FunctionDefinition};
use crate::{CaseBranch, Expression, ExpressionKind, Output, Span, SqlType, Value};
use std::collections::HashSet;

/// A function of the application.
#[derive(Clone, Debug)]
pub(super) struct UserFunction {
    pub(super) name: String,
    pub(super) specific: Option<String>,
    parameters: Vec<SqlType>,
    /// Its value; parameter `n` is column `n`.
    body: Expression,
}

impl Resolver<'_> {
    pub(super) fn create_function(&mut self, definition: &FunctionDefinition) {
        let name = self.object(&definition.name).clone();
        let resolved = self.function_body(definition);
        let parameters: Vec<SqlType> = definition.parameters.iter().map(|(_, sql_type)| *sql_type).collect();
        let existing = self.functions.iter().position(|f| f.name == name.value && f.parameters == parameters);
        if existing.is_some() && !definition.or_replace {
            let message = format!(
                "function {} exists already with these parameters",
                signature(&name.value, &parameters)
            );
            self.error_with_hint::<()>(
                name.span,
                message,
                "write CREATE OR REPLACE FUNCTION, or choose other parameters",
            );
            return;
        }
        if let Some(specific) = &definition.specific {
            let taken = self.functions.iter().enumerate().any(|(index, function)| {
                function.specific.as_ref() == Some(&specific.value) && existing != Some(index)
            });
            if taken {
                let message = format!("another function has the specific name \"{}\"", specific.value);
                self.error_with_hint::<()>(
                    specific.span,
                    message,
                    "choose another name, or leave SPECIFIC out",
                );
            }
        }
        let Some(body) = resolved else {
            self.refused_names.insert(name.value);
            return;
        };
        let specific = definition.specific.as_ref().map(|name| name.value.clone());
        let function = UserFunction { name: name.value, specific, parameters, body };
        match existing {
            Some(index) => self.functions[index] = function,
            None => self.functions.push(function),
        }
    }

    fn function_body(&mut self, definition: &FunctionDefinition) -> Option<Expression> {
        let mut complete = true;
        let mut columns: Vec<Output> = Vec::new();
        for (parameter, sql_type) in &definition.parameters {
            if columns.iter().any(|known| known.name == parameter.value) {
                let message = format!("parameter \"{}\" is declared twice", parameter.value);
                self.error::<()>(parameter.span, message);
                complete = false;
            }
            columns.push(Output { name: parameter.value.clone(), sql_type: *sql_type });
        }
        if let Some(span) = definition.uses_data {
            let message = "a function sees its parameters only: it cannot read or change streams or tables";
            self.error::<()>(span, message);
            complete = false;
        }
        let name = &definition.name.object.value;
        let scope = Scope::single(Some(name.clone()), columns, 0);
        let body = self.scalar(&definition.body, &scope, "the body of a function")?;
        if body.any(&mut |e| e.kind == ExpressionKind::RowTime) {
            let message = "a function sees its parameters only: it has no ROWTIME";
            return self.error_with_hint(
                body.span,
                message,
                "give it a TIMESTAMP parameter and call it with ROWTIME",
            );
        }
        if !fits(body.sql_type, definition.returns) {
            let message = format!(
                "function {name} returns {}, its expression is {}: the types must be the same",
                definition.returns, body.sql_type
            );
            return self.error_with_hint(
                body.span,
                message,
                format!("write RETURN CAST(… AS {})", definition.returns),
            );
        }
        let body = Expression { sql_type: definition.returns, ..body };
        let body = if definition.null_on_null { null_on_null(body, &definition.parameters) } else { body };
        complete.then_some(body)
    }

    /// A call of a function of the application; `None` when there is none of that name.
    pub(super) fn user_function(
        &mut self,
        call: &Call,
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Option<Expression>> {
        let name = call.name.value.as_str();
        let candidates: Vec<UserFunction> =
            self.functions.iter().filter(|f| f.name == name).cloned().collect();
        if candidates.is_empty() {
            return None;
        }
        if call.star || call.distinct || call.ignore_nulls || call.from_last || call.over.is_some() {
            self.check_names(&call.arguments, context.scope);
            return Some(self.error(span, format!("{name} is not an aggregate: it takes plain arguments")));
        }
        let arguments: Vec<Option<Expression>> =
            call.arguments.iter().map(|argument| self.expression(argument, context)).collect();
        let arguments: Option<Vec<Expression>> = arguments.into_iter().collect();
        Some(arguments.and_then(|arguments| self.chosen_function(name, &candidates, arguments, span)))
    }

    fn chosen_function(
        &mut self,
        name: &str,
        candidates: &[UserFunction],
        arguments: Vec<Expression>,
        span: Span,
    ) -> Option<Expression> {
        let types: Vec<SqlType> = arguments.iter().map(|argument| argument.sql_type).collect();
        let exact = candidates.iter().filter(|f| f.parameters == types);
        let fitting = candidates.iter().filter(|f| {
            f.parameters.len() == types.len() && types.iter().zip(&f.parameters).all(|(t, p)| fits(*t, *p))
        });
        let mut chosen: Vec<&UserFunction> = exact.collect();
        if chosen.is_empty() {
            chosen = fitting.collect();
        }
        let function = match chosen.as_slice() {
            [function] => *function,
            [] => {
                let known: Vec<String> =
                    candidates.iter().map(|f| signature(&f.name, &f.parameters)).collect();
                let message = format!(
                    "there is no function {}: the types of arguments must match exactly",
                    signature(name, &types)
                );
                let hint = format!("there is {}; convert the arguments with CAST", known.join(" and "));
                return self.error_with_hint(span, message, hint);
            }
            _ => {
                let message = format!("{} fits several functions", signature(name, &types));
                return self.error_with_hint(span, message, "say which by the types: CAST(… AS type)");
            }
        };
        let mut body = function.body.clone();
        let converted: Vec<Expression> = arguments
            .into_iter()
            .zip(&function.parameters)
            .map(|(argument, parameter)| Expression { sql_type: *parameter, ..argument })
            .collect();
        let asserted = self.asserted_monotonic.contains(&body.span);
        put_arguments(&mut body, &converted, &self.asserted_monotonic);
        if operators(&body) > MAX_FUNCTION_OPERATORS || height(&body) > MAX_EXPRESSION_HEIGHT {
            let message = format!(
                "the call of {name} stands for more than {MAX_FUNCTION_OPERATORS} operators, or more than \
                 {MAX_EXPRESSION_HEIGHT} above each other"
            );
            return self.error_with_hint(span, message, "compute a part of it in a subquery");
        }
        if asserted {
            self.asserted_monotonic.insert(span);
        }
        Some(Expression { span, ..body })
    }
}

/// Whether a value of this type is one of type `target` as it is: the same type, a shorter text, or NULL.
fn fits(sql_type: SqlType, target: SqlType) -> bool {
    match (sql_type, target) {
        (SqlType::Null, _) => true,
        (SqlType::Varchar { length }, SqlType::Varchar { length: most })
        | (SqlType::Varbinary { length }, SqlType::Varbinary { length: most }) => length <= most,
        (SqlType::Interval(_), SqlType::Interval(_)) => sql_type.family() == target.family(),
        _ => sql_type == target,
    }
}

/// NULL when any parameter is, else the body.
fn null_on_null(body: Expression, parameters: &[(crate::syntax::Name, SqlType)]) -> Expression {
    let (span, sql_type) = (body.span, body.sql_type);
    let tests = parameters.iter().enumerate().map(|(index, (_, parameter))| {
        let operand = Box::new(Expression::column(index, *parameter, span));
        Expression::new(ExpressionKind::IsNull { operand, negated: false }, SqlType::Boolean, span)
    });
    let any = tests.reduce(|any, test| {
        Expression::new(ExpressionKind::Or(Box::new(any), Box::new(test)), SqlType::Boolean, span)
    });
    let Some(condition) = any else { return body };
    let branch = CaseBranch { condition, value: literal(Value::Null, sql_type, span) };
    let kind = ExpressionKind::Case { branches: vec![branch], otherwise: Some(Box::new(body)) };
    Expression::new(kind, sql_type, span)
}

/// Replaces parameter `n` by argument `n`, which is not looked into again. What is asserted of a parameter is asserted of
/// its argument.
fn put_arguments(expression: &mut Expression, arguments: &[Expression], asserted: &HashSet<Span>) {
    if let ExpressionKind::Column(index) = expression.kind {
        if let Some(argument) = arguments.get(index) {
            let span = if asserted.contains(&expression.span) { expression.span } else { argument.span };
            *expression = Expression { span, ..argument.clone() };
        }
        return;
    }
    expression.for_each_operand_mut(&mut |operand| put_arguments(operand, arguments, asserted));
}

fn operators(expression: &Expression) -> usize {
    let mut count = 1;
    expression.for_each_operand(&mut |operand| count += operators(operand));
    count
}

fn height(expression: &Expression) -> usize {
    let mut most = 0;
    expression.for_each_operand(&mut |operand| most = most.max(1 + height(operand)));
    most
}

fn signature(name: &str, types: &[SqlType]) -> String {
    let types: Vec<String> = types.iter().map(SqlType::to_string).collect();
    format!("{name}({})", types.join(", "))
}

//! Expressions: from the tree as written to the typed tree.

use super::Resolver;
use super::conversion::coerce;
use super::literal::literal;
use super::scope::{Scope, record_fields};
use crate::syntax::{Expr, ExprKind};
use crate::{
    CaseBranch, ComparisonOperator, Expression, ExpressionKind, IntervalQualifier, RoundingDirection, Span,
    SqlType, TimeUnit, Value,
};

/// What a clause does with an expression before the usual rules apply.
pub(super) enum Intercepted {
    /// The clause has resolved it, or reported a mistake.
    Taken(Option<Expression>),
    /// The usual rules apply.
    Passed,
}

/// A clause that gives some expressions a meaning of its own: grouping keys, aggregates, windows.
pub(super) trait Clause {
    fn intercept(&mut self, resolver: &mut Resolver<'_>, expr: &Expr, scope: &Scope) -> Intercepted;
}

/// Where an expression stands.
pub(super) struct Context<'c> {
    pub(super) scope: &'c Scope,
    /// For messages: `WHERE`, `the select list`.
    pub(super) place: &'c str,
    pub(super) clause: Option<&'c mut dyn Clause>,
    /// It stands over the groups of GROUP BY or WINDOWED BY.
    pub(super) is_grouped: bool,
}

impl Resolver<'_> {
    /// An expression over single rows: no aggregates, no windows.
    pub(super) fn scalar(&mut self, expr: &Expr, scope: &Scope, place: &str) -> Option<Expression> {
        self.expression(expr, &mut Context { scope, place, clause: None, is_grouped: false })
    }

    pub(super) fn expression(&mut self, expr: &Expr, context: &mut Context<'_>) -> Option<Expression> {
        let scope = context.scope;
        if let Some(clause) = &mut context.clause
            && let Intercepted::Taken(taken) = clause.intercept(self, expr, scope)
        {
            return taken;
        }
        match &expr.kind {
            // The one that stands in long chains has a small frame of its own.
            ExprKind::Binary2 { operator, left, right } => {
                let (left, right) = self.both(left, right, context)?;
                self.binary(*operator, left, right, expr.span)
            }
            ExprKind::Null
            | ExprKind::Boolean(_)
            | ExprKind::Unknown
            | ExprKind::Integer(_)
            | ExprKind::Decimal(_)
            | ExprKind::Approximate(_)
            | ExprKind::Text(_)
            | ExprKind::Binary(_)
            | ExprKind::Date(_)
            | ExprKind::Time(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Interval { .. } => self.constant(expr),
            ExprKind::Not(_)
            | ExprKind::Compare { .. }
            | ExprKind::IsNull { .. }
            | ExprKind::IsTruth { .. }
            | ExprKind::IsDistinct { .. }
            | ExprKind::Between { .. }
            | ExprKind::InList { .. }
            | ExprKind::Like { .. }
            | ExprKind::Period { .. } => self.predicate(expr, context),
            _ => self.other_expression(expr, context),
        }
    }

    /// Both operands, each with its own mistakes.
    fn both(
        &mut self,
        left: &Expr,
        right: &Expr,
        context: &mut Context<'_>,
    ) -> Option<(Expression, Expression)> {
        let left = self.expression(left, context);
        let right = self.expression(right, context);
        Some((left?, right?))
    }

    fn constant(&mut self, expr: &Expr) -> Option<Expression> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Null => Some(literal(Value::Null, SqlType::Null, span)),
            ExprKind::Boolean(value) => Some(literal(Value::Boolean(*value), SqlType::Boolean, span)),
            ExprKind::Unknown => Some(literal(Value::Null, SqlType::Boolean, span)),
            ExprKind::Integer(digits) => self.integer_literal(digits, span),
            ExprKind::Decimal(digits) => self.decimal_literal(digits, span),
            ExprKind::Approximate(digits) => self.approximate_literal(digits, span),
            ExprKind::Text(text) => Some(self.text_literal(text, span)),
            ExprKind::Binary(bytes) => {
                let length = u32::try_from(bytes.len().max(1)).unwrap_or(u32::MAX);
                Some(literal(Value::Binary(bytes.clone()), SqlType::Binary { length }, span))
            }
            ExprKind::Date(text) => self.date_literal(text, span),
            ExprKind::Time(text) => self.time_literal(text, span),
            ExprKind::Timestamp(text) => self.timestamp_literal(text, span),
            ExprKind::Interval { negative, value, qualifier } => {
                self.interval_literal(*negative, value, *qualifier, span)
            }
            _ => None,
        }
    }

    fn predicate(&mut self, expr: &Expr, context: &mut Context<'_>) -> Option<Expression> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Not(operand) => {
                let operand = self.expression(operand, context)?;
                let operand = Box::new(self.boolean(operand, "NOT")?);
                Some(Expression::new(ExpressionKind::Not(operand), SqlType::Boolean, span))
            }
            ExprKind::Compare { operator, left, right } => {
                let (left, right) = self.both(left, right, context)?;
                self.lint_comparison_with_null(*operator, &left, &right, span);
                if matches!(operator, ComparisonOperator::Equal | ComparisonOperator::NotEqual) {
                    self.lint_long_text(&left, &right);
                }
                self.comparison(*operator, left, right, span)
            }
            ExprKind::IsNull { operand, negated } => {
                if let ExprKind::Column(parts) = &super::query::strip(operand).kind
                    && let Some(fields) = record_fields(parts, context.scope)
                {
                    return record_is_null(&fields, *negated, span);
                }
                let operand = Box::new(self.expression(operand, context)?);
                Some(boolean_node(ExpressionKind::IsNull { operand, negated: *negated }, span))
            }
            ExprKind::IsTruth { operand, test, negated } => {
                let operand = self.expression(operand, context)?;
                let operand = Box::new(self.boolean(operand, "IS TRUE, IS FALSE or IS UNKNOWN")?);
                Some(boolean_node(ExpressionKind::IsTruth { operand, test: *test, negated: *negated }, span))
            }
            ExprKind::IsDistinct { left, right, negated } => {
                let (left, right) = self.both(left, right, context)?;
                let (left, right) = self.comparable(left, right, "IS DISTINCT FROM", span)?;
                let (left, right) = (Box::new(left), Box::new(right));
                // Written NOT makes the test the plain "not distinct".
                Some(boolean_node(ExpressionKind::NotDistinct { left, right, negated: !negated }, span))
            }
            ExprKind::Between { operand, low, high, symmetric, negated } => {
                let operand = self.expression(operand, context);
                let low = self.expression(low, context);
                let high = self.expression(high, context);
                let between = self.between(operand?, low?, high?, *symmetric, span)?;
                Some(negated_if(*negated, between, span))
            }
            ExprKind::InList { operand, list, negated } => {
                let in_list = self.in_list(operand, list, span, context)?;
                if *negated {
                    self.lint_not_in(list, span);
                }
                Some(negated_if(*negated, in_list, span))
            }
            ExprKind::Like { text, pattern, escape, similar, negated } => {
                let like = self.like(text, pattern, escape.as_deref(), *similar, span, context)?;
                Some(negated_if(*negated, like, span))
            }
            ExprKind::Period { predicate, left, right } => {
                self.period(*predicate, left, right, span, context)
            }
            _ => None,
        }
    }

    fn other_expression(&mut self, expr: &Expr, context: &mut Context<'_>) -> Option<Expression> {
        let (span, scope) = (expr.span, context.scope);
        match &expr.kind {
            ExprKind::Column(parts) => self.column(parts, scope),
            ExprKind::Nested(inner) | ExprKind::Plus(inner) => {
                let inner = self.expression(inner, context)?;
                Some(inner)
            }
            ExprKind::Row(_) => self.error_with_hint(
                span,
                "a row of values can only be compared by a period predicate",
                "write one expression in the parentheses",
            ),
            ExprKind::Qualified { operand, qualifier } => self.qualified(operand, *qualifier, span, context),
            // The sign belongs to the smallest BIGINT: its digits alone would be too large.
            ExprKind::Negate(operand) if matches!(&operand.kind, ExprKind::Integer(digits) if digits == "9223372036854775808") => {
                Some(literal(Value::Integer(i64::MIN), SqlType::BigInt, span))
            }
            ExprKind::Negate(operand) => {
                let operand = self.expression(operand, context)?;
                self.negation(operand, span)
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), span, context)
            }
            ExprKind::Cast { operand, target } => {
                let operand = self.expression(operand, context)?;
                self.cast(operand, *target, span)
            }
            ExprKind::Extract { unit, operand } => {
                let operand = self.expression(operand, context)?;
                self.extract(*unit, operand, span)
            }
            ExprKind::RoundTo { up, operand, unit } => {
                let operand = self.expression(operand, context)?;
                self.round_to(*up, operand, *unit, span)
            }
            ExprKind::Step { operand, by } => {
                let operand = self.expression(operand, context);
                let by = self.expression(by, context);
                self.step(operand?, by?, span)
            }
            ExprKind::Call(call) => self.call(call, span, context),
            ExprKind::Subquery { .. } => self.subquery(span),
            _ => None,
        }
    }

    /// `(a - b) qualifier`, or an interval given another qualifier.
    fn qualified(
        &mut self,
        operand: &Expr,
        qualifier: IntervalQualifier,
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Expression> {
        if let ExprKind::Binary2 { operator: crate::syntax::BinaryOperator::Subtract, left, right } =
            &operand.kind
        {
            let left = self.expression(left, context);
            let right = self.expression(right, context);
            return self.datetime_difference(left?, right?, qualifier, span);
        }
        let message = "an interval qualifier stands behind the difference of two datetimes";
        self.error_with_hint(span, message, "write (a - b) DAY TO SECOND")
    }

    fn between(
        &mut self,
        operand: Expression,
        low: Expression,
        high: Expression,
        symmetric: bool,
        span: Span,
    ) -> Option<Expression> {
        let mut within = |operand: Expression, low: Expression, high: Expression| {
            let at_least = self.comparison(ComparisonOperator::GreaterOrEqual, operand.clone(), low, span)?;
            let at_most = self.comparison(ComparisonOperator::LessOrEqual, operand, high, span)?;
            Some(boolean_node(ExpressionKind::And(Box::new(at_least), Box::new(at_most)), span))
        };
        let straight = within(operand.clone(), low.clone(), high.clone())?;
        if !symmetric {
            return Some(straight);
        }
        let reversed = within(operand, high, low)?;
        Some(boolean_node(ExpressionKind::Or(Box::new(straight), Box::new(reversed)), span))
    }

    fn in_list(
        &mut self,
        operand: &Expr,
        list: &[Expr],
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Expression> {
        let operand = self.expression(operand, context);
        let items: Vec<Option<Expression>> = list.iter().map(|item| self.expression(item, context)).collect();
        let (operand, items) = (operand?, items.into_iter().collect::<Option<Vec<_>>>()?);
        items.iter().for_each(|item| self.lint_long_text(&operand, item));
        let mut common = operand.sql_type;
        for item in &items {
            match common.common(item.sql_type) {
                Some(wider) => common = wider,
                None => {
                    let message = format!("IN cannot compare {} with {}", operand.sql_type, item.sql_type);
                    return self.error_with_hint(
                        span,
                        message,
                        "there are no implicit conversions: use CAST",
                    );
                }
            }
        }
        let operand = Box::new(coerce(operand, common));
        let list = items.into_iter().map(|item| coerce(item, common)).collect();
        Some(boolean_node(ExpressionKind::InList { operand, list }, span))
    }

    fn like(
        &mut self,
        text: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        similar: bool,
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Expression> {
        let what = if similar { "SIMILAR TO" } else { "LIKE" };
        let mut operand = |resolver: &mut Self, expr: &Expr| {
            let expression = resolver.expression(expr, context)?;
            match expression.sql_type {
                SqlType::Null => Some(coerce(expression, SqlType::Varchar { length: 1 })),
                text if text.is_character() => Some(expression),
                other => resolver.error_with_hint(
                    span,
                    format!("{what} takes strings, not {other}"),
                    "convert it: CAST(… AS VARCHAR(n))",
                ),
            }
        };
        let text = operand(self, text);
        let pattern = operand(self, pattern);
        let escape = match escape {
            Some(escape) => Some(Box::new(operand(self, escape)?)),
            None => None,
        };
        let (text, pattern) = (Box::new(text?), Box::new(pattern?));
        self.check_pattern(similar, &pattern, escape.as_deref())?;
        let kind = if similar {
            ExpressionKind::SimilarTo { text, pattern, escape }
        } else {
            ExpressionKind::Like { text, pattern, escape }
        };
        Some(boolean_node(kind, span))
    }

    /// A constant pattern is read before any row comes, and so is a constant ESCAPE.
    fn check_pattern(
        &mut self,
        similar: bool,
        pattern: &Expression,
        escape: Option<&Expression>,
    ) -> Option<()> {
        let text = |expression: &Expression| match expression.literal() {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let constant_escape = escape.and_then(text);
        if let Some((escape, constant)) = escape.zip(constant_escape.as_deref())
            && constant.chars().count() != 1
        {
            let message = format!("ESCAPE takes exactly one character, not '{constant}'");
            return self.error_with_hint(escape.span, message, "write one, as in LIKE '100!%' ESCAPE '!'");
        }
        let is_known = escape.is_none() || constant_escape.is_some();
        let Some(constant) = text(pattern).filter(|_| is_known) else { return Some(()) };
        let (checked, hint) = if similar {
            (
                self.catalog.check_similar(&constant, constant_escape.as_deref()),
                "a special character stands for itself behind the ESCAPE character: SIMILAR TO 'a!+' ESCAPE '!'",
            )
        } else {
            (
                self.catalog.check_like(&constant, constant_escape.as_deref()),
                "% and _ stand for themselves behind the ESCAPE character, and so does it: LIKE '100!%' ESCAPE '!'",
            )
        };
        match checked {
            Ok(()) => Some(()),
            Err(message) => self.error_with_hint(pattern.span, message, hint),
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Expression> {
        let tested = operand.map(|operand| self.expression(operand, context));
        let mut resolved = Vec::new();
        for (written, value) in branches {
            let condition = self.expression(written, context);
            let condition = match (&tested, condition) {
                (Some(Some(tested)), Some(condition)) => {
                    self.lint_long_text(tested, &condition);
                    self.comparison(ComparisonOperator::Equal, tested.clone(), condition, written.span)
                }
                (None, Some(condition)) => self.boolean(condition, "WHEN"),
                (Some(None), _) | (_, None) => None,
            };
            let value = self.expression(value, context);
            resolved.push(condition.zip(value).map(|(condition, value)| CaseBranch { condition, value }));
        }
        let otherwise = otherwise.map(|otherwise| self.expression(otherwise, context));
        let resolved: Vec<CaseBranch> = resolved.into_iter().collect::<Option<_>>()?;
        let otherwise = match otherwise {
            Some(otherwise) => Some(otherwise?),
            None => None,
        };
        let types = resolved.iter().map(|branch| branch.value.sql_type);
        let types: Vec<SqlType> = types.chain(otherwise.iter().map(|value| value.sql_type)).collect();
        let sql_type = self.common_type(&types, "the branches of CASE", span)?;
        let branches = resolved
            .into_iter()
            .map(|branch| CaseBranch { value: coerce(branch.value, sql_type), ..branch })
            .collect();
        let otherwise = otherwise.map(|value| Box::new(coerce(value, sql_type)));
        Some(Expression::new(ExpressionKind::Case { branches, otherwise }, sql_type, span))
    }

    pub(super) fn common_type(&mut self, types: &[SqlType], what: &str, span: Span) -> Option<SqlType> {
        let mut common = SqlType::Null;
        for sql_type in types {
            match common.common(*sql_type) {
                Some(wider) => common = wider,
                None => {
                    let message = format!("{what} must have one type, not {common} and {sql_type}");
                    return self.error_with_hint(span, message, "convert them with CAST");
                }
            }
        }
        Some(common)
    }

    fn extract(&mut self, unit: TimeUnit, operand: Expression, span: Span) -> Option<Expression> {
        let has_field = match operand.sql_type {
            SqlType::Timestamp | SqlType::Null => true,
            SqlType::Date => unit <= TimeUnit::Day,
            SqlType::Time => unit >= TimeUnit::Hour,
            SqlType::Interval(qualifier) => qualifier.is_year_month() == unit.is_calendar(),
            _ => false,
        };
        if !has_field {
            return self
                .error(span, format!("EXTRACT cannot take {} from {}", unit.name(), operand.sql_type));
        }
        let operand =
            if operand.sql_type == SqlType::Null { coerce(operand, SqlType::Timestamp) } else { operand };
        let sql_type = if unit == TimeUnit::Second {
            SqlType::Decimal { precision: 5, scale: 3 }
        } else {
            SqlType::BigInt
        };
        Some(Expression::new(ExpressionKind::Extract { unit, operand: Box::new(operand) }, sql_type, span))
    }

    fn round_to(&mut self, up: bool, operand: Expression, unit: TimeUnit, span: Span) -> Option<Expression> {
        let name = if up { "CEIL" } else { "FLOOR" };
        let sql_type = operand.sql_type;
        if !(sql_type.is_datetime() || sql_type.is_interval() || sql_type == SqlType::Null) {
            let message =
                format!("{name}(… TO {}) takes a datetime or an interval, not {sql_type}", unit.name());
            return self.error(span, message);
        }
        if sql_type == SqlType::Time && unit < TimeUnit::Hour {
            return self.error(span, format!("a TIME has no {}", unit.name()));
        }
        let sql_type = if sql_type == SqlType::Null { SqlType::Timestamp } else { sql_type };
        let direction = if up { RoundingDirection::Ceil } else { RoundingDirection::Floor };
        let operand = Box::new(coerce(operand, sql_type));
        Some(Expression::new(ExpressionKind::RoundTo { direction, operand, unit }, sql_type, span))
    }

    fn step(&mut self, operand: Expression, by: Expression, span: Span) -> Option<Expression> {
        let positive = |value: &Value| match value {
            Value::IntervalMillis(millis) => *millis > 0,
            Value::IntervalMonths(months) => *months > 0,
            Value::Integer(number) => *number > 0,
            Value::Decimal(number) => *number > 0,
            Value::Double(number) => *number > 0.0,
            _ => false,
        };
        let Some(step) = by.literal().filter(|value| positive(value)).cloned() else {
            return self.error_with_hint(
                by.span,
                "STEP … BY takes a constant above 0",
                "write STEP(s.ROWTIME BY INTERVAL '5' SECOND)",
            );
        };
        match (operand.sql_type, by.sql_type) {
            (datetime, SqlType::Interval(qualifier))
                if datetime.is_datetime() || datetime == SqlType::Null =>
            {
                if datetime == SqlType::Time && qualifier.is_year_month() {
                    return self.error(by.span, "a TIME cannot be stepped by months");
                }
                let sql_type = if datetime == SqlType::Null { SqlType::Timestamp } else { datetime };
                let operand = Box::new(coerce(operand, sql_type));
                Some(Expression::new(ExpressionKind::StepDatetime { operand, step }, sql_type, span))
            }
            (number, step_type)
                if step_type.is_numeric() && (number.is_numeric() || number == SqlType::Null) =>
            {
                let sql_type = number.common(step_type)?;
                let (operand, step) = (Box::new(coerce(operand, sql_type)), Box::new(coerce(by, sql_type)));
                Some(Expression::new(ExpressionKind::StepNumber { operand, step }, sql_type, span))
            }
            (operand_type, step_type) => {
                let message = format!(
                    "STEP takes a datetime BY an interval or a number BY a number, not \
                                       {operand_type} BY {step_type}"
                );
                self.error(span, message)
            }
        }
    }
}

/// A record is NULL when all its fields are.
fn record_is_null(fields: &[(usize, crate::Output)], negated: bool, span: Span) -> Option<Expression> {
    let tests = fields.iter().map(|(index, output)| {
        let operand = Box::new(Expression::column(*index, output.sql_type, span));
        boolean_node(ExpressionKind::IsNull { operand, negated: false }, span)
    });
    let all =
        tests.reduce(|all, test| boolean_node(ExpressionKind::And(Box::new(all), Box::new(test)), span))?;
    Some(negated_if(negated, all, span))
}

fn boolean_node(kind: ExpressionKind, span: Span) -> Expression {
    Expression::new(kind, SqlType::Boolean, span)
}

fn negated_if(negated: bool, expression: Expression, span: Span) -> Expression {
    if negated { boolean_node(ExpressionKind::Not(Box::new(expression)), span) } else { expression }
}

//! GROUP BY and WINDOWED BY: keys, aggregates, and what may stand beside them.

use super::Resolver;
use super::aggregate::function_named;
use super::expression::{Clause, Context, Intercepted};
use super::monotonic::{depends_on_rowtime, driver};
use super::scope::{Scope, is_rowtime, row_time};
use crate::syntax::{Expr, ExprKind, GroupBy};
use crate::{
    AggregateCall, Diagnostic, Expression, ExpressionKind, GroupDriver, Node, NodeKind, Output, Span,
    SqlType, Value,
};

/// What a grouped query collects while its select list is resolved.
pub(super) struct Grouping {
    keys: Vec<Expression>,
    aggregates: Vec<AggregateCall>,
    window: GroupWindow,
}

enum GroupWindow {
    Tumbling(GroupDriver),
    /// All rows of a finite relation.
    Whole,
    Stagger {
        range: i64,
    },
}

impl Grouping {
    /// The operator over its input. Columns: the keys, then the aggregates.
    pub(super) fn node(self, input: Node) -> Node {
        let keys = self.keys.iter().map(|key| key.sql_type);
        let output = keys
            .chain(self.aggregates.iter().map(|aggregate| aggregate.sql_type))
            .enumerate()
            .map(|(index, sql_type)| Output { name: format!("EXPR${index}"), sql_type })
            .collect();
        let (input, keys, aggregates) = (Box::new(input), self.keys, self.aggregates);
        let kind = match self.window {
            GroupWindow::Tumbling(driver) => NodeKind::Tumble { input, keys, driver, aggregates },
            GroupWindow::Whole => {
                let driver = GroupDriver::Value { key: 0 };
                NodeKind::Tumble { input, keys, driver, aggregates }
            }
            GroupWindow::Stagger { range } => NodeKind::Stagger { input, keys, range, aggregates },
        };
        Node { kind, output }
    }
}

impl Grouping {
    /// Whether a ROWTIME closes the windows, so that all groups of one leave together.
    pub(super) fn is_tumbling_by_rowtime(&self) -> bool {
        match &self.window {
            GroupWindow::Tumbling(GroupDriver::Periodic { .. } | GroupDriver::Rowtime { .. }) => true,
            GroupWindow::Tumbling(GroupDriver::Value { .. })
            | GroupWindow::Whole
            | GroupWindow::Stagger { .. } => false,
        }
    }

    /// An expression over the groups, with the keys in place of their columns.
    pub(super) fn over_input(&self, expression: &Expression) -> Expression {
        let mut expression = expression.clone();
        expression.for_each_mut(&mut |e| {
            if let ExpressionKind::Column(index) = e.kind
                && let Some(key) = self.keys.get(index)
            {
                *e = key.clone();
            }
        });
        expression
    }
}

impl Resolver<'_> {
    /// Checks the keys. Over a finite relation none of them has to be monotonic.
    pub(super) fn grouping(&mut self, group_by: &GroupBy, scope: &Scope, finite: bool) -> Option<Grouping> {
        let (GroupBy::Tumbling { keys: written, .. } | GroupBy::Stagger { keys: written, .. }) = group_by;
        let keys: Vec<Option<Expression>> =
            written.iter().map(|key| self.scalar(key, scope, "GROUP BY")).collect();
        let keys: Vec<Expression> = keys.into_iter().collect::<Option<_>>()?;
        let keys: Vec<Expression> = keys.into_iter().map(typed_key).collect();
        let window = match group_by {
            GroupBy::Tumbling { .. } if finite => GroupWindow::Whole,
            GroupBy::Tumbling { span, .. } => GroupWindow::Tumbling(self.group_driver(&keys, *span)?),
            GroupBy::Stagger { range, .. } => {
                let range_expression = self.scalar(range, scope, "RANGE")?;
                match range_expression.literal() {
                    Some(Value::IntervalMillis(millis)) if *millis > 0 => {
                        GroupWindow::Stagger { range: *millis }
                    }
                    _ => {
                        return self.error_with_hint(
                            range.span,
                            "the RANGE of a stagger window is a constant interval above 0",
                            "write RANGE INTERVAL '1' MINUTE",
                        );
                    }
                }
            }
        };
        Some(Grouping { keys, aggregates: Vec::new(), window })
    }

    fn group_driver(&mut self, keys: &[Expression], span: Span) -> Option<GroupDriver> {
        let mut first_of_rowtime: Option<usize> = None;
        let mut rowtime_key: Option<usize> = None;
        let mut value_key: Option<usize> = None;
        for (index, key) in keys.iter().enumerate() {
            if depends_on_rowtime(key) {
                let first = *first_of_rowtime.get_or_insert(index);
                if !same(&keys[first], key) {
                    return self.error_with_hint(
                        key.span,
                        "GROUP BY has a second expression of ROWTIME: at most one may close the window",
                        "keep one of them, and compute the other from it in the select list",
                    );
                }
                if self.monotonicity(key).is_moving() {
                    rowtime_key.get_or_insert(index);
                    continue;
                }
            }
            if self.monotonicity(key).is_moving() {
                value_key.get_or_insert(index);
            }
        }
        match rowtime_key.or(value_key) {
            Some(index) => Some(driver(index, &keys[index])),
            None => self.error_with_hint(
                span,
                "GROUP BY on a stream needs a monotonic expression, or its groups would never be complete",
                "add STEP(stream.ROWTIME BY INTERVAL '…' SECOND) or FLOOR(stream.ROWTIME TO MINUTE); or assert it: \
                 MONOTONIC(x)",
            ),
        }
    }

    /// An item of a grouped select list, over the keys and aggregates.
    pub(super) fn grouped(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Option<Expression> {
        self.expression(expr, &mut Context { scope, place: "a select with GROUP BY", clause: Some(grouping) })
    }

    /// HAVING.
    pub(super) fn grouped_condition(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Option<Expression> {
        let predicate =
            self.expression(expr, &mut Context { scope, place: "HAVING", clause: Some(grouping) })?;
        self.boolean(predicate, "HAVING")
    }

    /// Resolves without leaving a trace in the diagnostics.
    fn silently(&mut self, expr: &Expr, scope: &Scope) -> Option<Expression> {
        let before = self.diagnostics.len();
        let expression = self.scalar(expr, scope, "GROUP BY");
        self.diagnostics.truncate(before);
        expression
    }
}

impl Clause for Grouping {
    fn intercept(&mut self, resolver: &mut Resolver<'_>, expr: &Expr, scope: &Scope) -> Intercepted {
        if let ExprKind::Call(call) = &expr.kind
            && !call.name.quoted
            && call.over.is_none()
            && let Some(function) = function_named(&call.name.value)
        {
            let argument = match call.arguments.first() {
                Some(argument) if !call.star => match resolver.scalar(argument, scope, "another aggregate") {
                    Some(argument) => Some(argument),
                    None => return Intercepted::Taken(None),
                },
                _ => None,
            };
            let typed = resolver.aggregate(call, function, argument, expr.span);
            return Intercepted::Taken(typed.map(|typed| {
                let call = AggregateCall {
                    function: typed.function,
                    argument: typed.argument,
                    distinct: typed.distinct,
                    sql_type: typed.sql_type,
                };
                let index = self.aggregates.iter().position(|known| same_aggregate(known, &call));
                let index = index.unwrap_or_else(|| {
                    self.aggregates.push(call);
                    self.aggregates.len() - 1
                });
                Expression::column(self.keys.len() + index, typed.sql_type, expr.span)
            }));
        }
        if let ExprKind::Column(parts) = &expr.kind
            && let [name] = parts.as_slice()
            && is_rowtime(name)
            && !matches!(self.window, GroupWindow::Whole)
        {
            // Unqualified, it is the time of the row that the query gives: the end of the window.
            return Intercepted::Taken(Some(row_time(expr.span)));
        }
        if !contains_aggregate(expr)
            && let Some(candidate) = resolver.silently(expr, scope)
            && let Some(index) = self.keys.iter().position(|key| same(key, &candidate))
        {
            let key = &self.keys[index];
            return Intercepted::Taken(Some(Expression::column(index, key.sql_type, expr.span)));
        }
        if let ExprKind::Column(parts) = &expr.kind {
            let Some(_) = resolver.column(parts, scope) else { return Intercepted::Taken(None) };
            let shown = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
            let message = format!("{shown} is neither a grouping expression nor inside an aggregate");
            let mistake = Diagnostic::error(expr.span, message)
                .with_hint("add it to GROUP BY, or aggregate it: MIN(…), MAX(…), AVG(…)");
            resolver.report(mistake);
            return Intercepted::Taken(None);
        }
        Intercepted::Passed
    }
}

/// A bare NULL as a key is of some type.
fn typed_key(key: Expression) -> Expression {
    if key.sql_type == SqlType::Null { Expression { sql_type: SqlType::Integer, ..key } } else { key }
}

pub(super) fn contains_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| found |= is_aggregate(e));
    found
}

/// Whether this is a call of an aggregate, without a window.
pub(super) fn is_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(call) => {
            !call.name.quoted && call.over.is_none() && function_named(&call.name.value).is_some()
        }
        _ => false,
    }
}

fn same_aggregate(left: &AggregateCall, right: &AggregateCall) -> bool {
    left.function == right.function
        && left.distinct == right.distinct
        && match (&left.argument, &right.argument) {
            (None, None) => true,
            (Some(left), Some(right)) => same(left, right),
            _ => false,
        }
}

/// Structural equality, wherever the expressions stand.
pub(super) fn same(left: &Expression, right: &Expression) -> bool {
    without_places(left) == without_places(right)
}

fn without_places(expression: &Expression) -> Expression {
    let mut copy = expression.clone();
    copy.for_each_mut(&mut |e| e.span = Span::default());
    copy
}

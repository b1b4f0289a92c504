//! GROUP BY and WINDOWED BY: keys, aggregates, and what may stand beside them.

use std::collections::HashMap;

use super::Resolver;
use super::aggregate::group_function_named;
use super::column_order::ColumnOrder;
use super::expression::{Clause, Context, Intercepted};
use super::monotonic::driver;
use super::scope::{RelationTime, Scope, is_rowtime, row_time};
use crate::syntax::{Expr, ExprKind, GroupBy, Name, SelectItem};
use crate::{
    AggregateCall, Diagnostic, Expression, GroupDriver, Node, NodeKind, Output, Span, SqlType, Value,
};

/// Characters of an expression that a hint repeats, at most.
const LONGEST_IN_A_HINT: usize = 80;

/// What a grouped query collects while its select list is resolved.
pub(super) struct Grouping {
    keys: Vec<Expression>,
    /// No key was refused: what is none of them has to be aggregated.
    keys_are_known: bool,
    aggregates: Vec<AggregateCall>,
    /// `None` when it was refused.
    window: Option<GroupWindow>,
    /// How the columns of the rows that are grouped move.
    input_orders: Vec<ColumnOrder>,
    /// The aliases of the select list while HAVING is resolved, which does not know them, and where their expressions stand.
    aliases: HashMap<String, Span>,
}

enum GroupWindow {
    Tumbling {
        driver: GroupDriver,
        /// The key that drives, over ROWTIME alone where it is a function of it.
        key: Expression,
    },
    /// All rows of a finite relation.
    Whole,
    Stagger {
        range: i64,
    },
}

impl Grouping {
    /// Of a query that aggregates and does not say over what: its select list is looked at all the same.
    pub(super) fn unknown() -> Grouping {
        Grouping {
            keys: Vec::new(),
            keys_are_known: false,
            aggregates: Vec::new(),
            window: None,
            input_orders: Vec::new(),
            aliases: HashMap::new(),
        }
    }

    /// Nothing of it was refused.
    pub(super) fn is_known(&self) -> bool {
        self.keys_are_known && self.window.is_some()
    }

    /// The operator over its input. Columns: the keys, then the aggregates. `None` when a part of it was refused.
    pub(super) fn node(self, input: Node) -> Option<Node> {
        let window = self.window?;
        let keys = self.keys.iter().map(|key| key.sql_type);
        let output = keys
            .chain(self.aggregates.iter().map(|aggregate| aggregate.sql_type))
            .enumerate()
            .map(|(index, sql_type)| Output { name: format!("EXPR${index}"), sql_type })
            .collect();
        let (input, mut keys, aggregates) = (Box::new(input), self.keys, self.aggregates);
        let kind = match window {
            GroupWindow::Tumbling { driver, key } => {
                keys[driver.key()] = key;
                NodeKind::Tumble { input, keys, driver, aggregates }
            }
            GroupWindow::Whole => {
                let driver = GroupDriver::Value { key: 0 };
                NodeKind::Tumble { input, keys, driver, aggregates }
            }
            GroupWindow::Stagger { range } => NodeKind::Stagger { input, keys, range, aggregates },
        };
        Some(Node { kind, output })
    }
    /// Whether a ROWTIME closes the windows, so that all groups of one leave together.
    pub(super) fn is_tumbling_by_rowtime(&self) -> bool {
        match &self.window {
            Some(GroupWindow::Tumbling {
                driver: GroupDriver::Periodic { .. } | GroupDriver::Rowtime { .. },
                ..
            }) => true,
            Some(
                GroupWindow::Tumbling { driver: GroupDriver::Value { .. }, .. }
                | GroupWindow::Whole
                | GroupWindow::Stagger { .. },
            )
            | None => false,
        }
    }

    /// How the columns of the groups move: the keys, then the aggregates that are known so far.
    pub(super) fn column_orders(&self, resolver: &Resolver<'_>) -> Vec<ColumnOrder> {
        match &self.window {
            Some(GroupWindow::Tumbling { driver, .. }) => {
                resolver.tumble_orders(&self.input_orders, &self.keys, driver, &self.aggregates)
            }
            Some(GroupWindow::Stagger { range }) => {
                resolver.stagger_orders(&self.input_orders, &self.keys, *range, &self.aggregates)
            }
            Some(GroupWindow::Whole) | None => Vec::new(),
        }
    }
}

impl Resolver<'_> {
    /// Checks the keys. Over a finite relation none of them has to be monotonic.
    pub(super) fn grouping(&mut self, group_by: &GroupBy, scope: &Scope, input: &Node) -> Grouping {
        let finite = input.is_finite();
        let (GroupBy::Tumbling { keys: written, .. } | GroupBy::Stagger { keys: written, .. }) = group_by;
        let keys: Vec<Option<Expression>> =
            written.iter().map(|key| self.scalar(key, scope, "GROUP BY")).collect();
        let keys_are_known = keys.iter().all(Option::is_some);
        let keys: Vec<Expression> = keys.into_iter().flatten().map(typed_key).collect();
        let input_orders = if finite { Vec::new() } else { self.column_orders(input) };
        let window = match group_by {
            GroupBy::Tumbling { .. } if finite => Some(GroupWindow::Whole),
            // The one that was refused may have been meant to close the groups.
            GroupBy::Tumbling { .. } if !keys_are_known => None,
            GroupBy::Tumbling { span, .. } => {
                let driver = self.group_driver(&keys, &input_orders, scope, *span);
                driver.map(|(driver, key)| GroupWindow::Tumbling { driver, key })
            }
            GroupBy::Stagger { range, .. } => self.stagger_range(range, scope),
        };
        Grouping {
            keys,
            keys_are_known,
            aggregates: Vec::new(),
            window,
            input_orders,
            aliases: HashMap::new(),
        }
    }

    fn stagger_range(&mut self, range: &Expr, scope: &Scope) -> Option<GroupWindow> {
        let expression = self.scalar(range, scope, "RANGE")?;
        match expression.literal() {
            Some(Value::IntervalMillis(millis)) if *millis > 0 => {
                self.note_window(range.span, *millis);
                Some(GroupWindow::Stagger { range: *millis })
            }
            _ => self.error_with_hint(
                range.span,
                "the RANGE of a stagger window is a constant interval above 0",
                "write RANGE INTERVAL '1' MINUTE",
            ),
        }
    }

    /// What ends the windows: of the monotonic keys the one with the shortest windows by ROWTIME, since a group is
    /// complete when any of them has changed; else one that rows change.
    fn group_driver(
        &mut self,
        keys: &[Expression],
        orders: &[ColumnOrder],
        scope: &Scope,
        span: Span,
    ) -> Option<(GroupDriver, Expression)> {
        let mut best: Option<(i64, GroupDriver, Expression)> = None;
        for (index, key) in keys.iter().enumerate() {
            let order = self.order_of(key, orders);
            if !order.moves.is_moving() {
                continue;
            }
            let key = order.of_rowtime.unwrap_or_else(|| key.clone());
            let driver = driver(index, &key);
            let length = match &driver {
                GroupDriver::Periodic { period, .. } => *period,
                // Months, or not known.
                GroupDriver::Rowtime { .. } => i64::MAX - 1,
                GroupDriver::Value { .. } => i64::MAX,
            };
            if best.as_ref().is_none_or(|(shortest, ..)| length < *shortest) {
                best = Some((length, driver, key));
            }
        }
        match best {
            Some((_, driver, key)) => {
                self.note_tumbling(keys[driver.key()].span, &driver);
                Some((driver, key))
            }
            None => {
                let message = "GROUP BY on a stream needs a monotonic expression, or its groups would never be complete";
                let stream = scope.relations.iter().find(|it| it.rowtime == RelationTime::Row);
                let rowtime = match stream.and_then(|relation| relation.name.as_deref()) {
                    Some(name) => format!("{}.ROWTIME", shown_name(name)),
                    None => "ROWTIME".to_owned(),
                };
                let hint = format!(
                    "add STEP({rowtime} BY INTERVAL '…' SECOND) or FLOOR({rowtime} TO MINUTE); or assert it: MONOTONIC(x)"
                );
                self.error_with_hint(span, message, hint)
            }
        }
    }

    /// An item of a grouped select list, over the keys and aggregates.
    pub(super) fn grouped(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Option<Expression> {
        self.expression(
            expr,
            &mut Context { scope, place: "a select with GROUP BY", clause: Some(grouping), is_grouped: true },
        )
    }

    /// HAVING, beside a select list of these items.
    pub(super) fn grouped_condition(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        items: &[SelectItem],
        grouping: &mut Grouping,
    ) -> Option<Expression> {
        let alias = |item: &SelectItem| match item {
            SelectItem::Expr { expr, alias: Some(alias) } => Some((alias.value.clone(), expr.span)),
            _ => None,
        };
        grouping.aliases = items.iter().filter_map(alias).collect();
        let context = &mut Context { scope, place: "HAVING", clause: Some(&mut *grouping), is_grouped: true };
        let predicate = self.expression(expr, context);
        grouping.aliases.clear();
        self.boolean(predicate?, "HAVING")
    }

    /// The mistake of naming an alias of the select list in HAVING.
    fn alias_in_having(&mut self, name: &Name, expression: Span) -> Option<Expression> {
        let message =
            format!("HAVING does not know {}, an alias of the select list", shown_name(&name.value));
        let written = expression.slice(self.text);
        let is_short = !written.contains('\n') && written.chars().count() <= LONGEST_IN_A_HINT;
        let expression = if is_short { written } else { "its expression" };
        self.error_with_hint(name.span, message, format!("write {expression} in its place"))
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
            && let Some(function) = group_function_named(&call.name.value)
        {
            let argument = match call.arguments.first() {
                Some(argument) if !call.star => match resolver.scalar(argument, scope, "another aggregate") {
                    Some(argument) => Some(argument),
                    None => {
                        resolver.check_names(call.arguments.iter().skip(1), scope);
                        return Intercepted::Taken(None);
                    }
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
            && !matches!(self.window, Some(GroupWindow::Whole))
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
            if let [name] = parts.as_slice()
                && let Some(expression) = self.aliases.get(&name.value)
                && !scope.has_column(&name.value)
            {
                return Intercepted::Taken(resolver.alias_in_having(name, *expression));
            }
            let column = resolver.column(parts, scope);
            if column.is_none() || !self.keys_are_known {
                return Intercepted::Taken(column);
            }
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

/// A name as the text must write it.
pub(super) fn shown_name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && !crate::is_reserved_word(name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
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
            !call.name.quoted && call.over.is_none() && group_function_named(&call.name.value).is_some()
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

//! SELECT: where rows come from, which are kept, what is made of them.

use super::Resolver;
use super::column_order::ColumnOrder;
use super::distinct::Distinct;
use super::from::window_names;
use super::group::{Grouping, contains_aggregate};
use super::join::push_into_join;
use super::order::Ordering;
use super::record::Records;
use super::scope::{Scope, is_rowtime};
use super::slide::Sliding;
use crate::limits::MAX_COLUMNS;
use crate::syntax::{Expr, ExprKind, GroupBy, Name, OrderBy, Query, QueryBody, Select, SelectItem};
use crate::{Expression, Node, NodeKind, Output, Projection, Span, SqlType};

/// How the items of a select list are resolved.
pub(super) enum ListMode<'m> {
    Plain,
    Grouped(&'m mut Grouping),
    Sliding(&'m mut Sliding),
}

impl Resolver<'_> {
    /// The plan of a query, and where each of its columns stands in the text.
    pub(super) fn query(&mut self, query: &Query) -> Option<(Node, Vec<Span>)> {
        if let QueryBody::Select(select) = &query.body {
            return self.select(select, query.order_by.as_ref());
        }
        let resolved = self.query_without_order(query)?;
        match &query.order_by {
            Some(order_by) => self.ordered_relation(resolved, order_by),
            None => Some(resolved),
        }
    }

    fn query_without_order(&mut self, query: &Query) -> Option<(Node, Vec<Span>)> {
        match &query.body {
            QueryBody::Select(select) => self.select(select, None),
            QueryBody::Values { rows, span } => self.values(rows, *span),
            QueryBody::SetOperation { operator, all, left, right, span } => {
                self.set_operation(*operator, *all, left, right, *span)
            }
        }
    }

    fn select(&mut self, select: &Select, order_by: Option<&OrderBy>) -> Option<(Node, Vec<Span>)> {
        let Some((input, scope)) = self.from(&select.from, &select.windows) else {
            self.check_names_but_columns(select, order_by);
            return None;
        };
        let finite = input.is_finite();
        // All rows of a finite relation are a group when they are aggregated without GROUP BY.
        let group_by = match &select.group_by {
            None if finite && aggregates(select) => {
                Some(GroupBy::Tumbling { span: Span::default(), keys: Vec::new() })
            }
            written => written.clone(),
        };
        let mut input = self.subquery_columns(select, group_by.as_ref(), input, &scope);
        if let Some(condition) = &select.condition
            && let Some(predicate) = self.condition(condition, &scope, "WHERE")
        {
            input = match push_into_join(&mut input, predicate) {
                Some(rest) => filter(input, rest),
                None => input,
            };
        }
        let of_joins = window_names(&select.from);
        let windows = self.window_definitions(&select.windows, &scope, &of_joins);
        if finite {
            self.finite_select(select);
        }
        if let Some(group_by) = &group_by {
            let grouping = self.grouping(group_by, &scope, &input);
            return self.grouped_select(select, order_by, input, &scope, grouping);
        }
        if let Some((span, _)) = &select.having {
            self.error_with_hint::<()>(
                *span,
                "HAVING needs GROUP BY or WINDOWED BY",
                "filter single rows with WHERE",
            );
            return self.grouped_select(select, order_by, input, &scope, Grouping::unknown());
        }
        let (input, records) = self.record_items(&select.items, input, &scope);
        if select.items.iter().any(|item| item_expr(item).is_some_and(has_analytic)) {
            let mut sliding = Sliding::new(windows, input.output.len());
            let list = self.select_list(&select.items, &scope, &records, ListMode::Sliding(&mut sliding));
            let Some(mut list) = list else {
                self.ordering_alone(order_by, &select.items, &scope, ListMode::Sliding(&mut sliding));
                return None;
            };
            let orders = self.orders_if_needed(select, order_by, &input);
            let distinct = self.distinct(select.distinct, &list, false, &orders);
            let mode = ListMode::Sliding(&mut sliding);
            let ordering = self.ordering(order_by, &mut list, &scope, mode, &orders, false);
            Some(list.finish(sliding.node(input), distinct?, ordering?))
        } else {
            let list = self.select_list(&select.items, &scope, &records, ListMode::Plain);
            let Some(mut list) = list else {
                self.ordering_alone(order_by, &select.items, &scope, ListMode::Plain);
                return None;
            };
            let orders = self.orders_if_needed(select, order_by, &input);
            let distinct = self.distinct(select.distinct, &list, finite, &orders);
            let ordering = self.ordering(order_by, &mut list, &scope, ListMode::Plain, &orders, finite);
            Some(list.finish(input, distinct?, ordering?))
        }
    }

    /// How the columns of `input` move, for DISTINCT and ORDER BY; nothing when there is neither.
    fn orders_if_needed(
        &self,
        select: &Select,
        order_by: Option<&OrderBy>,
        input: &Node,
    ) -> Vec<ColumnOrder> {
        let needed = select.distinct.is_some() || order_by.is_some();
        if needed { self.column_orders(input) } else { Vec::new() }
    }

    /// A query without a stream has no windows: there is no time in it.
    fn finite_select(&mut self, select: &Select) {
        let of_windows = || select.items.iter().filter_map(item_expr).find_map(find_analytic);
        let span = match &select.group_by {
            Some(GroupBy::Stagger { span, .. }) => *span,
            Some(GroupBy::Tumbling { .. }) | None => match of_windows() {
                Some(span) => span,
                None => return,
            },
        };
        self.error_with_hint::<()>(
            span,
            "windows need a stream in FROM: these are rows of reference tables",
            "join the tables with a stream first",
        );
    }

    fn grouped_select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        input: Node,
        scope: &Scope,
        mut grouping: Grouping,
    ) -> Option<(Node, Vec<Span>)> {
        let finite = input.is_finite();
        let subqueries = self.subqueries_over_groups(select, scope, &mut grouping);
        let refused = self.analytic_items(&select.items, scope);
        let list = self.select_list(&select.items, scope, &refused, ListMode::Grouped(&mut grouping));
        let mut having = match &select.having {
            Some((_, condition)) => self.grouped_condition(condition, scope, &select.items, &mut grouping),
            None => None,
        };
        let (Some(mut list), true) = (list, grouping.is_known()) else {
            self.ordering_alone(order_by, &select.items, scope, ListMode::Grouped(&mut grouping));
            return None;
        };
        let orders = grouping.column_orders(self);
        let distinct = self.distinct(select.distinct, &list, finite, &orders);
        let mode = ListMode::Grouped(&mut grouping);
        let ordering = self.ordering(order_by, &mut list, scope, mode, &orders, finite);
        let (distinct, ordering) = (distinct?, ordering?);
        let over_groups = list.expressions.iter_mut().chain(&mut list.rowtime).chain(&mut having);
        let mut node = subqueries.over_groups(grouping.node(input)?, over_groups);
        if let Some(predicate) = having {
            node = filter(node, predicate);
        }
        Some(list.finish(node, distinct, ordering))
    }

    /// The items of a grouped select list with OVER, which are refused.
    fn analytic_items(&mut self, items: &[SelectItem], scope: &Scope) -> Records {
        let mut refused = Records::new();
        for (number, item) in items.iter().enumerate() {
            if let Some(expr) = item_expr(item)
                && let Some(span) = find_analytic(expr)
            {
                self.error_with_hint::<()>(
                    span,
                    "an analytic function (OVER) is not allowed in a select with GROUP BY",
                    "compute it in an outer query over the grouped subquery",
                );
                self.check_names([expr], scope);
                refused.insert(number, None);
            }
        }
        refused
    }

    /// A condition over single rows.
    pub(super) fn condition(
        &mut self,
        condition: &Expr,
        scope: &Scope,
        clause: &'static str,
    ) -> Option<Expression> {
        let predicate = self.scalar(condition, scope, clause)?;
        self.boolean(predicate, clause)
    }

    /// Requires a BOOLEAN.
    pub(super) fn boolean(&mut self, expression: Expression, clause: &str) -> Option<Expression> {
        match expression.sql_type {
            SqlType::Boolean => Some(expression),
            SqlType::Null => Some(Expression { sql_type: SqlType::Boolean, ..expression }),
            other => {
                let message = format!("{clause} needs a BOOLEAN, this is {other}");
                self.error_with_hint(expression.span, message, "compare it with something")
            }
        }
    }

    fn select_list(
        &mut self,
        items: &[SelectItem],
        scope: &Scope,
        records: &Records,
        mut mode: ListMode<'_>,
    ) -> Option<SelectList> {
        let scope = &scope.for_select_list();
        let mut list = SelectList::default();
        let mut complete = true;
        for (index, item) in items.iter().enumerate() {
            match item {
                SelectItem::Expr { expr, alias } if records.contains_key(&index) => match &records[&index] {
                    Some(fields) => {
                        complete &= self.record_list_item(expr, fields, alias.as_ref(), &mode, &mut list);
                    }
                    None => complete = false,
                },
                SelectItem::Wildcard(span) => {
                    complete &= self.wildcard(scope.listed(*span), *span, &mode, &mut list);
                }
                SelectItem::QualifiedWildcard { relation, span } => match scope.relation(&relation.value) {
                    Some(found) => {
                        let columns = found.listed().map(|(index, column)| {
                            (Expression::column(index, column.sql_type, *span), column.clone())
                        });
                        complete &= self.wildcard(columns.collect(), *span, &mode, &mut list);
                    }
                    None => {
                        let message = format!("there is no stream or alias \"{}\" in FROM", relation.value);
                        self.error::<()>(relation.span, message);
                        complete = false;
                    }
                },
                SelectItem::Expr { expr, alias } => {
                    let resolved = match &mut mode {
                        ListMode::Plain => self.scalar(expr, scope, "the select list without GROUP BY"),
                        ListMode::Grouped(grouping) => self.grouped(expr, scope, grouping),
                        ListMode::Sliding(sliding) => self.sliding(expr, scope, sliding),
                    };
                    match resolved {
                        Some(expression) => {
                            complete &= self.list_item(expr, expression, alias.as_ref(), &mut list)
                        }
                        None => complete = false,
                    }
                }
            }
        }
        if list.output.len() > MAX_COLUMNS {
            self.error::<()>(list.spans[MAX_COLUMNS], format!("a query has at most {MAX_COLUMNS} columns"));
            complete = false;
        }
        complete.then_some(list)
    }

    fn wildcard(
        &mut self,
        columns: Vec<(Expression, Output)>,
        span: Span,
        mode: &ListMode<'_>,
        list: &mut SelectList,
    ) -> bool {
        if let ListMode::Grouped(_) = mode {
            self.error_with_hint::<()>(
                span,
                "* is not allowed in a select with GROUP BY",
                "name the keys and aggregates",
            );
            return false;
        }
        for (column, output) in columns {
            list.push_output(column, output, span);
        }
        true
    }

    fn list_item(
        &mut self,
        expr: &Expr,
        expression: Expression,
        alias: Option<&Name>,
        list: &mut SelectList,
    ) -> bool {
        let span = expr.span;
        if let Some(alias) = alias
            && is_rowtime(alias)
        {
            if expression.sql_type != SqlType::Timestamp {
                let message = format!("ROWTIME must be a TIMESTAMP, this is {}", expression.sql_type);
                self.error::<()>(span, message);
                return false;
            }
            if list.rowtime.is_some() {
                self.error::<()>(alias.span, "ROWTIME is given twice");
                return false;
            }
            list.rowtime = Some(expression);
            return true;
        }
        let name = match (alias, &strip(expr).kind) {
            (Some(alias), _) => alias.value.clone(),
            (None, ExprKind::Column(parts)) => {
                parts.last().map(|name| name.value.clone()).unwrap_or_default()
            }
            _ => format!("EXPR${}", list.output.len()),
        };
        list.push(expression, name, span);
        true
    }
}

/// The rows for which the predicate is TRUE.
pub(super) fn filter(input: Node, predicate: Expression) -> Node {
    let output = input.output.clone();
    Node { kind: NodeKind::Filter { input: Box::new(input), predicate }, output }
}

/// A resolved select list.
#[derive(Default)]
pub(super) struct SelectList {
    pub(super) expressions: Vec<Expression>,
    pub(super) output: Vec<Output>,
    pub(super) spans: Vec<Span>,
    pub(super) rowtime: Option<Expression>,
}

impl SelectList {
    fn push(&mut self, expression: Expression, name: String, span: Span) {
        let output = Output { name, sql_type: expression.sql_type };
        self.push_output(expression, output, span);
    }

    pub(super) fn push_output(&mut self, expression: Expression, output: Output, span: Span) {
        self.output.push(output);
        self.expressions.push(expression);
        self.spans.push(span);
    }

    /// How many columns there are so far.
    pub(super) fn len(&self) -> usize {
        self.output.len()
    }

    /// The whole select over its input: the list, then DISTINCT, then ORDER BY.
    pub(super) fn finish(
        self,
        input: Node,
        distinct: Option<Distinct>,
        ordering: Option<Ordering>,
    ) -> (Node, Vec<Span>) {
        let (mut node, mut spans) = self.over(input);
        if let Some(distinct) = distinct {
            node = distinct.over(node);
        }
        if let Some(ordering) = ordering {
            spans.truncate(ordering.visible());
            node = ordering.over(node);
        }
        (node, spans)
    }

    fn over(self, input: Node) -> (Node, Vec<Span>) {
        let projection = Projection { expressions: self.expressions, rowtime: self.rowtime };
        let kind = NodeKind::Project { input: Box::new(input), projection };
        (Node { kind, output: self.output }, self.spans)
    }
}

pub(super) fn item_expr(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard { .. } => None,
    }
}

/// The expression inside its parentheses.
pub(super) fn strip(mut expr: &Expr) -> &Expr {
    while let ExprKind::Nested(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

/// Whether the select list or HAVING aggregates.
fn aggregates(select: &Select) -> bool {
    select.having.is_some() || select.items.iter().filter_map(item_expr).any(contains_aggregate)
}

fn has_analytic(expr: &Expr) -> bool {
    find_analytic(expr).is_some()
}

fn find_analytic(expr: &Expr) -> Option<Span> {
    let mut found = None;
    expr.walk(&mut |e| {
        if let ExprKind::Call(call) = &e.kind
            && call.over.is_some()
            && found.is_none()
        {
            found = Some(e.span);
        }
    });
    found
}

//! The names in expressions that nothing else looks at, because of a mistake before them: that one does not hide that a
//! column or function does not exist.

use super::Resolver;
use super::aggregate::{is_aggregate_name, is_analytic_name, is_unsupported_aggregate_name};
use super::call::clock_function;
use super::query::item_expr;
use super::scope::{Scope, record_fields};
use crate::Span;
use crate::syntax::{Call, Expr, ExprKind, GroupBy, OrderBy, Query, Select};

impl Resolver<'_> {
    /// Reports columns and functions that do not exist, and the mistakes of queries within.
    pub(super) fn check_names<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, scope: &Scope) {
        // ROWTIME is whatever the clause makes of it.
        let scope = scope.for_select_list();
        for expr in exprs {
            self.check_calls_and_queries(expr);
            for parts in columns_of(expr) {
                // A record is legal in some places.
                if record_fields(parts, &scope).is_none() {
                    self.column(parts, &scope);
                }
            }
        }
    }

    /// The same of a SELECT of whose relations one is not known, and with it no column.
    pub(super) fn check_names_but_columns(&mut self, select: &Select, order_by: Option<&OrderBy>) {
        let keys: &[Expr] = match &select.group_by {
            Some(GroupBy::Tumbling { keys, .. } | GroupBy::Stagger { keys, .. }) => keys,
            None => &[],
        };
        let having = select.having.as_ref().map(|(_, condition)| condition);
        let sort_keys = order_by.into_iter().flat_map(|order_by| &order_by.keys).map(|key| &key.expr);
        let exprs = select.items.iter().filter_map(item_expr).chain(&select.condition).chain(keys);
        for expr in exprs.chain(having).chain(sort_keys) {
            self.check_calls_and_queries(expr);
        }
    }

    fn check_calls_and_queries(&mut self, expr: &Expr) {
        let mut calls: Vec<(&Call, Span)> = Vec::new();
        let mut queries: Vec<(&Query, Span)> = Vec::new();
        expr.walk(&mut |e| match &e.kind {
            ExprKind::Call(call) => calls.push((call, e.span)),
            ExprKind::Subquery { query, .. } => queries.push((query, e.span)),
            _ => {}
        });
        for (call, span) in calls {
            if !self.is_function(call) {
                self.unknown_function(call, span);
            }
        }
        for (query, span) in queries {
            if !self.subqueries.contains_key(&span) {
                self.query(query);
                self.subqueries.insert(span, None);
            }
        }
    }

    fn is_function(&self, call: &Call) -> bool {
        let name = call.name.value.as_str();
        self.catalog.names().contains(&name)
            || self.catalog.record(name, &[]).is_some()
            || self.functions.iter().any(|function| function.name == name)
            || clock_function(name).is_some()
            || is_aggregate_name(name)
            || is_analytic_name(name)
            || is_unsupported_aggregate_name(name)
            || matches!(name, "COALESCE" | "NULLIF" | "MONOTONIC")
    }
}

fn columns_of(expr: &Expr) -> Vec<&[crate::syntax::Name]> {
    let mut columns = Vec::new();
    expr.walk(&mut |e| {
        if let ExprKind::Column(parts) = &e.kind {
            columns.push(parts.as_slice());
        }
    });
    columns
}

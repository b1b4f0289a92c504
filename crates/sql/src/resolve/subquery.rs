//! Queries in expressions: `(SELECT …)`, `EXISTS (SELECT …)`, `x IN (SELECT …)`, over finite relations.
//!
//! What a subquery gives stands in a column behind those of FROM, so that an expression only names the column.

use super::Resolver;
use super::conversion::coerce;
use super::query::item_expr;
use super::scope::Scope;
use super::set_operation::converted;
use crate::syntax::{Expr, ExprKind, GroupBy, Query, Select, SubqueryKind};
use crate::{Expression, ExpressionKind, Node, NodeKind, Output, Span, SqlType, SubqueryValue};

impl Resolver<'_> {
    /// Puts the columns of all subqueries of a SELECT behind those of `input`.
    pub(super) fn subquery_columns(
        &mut self,
        select: &Select,
        mut input: Node,
        scope: &Scope,
    ) -> Option<Node> {
        let keys: &[Expr] = match &select.group_by {
            Some(GroupBy::Tumbling { keys, .. } | GroupBy::Stagger { keys, .. }) => keys,
            None => &[],
        };
        let items = select.items.iter().filter_map(item_expr);
        let mut found: Vec<(Span, &SubqueryKind, &Query)> = Vec::new();
        for expr in items.chain(&select.condition).chain(keys) {
            expr.walk(&mut |e| {
                if let ExprKind::Subquery { kind, query } = &e.kind {
                    found.push((e.span, kind, query));
                }
            });
        }
        let mut complete = true;
        // A subquery on the left of IN stands behind it in the list, and is needed first.
        for (span, kind, query) in found.into_iter().rev() {
            let appended = self.subquery_column(span, kind, query, scope);
            match appended {
                Some((relation, value, sql_type, negated)) => {
                    let column = Expression::column(input.output.len(), sql_type, span);
                    let column = if negated {
                        Expression::new(ExpressionKind::Not(Box::new(column)), SqlType::Boolean, span)
                    } else {
                        column
                    };
                    self.subqueries.insert(span, column);
                    let mut output = input.output.clone();
                    output.push(Output { name: format!("subquery {}", output.len()), sql_type });
                    let (input_node, relation) = (Box::new(input), Box::new(relation));
                    input = Node { kind: NodeKind::Subquery { input: input_node, relation, value }, output };
                }
                None => complete = false,
            }
        }
        complete.then_some(input)
    }

    /// The relation of a subquery, what is asked of it, the type of that, and whether it is negated.
    fn subquery_column(
        &mut self,
        span: Span,
        kind: &SubqueryKind,
        query: &Query,
        scope: &Scope,
    ) -> Option<(Node, SubqueryValue, SqlType, bool)> {
        let operand = match kind {
            SubqueryKind::In { operand, .. } => Some(self.scalar(operand, scope, "IN over a subquery")),
            SubqueryKind::Scalar | SubqueryKind::Exists => None,
        };
        let (relation, _) = self.query(query)?;
        if !relation.is_finite() {
            return self.error_with_hint(
                query.span,
                "a query in an expression needs reference tables or VALUES: a stream never ends",
                "join the streams instead: … JOIN stream OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS alias ON …",
            );
        }
        let columns = relation.output.len();
        match kind {
            SubqueryKind::Exists => Some((relation, SubqueryValue::Exists, SqlType::Boolean, false)),
            _ if columns != 1 => {
                let message = format!("a query in an expression gives one column here, this gives {columns}");
                self.error(span, message)
            }
            SubqueryKind::Scalar => {
                let sql_type = relation.output[0].sql_type;
                Some((relation, SubqueryValue::Scalar, sql_type, false))
            }
            SubqueryKind::In { negated, .. } => {
                let operand = operand??;
                let column = &relation.output[0];
                let Some(sql_type) = operand.sql_type.common(column.sql_type) else {
                    let message =
                        format!("IN compares {} with {} of the query", operand.sql_type, column.sql_type);
                    return self.error(span, message);
                };
                let output = [Output { name: column.name.clone(), sql_type }];
                let relation = converted(relation, &output, span);
                let operand = coerce(operand, sql_type);
                Some((relation, SubqueryValue::In(operand), SqlType::Boolean, *negated))
            }
        }
    }

    /// The column of the subquery at this place.
    pub(super) fn subquery(&mut self, span: Span) -> Option<Expression> {
        match self.subqueries.get(&span) {
            Some(column) => Some(column.clone()),
            None => self.error_with_hint(
                span,
                "a query cannot stand in this expression",
                "it may stand in the select list, in WHERE and in GROUP BY",
            ),
        }
    }
}

//! Queries in expressions: `(SELECT …)`, `EXISTS (SELECT …)`, `x IN (SELECT …)`, over finite relations.
//!
//! What a subquery gives stands in a column behind those of FROM, so that an expression only names the column.

use super::Resolver;
use super::conversion::coerce;
use super::group::{Grouping, is_aggregate};
use super::query::item_expr;
use super::scope::Scope;
use super::set_operation::converted;
use crate::syntax::{Expr, ExprKind, GroupBy, Query, Select, SubqueryKind};
use crate::{Expression, ExpressionKind, Node, NodeKind, Output, Span, SqlType, SubqueryValue};

/// A query in an expression, as written.
pub(super) struct Written<'e> {
    span: Span,
    kind: &'e SubqueryKind,
    query: &'e Query,
}

/// Subqueries whose columns stand behind those of rows that need not be known yet.
pub(super) struct Columns {
    found: Vec<(Node, SubqueryValue, SqlType)>,
}

/// Stands for the width of the rows of a grouping until all its aggregates are known.
const WIDTH_OF_GROUPS: usize = usize::MAX / 2;

/// All queries in an expression, outer ones first.
pub(super) fn written_in(expr: &Expr) -> Vec<Written<'_>> {
    let mut found = Vec::new();
    expr.walk(&mut |e| {
        if let ExprKind::Subquery { kind, query } = &e.kind {
            found.push(Written { span: e.span, kind, query });
        }
    });
    found
}

/// Those in the arguments of aggregates, which are over the rows that are grouped, and the others, which are over groups.
fn parted_by_groups(expr: &Expr) -> (Vec<Written<'_>>, Vec<Written<'_>>) {
    let mut aggregates: Vec<Span> = Vec::new();
    expr.walk(&mut |e| {
        if is_aggregate(e) {
            aggregates.push(e.span);
        }
    });
    let is_inside = |written: &Written| {
        aggregates.iter().any(|it| it.start <= written.span.start && written.span.end <= it.end)
    };
    written_in(expr).into_iter().partition(is_inside)
}

impl Written<'_> {
    /// Where it stands.
    pub(super) fn span(&self) -> Span {
        self.span
    }
}

impl Columns {
    /// No columns.
    pub(super) fn none() -> Columns {
        Columns { found: Vec::new() }
    }

    /// Puts the columns behind those of `input`.
    pub(super) fn over(self, input: Node) -> Node {
        self.found.into_iter().fold(input, |input, (relation, value, sql_type)| {
            let mut output = input.output.clone();
            output.push(Output { name: format!("subquery {}", output.len()), sql_type });
            let (input, relation) = (Box::new(input), Box::new(relation));
            Node { kind: NodeKind::Subquery { input, relation, value }, output }
        })
    }

    /// The same over groups, and sets the places of the columns in the expressions over them right.
    pub(super) fn over_groups<'x>(
        mut self,
        input: Node,
        expressions: impl Iterator<Item = &'x mut Expression>,
    ) -> Node {
        let width = input.output.len();
        let mut settle = |expression: &mut Expression| {
            expression.for_each_mut(&mut |e| {
                if let ExpressionKind::Column(index) = &mut e.kind
                    && *index >= WIDTH_OF_GROUPS
                {
                    *index = *index - WIDTH_OF_GROUPS + width;
                }
            });
        };
        expressions.for_each(&mut settle);
        for (_, value, _) in &mut self.found {
            if let SubqueryValue::In(operand) = value {
                settle(operand);
            }
        }
        self.over(input)
    }
}

impl Resolver<'_> {
    /// Puts the columns of the subqueries of a SELECT behind those of `input`, those over groups and those that are refused
    /// excepted.
    pub(super) fn subquery_columns(
        &mut self,
        select: &Select,
        group_by: Option<&GroupBy>,
        input: Node,
        scope: &Scope,
    ) -> Node {
        let keys: &[Expr] = match group_by {
            Some(GroupBy::Tumbling { keys, .. } | GroupBy::Stagger { keys, .. }) => keys,
            None => &[],
        };
        let items = select.items.iter().filter_map(item_expr);
        let having = select.having.as_ref().map(|(_, condition)| condition);
        let mut found: Vec<Written<'_>> = match group_by {
            None => items.flat_map(written_in).collect(),
            Some(_) => items.chain(having).flat_map(|expr| parted_by_groups(expr).0).collect(),
        };
        found.extend(select.condition.iter().chain(keys).flat_map(written_in));
        let columns = self.columns_of(found, input.output.len(), &mut |resolver, operand| {
            resolver.scalar(operand, scope, "IN over a subquery")
        });
        columns.over(input)
    }

    /// The subqueries of the select list and of HAVING that are over groups.
    pub(super) fn subqueries_over_groups(
        &mut self,
        select: &Select,
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Columns {
        let items = select.items.iter().filter_map(item_expr);
        let having = select.having.as_ref().map(|(_, condition)| condition);
        let found = items.chain(having).flat_map(|expr| parted_by_groups(expr).1).collect();
        let scope = &scope.for_select_list();
        self.columns_of(found, WIDTH_OF_GROUPS, &mut |resolver, operand| {
            resolver.grouped(operand, scope, grouping)
        })
    }

    /// Resolves subqueries, whose columns begin at `first`; `operand` resolves what stands on the left of IN.
    pub(super) fn columns_of(
        &mut self,
        written: Vec<Written<'_>>,
        first: usize,
        operand: &mut dyn FnMut(&mut Self, &Expr) -> Option<Expression>,
    ) -> Columns {
        let mut columns = Columns::none();
        // A subquery on the left of IN stands behind it in the list, and is needed first.
        for Written { span, kind, query } in written.into_iter().rev() {
            let Some((relation, value, sql_type, negated)) = self.subquery_column(span, kind, query, operand)
            else {
                self.subqueries.insert(span, None);
                continue;
            };
            let column = Expression::column(first + columns.found.len(), sql_type, span);
            let column = if negated {
                Expression::new(ExpressionKind::Not(Box::new(column)), SqlType::Boolean, span)
            } else {
                column
            };
            self.subqueries.insert(span, Some(column));
            columns.found.push((relation, value, sql_type));
        }
        columns
    }

    /// The relation of a subquery, what is asked of it, the type of that, and whether it is negated.
    fn subquery_column(
        &mut self,
        span: Span,
        kind: &SubqueryKind,
        query: &Query,
        resolve: &mut dyn FnMut(&mut Self, &Expr) -> Option<Expression>,
    ) -> Option<(Node, SubqueryValue, SqlType, bool)> {
        let operand = match kind {
            SubqueryKind::In { operand, .. } => Some(resolve(self, operand)),
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
            Some(column) => column.clone(),
            None => self.error_with_hint(
                span,
                "a query is not allowed in this expression",
                "it is allowed in the select list, in WHERE, GROUP BY and HAVING, and in ON of an inner join",
            ),
        }
    }
}

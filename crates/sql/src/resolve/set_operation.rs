//! UNION, EXCEPT, INTERSECT and VALUES.

use super::Resolver;
use super::conversion::coerce;
use super::scope::Scope;
use crate::limits::MAX_COLUMNS;
use crate::syntax::{Expr, Query, SetOperator};
use crate::{
    Expression, ExpressionKind, Node, NodeKind, Output, Projection, SetOperation, Span, SqlType, Value,
};
use millstream_wording::counted;

impl Resolver<'_> {
    /// `left operator [ALL] right`. Only UNION ALL takes streams.
    pub(super) fn set_operation(
        &mut self,
        operator: SetOperator,
        all: bool,
        left: &Query,
        right: &Query,
        span: Span,
    ) -> Option<(Node, Vec<Span>)> {
        let (left_node, right_node) = (self.query(left), self.query(right));
        let ((left_node, spans), (right_node, right_spans)) = (left_node?, right_node?);
        let name = match (operator, all) {
            (SetOperator::Union, true) => "UNION ALL",
            (SetOperator::Union, false) => "UNION",
            (SetOperator::Except, _) => "EXCEPT",
            (SetOperator::Intersect, _) => "INTERSECT",
        };
        let operation = match (operator, all) {
            (SetOperator::Union, true) => SetOperation::UnionAll,
            (SetOperator::Union, false) => SetOperation::Union,
            (SetOperator::Except, false) => SetOperation::Except,
            (SetOperator::Intersect, false) => SetOperation::Intersect,
            (SetOperator::Except | SetOperator::Intersect, true) => {
                return self.error_with_hint(span, format!("{name} takes no ALL"), format!("write {name}"));
            }
        };
        let finite = [left_node.is_finite(), right_node.is_finite()];
        match (operation, finite) {
            (_, [true, true]) | (SetOperation::UnionAll, [false, false]) => {}
            (SetOperation::UnionAll, _) => {
                return self.error_with_hint(
                    span,
                    "UNION ALL of a stream needs streams on both sides: one side reads no stream",
                    "join the table with the stream instead",
                );
            }
            (SetOperation::Union, _) => {
                return self.error_with_hint(
                    span,
                    "UNION without ALL needs finite tables, not streams: use UNION ALL",
                    "UNION ALL merges streams by ROWTIME",
                );
            }
            (SetOperation::Except | SetOperation::Intersect, _) => {
                let message = format!("{name} needs finite tables, not streams: a stream never ends");
                return self.error_with_hint(span, message, "use a join with a window");
            }
        }
        if left_node.output.len() != right_node.output.len() {
            let message = format!(
                "the left branch of {name} has {}, the right one {}",
                counted(left_node.output.len(), "column"),
                right_node.output.len()
            );
            return self.error_with_hint(span, message, "give both the same number of columns");
        }
        let mut output = Vec::new();
        let mut fits = true;
        for (index, (left, right)) in left_node.output.iter().zip(&right_node.output).enumerate() {
            match left.sql_type.common(right.sql_type) {
                Some(sql_type) => output.push(Output { name: left.name.clone(), sql_type }),
                None => {
                    let message = format!(
                        "column {} of {name} is {} on the left, {} on the right",
                        index + 1,
                        left.sql_type,
                        right.sql_type
                    );
                    let place = right_spans.get(index).copied().unwrap_or(span);
                    self.error_with_hint::<()>(place, message, format!("CAST(… AS {})", left.sql_type));
                    fits = false;
                }
            }
        }
        if !fits {
            return None;
        }
        let left = converted(left_node, &output, span);
        let right = converted(right_node, &output, span);
        let kind = match (operation, finite) {
            (SetOperation::UnionAll, [false, false]) => NodeKind::Union { inputs: branches(left, right) },
            _ => NodeKind::SetOperation { operation, left: Box::new(left), right: Box::new(right) },
        };
        Some((Node { kind, output }, spans))
    }

    /// `VALUES (…), (…)`.
    pub(super) fn values(&mut self, rows: &[Vec<Expr>], span: Span) -> Option<(Node, Vec<Span>)> {
        let scope = Scope::default();
        let mut resolved: Vec<Vec<Expression>> = Vec::new();
        let mut complete = true;
        for row in rows {
            let items: Vec<Option<Expression>> =
                row.iter().map(|item| self.scalar(item, &scope, "VALUES")).collect();
            match items.into_iter().collect::<Option<Vec<_>>>() {
                Some(items) => resolved.push(items),
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        let width = resolved.first()?.len();
        if let Some(row) = rows.iter().find(|row| row.len() != width) {
            let place = row.first().map_or(span, |item| item.span);
            let message =
                format!("a row of VALUES has {}, the first has {width}", counted(row.len(), "column"));
            return self.error_with_hint(place, message, "give all rows the same columns");
        }
        if width > MAX_COLUMNS {
            return self.error(span, format!("VALUES has at most {MAX_COLUMNS} columns"));
        }
        let mut output = Vec::new();
        for column in 0..width {
            let mut sql_type = SqlType::Null;
            for row in &resolved {
                let item = &row[column];
                match sql_type.common(item.sql_type) {
                    Some(common) => sql_type = common,
                    None => {
                        let message = format!(
                            "column {} of VALUES is {sql_type} in a row before, {} here",
                            column + 1,
                            item.sql_type
                        );
                        return self.error(item.span, message);
                    }
                }
            }
            if sql_type == SqlType::Null {
                sql_type = SqlType::Integer;
            }
            output.push(Output { name: format!("EXPR${column}"), sql_type });
        }
        let spans = resolved.first()?.iter().map(|item| item.span).collect();
        let convert = |row: Vec<Expression>| {
            row.into_iter().zip(&output).map(|(item, column)| typed(item, column.sql_type)).collect()
        };
        let rows = resolved.into_iter().map(convert).collect();
        Some((Node { kind: NodeKind::Values(rows), output }, spans))
    }
}

/// A value of another length of text keeps its own type below; here all have that of their column.
fn typed(item: Expression, sql_type: SqlType) -> Expression {
    if item.literal() == Some(&Value::Null) {
        return Expression::new(ExpressionKind::Literal(Value::Null), sql_type, item.span);
    }
    coerce(item, sql_type)
}

/// The rows of a branch with the types of the whole.
pub(super) fn converted(node: Node, output: &[Output], span: Span) -> Node {
    if node.output.iter().zip(output).all(|(own, common)| own.sql_type == common.sql_type) {
        return node;
    }
    let columns = node.output.iter().enumerate().zip(output);
    let expressions = columns
        .map(|((index, own), common)| {
            if own.sql_type == SqlType::Null {
                return Expression::new(ExpressionKind::Literal(Value::Null), common.sql_type, span);
            }
            coerce(Expression::column(index, own.sql_type, span), common.sql_type)
        })
        .collect();
    let projection = Projection { expressions, rowtime: None };
    Node { kind: NodeKind::Project { input: Box::new(node), projection }, output: output.to_vec() }
}

/// The branches of a UNION ALL of streams; a left one that is one itself gives its own.
fn branches(left: Node, right: Node) -> Vec<Node> {
    match left.kind {
        NodeKind::Union { mut inputs } => {
            inputs.push(right);
            inputs
        }
        kind => vec![Node { kind, output: left.output }, right],
    }
}

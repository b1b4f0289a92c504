//! SELECT DISTINCT.

use super::Resolver;
use super::column_order::ColumnOrder;
use super::query::SelectList;
use crate::{ExpressionKind, Node, NodeKind, SetOperation, Span};

/// A checked DISTINCT over a select list.
pub(super) enum Distinct {
    OfStream {
        columns: Vec<usize>,
        moving: Option<usize>,
    },
    /// Of a relation without a stream, whose rows are all there.
    Rows,
}

impl Resolver<'_> {
    /// Checks DISTINCT, whose place is `span`. `orders` are those of the columns that the list is over.
    pub(super) fn distinct(
        &mut self,
        span: Option<Span>,
        list: &SelectList,
        finite: bool,
        orders: &[ColumnOrder],
    ) -> Option<Option<Distinct>> {
        let Some(span) = span else { return Some(None) };
        if finite {
            return Some(Some(Distinct::Rows));
        }
        let is_rowtime = |index: usize| list.expressions[index].kind == ExpressionKind::RowTime;
        let columns: Vec<usize> = (0..list.expressions.len()).filter(|index| !is_rowtime(*index)).collect();
        let moves = |index: &usize| self.monotonicity(&list.expressions[*index], orders).is_moving();
        let moving = columns.iter().copied().find(moves);
        if moving.is_none() && columns.len() == list.expressions.len() && list.rowtime.is_none() {
            return self.error_with_hint(
                span,
                "SELECT DISTINCT on a stream needs a monotonic expression in its list, or it would have to remember all rows",
                "select STEP(stream.ROWTIME BY INTERVAL '…' SECOND) or FLOOR(stream.ROWTIME TO HOUR), too",
            );
        }
        Some(Some(Distinct::OfStream { columns, moving }))
    }
}

impl Distinct {
    pub(super) fn over(self, input: Node) -> Node {
        let output = input.output.clone();
        let input = Box::new(input);
        let kind = match self {
            Distinct::OfStream { columns, moving } => NodeKind::Distinct { input, columns, moving },
            Distinct::Rows => {
                let nothing = Node { kind: NodeKind::Values(Vec::new()), output: output.clone() };
                NodeKind::SetOperation {
                    operation: SetOperation::Except,
                    left: input,
                    right: Box::new(nothing),
                }
            }
        };
        Node { kind, output }
    }
}

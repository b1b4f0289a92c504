//! ORDER BY on a stream: what is sorted, and which rows together.

use super::Resolver;
use super::column_order::ColumnOrder;
use super::group::same;
use super::monotonic::{Monotonicity, driver};
use super::query::{ListMode, SelectList, strip};
use super::scope::Scope;
use crate::syntax::{Expr, ExprKind, Name, OrderBy, SelectItem, SortKey};
use crate::{
    Expression, ExpressionKind, GroupDriver, Node, NodeKind, Output, Projection, SortBucket, SortColumn,
    Span, SqlType, Value,
};
use millstream_wording::counted;

/// A checked ORDER BY over a select list, to whose end it has added what it sorts by.
pub(super) struct Ordering {
    /// Columns of the list as the author wrote it.
    visible: usize,
    sort: Option<Sort>,
}

/// A key of ORDER BY.
struct Key {
    column: SortColumn,
    /// As the author wrote it, over what the list is over.
    expression: Expression,
}

impl Key {
    fn new(key: &SortKey, column: usize, expression: Expression) -> Key {
        let nulls_first = key.nulls_first.unwrap_or(key.descending);
        Key { column: SortColumn { column, descending: key.descending, nulls_first }, expression }
    }
}

enum Sort {
    Bucket { keys: Vec<SortColumn>, bucket: SortBucket },
    Time { column: usize, keys: Vec<SortColumn>, interval: i64 },
}

impl Resolver<'_> {
    /// Checks an ORDER BY; its keys join the list. `orders` are those of the columns that the list is over.
    pub(super) fn ordering(
        &mut self,
        order_by: Option<&OrderBy>,
        list: &mut SelectList,
        scope: &Scope,
        mut mode: ListMode<'_>,
        orders: &[ColumnOrder],
        finite: bool,
    ) -> Option<Option<Ordering>> {
        let Some(order_by) = order_by else { return Some(None) };
        let visible = list.len();
        let mut keys = Vec::new();
        for key in &order_by.keys {
            keys.push(self.sort_key(key, visible, list, scope, &mut mode));
        }
        let keys: Option<Vec<Key>> = keys.into_iter().collect();
        if finite {
            // The rows of a finite relation have no order for whoever reads it.
            return keys.map(|_| Some(Ordering { visible, sort: None }));
        }
        let interval = order_by.within.as_ref().map(|within| self.within(within));
        let keys = keys?;
        let sort = match interval {
            Some(interval) => Some(self.time_sort(order_by, &keys, list, interval?)?),
            None => self.bucket_sort(order_by, &keys, list, &mode, orders)?,
        };
        Some(Some(Ordering { visible, sort }))
    }

    /// The mistakes of an ORDER BY over a list that has some itself: those that do not depend on it.
    pub(super) fn ordering_alone(
        &mut self,
        order_by: Option<&OrderBy>,
        items: &[SelectItem],
        scope: &Scope,
        mut mode: ListMode<'_>,
    ) {
        let Some(order_by) = order_by else { return };
        let is_alias = |name: &Name| {
            items.iter().any(|item| match item {
                SelectItem::Expr { alias: Some(alias), .. } => alias.value == name.value,
                _ => false,
            })
        };
        for key in &order_by.keys {
            match &strip(&key.expr).kind {
                ExprKind::Integer(_) => {}
                ExprKind::Column(parts) if parts.len() == 1 && is_alias(&parts[0]) => {}
                _ => {
                    self.sort_expression(&key.expr, scope, &mut mode);
                }
            }
        }
        if let Some(within) = &order_by.within {
            self.within(within);
        }
    }

    /// WITHIN, in milliseconds.
    fn within(&mut self, within: &Expr) -> Option<i64> {
        let interval = self.scalar(within, &Scope::default(), "WITHIN")?;
        match interval.literal() {
            Some(Value::IntervalMillis(millis)) if *millis >= 0 => Some(*millis),
            _ => self.error_with_hint(
                within.span,
                "WITHIN takes a constant interval of days to seconds",
                "write ORDER BY t WITHIN INTERVAL '5' SECOND",
            ),
        }
    }

    fn sort_expression(&mut self, expr: &Expr, scope: &Scope, mode: &mut ListMode<'_>) -> Option<Expression> {
        match mode {
            ListMode::Plain => self.scalar(expr, scope, "ORDER BY without GROUP BY"),
            ListMode::Grouped(grouping) => self.grouped(expr, scope, grouping),
            ListMode::Sliding(sliding) => self.sliding(expr, scope, sliding),
        }
    }

    /// ORDER BY over the columns of any other query.
    pub(super) fn ordered_relation(
        &mut self,
        (node, spans): (Node, Vec<Span>),
        order_by: &OrderBy,
    ) -> Option<(Node, Vec<Span>)> {
        let mut list = SelectList::default();
        for (index, (output, span)) in node.output.iter().zip(&spans).enumerate() {
            list.push_output(Expression::column(index, output.sql_type, *span), output.clone(), *span);
        }
        let scope = Scope::single(None, node.output.clone(), 0);
        let finite = node.is_finite();
        let orders = self.column_orders(&node);
        let ordering = self.ordering(Some(order_by), &mut list, &scope, ListMode::Plain, &orders, finite)?;
        Some(list.finish(node, None, ordering))
    }

    /// By what a key sorts: the column of the list that it names or counts, or a new one.
    fn sort_key(
        &mut self,
        key: &SortKey,
        visible: usize,
        list: &mut SelectList,
        scope: &Scope,
        mode: &mut ListMode<'_>,
    ) -> Option<Key> {
        let span = key.expr.span;
        let of_list =
            |index: usize, list: &SelectList| Some(Key::new(key, index, list.expressions[index].clone()));
        match &strip(&key.expr).kind {
            ExprKind::Integer(digits) => {
                return match digits.parse::<usize>() {
                    Ok(ordinal) if (1..=visible).contains(&ordinal) => of_list(ordinal - 1, list),
                    _ => self.error(
                        span,
                        format!("ORDER BY {digits}: the select list has {}", counted(visible, "column")),
                    ),
                };
            }
            ExprKind::Column(parts) if parts.len() == 1 => {
                let mut named = (0..visible).filter(|index| list.output[*index].name == parts[0].value);
                if let (Some(index), None) = (named.next(), named.next()) {
                    return of_list(index, list);
                }
            }
            _ => {}
        }
        let expression = self.sort_expression(&key.expr, scope, mode)?;
        if let Some(known) = list.expressions.iter().position(|known| same(known, &expression)) {
            return Some(Key::new(key, known, expression));
        }
        let output = Output { name: format!("ORDER${}", list.len()), sql_type: expression.sql_type };
        list.push_output(expression.clone(), output, span);
        Some(Key::new(key, list.len() - 1, expression))
    }

    /// ORDER BY without WITHIN; `None` inside when the rows are in that order already.
    fn bucket_sort(
        &mut self,
        order_by: &OrderBy,
        keys: &[Key],
        list: &SelectList,
        mode: &ListMode<'_>,
        orders: &[ColumnOrder],
    ) -> Option<Option<Sort>> {
        let (first, written) = (keys.first()?, order_by.keys.first()?);
        let leading = self.order_of(&first.expression, orders);
        let moved = leading.moves;
        if !moved.is_moving() {
            return self.error_with_hint(
                written.expr.span,
                "ORDER BY on a stream begins with a monotonic expression: rows are sorted while it keeps its value",
                "write ORDER BY FLOOR(stream.ROWTIME TO SECOND), … or ORDER BY stream.ROWTIME, …",
            );
        }
        if first.column.descending != (moved == Monotonicity::Descending) {
            return self.error_with_hint(
                written.expr.span,
                "a stream cannot be sorted against the passage of time by its first expression, which is monotonic",
                if first.column.descending { "leave DESC out; later expressions may have it" } else { "write DESC" },
            );
        }
        if list.rowtime.is_some() {
            return self.error_with_hint(
                order_by.span,
                "ORDER BY without WITHIN is not allowed in the select that sets ROWTIME",
                "set ROWTIME in a subquery, and sort in the outer query",
            );
        }
        // Expressions that follow time in the order of ROWTIME move no row; ROWTIME itself leaves only equal times to sort.
        let mut rest = keys;
        let mut by_rowtime = false;
        while let Some((key, behind)) = rest.split_first() {
            let order = self.order_of(&key.expression, orders);
            let follows =
                order.follows_rowtime() && key.column.descending == (order.moves == Monotonicity::Descending);
            if !follows {
                break;
            }
            by_rowtime |= order.of_rowtime.is_some_and(|it| it.kind == ExpressionKind::RowTime);
            rest = behind;
        }
        let keys = rest.iter().map(|key| key.column).collect();
        if rest.is_empty() {
            return Some(None);
        }
        let bucket = match mode {
            ListMode::Grouped(grouping) if grouping.is_tumbling_by_rowtime() => SortBucket::Window,
            _ if by_rowtime => SortBucket::Rowtime,
            _ => match leading.of_rowtime {
                Some(leading) => match driver(0, &leading) {
                    GroupDriver::Periodic { period, offset, .. } => SortBucket::Periodic { period, offset },
                    GroupDriver::Rowtime { .. } | GroupDriver::Value { .. } => SortBucket::Key(leading),
                },
                None => SortBucket::Value { column: first.column.column },
            },
        };
        Some(Some(Sort::Bucket { keys, bucket }))
    }

    fn time_sort(
        &mut self,
        order_by: &OrderBy,
        keys: &[Key],
        list: &mut SelectList,
        interval: i64,
    ) -> Option<Sort> {
        let ((first, rest), written) = (keys.split_first()?, order_by.keys.first()?);
        let span = written.expr.span;
        let time = first.expression.clone();
        if time.sql_type != SqlType::Timestamp {
            let message = format!("ORDER BY … WITHIN takes a TIMESTAMP, this is {}", time.sql_type);
            return self.error(span, message);
        }
        if time.any(&mut |e| e.kind == ExpressionKind::RowTime) {
            return self.error_with_hint(
                span,
                "ORDER BY … WITHIN cannot sort by ROWTIME: rows come in its order",
                "sort by a TIMESTAMP of the row itself",
            );
        }
        if first.column.descending {
            return self.error(span, "ORDER BY … WITHIN goes forward in time: leave DESC out");
        }
        match list.rowtime.take() {
            Some(rowtime) if same(&rowtime, &time) => {
                let keys = rest.iter().map(|key| key.column).collect();
                Some(Sort::Time { column: first.column.column, keys, interval })
            }
            _ => self.error_with_hint(
                span,
                "ORDER BY … WITHIN gives the rows a new ROWTIME: the select list must say so",
                "select the same expression AS ROWTIME",
            ),
        }
    }
}

impl Ordering {
    /// How many columns of the list the author wrote.
    pub(super) fn visible(&self) -> usize {
        self.visible
    }

    /// The sort over the list, without what was added for it.
    pub(super) fn over(self, input: Node) -> Node {
        let output = input.output.clone();
        let input = Box::new(input);
        let sorted = match self.sort {
            None => *input,
            Some(Sort::Bucket { keys, bucket }) => {
                Node { kind: NodeKind::Sort { input, keys, bucket }, output }
            }
            Some(Sort::Time { column, keys, interval }) => {
                Node { kind: NodeKind::TimeSort { input, column, keys, interval }, output }
            }
        };
        if sorted.output.len() == self.visible {
            return sorted;
        }
        let output = sorted.output[..self.visible].to_vec();
        let columns = output.iter().enumerate();
        let expressions =
            columns.map(|(index, c)| Expression::column(index, c.sql_type, Span::default())).collect();
        let projection = Projection { expressions, rowtime: None };
        Node { kind: NodeKind::Project { input: Box::new(sorted), projection }, output }
    }
}

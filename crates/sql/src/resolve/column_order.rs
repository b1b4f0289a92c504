//! How the columns of a relation move as its rows go by: a property of columns that flows through every operator.
//!
//! ```text
//!   s.ROWTIME AS w  ─▶  q.w = ROWTIME  ─▶  STEP(q.w BY INTERVAL '5' SECOND) = STEP(ROWTIME BY …): closes windows
//!   MONOTONIC(v) AS m ─▶ q.m ascending ─▶  GROUP BY q.m: the row that changes it closes the window
//! ```
//!
//! Two things are known of a column: whether its values go up or down in the order of the rows, and whether they are a
//! function of the ROWTIME that the row has now. The second lets time alone, without a row, end windows over the column.

use super::Resolver;
use super::group::same;
use super::monotonic::{Monotonicity, is_function_of_rowtime, period};
use crate::{
    AggregateCall, AggregateFunction, Expression, ExpressionKind, Frame, GroupDriver, IntervalQualifier,
    JoinSide, Node, NodeKind, Projection, SlidingWindow, SortBucket, Span, SqlType, TableFunction, TimeUnit,
    Value, WindowCall, WindowFunction,
};

/// How the values of a column follow each other.
#[derive(Clone, Debug)]
pub(super) struct ColumnOrder {
    pub(super) moves: Monotonicity,
    /// The column as an expression over the ROWTIME of its row and constants alone, when it is one.
    pub(super) of_rowtime: Option<Expression>,
}

/// The largest expression that stands for a column, in operators: subqueries within each other could double it each time.
const LARGEST_DEFINITION: usize = 64;

impl ColumnOrder {
    const UNKNOWN: ColumnOrder = ColumnOrder { moves: Monotonicity::None, of_rowtime: None };

    /// ROWTIME itself.
    fn rowtime() -> ColumnOrder {
        ColumnOrder {
            moves: Monotonicity::Ascending,
            of_rowtime: Some(super::scope::row_time(Span::default())),
        }
    }

    /// Where rows of one ROWTIME may have changed places: what is the same for all of them still moves as it did.
    fn by_rowtime_alone(self) -> ColumnOrder {
        if self.of_rowtime.is_some() || self.moves == Monotonicity::Constant { self } else { Self::UNKNOWN }
    }

    /// Where rows have changed places, or stand beside rows without the column.
    fn constant_alone(self) -> ColumnOrder {
        match self.moves {
            Monotonicity::Constant => ColumnOrder { of_rowtime: None, ..self },
            _ => Self::UNKNOWN,
        }
    }

    /// The same values in rows that have another ROWTIME now; `earlier` is how many milliseconds it lies behind the one
    /// that they had.
    fn later(self, earlier: i64) -> ColumnOrder {
        let of_rowtime = self.of_rowtime.map(|definition| moved(definition, earlier));
        ColumnOrder { of_rowtime: of_rowtime.filter(is_small), ..self }
    }
}

impl Resolver<'_> {
    /// How an expression over rows with these columns moves.
    pub(super) fn order_of(&self, expression: &Expression, orders: &[ColumnOrder]) -> ColumnOrder {
        ColumnOrder {
            moves: self.monotonicity(expression, orders),
            of_rowtime: over_rowtime(expression, orders),
        }
    }

    /// How each column of `node` moves. Looks at all operators below it; those in a line one after the other, as there may be
    /// many.
    pub(super) fn column_orders(&self, node: &Node) -> Vec<ColumnOrder> {
        let mut line = Vec::new();
        let mut lowest = node;
        while let Some(input) = only_input(lowest) {
            line.push((lowest, input));
            lowest = input;
        }
        let mut orders = match &lowest.kind {
            NodeKind::Union { inputs } => self.union_orders(inputs, lowest.output.len()),
            NodeKind::Join { left, right, .. } => {
                let mut orders = self.join_side_orders(left, right);
                orders.extend(self.join_side_orders(right, left));
                orders
            }
            _ => vec![ColumnOrder::UNKNOWN; lowest.output.len()],
        };
        for (node, input) in line.into_iter().rev() {
            orders = self.orders_above(node, input, orders);
        }
        orders
    }

    /// How the columns of `node` move over rows whose columns move by `orders`.
    fn orders_above(&self, node: &Node, input: &Node, orders: Vec<ColumnOrder>) -> Vec<ColumnOrder> {
        let unknown = || vec![ColumnOrder::UNKNOWN; node.output.len()];
        let with_more = |mut orders: Vec<ColumnOrder>| {
            orders.resize(node.output.len(), ColumnOrder::UNKNOWN);
            orders
        };
        match &node.kind {
            NodeKind::Source(_)
            | NodeKind::Table(_)
            | NodeKind::Values(_)
            | NodeKind::SetOperation { .. }
            | NodeKind::Union { .. }
            | NodeKind::Join { .. } => unknown(),
            // Some of the rows, or all with more columns behind their own.
            NodeKind::Filter { .. } | NodeKind::Distinct { .. } => orders,
            NodeKind::ParseLog { .. } | NodeKind::Subquery { .. } | NodeKind::Lookup { .. } => {
                with_more(orders)
            }
            NodeKind::Slide { windows, calls, .. } => self.slide_orders(windows, calls, orders),
            NodeKind::Project { projection, .. } => self.project_orders(projection, &orders),
            NodeKind::Tumble { keys, driver, aggregates, .. } => {
                self.tumble_orders(&orders, keys, driver, aggregates)
            }
            NodeKind::Stagger { keys, range, aggregates, .. } => {
                self.stagger_orders(&orders, keys, *range, aggregates)
            }
            NodeKind::Sort { bucket, .. } => sort_orders(orders, bucket),
            NodeKind::TimeSort { column, .. } => time_sort_orders(input, orders, *column),
            NodeKind::TableFunction { function, .. } => match function {
                TableFunction::CountDistinctItems { .. } | TableFunction::TopItems { .. } => unknown(),
                TableFunction::Hotspots(_) | TableFunction::RandomCutForest(_) => with_more(orders),
                TableFunction::GroupRank(_) => {
                    with_more(orders.into_iter().map(ColumnOrder::by_rowtime_alone).collect())
                }
            },
        }
    }

    fn slide_orders(
        &self,
        windows: &[SlidingWindow],
        calls: &[WindowCall],
        mut orders: Vec<ColumnOrder>,
    ) -> Vec<ColumnOrder> {
        let of_call = |call: &WindowCall| match windows[call.window].partition.is_empty() {
            true => self.order_of_window_call(call, &orders),
            false => ColumnOrder::UNKNOWN,
        };
        let of_calls: Vec<ColumnOrder> = calls.iter().map(of_call).collect();
        orders.extend(of_calls);
        orders
    }

    fn project_orders(&self, projection: &Projection, orders: &[ColumnOrder]) -> Vec<ColumnOrder> {
        let columns = projection.expressions.iter().map(|e| self.order_of(e, orders));
        match &projection.rowtime {
            None => columns.collect(),
            // Rows that go back are refused, so the new ROWTIME is in order whatever it is made of.
            Some(rowtime) => columns
                .zip(&projection.expressions)
                .map(|(order, expression)| match same(expression, rowtime) {
                    true => ColumnOrder::rowtime(),
                    false => ColumnOrder { of_rowtime: None, ..order },
                })
                .collect(),
        }
    }

    /// Rows of all branches stand beside each other by ROWTIME: a column moves where it is the same function of it in all.
    fn union_orders(&self, inputs: &[Node], columns: usize) -> Vec<ColumnOrder> {
        let branches: Vec<Vec<ColumnOrder>> = inputs.iter().map(|input| self.column_orders(input)).collect();
        let Some((first, others)) = branches.split_first() else {
            return vec![ColumnOrder::UNKNOWN; columns];
        };
        let agree = |index: usize, definition: &Expression| {
            others.iter().all(|branch| {
                let other = branch.get(index).and_then(|order| order.of_rowtime.as_ref());
                other.is_some_and(|other| same(other, definition))
            })
        };
        let orders = first.iter().enumerate().map(|(index, order)| match &order.of_rowtime {
            Some(definition) if agree(index, definition) => order.clone(),
            _ => ColumnOrder::UNKNOWN,
        });
        orders.collect()
    }

    /// The columns of one side of a join, and its ROWTIME.
    fn join_side_orders(&self, side: &JoinSide, other: &JoinSide) -> Vec<ColumnOrder> {
        let mut orders = self.column_orders(&side.input);
        orders.push(ColumnOrder::rowtime());
        let kept = |order: ColumnOrder| match side.window {
            // NULL in the rows that the other side keeps.
            _ if other.preserved => ColumnOrder::UNKNOWN,
            // A row without a window comes out as it comes in, before the next one.
            None => order,
            // Rows of one ROWTIME meet.
            Some(Frame::Range { millis: 0 }) => order.by_rowtime_alone(),
            Some(_) => order.constant_alone(),
        };
        orders.into_iter().map(kept).collect()
    }

    /// The columns of tumbling windows over rows with these columns: keys, then aggregates.
    pub(super) fn tumble_orders(
        &self,
        input: &[ColumnOrder],
        keys: &[Expression],
        driver: &GroupDriver,
        aggregates: &[AggregateCall],
    ) -> Vec<ColumnOrder> {
        let (driving, by_time) = match driver {
            GroupDriver::Periodic { key, .. } | GroupDriver::Rowtime { key } => (*key, true),
            GroupDriver::Value { key } => (*key, false),
        };
        let driving_key = keys.get(driving);
        let mut orders: Vec<ColumnOrder> = keys
            .iter()
            .map(|key| {
                let order = self.order_of(key, input);
                let drives = by_time && driving_key.is_some_and(|driving| same(driving, key));
                match drives {
                    // The window ends with the first millisecond at which the key has another value.
                    true => order.later(1),
                    false => ColumnOrder { of_rowtime: None, ..order },
                }
            })
            .collect();
        // Groups leave in the order of their first rows. Those of their last rows are in order where there is one a window.
        let one_group = driving_key.is_some_and(|driving| keys.iter().all(|key| same(driving, key)));
        orders.extend(aggregates.iter().map(|call| self.order_of_aggregate(call, input, one_group)));
        orders
    }

    /// The columns of stagger windows: keys, then aggregates. Windows close in the order in which their first rows came.
    pub(super) fn stagger_orders(
        &self,
        input: &[ColumnOrder],
        keys: &[Expression],
        range: i64,
        aggregates: &[AggregateCall],
    ) -> Vec<ColumnOrder> {
        let keys = keys.iter().map(|key| self.order_of(key, input).later(range));
        let aggregates = aggregates.iter().map(|call| self.order_of_aggregate(call, input, false));
        keys.chain(aggregates).collect()
    }

    fn order_of_aggregate(
        &self,
        call: &AggregateCall,
        input: &[ColumnOrder],
        one_group: bool,
    ) -> ColumnOrder {
        use AggregateFunction as A;
        let Some(argument) = &call.argument else { return ColumnOrder::UNKNOWN };
        let moves = self.monotonicity(argument, input);
        let of_first_row = match (call.function, moves) {
            (A::FirstValue { ignore_nulls: false }, _)
            | (A::Min, Monotonicity::Ascending)
            | (A::Max, Monotonicity::Descending) => true,
            (A::LastValue { .. } | A::FirstValue { .. } | A::Min | A::Max, _) => false,
            _ => return ColumnOrder::UNKNOWN,
        };
        match of_first_row || one_group || moves == Monotonicity::Constant {
            true => ColumnOrder { moves, of_rowtime: None },
            false => ColumnOrder::UNKNOWN,
        }
    }

    /// A function over a sliding window without partitions.
    fn order_of_window_call(&self, call: &WindowCall, input: &[ColumnOrder]) -> ColumnOrder {
        let Some(argument) = &call.argument else { return ColumnOrder::UNKNOWN };
        let order = self.order_of(argument, input);
        let moves = order.moves;
        match call.function {
            // That of the current row.
            WindowFunction::LastValue { .. } => order,
            // Both ends of the window go forward.
            WindowFunction::FirstValue { .. }
            | WindowFunction::Aggregate(AggregateFunction::Min | AggregateFunction::Max) => {
                ColumnOrder { moves, of_rowtime: None }
            }
            _ => ColumnOrder::UNKNOWN,
        }
    }
}

/// The input of an operator that has one stream as its input.
fn only_input(node: &Node) -> Option<&Node> {
    match &node.kind {
        NodeKind::SetOperation { .. } | NodeKind::Union { .. } | NodeKind::Join { .. } => None,
        // Other relations are searched, and come behind it.
        _ => node.inputs().into_iter().next(),
    }
}

fn sort_orders(orders: Vec<ColumnOrder>, bucket: &SortBucket) -> Vec<ColumnOrder> {
    // Rows of one bucket leave in another order, with its end as ROWTIME.
    let constant_in_bucket = |definition: &Expression| match bucket {
        SortBucket::Periodic { period: bucket, offset } => period(definition)
            .is_some_and(|(length, start)| length % bucket == 0 && (start - offset) % bucket == 0),
        SortBucket::Key(key) => same(key, definition),
        SortBucket::Rowtime | SortBucket::Window | SortBucket::Value { .. } => false,
    };
    let kept = |(index, order): (usize, ColumnOrder)| match bucket {
        SortBucket::Rowtime | SortBucket::Window => order.by_rowtime_alone(),
        SortBucket::Value { column } if *column == index => ColumnOrder { of_rowtime: None, ..order },
        _ if order.of_rowtime.as_ref().is_some_and(constant_in_bucket) => order.later(1),
        _ => order.constant_alone(),
    };
    orders.into_iter().enumerate().map(kept).collect()
}

/// The time by which rows are sorted becomes their ROWTIME.
fn time_sort_orders(input: &Node, orders: Vec<ColumnOrder>, column: usize) -> Vec<ColumnOrder> {
    let is_time = |index: usize| match &input.kind {
        NodeKind::Project { projection, .. } => {
            same(&projection.expressions[index], &projection.expressions[column])
        }
        _ => index == column,
    };
    let kept = |(index, order): (usize, ColumnOrder)| match is_time(index) {
        true => ColumnOrder::rowtime(),
        false => order.constant_alone(),
    };
    orders.into_iter().enumerate().map(kept).collect()
}

/// The expression over ROWTIME and constants alone, its columns replaced by what they are; `None` when it is over more, or
/// becomes too large.
pub(super) fn over_rowtime(expression: &Expression, orders: &[ColumnOrder]) -> Option<Expression> {
    let mut whole = true;
    let mut size = 0;
    expression.any(&mut |e| {
        size += 1;
        match e.kind {
            ExpressionKind::Column(index) => match orders.get(index).and_then(|o| o.of_rowtime.as_ref()) {
                Some(definition) => size += operators(definition),
                None => whole = false,
            },
            ExpressionKind::Clock(_) => whole = false,
            _ => {}
        }
        !whole || size > LARGEST_DEFINITION
    });
    if !whole || size > LARGEST_DEFINITION {
        return None;
    }
    Some(replaced(expression.clone(), &|e| match e.kind {
        ExpressionKind::Column(index) => {
            let definition = orders.get(index).and_then(|order| order.of_rowtime.as_ref())?;
            Some(Expression { span: e.span, ..definition.clone() })
        }
        _ => None,
    }))
}

/// Replaces what `by` gives something for, and does not look into that again.
fn replaced(mut expression: Expression, by: &dyn Fn(&Expression) -> Option<Expression>) -> Expression {
    match by(&expression) {
        Some(other) => other,
        None => {
            expression.for_each_operand_mut(&mut |operand| {
                let own = std::mem::replace(operand, super::scope::row_time(Span::default()));
                *operand = replaced(own, by);
            });
            expression
        }
    }
}

/// The expression at a ROWTIME that lies `earlier` milliseconds before the row's.
fn moved(definition: Expression, earlier: i64) -> Expression {
    let qualifier = IntervalQualifier {
        leading: TimeUnit::Second,
        trailing: TimeUnit::Second,
        leading_precision: 10,
        fraction_precision: 3,
    };
    replaced(definition, &|e| match e.kind {
        ExpressionKind::RowTime => {
            let interval = Expression::new(
                ExpressionKind::Literal(Value::IntervalMillis(earlier)),
                SqlType::Interval(qualifier),
                e.span,
            );
            let kind = ExpressionKind::DatetimeShift {
                datetime: Box::new(e.clone()),
                interval: Box::new(interval),
                subtract: true,
            };
            Some(Expression::new(kind, SqlType::Timestamp, e.span))
        }
        _ => None,
    })
}

fn is_small(expression: &Expression) -> bool {
    operators(expression) <= LARGEST_DEFINITION
}

fn operators(expression: &Expression) -> usize {
    let mut count = 0;
    expression.any(&mut |_| {
        count += 1;
        false
    });
    count
}

impl ColumnOrder {
    /// Whether it follows the ROWTIME that rows have.
    pub(super) fn follows_rowtime(&self) -> bool {
        self.moves.is_moving() && self.of_rowtime.as_ref().is_some_and(is_function_of_rowtime)
    }
}

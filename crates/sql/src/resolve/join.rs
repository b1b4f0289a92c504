//! JOIN: of two streams, of a stream and a finite relation, of two finite relations.
//!
//! Columns of a join of streams: those of the left side, its ROWTIME, those of the right side, its ROWTIME. Columns of a
//! join with a finite relation: those of the rows that it is looked up for, then its own.
//!
//! Joins follow each other from left to right. The rows of a join have the windows of the rows that they are made of, so
//! that rows of three streams meet when the latest of them finds both others in their windows.

use super::Resolver;
use super::conversion::coerce;
use super::from::{FromItem, ItemWindow};
use super::query::filter;
use super::scope::{MergedColumn, RelationTime, Scope};
use super::subquery::{Columns, written_in};
use crate::syntax::{Join, JoinCondition, JoinKind, Name, WindowSpecification};
use crate::{
    CastMode, ClockFunction, ComparisonOperator, Expression, ExpressionKind, Frame, JoinSide, Matching, Node,
    NodeKind, Output, Span, SqlType,
};

/// Where the columns of the two relations are in the joined row.
struct Layout {
    /// Columns of the left and right relation alone.
    columns: [usize; 2],
    /// Where they begin.
    offsets: [usize; 2],
    /// Where their ROWTIMEs are, when the joined row has them.
    rowtimes: Option<[usize; 2]>,
}

impl Resolver<'_> {
    pub(super) fn join(&mut self, join: &Join, windows: &[(Name, WindowSpecification)]) -> Option<FromItem> {
        let left = self.item_of_from(&join.left, windows);
        let right = self.item_of_from(&join.right, windows);
        self.joined(left?, right?, join.kind, &join.condition, join.span)
    }

    /// Two relations of FROM with a comma between them.
    pub(super) fn cross_join(&mut self, left: FromItem, right: FromItem) -> Option<FromItem> {
        let span = right.span;
        self.joined(left, right, JoinKind::Cross, &JoinCondition::None, span)
    }

    fn joined(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Option<FromItem> {
        self.distinct_names(&left.scope, &right)?;
        let preserved = match kind {
            JoinKind::Inner | JoinKind::Cross => [false, false],
            JoinKind::Left => [true, false],
            JoinKind::Right => [false, true],
            JoinKind::Full => [true, true],
        };
        let finite = [left.node.is_finite(), right.node.is_finite()];
        if finite == [false, false] {
            return self.joined_streams(left, right, preserved, condition, span);
        }
        let keyword = match kind {
            JoinKind::Left => "LEFT",
            JoinKind::Right => "RIGHT",
            _ => "FULL",
        };
        // The side whose rows look up those of the other.
        let looks_up = match finite {
            [false, true] => 0,
            [true, false] => 1,
            _ => usize::from(preserved == [false, true]),
        };
        if preserved[1 - looks_up] {
            let message = format!(
                "{keyword} JOIN would keep the rows of a reference table that match nothing, but a stream never ends"
            );
            let hint = "write INNER JOIN, or LEFT JOIN with the stream on the left";
            self.error_with_hint::<()>(span, message, hint);
        }
        let (left_columns, right_columns) = (left.node.output.len(), right.node.output.len());
        let offsets = if looks_up == 0 { [0, left_columns] } else { [right_columns, 0] };
        let layout = Layout { columns: [left_columns, right_columns], offsets, rowtimes: None };
        let mut scope = side_by_side(&left.scope, &right.scope, &layout);
        let equal =
            self.matching_columns(&left.scope, &right.scope, &mut scope, &layout, condition, preserved);
        let mut matching = Matching { keys: Vec::new(), condition: None };
        let width = left_columns + right_columns;
        let subqueries = self.subqueries_of_on(condition, width, &scope, preserved);
        let predicate = self.join_predicate(condition, equal, &scope);
        let over_subqueries = split(predicate, width, &layout, &mut matching);
        let (input, relation) = if looks_up == 0 {
            (left, right)
        } else {
            // Keys stand in the order of the operator: of the input, of the relation.
            matching.keys.iter_mut().for_each(|(left, right)| std::mem::swap(left, right));
            (right, left)
        };
        let output = input.node.output.iter().chain(&relation.node.output).cloned().collect();
        let kind = NodeKind::Lookup {
            input: Box::new(input.node),
            relation: Box::new(relation.node),
            matching,
            preserves_input: preserved[looks_up],
        };
        let node = kept_by(over_subqueries, subqueries, Node { kind, output });
        Some(FromItem { node, scope, window: input.window, span })
    }

    /// Without a window on either side rows of equal ROWTIME meet; with one, a row of the side without is met by none that
    /// come after it.
    fn joined_streams(
        &mut self,
        mut left: FromItem,
        mut right: FromItem,
        preserved: [bool; 2],
        condition: &JoinCondition,
        span: Span,
    ) -> Option<FromItem> {
        let has_no_window = |item: &FromItem| item.window.as_ref().is_none_or(|window| window.is_implied);
        if has_no_window(&left) && has_no_window(&right) {
            self.lint_join(span);
            left.window.get_or_insert_with(ItemWindow::of_one_rowtime);
            right.window.get_or_insert_with(ItemWindow::of_one_rowtime);
        }
        let (left_columns, right_columns) = (left.node.output.len(), right.node.output.len());
        let layout = Layout {
            columns: [left_columns, right_columns],
            offsets: [0, left_columns + 1],
            rowtimes: Some([left_columns, left_columns + 1 + right_columns]),
        };
        let mut scope = side_by_side(&left.scope, &right.scope, &layout);
        let (of_left, of_right) = scope.relations.split_at_mut(left.scope.relations.len());
        for (side, relations, window) in [(0, of_left, &left.window), (1, of_right, &right.window)] {
            // A row without a window is always the later one of its pair, unless it is missing.
            let is_current = window.is_none() && !preserved[1 - side];
            for relation in relations.iter_mut().filter(|relation| relation.rowtime == RelationTime::Row) {
                if let Some(rowtimes) = layout.rowtimes.filter(|_| !is_current) {
                    relation.rowtime = RelationTime::Column(rowtimes[side]);
                }
            }
        }
        let equal =
            self.matching_columns(&left.scope, &right.scope, &mut scope, &layout, condition, preserved);
        let mut matching = Matching { keys: Vec::new(), condition: None };
        let width = left_columns + right_columns + 2;
        let subqueries = self.subqueries_of_on(condition, width, &scope, preserved);
        let predicate = self.join_predicate(condition, equal, &scope);
        let over_subqueries = split(predicate, width, &layout, &mut matching);
        let rowtime = |name: &str| Output { name: name.to_owned(), sql_type: SqlType::Timestamp };
        let mut output = left.node.output.clone();
        output.push(rowtime("left ROWTIME"));
        output.extend(right.node.output.iter().cloned());
        output.push(rowtime("right ROWTIME"));
        let window = window_of_both([left.window.as_ref(), right.window.as_ref()], &layout);
        let side = |item: FromItem, preserved| {
            let (window, expiries) = match item.window {
                Some(window) => (Some(window.frame), window.expiries),
                None => (None, Vec::new()),
            };
            JoinSide { input: Box::new(item.node), window, expiries, preserved }
        };
        let kind =
            NodeKind::Join { left: side(left, preserved[0]), right: side(right, preserved[1]), matching };
        let node = kept_by(over_subqueries, subqueries, Node { kind, output });
        Some(FromItem { node, scope, window, span })
    }

    /// Refuses a second relation of the same name.
    fn distinct_names(&mut self, left: &Scope, right: &FromItem) -> Option<()> {
        for relation in &right.scope.relations {
            let Some(name) = &relation.name else { continue };
            if left.relations.iter().any(|known| known.name.as_ref() == Some(name)) {
                return self.error_with_hint(
                    right.span,
                    format!("two relations of FROM are called \"{name}\""),
                    "give one of them an alias: … AS other",
                );
            }
        }
        Some(())
    }

    /// The equalities of USING and NATURAL; their columns become one in the scope, also where they cannot be compared.
    fn matching_columns(
        &mut self,
        left: &Scope,
        right: &Scope,
        scope: &mut Scope,
        layout: &Layout,
        condition: &JoinCondition,
        preserved: [bool; 2],
    ) -> Vec<Expression> {
        let names: Vec<Name> = match condition {
            JoinCondition::None | JoinCondition::On(_) => return Vec::new(),
            JoinCondition::Using(names) => names.clone(),
            JoinCondition::Natural => {
                let of_right: Vec<String> =
                    right.listed(Span::default()).into_iter().map(|(_, column)| column.name).collect();
                let common = left.listed(Span::default()).into_iter().map(|(_, column)| column.name);
                let common = common.filter(|name| of_right.contains(name));
                common.map(|value| Name { value, quoted: true, span: Span::default() }).collect()
            }
        };
        let mut equal = Vec::new();
        for name in &names {
            let of_left = self.column(std::slice::from_ref(name), left);
            let of_right = self.column(std::slice::from_ref(name), right);
            let (Some(mut of_left), Some(mut of_right)) = (of_left, of_right) else { continue };
            let shift = |expression: &mut Expression, offset: usize| {
                expression.for_each_mut(&mut |e| {
                    if let ExpressionKind::Column(index) = &mut e.kind {
                        *index += offset;
                    }
                });
            };
            shift(&mut of_left, layout.offsets[0]);
            shift(&mut of_right, layout.offsets[1]);
            equal.extend(self.comparison(
                ComparisonOperator::Equal,
                of_left.clone(),
                of_right.clone(),
                name.span,
            ));
            let mut members = Vec::new();
            for side in [&of_left, &of_right] {
                side.any(&mut |e| {
                    members.extend(match e.kind {
                        ExpressionKind::Column(index) => Some(index),
                        _ => None,
                    });
                    false
                });
            }
            let value = match preserved {
                [true, true] => match of_left.sql_type.common(of_right.sql_type) {
                    Some(sql_type) => {
                        let operands = vec![coerce(of_left, sql_type), coerce(of_right, sql_type)];
                        Expression::new(ExpressionKind::Coalesce(operands), sql_type, name.span)
                    }
                    None => of_left,
                },
                [false, true] => of_right,
                _ => of_left,
            };
            scope.merged.retain(|merged| merged.name != name.value);
            scope.merged.push(MergedColumn { name: name.value.clone(), value, members });
        }
        equal
    }

    /// The subqueries of ON, with columns behind the `width` of the joined rows. The rows of an inner join may be
    /// filtered by them when they have met; whether a row of an outer join has a match must be known before.
    fn subqueries_of_on(
        &mut self,
        condition: &JoinCondition,
        width: usize,
        scope: &Scope,
        preserved: [bool; 2],
    ) -> Columns {
        let written = match condition {
            JoinCondition::On(condition) => written_in(condition),
            JoinCondition::None | JoinCondition::Using(_) | JoinCondition::Natural => Vec::new(),
        };
        if let Some(first) = written.first()
            && preserved != [false, false]
        {
            self.error_with_hint::<()>(
                first.span(),
                "a query in ON of an outer join is not supported yet",
                "join with a subquery that has its column: … LEFT JOIN (SELECT …) AS alias ON …",
            );
            self.subqueries.extend(written.iter().map(|query| (query.span(), None)));
            return Columns::none();
        }
        self.columns_of(written, width, &mut |resolver, operand| resolver.scalar(operand, scope, "ON"))
    }

    /// All that the rows have to fulfil; `None` when that is nothing, or was refused.
    fn join_predicate(
        &mut self,
        condition: &JoinCondition,
        equal: Vec<Expression>,
        scope: &Scope,
    ) -> Option<Expression> {
        match condition {
            JoinCondition::On(condition) => self.condition(condition, scope, "ON"),
            _ => equal.into_iter().reduce(and),
        }
    }
}

/// The window of the rows of a join: such a row is in it as long as both rows that it is made of are in theirs. `None`
/// when one of them is gone at once, or when their number decides, which the joined row does not know.
fn window_of_both(windows: [Option<&ItemWindow>; 2], layout: &Layout) -> Option<ItemWindow> {
    let rowtimes = layout.rowtimes?;
    let mut expiries = Vec::new();
    let is_implied = windows.iter().flatten().all(|window| window.is_implied);
    for (side, window) in windows.into_iter().enumerate() {
        let window = window?;
        match window.frame {
            Frame::Rows { .. } => return None,
            Frame::Unbounded => {}
            Frame::Range { millis } if window.expiries.is_empty() => expiries.push((rowtimes[side], millis)),
            Frame::Range { .. } => {
                let own =
                    window.expiries.iter().map(|(column, millis)| (layout.offsets[side] + column, *millis));
                expiries.extend(own);
            }
        }
    }
    let shortest = expiries.iter().map(|(_, millis)| *millis).min();
    let frame = shortest.map_or(Frame::Unbounded, |millis| Frame::Range { millis });
    Some(ItemWindow { frame, expiries, written: None, is_implied })
}

/// The relations of both sides in the joined row.
fn side_by_side(left: &Scope, right: &Scope, layout: &Layout) -> Scope {
    let mut scope = Scope::default();
    for (side, offset) in [left, right].into_iter().zip(layout.offsets) {
        for relation in &side.relations {
            let mut relation = relation.clone();
            relation.offset += offset;
            if let RelationTime::Column(index) = &mut relation.rowtime {
                *index += offset;
            }
            scope.relations.push(relation);
        }
        for merged in &side.merged {
            let mut merged = merged.clone();
            merged.members.iter_mut().for_each(|member| *member += offset);
            merged.value.for_each_mut(&mut |e| {
                if let ExpressionKind::Column(index) = &mut e.kind {
                    *index += offset;
                }
            });
            scope.merged.push(merged);
        }
    }
    scope
}

fn and(left: Expression, right: Expression) -> Expression {
    let span = left.span.to(right.span);
    Expression::new(ExpressionKind::And(Box::new(left), Box::new(right)), SqlType::Boolean, span)
}

/// The joined rows that fulfil what ON says of subqueries.
fn kept_by(predicate: Option<Expression>, subqueries: Columns, joined: Node) -> Node {
    match predicate {
        Some(predicate) => filter(subqueries.over(joined), predicate),
        None => joined,
    }
}

/// Makes keys of the equalities between the two sides, and a condition of all else. Gives what is over the columns of
/// subqueries, behind the `width` of the joined rows.
fn split(
    predicate: Option<Expression>,
    width: usize,
    layout: &Layout,
    matching: &mut Matching,
) -> Option<Expression> {
    let (mut rest, mut over_subqueries) = (None, None);
    for conjunct in predicate.into_iter().flat_map(conjuncts) {
        let is_over_subqueries =
            conjunct.any(&mut |e| matches!(e.kind, ExpressionKind::Column(index) if index >= width));
        if is_over_subqueries {
            over_subqueries = with(over_subqueries, conjunct);
            continue;
        }
        match key(&conjunct, layout) {
            Some(key) => matching.keys.push(key),
            None => rest = with(rest, conjunct),
        }
    }
    matching.condition = match (matching.condition.take(), rest) {
        (Some(condition), Some(rest)) => Some(and(condition, rest)),
        (condition, rest) => condition.or(rest),
    };
    over_subqueries
}

fn with(others: Option<Expression>, conjunct: Expression) -> Option<Expression> {
    Some(match others {
        Some(others) => and(others, conjunct),
        None => conjunct,
    })
}

fn conjuncts(predicate: Expression) -> Vec<Expression> {
    let mut found = Vec::new();
    let mut open = vec![predicate];
    while let Some(expression) = open.pop() {
        match expression.kind {
            ExpressionKind::And(left, right) => open.extend([*right, *left]),
            kind => found.push(Expression { kind, ..expression }),
        }
    }
    found
}

/// The two sides of an equality as expressions over the left and the right relation, when it is one between them that
/// cannot fail.
fn key(conjunct: &Expression, layout: &Layout) -> Option<(Expression, Expression)> {
    let ExpressionKind::Compare {
        operator: ComparisonOperator::Equal,
        left,
        right,
        ignore_trailing_blanks: false,
    } = &conjunct.kind
    else {
        return None;
    };
    let alike = left.sql_type == right.sql_type
        || left.sql_type.is_character() && right.sql_type.is_character()
        || left.sql_type.is_interval() && left.sql_type.family() == right.sql_type.family();
    if !alike {
        return None;
    }
    let of_side = |expression, side| over_side(expression, layout, side);
    match (of_side(left, 0), of_side(right, 1)) {
        (Some(left), Some(right)) => Some((left, right)),
        _ => Some((of_side(right, 0)?, of_side(left, 1)?)),
    }
}

/// The expression over one relation alone, if it needs no other and cannot fail.
fn over_side(expression: &Expression, layout: &Layout, side: usize) -> Option<Expression> {
    let mut names_column = false;
    let fails = expression.any(&mut |e| match &e.kind {
        ExpressionKind::Column(index) => {
            names_column = true;
            let own = layout.offsets[side]..layout.offsets[side] + layout.columns[side];
            let is_rowtime = layout.rowtimes.is_some_and(|rowtimes| rowtimes[side] == *index);
            !(own.contains(index) || is_rowtime)
        }
        ExpressionKind::Literal(_) => false,
        ExpressionKind::Clock(clock) => *clock == ClockFunction::RowTimestamp,
        ExpressionKind::Cast { mode, operand } => {
            let widens = match (operand.sql_type.numeric_rank(), e.sql_type.numeric_rank()) {
                (Some(from), Some(to)) => e.sql_type.is_integer() && from <= to,
                _ => false,
            };
            *mode != CastMode::Implicit || !widens
        }
        ExpressionKind::RoundTo { .. } | ExpressionKind::StepDatetime { .. } => false,
        ExpressionKind::Call { function, .. } => !matches!(function.as_str(), "UPPER" | "LOWER"),
        _ => true,
    });
    if fails || !names_column {
        return None;
    }
    let mut own = expression.clone();
    own.for_each_mut(&mut |e| {
        if let ExpressionKind::Column(index) = e.kind {
            e.kind = match layout.rowtimes {
                Some(rowtimes) if rowtimes[side] == index => ExpressionKind::RowTime,
                _ => ExpressionKind::Column(index - layout.offsets[side]),
            };
        }
    });
    Some(own)
}

/// Makes the equalities of WHERE keys of the join below, when it keeps no row without a match. Gives what is left of the
/// condition.
pub(super) fn push_into_join(node: &mut Node, predicate: Expression) -> Option<Expression> {
    let (layout, matching) = match &mut node.kind {
        NodeKind::Join { left, right, matching } if !left.preserved && !right.preserved => {
            let columns = [left.input.output.len(), right.input.output.len()];
            let layout = Layout {
                columns,
                offsets: [0, columns[0] + 1],
                rowtimes: Some([columns[0], columns[0] + 1 + columns[1]]),
            };
            (layout, matching)
        }
        // Its column is behind those of the join, and so in no key.
        NodeKind::Subquery { input, .. } => return push_into_join(input, predicate),
        // ON with a subquery.
        NodeKind::Filter { input, .. } => return push_into_join(input, predicate),
        NodeKind::Lookup { input, relation, matching, preserves_input: false } => {
            let columns = [input.output.len(), relation.output.len()];
            (Layout { columns, offsets: [0, columns[0]], rowtimes: None }, matching)
        }
        _ => return Some(predicate),
    };
    let mut rest = None;
    for conjunct in conjuncts(predicate) {
        match key(&conjunct, &layout) {
            Some(key) => matching.keys.push(key),
            None => rest = with(rest, conjunct),
        }
    }
    rest
}

//! Operators and the relations between them.

use super::{
    AggregateCall, Frame, GroupDriver, Projection, SlidingWindow, StreamId, TableFunction, TableId,
    WindowCall,
};
use crate::{Argument, Expression, RecordField, SqlType};

/// An operator with the columns that it gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// Its columns in order, without ROWTIME.
    pub output: Vec<Output>,
}

impl Node {
    /// The relations whose rows this one takes. Those of streams are its ports, in this order.
    pub fn inputs(&self) -> Vec<&Node> {
        match &self.kind {
            NodeKind::Source(_) | NodeKind::Table(_) | NodeKind::Values(_) => Vec::new(),
            NodeKind::Union { inputs } => inputs.iter().collect(),
            NodeKind::Join { left, right, .. } => vec![&left.input, &right.input],
            NodeKind::Lookup { input, relation, .. } | NodeKind::Subquery { input, relation, .. } => {
                vec![input, relation]
            }
            NodeKind::SetOperation { left, right, .. } => vec![left, right],
            NodeKind::Filter { input, .. }
            | NodeKind::Project { input, .. }
            | NodeKind::Tumble { input, .. }
            | NodeKind::Stagger { input, .. }
            | NodeKind::Slide { input, .. }
            | NodeKind::ParseLog { input, .. }
            | NodeKind::Distinct { input, .. }
            | NodeKind::Sort { input, .. }
            | NodeKind::TimeSort { input, .. }
            | NodeKind::TableFunction { input, .. } => vec![input],
        }
    }

    /// The same to change them.
    pub fn inputs_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            NodeKind::Source(_) | NodeKind::Table(_) | NodeKind::Values(_) => Vec::new(),
            NodeKind::Union { inputs } => inputs.iter_mut().collect(),
            NodeKind::Join { left, right, .. } => vec![&mut left.input, &mut right.input],
            NodeKind::Lookup { input, relation, .. } | NodeKind::Subquery { input, relation, .. } => {
                vec![input, relation]
            }
            NodeKind::SetOperation { left, right, .. } => vec![left, right],
            NodeKind::Filter { input, .. }
            | NodeKind::Project { input, .. }
            | NodeKind::Tumble { input, .. }
            | NodeKind::Stagger { input, .. }
            | NodeKind::Slide { input, .. }
            | NodeKind::ParseLog { input, .. }
            | NodeKind::Distinct { input, .. }
            | NodeKind::Sort { input, .. }
            | NodeKind::TimeSort { input, .. }
            | NodeKind::TableFunction { input, .. } => vec![input],
        }
    }

    /// The expressions of this operator alone.
    pub fn expressions(&self) -> Vec<&Expression> {
        match &self.kind {
            NodeKind::Subquery { value, .. } => match value {
                SubqueryValue::Scalar | SubqueryValue::Exists => Vec::new(),
                SubqueryValue::In(operand) => vec![operand],
            },
            NodeKind::Source(_)
            | NodeKind::Table(_)
            | NodeKind::Union { .. }
            | NodeKind::SetOperation { .. }
            | NodeKind::Distinct { .. }
            | NodeKind::TimeSort { .. }
            | NodeKind::TableFunction { .. } => Vec::new(),
            NodeKind::Values(rows) => rows.iter().flatten().collect(),
            NodeKind::Join { matching, .. } | NodeKind::Lookup { matching, .. } => {
                let keys = matching.keys.iter().flat_map(|(left, right)| [left, right]);
                keys.chain(&matching.condition).collect()
            }
            NodeKind::Sort { bucket, .. } => match bucket {
                SortBucket::Key(key) => vec![key],
                SortBucket::Rowtime
                | SortBucket::Periodic { .. }
                | SortBucket::Value { .. }
                | SortBucket::Window => Vec::new(),
            },
            NodeKind::Filter { predicate, .. } => vec![predicate],
            NodeKind::ParseLog { call, .. } => vec![&call.text],
            NodeKind::Project { projection, .. } => {
                projection.expressions.iter().chain(&projection.rowtime).collect()
            }
            NodeKind::Tumble { keys, aggregates, .. } | NodeKind::Stagger { keys, aggregates, .. } => {
                keys.iter().chain(aggregates.iter().filter_map(|call| call.argument.as_ref())).collect()
            }
            NodeKind::Slide { windows, calls, .. } => {
                let partitions = windows.iter().flat_map(|window| &window.partition);
                partitions.chain(calls.iter().flat_map(WindowCall::expressions)).collect()
            }
        }
    }

    /// The same to change them.
    pub fn expressions_mut(&mut self) -> Vec<&mut Expression> {
        match &mut self.kind {
            NodeKind::Subquery { value, .. } => match value {
                SubqueryValue::Scalar | SubqueryValue::Exists => Vec::new(),
                SubqueryValue::In(operand) => vec![operand],
            },
            NodeKind::Source(_)
            | NodeKind::Table(_)
            | NodeKind::Union { .. }
            | NodeKind::SetOperation { .. }
            | NodeKind::Distinct { .. }
            | NodeKind::TimeSort { .. }
            | NodeKind::TableFunction { .. } => Vec::new(),
            NodeKind::Values(rows) => rows.iter_mut().flatten().collect(),
            NodeKind::Join { matching, .. } | NodeKind::Lookup { matching, .. } => {
                let keys = matching.keys.iter_mut().flat_map(|(left, right)| [left, right]);
                keys.chain(&mut matching.condition).collect()
            }
            NodeKind::Sort { bucket, .. } => match bucket {
                SortBucket::Key(key) => vec![key],
                SortBucket::Rowtime
                | SortBucket::Periodic { .. }
                | SortBucket::Value { .. }
                | SortBucket::Window => Vec::new(),
            },
            NodeKind::Filter { predicate, .. } => vec![predicate],
            NodeKind::ParseLog { call, .. } => vec![&mut call.text],
            NodeKind::Project { projection, .. } => {
                projection.expressions.iter_mut().chain(&mut projection.rowtime).collect()
            }
            NodeKind::Tumble { keys, aggregates, .. } | NodeKind::Stagger { keys, aggregates, .. } => keys
                .iter_mut()
                .chain(aggregates.iter_mut().filter_map(|call| call.argument.as_mut()))
                .collect(),
            NodeKind::Slide { windows, calls, .. } => {
                let partitions = windows.iter_mut().flat_map(|window| &mut window.partition);
                partitions.chain(calls.iter_mut().flat_map(WindowCall::expressions_mut)).collect()
            }
        }
    }

    /// Calls `change` on every expression of this operator and of those below it.
    pub fn for_each_expression_mut(&mut self, change: &mut dyn FnMut(&mut Expression)) {
        self.expressions_mut().into_iter().for_each(&mut *change);
        self.inputs_mut().into_iter().for_each(|input| input.for_each_expression_mut(change));
    }

    /// Calls `visit` on this operator and all below it, each before its inputs.
    pub fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        visit(self);
        self.inputs().into_iter().for_each(|input| input.walk(visit));
    }

    /// Whether it reads no stream: its rows are all there from the start.
    pub fn is_finite(&self) -> bool {
        self.sources().is_empty()
    }

    /// The streams that it reads, as often as it reads them, in the order of the text.
    pub fn sources(&self) -> Vec<StreamId> {
        let mut sources = Vec::new();
        self.walk(&mut |node| {
            if let NodeKind::Source(id) = node.kind {
                sources.push(id);
            }
        });
        sources
    }
}

/// A column that a node gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exact name. A field of a record column has a name of its own kind: see [`Output::record_field`].
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

/// Stands between the names of a record column and of its field: no name can hold it.
const FIELD_SEPARATOR: char = '\u{1f}';

impl Output {
    /// The column that holds a field of a record column. A record is nothing but its fields, side by side.
    pub(crate) fn of_field(record: &str, field: &str, sql_type: SqlType) -> Output {
        Output { name: format!("{record}{FIELD_SEPARATOR}{field}"), sql_type }
    }

    /// The names of the record column and of its field, for a field of a record.
    pub fn record_field(&self) -> Option<(&str, &str)> {
        self.name.split_once(FIELD_SEPARATOR)
    }

    /// The name as an author writes it.
    pub(crate) fn shown_name(&self) -> String {
        self.name.replace(FIELD_SEPARATOR, ".")
    }
}

/// The operators.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// The rows of a stream.
    Source(StreamId),
    /// The rows of a reference table, as it was loaded last. Finite.
    Table(TableId),
    /// VALUES: constant rows, of the types of the output. Finite.
    Values(Vec<Vec<Expression>>),
    /// UNION ALL of streams: their rows by ROWTIME, those of one ROWTIME in the order of their arrival.
    Union {
        /// The branches; all have the types of the output.
        inputs: Vec<Node>,
    },
    /// UNION, UNION ALL, EXCEPT or INTERSECT of finite relations of the same types. Finite.
    SetOperation {
        /// Which.
        operation: SetOperation,
        /// Left operand.
        left: Box<Node>,
        /// Right operand.
        right: Box<Node>,
    },
    /// Two streams joined. A pair meets when its later row comes, in the order of ROWTIME and arrival, and finds the
    /// earlier one in the window of its side. Output columns: those of the left side, its ROWTIME, those of the right
    /// side, its ROWTIME. The ROWTIME of a pair is the later one.
    Join {
        /// Left side.
        left: JoinSide,
        /// Right side.
        right: JoinSide,
        /// How rows match.
        matching: Matching,
    },
    /// Rows of `input`, each with one more column that a finite relation gives.
    Subquery {
        /// Where the rows come from.
        input: Box<Node>,
        /// Finite.
        relation: Box<Node>,
        /// What the column holds.
        value: SubqueryValue,
    },
    /// Rows of `input`, each with every row of a finite relation that matches, in the order of the relation. Output
    /// columns: those of the input, then those of the relation. ROWTIME is that of the input.
    Lookup {
        /// Where the rows come from.
        input: Box<Node>,
        /// Finite.
        relation: Box<Node>,
        /// How rows match.
        matching: Matching,
        /// Rows of the input without a match come out with NULLs.
        preserves_input: bool,
    },
    /// The rows for which the predicate is TRUE.
    Filter {
        /// Where the rows come from.
        input: Box<Node>,
        /// A BOOLEAN.
        predicate: Expression,
    },
    /// New columns for each row.
    Project {
        /// Where the rows come from.
        input: Box<Node>,
        /// What is computed.
        projection: Projection,
    },
    /// A tumbling window: GROUP BY with a monotonic key. Output columns: the keys, then the aggregates. One row for
    /// each distinct combination of keys, in order of first appearance, with the window's end as ROWTIME. Over a finite
    /// input all rows are one window, whatever the driver; without keys they are one group, even when there are none.
    Tumble {
        /// Where the rows come from.
        input: Box<Node>,
        /// All grouping expressions over the input.
        keys: Vec<Expression>,
        /// Which of them moves the window, and how.
        driver: GroupDriver,
        /// What is computed for each group.
        aggregates: Vec<AggregateCall>,
    },
    /// WINDOWED BY STAGGER. Output columns: the keys, then the aggregates. A window of a key opens with its first row
    /// and closes `range` later: that is the ROWTIME of its row.
    Stagger {
        /// Where the rows come from.
        input: Box<Node>,
        /// PARTITION BY.
        keys: Vec<Expression>,
        /// Milliseconds, > 0.
        range: i64,
        /// What is computed for each key.
        aggregates: Vec<AggregateCall>,
    },
    /// Sliding windows: for each row its own columns, then the value of each call.
    Slide {
        /// Where the rows come from.
        input: Box<Node>,
        /// The different windows.
        windows: Vec<SlidingWindow>,
        /// What is computed over them.
        calls: Vec<WindowCall>,
    },
    /// For each row its own columns, then the fields of the record that a log parser makes of a text.
    ParseLog {
        /// Where the rows come from.
        input: Box<Node>,
        /// The parser with its parameters.
        call: LogParserCall,
    },
    /// SELECT DISTINCT: a row leaves at once, unless an equal one has left since the last change of the column that moves.
    Distinct {
        /// Where the rows come from.
        input: Box<Node>,
        /// The columns by which rows are equal: all that were selected but ROWTIME.
        columns: Vec<usize>,
        /// The monotonic column: when its value changes, what has left is forgotten. ROWTIME when absent.
        moving: Option<usize>,
    },
    /// ORDER BY on a stream: rows wait until their bucket is complete, and leave sorted. Equal rows keep their order.
    Sort {
        /// Where the rows come from.
        input: Box<Node>,
        /// By what rows are sorted within a bucket.
        keys: Vec<SortColumn>,
        /// Which rows are sorted together.
        bucket: SortBucket,
    },
    /// ORDER BY a TIMESTAMP column WITHIN an interval: brings a stream in order by a time of its own, which becomes ROWTIME.
    TimeSort {
        /// Where the rows come from.
        input: Box<Node>,
        /// The column with the time. Rows with NULL are skipped.
        column: usize,
        /// How rows of one time are sorted.
        keys: Vec<SortColumn>,
        /// How long rows wait for those that belong before them, in milliseconds, >= 0. A row more than that behind the
        /// latest is a row error (`OUT_OF_ORDER`).
        interval: i64,
    },
    /// `TABLE(function(CURSOR(input), …))`.
    TableFunction {
        /// The cursor.
        input: Box<Node>,
        /// Which, with its parameters.
        function: TableFunction,
    },
}

/// A call of a log parser: a function of the catalog that takes a text apart.
#[derive(Clone, Debug, PartialEq)]
pub struct LogParserCall {
    /// Upper case, as in the catalog.
    pub function: String,
    /// The text, over the input.
    pub text: Expression,
    /// All arguments as the catalog has seen them.
    pub arguments: Vec<Argument>,
    /// What it gives. A text that does not match gives NULL in every field, or no row at all under a switch.
    pub fields: Vec<RecordField>,
}

/// A side of a join of streams.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinSide {
    /// Where the rows come from.
    pub input: Box<Node>,
    /// Which rows later rows of the other side still find; `None`: a row meets others only when it comes itself.
    pub window: Option<Frame>,
    /// For the rows of another join: the ROWTIMEs of the rows that they are made of, by column, each with the length of
    /// its window in milliseconds. A row leaves with the first of them. `window` is then the shortest of these.
    pub expiries: Vec<(usize, i64)>,
    /// Rows without a match come out with NULLs for the other side: at once without a window, else when they leave it.
    pub preserved: bool,
}

/// How rows of two relations match: all keys are equal, none of them NULL, and the condition is TRUE.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// Expressions over the left and over the right relation, of one type.
    pub keys: Vec<(Expression, Expression)>,
    /// A BOOLEAN over the output columns.
    pub condition: Option<Expression>,
}

/// What a finite relation gives an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum SubqueryValue {
    /// The value of its only column and row; NULL without a row, a row error with several.
    Scalar,
    /// Whether it has rows.
    Exists,
    /// Whether this value, of the type of its only column, is among them: UNKNOWN when it is not and one of both is NULL.
    In(Expression),
}

/// What is made of two finite relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// All rows of both.
    UnionAll,
    /// All rows of both, equal ones once.
    Union,
    /// The different rows of the left that the right has not.
    Except,
    /// The different rows of the left that the right has, too.
    Intersect,
}

/// A column by which rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortColumn {
    /// Which column.
    pub column: usize,
    /// Largest first.
    pub descending: bool,
    /// NULLs before all values.
    pub nulls_first: bool,
}

/// Which rows ORDER BY sorts together: those with one value of its leading, monotonic expression.
#[derive(Clone, Debug, PartialEq)]
pub enum SortBucket {
    /// Rows of one ROWTIME, which they keep.
    Rowtime,
    /// The leading expression is constant on `[offset + k * period, offset + (k + 1) * period)` of ROWTIME, as in
    /// [`GroupDriver::Periodic`]. Rows leave with the end of their bucket as ROWTIME.
    Periodic {
        /// Milliseconds, > 0.
        period: i64,
        /// 0 <= offset < period.
        offset: i64,
    },
    /// Another monotonic function of ROWTIME alone: the bucket ends at the first millisecond at which its value changes.
    Key(Expression),
    /// A monotonic column that is no function of ROWTIME: the row that changes its value ends the bucket, and gives it its
    /// ROWTIME.
    Value {
        /// Which column.
        column: usize,
    },
    /// The groups that a tumbling window gives at its end, which come in one batch. They keep their ROWTIME.
    Window,
}

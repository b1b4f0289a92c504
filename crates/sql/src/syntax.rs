//! The syntax tree: the text as written, names not yet looked up.

use crate::{ComparisonOperator, IntervalQualifier, Span, SqlType, TimeUnit, TruthTest};

/// A name as written; unquoted names are folded to upper case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) value: String,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

/// A name with its qualifiers, the last part being the object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectName {
    pub(crate) qualifiers: Vec<Name>,
    pub(crate) object: Name,
}

/// A whole statement.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    CreateStream {
        or_replace: bool,
        name: ObjectName,
        columns: Vec<ColumnDefinition>,
    },
    CreatePump {
        or_replace: bool,
        name: ObjectName,
        stopped: bool,
        insert: Box<Insert>,
    },
    CreateFunction(Box<FunctionDefinition>),
    /// A query under a name.
    CreateView {
        or_replace: bool,
        name: ObjectName,
        columns: Option<Vec<Name>>,
        query: Box<Query>,
    },
    /// INSERT outside a pump: its rows come once.
    Insert {
        insert: Box<Insert>,
    },
    AlterPump {
        name: ObjectName,
        start: bool,
    },
    Drop {
        kind: DropKind,
        if_exists: bool,
        name: ObjectName,
    },
    /// A statement that is legal and has no effect.
    Ignored,
    /// A CREATE that could not be read, which has been said.
    Unreadable {
        name: ObjectName,
    },
    /// CREATE STREAM with OPTIONS, which have no effect.
    OptionsIgnored {
        span: Span,
        statement: Box<Statement>,
    },
}

/// What DROP drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropKind {
    Stream,
    Pump,
    Function,
    View,
}

/// CREATE FUNCTION.
#[derive(Clone, Debug)]
pub(crate) struct FunctionDefinition {
    pub(crate) or_replace: bool,
    pub(crate) name: ObjectName,
    pub(crate) parameters: Vec<(Name, SqlType)>,
    pub(crate) returns: SqlType,
    pub(crate) specific: Option<Name>,
    /// RETURNS NULL ON NULL INPUT.
    pub(crate) null_on_null: bool,
    /// Where READS SQL DATA or MODIFIES SQL DATA stands.
    pub(crate) uses_data: Option<Span>,
    pub(crate) body: Expr,
}

/// A column of CREATE STREAM.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Name,
    pub(crate) sql_type: SqlType,
    /// Where the type stands, when it is a VARCHAR or VARBINARY that does not say how long.
    pub(crate) endless: Option<Span>,
    pub(crate) not_null: bool,
}

/// INSERT INTO target (columns) query.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) target: ObjectName,
    pub(crate) columns: Option<Vec<Name>>,
    pub(crate) query: Query,
}

/// A query expression.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) body: QueryBody,
    pub(crate) order_by: Option<OrderBy>,
    pub(crate) span: Span,
}

/// What a query is made of.
#[derive(Clone, Debug)]
pub(crate) enum QueryBody {
    Select(Box<Select>),
    /// `VALUES (…), (…)`.
    Values {
        rows: Vec<Vec<Expr>>,
        span: Span,
    },
    /// `left UNION ALL right` and its kin; `span` is the operator's.
    SetOperation {
        operator: SetOperator,
        all: bool,
        left: Box<Query>,
        right: Box<Query>,
        span: Span,
    },
}

/// UNION, EXCEPT, INTERSECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Except,
    Intersect,
}

/// ORDER BY; `span` is the keyword's.
#[derive(Clone, Debug)]
pub(crate) struct OrderBy {
    pub(crate) span: Span,
    pub(crate) keys: Vec<SortKey>,
    /// `WITHIN interval` after the first key.
    pub(crate) within: Option<Expr>,
}

/// One key of ORDER BY.
#[derive(Clone, Debug)]
pub(crate) struct SortKey {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    /// NULLS FIRST or NULLS LAST.
    pub(crate) nulls_first: Option<bool>,
}

/// SELECT.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) distinct: Option<Span>,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) from: Vec<TableReference>,
    pub(crate) condition: Option<Expr>,
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) having: Option<(Span, Expr)>,
    pub(crate) windows: Vec<(Name, WindowSpecification)>,
}

/// GROUP BY or WINDOWED BY; the span is the keyword's.
#[derive(Clone, Debug)]
pub(crate) enum GroupBy {
    Tumbling { span: Span, keys: Vec<Expr> },
    Stagger { span: Span, keys: Vec<Expr>, range: Expr },
}

/// An item of the select list.
#[derive(Clone, Debug)]
pub(crate) enum SelectItem {
    /// `*`
    Wildcard(Span),
    /// `t.*`
    QualifiedWildcard { relation: Name, span: Span },
    /// `expr AS alias`
    Expr { expr: Expr, alias: Option<Name> },
}

/// A relation in FROM.
#[derive(Clone, Debug)]
pub(crate) enum TableReference {
    Named { name: ObjectName, over: Option<Over>, alias: Option<TableAlias> },
    Subquery { query: Box<Query>, over: Option<Over>, alias: Option<TableAlias> },
    Function { name: Name, arguments: Vec<FunctionArgument>, alias: Option<TableAlias> },
    Join(Box<Join>),
}

/// Two relations joined; the span is that of the first keyword of the kind.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) left: TableReference,
    pub(crate) right: TableReference,
    pub(crate) kind: JoinKind,
    pub(crate) condition: JoinCondition,
    pub(crate) span: Span,
}

/// Which rows a join keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

/// How rows of a join meet.
#[derive(Clone, Debug)]
pub(crate) enum JoinCondition {
    None,
    Natural,
    On(Expr),
    Using(Vec<Name>),
}

/// `AS alias (columns)`.
#[derive(Clone, Debug)]
pub(crate) struct TableAlias {
    pub(crate) name: Name,
    pub(crate) columns: Option<Vec<Name>>,
}

/// An argument of a table function.
#[derive(Clone, Debug)]
pub(crate) enum FunctionArgument {
    Cursor(Box<Query>),
    Expr(Expr),
}

/// The window of OVER.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    Name(Name),
    Specification(WindowSpecification),
}

/// `(base PARTITION BY … ORDER BY … frame)`.
#[derive(Clone, Debug)]
pub(crate) struct WindowSpecification {
    pub(crate) span: Span,
    pub(crate) base: Option<Name>,
    /// Where PARTITION BY stands.
    pub(crate) partition_span: Option<Span>,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Option<Box<OrderBy>>,
    pub(crate) frame: Option<FrameClause>,
}

/// `ROWS …` or `RANGE …`.
#[derive(Clone, Debug)]
pub(crate) struct FrameClause {
    pub(crate) is_range: bool,
    pub(crate) start: FrameBound,
    pub(crate) end: Option<FrameBound>,
}

/// An end of a frame.
#[derive(Clone, Debug)]
pub(crate) struct FrameBound {
    pub(crate) kind: FrameBoundKind,
    pub(crate) span: Span,
}

/// Where an end of a frame lies.
#[derive(Clone, Debug)]
pub(crate) enum FrameBoundKind {
    CurrentRow,
    Unbounded { following: bool },
    Offset { expr: Box<Expr>, following: bool },
}

/// An expression with its place. `height` is the depth of the tree below it.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    pub(crate) height: usize,
}

/// What an expression is, as written.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Null,
    Boolean(bool),
    /// UNKNOWN
    Unknown,
    Integer(String),
    Decimal(String),
    Approximate(String),
    Text(String),
    Binary(Vec<u8>),
    Date(String),
    Time(String),
    Timestamp(String),
    Interval {
        negative: bool,
        value: String,
        qualifier: IntervalQualifier,
    },
    /// `a`, `t.a`, `t.r.f`
    Column(Vec<Name>),
    /// `(x)`
    Nested(Box<Expr>),
    /// `(a, b)` and `PERIOD (a, b)`
    Row(Vec<Expr>),
    /// `(a - b) qualifier`
    Qualified {
        operand: Box<Expr>,
        qualifier: IntervalQualifier,
    },
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Not(Box<Expr>),
    Binary2 {
        operator: BinaryOperator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        operator: ComparisonOperator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    IsNull {
        operand: Box<Expr>,
        negated: bool,
    },
    IsTruth {
        operand: Box<Expr>,
        test: TruthTest,
        negated: bool,
    },
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    InList {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Like {
        text: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        similar: bool,
        negated: bool,
    },
    Period {
        predicate: PeriodPredicate,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        operand: Box<Expr>,
        /// `None` when it was refused.
        target: Option<SqlType>,
    },
    Extract {
        unit: TimeUnit,
        operand: Box<Expr>,
    },
    RoundTo {
        up: bool,
        operand: Box<Expr>,
        unit: TimeUnit,
    },
    Step {
        operand: Box<Expr>,
        by: Box<Expr>,
    },
    Call(Call),
    /// A query in an expression.
    Subquery {
        kind: SubqueryKind,
        query: Box<Query>,
    },
}

/// What an expression asks of a query.
#[derive(Clone, Debug)]
pub(crate) enum SubqueryKind {
    /// The value of its only row.
    Scalar,
    /// Whether it has rows.
    Exists,
    /// Whether a value is among its rows.
    In { operand: Box<Expr>, negated: bool },
}

/// A call with all that may follow it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Upper case.
    pub(crate) name: Name,
    pub(crate) arguments: Vec<Expr>,
    /// `COUNT(*)`
    pub(crate) star: bool,
    /// `DISTINCT` inside the parentheses
    pub(crate) distinct: bool,
    /// `FROM LAST`
    pub(crate) from_last: bool,
    /// `IGNORE NULLS`
    pub(crate) ignore_nulls: bool,
    pub(crate) over: Option<Box<Over>>,
}

/// `+ - * / || AND OR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concat,
    And,
    Or,
}

impl BinaryOperator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Concat => "||",
            BinaryOperator::And => "AND",
            BinaryOperator::Or => "OR",
        }
    }
}

/// How two periods relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeriodPredicate {
    pub(crate) relation: PeriodRelation,
    pub(crate) strictness: PeriodStrictness,
}

/// The relation of two periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeriodRelation {
    Equals,
    Contains,
    Overlaps,
    Precedes,
    Succeeds,
    Leads,
    Lags,
}

/// STRICTLY, IMMEDIATELY or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeriodStrictness {
    Plain,
    Strictly,
    Immediately,
}

impl Expr {
    /// Calls `visit` on this expression and every one below it, windows excepted.
    pub(crate) fn walk<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Null
            | ExprKind::Boolean(_)
            | ExprKind::Unknown
            | ExprKind::Integer(_)
            | ExprKind::Decimal(_)
            | ExprKind::Approximate(_)
            | ExprKind::Text(_)
            | ExprKind::Binary(_)
            | ExprKind::Date(_)
            | ExprKind::Time(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Interval { .. }
            | ExprKind::Column(_)
            | ExprKind::Subquery { kind: SubqueryKind::Scalar | SubqueryKind::Exists, .. } => {}
            ExprKind::Nested(operand)
            | ExprKind::Subquery { kind: SubqueryKind::In { operand, .. }, .. }
            | ExprKind::Qualified { operand, .. }
            | ExprKind::Negate(operand)
            | ExprKind::Plus(operand)
            | ExprKind::Not(operand)
            | ExprKind::IsNull { operand, .. }
            | ExprKind::IsTruth { operand, .. }
            | ExprKind::Cast { operand, .. }
            | ExprKind::Extract { operand, .. }
            | ExprKind::RoundTo { operand, .. } => operand.walk(visit),
            ExprKind::Binary2 { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::IsDistinct { left, right, .. }
            | ExprKind::Period { left, right, .. }
            | ExprKind::Step { operand: left, by: right } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Between { operand, low, high, .. } => {
                operand.walk(visit);
                low.walk(visit);
                high.walk(visit);
            }
            ExprKind::InList { operand, list, .. } => {
                operand.walk(visit);
                list.iter().for_each(|item| item.walk(visit));
            }
            ExprKind::Like { text, pattern, escape, .. } => {
                text.walk(visit);
                pattern.walk(visit);
                if let Some(escape) = escape {
                    escape.walk(visit);
                }
            }
            ExprKind::Case { operand, branches, otherwise } => {
                if let Some(operand) = operand {
                    operand.walk(visit);
                }
                for (condition, value) in branches {
                    condition.walk(visit);
                    value.walk(visit);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.walk(visit);
                }
            }
            ExprKind::Row(items) => items.iter().for_each(|item| item.walk(visit)),
            ExprKind::Call(call) => call.arguments.iter().for_each(|argument| argument.walk(visit)),
        }
    }
}

//! Typed scalar expressions.
//!
//! Null rule: unless a variant says otherwise, a NULL operand gives NULL. "Row error" means that the row has no
//! value at all: it leaves the query and goes to the error stream.

use crate::{IntervalQualifier, Span, SqlType, TimeUnit, Value};
use serde::{Deserialize, Serialize};

/// An expression over one row, with the type of its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What it computes.
    pub kind: ExpressionKind,
    /// The type of its value.
    pub sql_type: SqlType,
    /// Where it stands in the text.
    pub span: Span,
}

/// What an expression computes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionKind {
    /// A constant of type `sql_type`.
    Literal(Value),
    /// Column number `.0` of the operator's input.
    Column(usize),
    /// The ROWTIME of the operator's input row (TIMESTAMP).
    RowTime,
    /// The clock.
    Clock(ClockFunction),
    /// Converts `operand` from its type to `sql_type`.
    Cast {
        /// What is converted.
        operand: Box<Expression>,
        /// Whether the author wrote it.
        mode: CastMode,
    },
    /// `+ - * /` of numbers. Integers, REAL, DOUBLE: both operands and the result have the same type. DECIMAL: both
    /// operands are DECIMAL of their own scales, and the result is rounded half-up to the scale of `sql_type`.
    /// Overflow of an exact type and division by zero (also of floats) are row errors.
    Arithmetic {
        /// Which.
        operator: ArithmeticOperator,
        /// Left operand.
        left: Box<Expression>,
        /// Right operand.
        right: Box<Expression>,
    },
    /// `-x` of a number or an interval; overflow is a row error.
    Negate(Box<Expression>),
    /// `datetime + interval`, and `datetime - interval` when `subtract`. DATE takes whole days and months; TIME wraps
    /// at midnight; months keep the day of the month or take the last day.
    DatetimeShift {
        /// A DATE, TIME or TIMESTAMP.
        datetime: Box<Expression>,
        /// An interval.
        interval: Box<Expression>,
        /// Backwards.
        subtract: bool,
    },
    /// `(left - right) qualifier` of two datetimes of one type: an interval without the fields below the qualifier's
    /// trailing field (truncated toward zero).
    DatetimeDifference {
        /// Minuend.
        left: Box<Expression>,
        /// Subtrahend.
        right: Box<Expression>,
    },
    /// `interval * number` or `interval / number` (DOUBLE, DECIMAL or BIGINT factor), rounded toward zero to the
    /// millisecond or month; division by zero is a row error.
    IntervalScale {
        /// The interval.
        interval: Box<Expression>,
        /// The number.
        factor: Box<Expression>,
        /// Divide instead.
        divide: bool,
    },
    /// `interval + interval`, `interval - interval`.
    IntervalSum {
        /// Left operand.
        left: Box<Expression>,
        /// Right operand.
        right: Box<Expression>,
        /// Subtract instead.
        subtract: bool,
    },
    /// A comparison of two values of one type (interval qualifiers and text lengths may differ).
    Compare {
        /// Which.
        operator: ComparisonOperator,
        /// Left operand.
        left: Box<Expression>,
        /// Right operand.
        right: Box<Expression>,
        /// Trailing blanks do not count: both are CHAR.
        ignore_trailing_blanks: bool,
    },
    /// `left IS NOT DISTINCT FROM right` (with `negated`: IS DISTINCT FROM): NULL equals NULL, never UNKNOWN.
    NotDistinct {
        /// Left operand.
        left: Box<Expression>,
        /// Right operand.
        right: Box<Expression>,
        /// IS DISTINCT FROM.
        negated: bool,
    },
    /// Three-valued AND. The right operand is not evaluated for rows whose left operand is FALSE, so an error there
    /// does not count.
    And(Box<Expression>, Box<Expression>),
    /// Three-valued OR; the right operand is not evaluated for rows whose left operand is TRUE.
    Or(Box<Expression>, Box<Expression>),
    /// Three-valued NOT.
    Not(Box<Expression>),
    /// `IS NULL`, with `negated` `IS NOT NULL`. Never UNKNOWN.
    IsNull {
        /// Operand of any type.
        operand: Box<Expression>,
        /// IS NOT NULL.
        negated: bool,
    },
    /// `b IS [NOT] TRUE | FALSE | UNKNOWN`. Never UNKNOWN.
    IsTruth {
        /// A BOOLEAN.
        operand: Box<Expression>,
        /// What is asked.
        test: TruthTest,
        /// IS NOT.
        negated: bool,
    },
    /// `operand IN (list)`: TRUE if any equals, else UNKNOWN if any comparison is, else FALSE. All of one type.
    InList {
        /// What is looked for.
        operand: Box<Expression>,
        /// Where.
        list: Vec<Expression>,
    },
    /// `text LIKE pattern [ESCAPE escape]`.
    Like {
        /// The text.
        text: Box<Expression>,
        /// `_` one character, `%` any run.
        pattern: Box<Expression>,
        /// One character; another length is a row error.
        escape: Option<Box<Expression>>,
    },
    /// `text SIMILAR TO pattern [ESCAPE escape]`.
    SimilarTo {
        /// The text.
        text: Box<Expression>,
        /// A regular expression of SQL.
        pattern: Box<Expression>,
        /// One character.
        escape: Option<Box<Expression>>,
    },
    /// `left || right` of two texts or two byte strings.
    Concat(Box<Expression>, Box<Expression>),
    /// Searched CASE. Each row evaluates only the branch that it takes. Values have type `sql_type`.
    Case {
        /// Tried in order.
        branches: Vec<CaseBranch>,
        /// Taken when no condition is TRUE; NULL when absent.
        otherwise: Option<Box<Expression>>,
    },
    /// The first operand that is not NULL; all of type `sql_type`. Later operands are evaluated only where needed.
    Coalesce(Vec<Expression>),
    /// `FLOOR(x TO unit)` or `CEIL(x TO unit)` of a DATE, TIME, TIMESTAMP or interval; an interval loses its lower
    /// fields toward zero.
    RoundTo {
        /// Down or up.
        direction: RoundingDirection,
        /// The datetime or interval.
        operand: Box<Expression>,
        /// The unit.
        unit: TimeUnit,
    },
    /// `STEP(datetime BY interval)`: the largest multiple of the interval since 1970-01-01 00:00:00 not after it.
    StepDatetime {
        /// A DATE, TIME or TIMESTAMP.
        operand: Box<Expression>,
        /// Milliseconds or months, > 0, as the value of an interval literal.
        step: Value,
    },
    /// `STEP(number BY step)`: the largest multiple of `step` not above the number. Both of type `sql_type`.
    StepNumber {
        /// A number.
        operand: Box<Expression>,
        /// A positive number.
        step: Box<Expression>,
    },
    /// `EXTRACT(unit FROM x)` of a datetime or interval: BIGINT, or DECIMAL(5,3) for SECOND.
    Extract {
        /// Which field.
        unit: TimeUnit,
        /// The datetime or interval.
        operand: Box<Expression>,
    },
    /// A function of the catalog; arguments already have the parameter types of its signature.
    Call {
        /// Upper case, as in the catalog.
        function: String,
        /// The arguments.
        arguments: Vec<Expression>,
    },
}

/// `+ - * /`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// `= <> < <= > >=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What `IS` asks of a BOOLEAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruthTest {
    /// IS TRUE
    True,
    /// IS FALSE
    False,
    /// IS UNKNOWN
    Unknown,
}

/// Down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundingDirection {
    /// FLOOR
    Floor,
    /// CEIL
    Ceil,
}

/// The clock functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFunction {
    /// CURRENT_ROW_TIMESTAMP: the time at which the row is processed.
    RowTimestamp,
    /// CURRENT_TIMESTAMP, LOCALTIMESTAMP: the time at which the query started (TIMESTAMP).
    QueryTimestamp,
    /// CURRENT_DATE: its day.
    QueryDate,
    /// CURRENT_TIME, LOCALTIME: its time of day.
    QueryTime,
}

/// Whether a conversion was written or implied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CastMode {
    /// `CAST(x AS t)`: text cut or padded; a datetime in a text that is too short, a number that does not fit, text
    /// that does not parse are row errors.
    Explicit,
    /// Into a column: numbers out of range are row errors, fractions round half away from zero, text is cut.
    Assignment,
    /// To the common type of an operation: never fails but for a number that does not fit.
    Implicit,
}

/// `WHEN condition THEN value`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseBranch {
    /// A BOOLEAN.
    pub condition: Expression,
    /// Taken where the condition is TRUE.
    pub value: Expression,
}

impl Expression {
    /// A typed expression at a place.
    pub fn new(kind: ExpressionKind, sql_type: SqlType, span: Span) -> Expression {
        Expression { kind, sql_type, span }
    }

    /// Input column `index`.
    pub fn column(index: usize, sql_type: SqlType, span: Span) -> Expression {
        Expression::new(ExpressionKind::Column(index), sql_type, span)
    }

    /// The value when this is a literal.
    pub fn literal(&self) -> Option<&Value> {
        match &self.kind {
            ExpressionKind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The qualifier when this is an interval.
    pub fn interval_qualifier(&self) -> Option<IntervalQualifier> {
        match self.sql_type {
            SqlType::Interval(qualifier) => Some(qualifier),
            _ => None,
        }
    }

    /// Calls `visit` on each direct operand.
    pub fn for_each_operand<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        use ExpressionKind as K;
        match &self.kind {
            K::Literal(_) | K::Column(_) | K::RowTime | K::Clock(_) => {}
            K::Cast { operand, .. }
            | K::Negate(operand)
            | K::Not(operand)
            | K::IsNull { operand, .. }
            | K::IsTruth { operand, .. }
            | K::RoundTo { operand, .. }
            | K::StepDatetime { operand, .. }
            | K::Extract { operand, .. } => visit(operand),
            K::Arithmetic { left, right, .. }
            | K::DatetimeDifference { left, right }
            | K::IntervalSum { left, right, .. }
            | K::Compare { left, right, .. }
            | K::NotDistinct { left, right, .. }
            | K::And(left, right)
            | K::Or(left, right)
            | K::Concat(left, right) => {
                visit(left);
                visit(right);
            }
            K::DatetimeShift { datetime, interval, .. } => {
                visit(datetime);
                visit(interval);
            }
            K::IntervalScale { interval, factor, .. } => {
                visit(interval);
                visit(factor);
            }
            K::StepNumber { operand, step } => {
                visit(operand);
                visit(step);
            }
            K::InList { operand, list } => {
                visit(operand);
                list.iter().for_each(visit);
            }
            K::Like { text, pattern, escape } | K::SimilarTo { text, pattern, escape } => {
                visit(text);
                visit(pattern);
                if let Some(escape) = escape {
                    visit(escape);
                }
            }
            K::Case { branches, otherwise } => {
                for branch in branches {
                    visit(&branch.condition);
                    visit(&branch.value);
                }
                if let Some(otherwise) = otherwise {
                    visit(otherwise);
                }
            }
            K::Coalesce(operands) => operands.iter().for_each(visit),
            K::Call { arguments, .. } => arguments.iter().for_each(visit),
        }
    }

    /// True when `matches` holds for this expression or any operand below it.
    pub fn any(&self, matches: &mut dyn FnMut(&Expression) -> bool) -> bool {
        if matches(self) {
            return true;
        }
        let mut found = false;
        self.for_each_operand(&mut |operand| found = found || operand.any(matches));
        found
    }

    /// Calls `change` on this expression and on every operand below it.
    pub fn for_each_mut(&mut self, change: &mut dyn FnMut(&mut Expression)) {
        change(self);
        self.for_each_operand_mut(&mut |operand| operand.for_each_mut(change));
    }

    /// Calls `change` on each direct operand.
    pub fn for_each_operand_mut(&mut self, change: &mut dyn FnMut(&mut Expression)) {
        use ExpressionKind as K;
        match &mut self.kind {
            K::Literal(_) | K::Column(_) | K::RowTime | K::Clock(_) => {}
            K::Cast { operand, .. }
            | K::Negate(operand)
            | K::Not(operand)
            | K::IsNull { operand, .. }
            | K::IsTruth { operand, .. }
            | K::RoundTo { operand, .. }
            | K::StepDatetime { operand, .. }
            | K::Extract { operand, .. } => change(operand),
            K::Arithmetic { left, right, .. }
            | K::DatetimeDifference { left, right }
            | K::IntervalSum { left, right, .. }
            | K::Compare { left, right, .. }
            | K::NotDistinct { left, right, .. }
            | K::And(left, right)
            | K::Or(left, right)
            | K::Concat(left, right)
            | K::DatetimeShift { datetime: left, interval: right, .. }
            | K::IntervalScale { interval: left, factor: right, .. }
            | K::StepNumber { operand: left, step: right } => {
                change(left);
                change(right);
            }
            K::InList { operand, list } => {
                change(operand);
                list.iter_mut().for_each(change);
            }
            K::Like { text, pattern, escape } | K::SimilarTo { text, pattern, escape } => {
                change(text);
                change(pattern);
                if let Some(escape) = escape {
                    change(escape);
                }
            }
            K::Case { branches, otherwise } => {
                for branch in branches {
                    change(&mut branch.condition);
                    change(&mut branch.value);
                }
                if let Some(otherwise) = otherwise {
                    change(otherwise);
                }
            }
            K::Coalesce(operands) => operands.iter_mut().for_each(change),
            K::Call { arguments, .. } => arguments.iter_mut().for_each(change),
        }
    }
}

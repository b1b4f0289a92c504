//! The tree of a compiled expression and how it runs.

use crate::expression::conditional;
use crate::expression::datum::{Arguments, Datum, Kernel};
use crate::expression::logic;
use crate::expression::{EvaluationContext, null_array};
use arrow_array::types::{Date32Type, Time32MillisecondType, TimestampMillisecondType};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::RowErrors;
use millstream_sql::{ClockFunction, SqlType};
use std::sync::Arc;

/// The rows that an expression runs over.
pub(super) struct Input<'a> {
    pub(super) rowtimes: &'a ScalarBuffer<i64>,
    pub(super) columns: &'a [ArrayRef],
    pub(super) rows: usize,
    pub(super) context: &'a EvaluationContext,
}

/// One operation of a compiled expression.
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// The same for every row whatever the clock says.
    pub(super) constant: bool,
    pub(super) can_fail: bool,
}

pub(super) enum NodeKind {
    /// A constant: an array of length 1.
    Literal(ArrayRef),
    Column(usize),
    RowTime,
    Clock(ClockFunction),
    /// An operation that needs the values of all its operands.
    Operation {
        operands: Vec<Node>,
        kernel: Kernel,
    },
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
        sql_type: SqlType,
    },
    Coalesce {
        operands: Vec<Node>,
        sql_type: SqlType,
    },
}

impl Node {
    /// A constant from an array of length 1.
    pub(super) fn literal_of(array: ArrayRef) -> Node {
        Node { kind: NodeKind::Literal(array), constant: true, can_fail: false }
    }

    /// NULL of a type.
    pub(super) fn null(sql_type: SqlType) -> Node {
        Node::literal_of(null_array(sql_type, 1))
    }

    /// An operation; computed at once when all its operands are constants.
    pub(super) fn operation(operands: Vec<Node>, can_fail: bool, kernel: Kernel) -> Node {
        let can_fail = can_fail || operands.iter().any(|operand| operand.can_fail);
        let constant = operands.iter().all(|operand| operand.constant);
        Node { kind: NodeKind::Operation { operands, kernel }, constant, can_fail }.folded()
    }

    /// An operation that depends on the clock, too.
    pub(super) fn clocked_operation(operands: Vec<Node>, can_fail: bool, kernel: Kernel) -> Node {
        let can_fail = can_fail || operands.iter().any(|operand| operand.can_fail);
        Node { kind: NodeKind::Operation { operands, kernel }, constant: false, can_fail }
    }

    pub(super) fn can_fail(&self) -> bool {
        self.can_fail
    }

    pub(super) fn literal(&self) -> Option<&ArrayRef> {
        match &self.kind {
            NodeKind::Literal(array) => Some(array),
            _ => None,
        }
    }

    /// Replaces a constant subtree by its value, unless computing it fails: then every row fails.
    pub(super) fn folded(self) -> Node {
        if !self.constant || self.literal().is_some() {
            return self;
        }
        let rowtimes = ScalarBuffer::from(vec![0]);
        let context = EvaluationContext::default();
        let input = Input { rowtimes: &rowtimes, columns: &[], rows: 1, context: &context };
        let mut errors = RowErrors::default();
        let value = self.evaluate(&input, &mut errors);
        if errors.is_empty() { Node::literal_of(value.into_column(1)) } else { self }
    }

    /// Computes the values of all rows. Failed rows are NULL unless an operation above ignores NULL.
    pub(super) fn evaluate(&self, input: &Input<'_>, errors: &mut RowErrors) -> Datum {
        match &self.kind {
            NodeKind::Literal(array) => Datum::Constant(Arc::clone(array)),
            NodeKind::Column(index) => Datum::Column(Arc::clone(
                input.columns.get(*index).expect("the batch has the columns that the plan names"),
            )),
            NodeKind::RowTime => Datum::Column(Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(
                input.rowtimes.clone(),
                None,
            ))),
            NodeKind::Clock(ClockFunction::RowTimestamp) if input.context.virtual_clock => Datum::Column(
                Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(input.rowtimes.clone(), None)),
            ),
            NodeKind::Clock(function) => Datum::Constant(clock_value(*function, input.context)),
            NodeKind::Operation { operands, kernel } => {
                let operands: Vec<Datum> =
                    operands.iter().map(|operand| operand.evaluate(input, errors)).collect();
                run(&operands, kernel, input, errors)
            }
            NodeKind::And(left, right) => logic::evaluate_and(left, right, input, errors),
            NodeKind::Or(left, right) => logic::evaluate_or(left, right, input, errors),
            NodeKind::Case { branches, otherwise, sql_type } => {
                conditional::evaluate_case(branches, otherwise, *sql_type, input, errors)
            }
            NodeKind::Coalesce { operands, sql_type } => {
                conditional::evaluate_coalesce(operands, *sql_type, input, errors)
            }
        }
    }
}

fn run(operands: &[Datum], kernel: &Kernel, input: &Input<'_>, errors: &mut RowErrors) -> Datum {
    if !operands.iter().all(Datum::is_constant) {
        let arguments = Arguments { operands, rows: input.rows, context: input.context };
        return Datum::Column(kernel(&arguments, errors));
    }
    let mut own = RowErrors::default();
    let value = kernel(&Arguments { operands, rows: 1, context: input.context }, &mut own);
    if let Some((_, error)) = own.iter().next() {
        errors.push_for_all(input.rows, error);
    }
    Datum::Constant(value)
}

fn clock_value(function: ClockFunction, context: &EvaluationContext) -> ArrayRef {
    let (days, millis) = millstream_columns::calendar::split_millis(context.query_started);
    match function {
        ClockFunction::RowTimestamp => {
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::from_value(context.now, 1))
        }
        ClockFunction::QueryTimestamp => {
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::from_value(context.query_started, 1))
        }
        ClockFunction::QueryDate => Arc::new(PrimitiveArray::<Date32Type>::from_value(days as i32, 1)),
        ClockFunction::QueryTime => {
            Arc::new(PrimitiveArray::<Time32MillisecondType>::from_value(millis as i32, 1))
        }
    }
}

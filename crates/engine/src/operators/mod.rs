//! The operators: each takes rows and bounds of time, and gives rows and bounds of time.
//!
//! An operator is a plain state machine. What it gives depends on the rows, their order and the bounds alone, never on
//! how the rows were cut into batches. A bound `b` says that no later row has a ROWTIME below `b`.

mod count_distinct;
mod filter;
mod forest;
mod project;
mod row_failures;
mod slide;
mod stagger;
mod tumble;

use crate::application::ErrorRow;
use crate::batch::Batch;
use crate::expression::{CompileError, CompiledExpression, EvaluationContext};
use millstream_sql::{Node, NodeKind, SqlType, StreamId, TableFunction};
use std::sync::Arc;

/// What flows between operators.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Rows in order of ROWTIME.
    Rows(Batch),
    /// No later row has a smaller ROWTIME.
    Bound(i64),
}

/// What an operator gives for one message.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) messages: Vec<Message>,
}

impl Outbox {
    pub(crate) fn rows(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.messages.push(Message::Rows(batch));
        }
    }

    pub(crate) fn bound(&mut self, bound: i64) {
        self.messages.push(Message::Bound(bound));
    }
}

/// What operators may know and use besides the rows.
pub(crate) struct RunContext<'r> {
    pub(crate) evaluation: EvaluationContext,
    pub(crate) pump: &'r Arc<str>,
    pub(crate) errors: &'r mut Vec<ErrorRow>,
}

/// A saved state that does not belong to the operator that reads it.
#[derive(Debug, thiserror::Error)]
#[error("the saved state of an operator cannot be read: {0}")]
pub struct StateError(#[from] pub(crate) postcard::Error);

/// An operator with one input.
pub(crate) trait Operator: Send {
    /// Takes rows. Their ROWTIMEs do not go below any earlier row or bound.
    fn rows(&mut self, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox);

    /// Takes a bound, never below an earlier one.
    fn bound(&mut self, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox);

    /// The whole state as bytes.
    fn save(&self) -> Result<Vec<u8>, StateError> {
        Ok(Vec::new())
    }

    /// Takes over a state that `save` gave.
    fn restore(&mut self, _state: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
}

/// What operators are built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuildSettings {
    /// Where generators start.
    pub(crate) seed: u64,
    /// RANGE windows leave out their lower end.
    pub(crate) range_excludes_lower_bound: bool,
}

/// The operators of a query from its source up.
pub(crate) struct Chain {
    /// The stream that feeds the first of them.
    pub(crate) source: StreamId,
    pub(crate) operators: Vec<Box<dyn Operator>>,
}

/// Builds the operators of a query.
pub(crate) fn build(node: &Node, settings: BuildSettings) -> Result<Chain, CompileError> {
    let (input, operator): (&Node, Box<dyn Operator>) = match &node.kind {
        NodeKind::Source(source) => return Ok(Chain { source: *source, operators: Vec::new() }),
        NodeKind::Filter { input, predicate } => {
            (input, Box::new(filter::Filter::new(predicate, column_types(input))?))
        }
        NodeKind::Project { input, projection } => {
            (input, Box::new(project::Project::new(projection, column_types(input))?))
        }
        NodeKind::Tumble { input, keys, driver, aggregates } => {
            (input, Box::new(tumble::Tumble::new(keys, driver, aggregates, column_types(input))?))
        }
        NodeKind::Stagger { input, keys, range, aggregates } => {
            (input, Box::new(stagger::Stagger::new(keys, *range, aggregates, column_types(input))?))
        }
        NodeKind::Slide { input, windows, calls } => {
            let operator =
                slide::Slide::new(windows, calls, settings.range_excludes_lower_bound, column_types(input))?;
            (input, Box::new(operator))
        }
        NodeKind::TableFunction { input, function } => {
            let operator: Box<dyn Operator> = match function {
                TableFunction::CountDistinctItems { column, period } => {
                    Box::new(count_distinct::CountDistinct::new(*column, *period, settings.seed))
                }
                TableFunction::RandomCutForest(call) => {
                    Box::new(forest::Forest::new(call, input, settings.seed))
                }
            };
            (input, operator)
        }
    };
    // Each operator of a query has generators of its own.
    let below =
        BuildSettings { seed: settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1), ..settings };
    let mut chain = build(input, below)?;
    chain.operators.push(operator);
    Ok(chain)
}

fn column_types(node: &Node) -> Vec<SqlType> {
    node.output.iter().map(|column| column.sql_type).collect()
}

fn compile_all(expressions: &[millstream_sql::Expression]) -> Result<Vec<CompiledExpression>, CompileError> {
    expressions.iter().map(CompiledExpression::compile).collect()
}

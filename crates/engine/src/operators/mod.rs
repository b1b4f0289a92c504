//! The operators: each takes rows and bounds of time, and gives rows and bounds of time.
//!
//! An operator is a plain state machine. What it gives depends on the rows, their order and the bounds alone, never on
//! how the rows were cut into batches. A bound `b` says that no later row has a ROWTIME below `b`.

mod arrival_queue;
mod count_distinct;
mod counted_keys;
mod dataflow;
mod distinct;
mod filter;
mod finite;
mod finite_groups;
mod forest;
mod group_rank;
mod hotspots;
mod interleave;
mod join;
mod lookup;
mod memory;
mod numbers;
mod parse_log;
mod project;
mod row_failures;
mod saved_batch;
mod slide;
mod sort;
mod sort_order;
mod stagger;
mod subquery;
mod time_sort;
mod top_items;
mod tumble;
mod union;
mod workers;

use crate::error_row::ErrorRow;
use crate::expression::{CompileError, CompiledExpression, EvaluationContext};
use crate::state::{StateError, StateKind, StateReader, StateWriter};
use millstream_columns::Batch;
use millstream_sql::{Node, NodeKind, SqlType, TableFunction};
use std::sync::Arc;

pub(crate) use dataflow::{Dataflow, OperatorState, former_plans_of, states_of};
pub(crate) use forest::forest_settings;
pub(crate) use memory::{MadeOfRow, MemoryShare, RowSize};
pub(crate) use workers::Workers;

/// What flows between operators.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Rows in order of ROWTIME.
    Rows(Batch),
    /// No later row has a smaller ROWTIME.
    Bound(i64),
    /// No later row at all. Comes after a bound of [`END_OF_TIME`].
    End,
    /// Rows that wait for stragglers are to go, as if none came any more.
    Release,
}

/// The bound of a stream that gives no more rows: the end of the last year of a TIMESTAMP.
pub(crate) const END_OF_TIME: i64 = 253_402_300_799_999;

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
    pub(crate) tables: &'r Tables,
    /// What each operator may hold.
    pub(crate) share: MemoryShare,
    /// The threads that an operator may use.
    pub(crate) workers: Workers,
    /// The batch is a single row, for which there may be no room: see `memory`.
    pub(crate) is_tight: bool,
    /// Kept where one row of an input goes through the pump alone.
    pub(crate) made_of_row: Option<MadeOfRow>,
}

/// The rows of the reference tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// By table; `None` before the first load.
    pub(crate) batches: Vec<Option<Batch>>,
    /// Counts the loads: what is made of the tables holds as long as it stays.
    pub(crate) version: u64,
}

/// An operator. Most have one input; a port is one of several.
pub(crate) trait Operator: Send {
    /// Takes rows at a port. Their ROWTIMEs do not go below any earlier row or bound of that port.
    fn rows(&mut self, port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox);

    /// Takes a bound at a port, never below an earlier one.
    fn bound(&mut self, port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox);

    /// All inputs have ended: gives all that is held, and a bound of [`END_OF_TIME`]. Where there are several ports, each
    /// has had that bound before.
    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.bound(0, END_OF_TIME, context, outbox);
    }

    /// Gives the rows that wait for stragglers.
    fn release(&mut self, _outbox: &mut Outbox) {}

    /// For each column that is given, how many texts were cut to its length; empty when none can be.
    fn cut_texts(&self) -> Vec<u64> {
        Vec::new()
    }

    /// About how long a row takes, in nanoseconds of a core: tells which batches are worth another thread.
    fn nanoseconds_a_row(&self) -> u64 {
        10
    }

    /// Bytes held of rows and groups. Must depend on the rows before alone, not on their batches; costs nothing.
    fn held_bytes(&self) -> usize {
        0
    }

    /// The most bytes by which a row can make `held_bytes` grow; 0 when the operator holds nothing that grows. Where
    /// the share of memory does not suffice for a whole batch, the operator gets rows one by one, with
    /// [`RunContext::is_tight`] set, and refuses those that need more than there is by [`RunContext::refusal`].
    fn most_bytes_a_row(&self) -> usize {
        0
    }

    /// Whether it holds rows or groups that count against the memory limit, and so has a share of it.
    fn holds_rows(&self) -> bool {
        self.most_bytes_a_row() > 0
    }

    /// Whether a bound can change the state.
    fn bounds_change_state(&self) -> bool {
        true
    }

    /// Writes the state. [`state_kind`] says which operators have one.
    fn save(&mut self, _state: &mut StateWriter<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// Takes over a state that `save` gave, of any version up to that of [`state_kind`].
    fn restore(&mut self, _state: &mut StateReader<'_>) -> Result<(), StateError> {
        Ok(())
    }
}

/// How the state of a node's operator is called and written; `None` for an operator without one, and for those of
/// finite relations.
pub(crate) fn state_kind(node: &Node) -> Option<StateKind> {
    let kind = |name, version| Some(StateKind { name, version });
    match &node.kind {
        NodeKind::Source(_)
        | NodeKind::Table(_)
        | NodeKind::Values(_)
        | NodeKind::SetOperation { .. }
        | NodeKind::Subquery { .. }
        | NodeKind::Lookup { .. }
        | NodeKind::Filter { .. }
        | NodeKind::ParseLog { .. } => None,
        NodeKind::Project { projection, .. } => {
            projection.rowtime.as_ref().and_then(|_| kind("AS ROWTIME", 1))
        }
        NodeKind::Union { .. } => kind("UNION ALL", 1),
        NodeKind::Join { .. } => kind("JOIN", 2),
        NodeKind::Tumble { .. } => kind("GROUP BY", 3),
        NodeKind::Stagger { .. } => kind("WINDOWED BY STAGGER", 2),
        NodeKind::Slide { .. } => kind("OVER", 2),
        NodeKind::Distinct { .. } => kind("DISTINCT", 2),
        NodeKind::Sort { .. } => kind("ORDER BY", 2),
        NodeKind::TimeSort { .. } => kind("ORDER BY … WITHIN", 3),
        NodeKind::TableFunction { function, .. } => match function {
            TableFunction::CountDistinctItems { .. } => kind("COUNT_DISTINCT_ITEMS_TUMBLING", 1),
            TableFunction::TopItems { .. } => kind("TOP_K_ITEMS_TUMBLING", 2),
            TableFunction::GroupRank(_) => kind("GROUP_RANK", 1),
            TableFunction::Hotspots(_) => kind("HOTSPOTS", 1),
            TableFunction::RandomCutForest(_) => kind("RANDOM_CUT_FOREST", 1),
        },
    }
}

/// What operators are built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuildSettings {
    /// Where generators start.
    pub(crate) seed: u64,
    /// RANGE windows leave out their lower end.
    pub(crate) range_excludes_lower_bound: bool,
    /// A text that a log parser does not match gives no row.
    pub(crate) unmatched_logs_dropped: bool,
    /// Rows of an outer join that have met another come out without a match, too, when they leave their window.
    pub(crate) outer_join_reemits: bool,
}

impl BuildSettings {
    /// For the operators that feed a port of one with these settings: each has generators of its own.
    fn below(self, port: usize) -> BuildSettings {
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        BuildSettings { seed: seed.wrapping_add((port as u64) << 32), ..self }
    }
}

fn not_an_operator(operation: &'static str) -> CompileError {
    CompileError::OperandTypes { operation, types: "other relations".to_owned() }
}

/// Builds the operator of a node of streams.
pub(super) fn build(node: &Node, settings: BuildSettings) -> Result<Box<dyn Operator>, CompileError> {
    match &node.kind {
        NodeKind::Union { inputs } => Ok(Box::new(union::Union::new(inputs.len(), column_types(node)))),
        NodeKind::Join { left, right, matching } => {
            Ok(Box::new(join::Join::new(left, right, matching, settings)?))
        }
        _ => match node.inputs().first() {
            Some(input) => build_operator(node, input, settings),
            None => Err(not_an_operator("an operator of streams")),
        },
    }
}

/// Builds the operator of a node that has one stream as its input.
fn build_operator(
    node: &Node,
    input: &Node,
    settings: BuildSettings,
) -> Result<Box<dyn Operator>, CompileError> {
    let types = column_types(input);
    Ok(match &node.kind {
        NodeKind::Subquery { relation, value, .. } => {
            Box::new(subquery::Subquery::new(input, relation, value, settings)?)
        }
        NodeKind::Lookup { relation, matching, preserves_input, .. } => {
            Box::new(lookup::Lookup::new(input, relation, matching, *preserves_input, settings)?)
        }
        NodeKind::Source(_)
        | NodeKind::Table(_)
        | NodeKind::Values(_)
        | NodeKind::SetOperation { .. }
        | NodeKind::Union { .. }
        | NodeKind::Join { .. } => return Err(not_an_operator("an operator of one stream")),
        NodeKind::Filter { predicate, .. } => Box::new(filter::Filter::new(predicate, types)?),
        NodeKind::Project { projection, .. } => Box::new(project::Project::new(projection, types)?),
        NodeKind::Tumble { keys, driver, aggregates, .. } => {
            Box::new(tumble::Tumble::new(keys, driver, aggregates, types)?)
        }
        NodeKind::Stagger { keys, range, aggregates, .. } => {
            Box::new(stagger::Stagger::new(keys, *range, aggregates, types)?)
        }
        NodeKind::Slide { windows, calls, .. } => {
            Box::new(slide::Slide::new(windows, calls, settings.range_excludes_lower_bound, types)?)
        }
        NodeKind::ParseLog { call, .. } => {
            Box::new(parse_log::ParseLog::new(call, types, settings.unmatched_logs_dropped)?)
        }
        NodeKind::Distinct { columns, moving, .. } => {
            Box::new(distinct::Distinct::new(columns, *moving, types))
        }
        NodeKind::Sort { keys, bucket, .. } => Box::new(sort::Sort::new(keys, bucket, types)?),
        NodeKind::TimeSort { column, keys, interval, .. } => {
            Box::new(time_sort::TimeSort::new(*column, keys, *interval, types))
        }
        NodeKind::TableFunction { function, .. } => match function {
            TableFunction::CountDistinctItems { column, period } => {
                Box::new(count_distinct::CountDistinct::new(*column, *period, settings.seed))
            }
            TableFunction::TopItems { column, k, period } => {
                Box::new(top_items::TopItems::new(*column, *k, *period, types)?)
            }
            TableFunction::GroupRank(call) => Box::new(group_rank::GroupRank::new(call, types)),
            TableFunction::Hotspots(call) => Box::new(hotspots::HotspotsOperator::new(call, types)),
            TableFunction::RandomCutForest(call) => Box::new(forest::Forest::new(call, input, settings.seed)),
        },
    })
}

fn column_types(node: &Node) -> Vec<SqlType> {
    node.output.iter().map(|column| column.sql_type).collect()
}

fn compile_all(expressions: &[millstream_sql::Expression]) -> Result<Vec<CompiledExpression>, CompileError> {
    expressions.iter().map(CompiledExpression::compile).collect()
}

/// The keys of groups and, behind them, the arguments of their aggregates; for each aggregate, which of these is its
/// argument.
fn compile_keys_and_arguments(
    keys: &[millstream_sql::Expression],
    aggregates: &[millstream_sql::AggregateCall],
) -> Result<(Vec<CompiledExpression>, Vec<Option<usize>>), CompileError> {
    let mut expressions = compile_all(keys)?;
    let mut arguments = Vec::with_capacity(aggregates.len());
    for call in aggregates {
        arguments.push(match &call.argument {
            Some(argument) => {
                expressions.push(CompiledExpression::compile(argument)?);
                Some(expressions.len() - 1)
            }
            None => None,
        });
    }
    Ok((expressions, arguments))
}

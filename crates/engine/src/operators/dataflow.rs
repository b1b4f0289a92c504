//! The operators of a query and how rows flow through them.
//!
//! ```text
//!   stream ─▶ operator ─▶ port 0 ┐
//!                                operator ─▶ operator ─▶ the query's rows
//!   stream ────────────▶ port 1 ┘
//! ```
//!
//! A query is a tree, so every operator has one consumer, and the way from a stream that the query reads up to the
//! top is a line: a [`Leaf`]. Messages of a stream run up the lines of all its leaves, in the order of the text.

use super::finite::FiniteRelation;
use super::{
    BuildSettings, END_OF_TIME, Junction, Message, Operator, Outbox, RunContext, StateError, build_junction,
    build_operator,
};
use crate::batch::Batch;
use crate::expression::CompileError;
use millstream_sql::{Node, NodeKind, StreamId};

/// The operators of a query.
pub(crate) struct Dataflow {
    /// Every operator stands behind those that feed it.
    stages: Vec<Stage>,
    leaves: Vec<Leaf>,
    /// The rows of a query that reads no stream.
    once: Option<Once>,
}

/// A query whose rows come once, at the start.
struct Once {
    relation: FiniteRelation,
    has_run: bool,
}

/// An operator.
enum Stage {
    OneInput(Box<dyn Operator>),
    SeveralInputs { junction: Box<dyn Junction>, open_ports: usize },
}

/// A stream that the query reads, once.
struct Leaf {
    stream: StreamId,
    /// From the stream to the top of the query.
    path: Vec<Hop>,
}

/// An operator on the way up, and at which of its ports the way goes in.
#[derive(Clone, Copy)]
struct Hop {
    stage: usize,
    port: usize,
}

impl Stage {
    /// Hands over rows, in pieces where there may be no room for all of them: see `memory`.
    fn rows(&mut self, port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let most = batch.len().saturating_mul(self.most_bytes_a_row());
        context.is_tight = most > 0 && !context.share.has_room_for(self.held_bytes().saturating_add(most));
        if context.is_tight && batch.len() > 1 {
            let half = batch.len() / 2;
            self.rows(port, batch.slice(0, half), context, outbox);
            self.rows(port, batch.slice(half, batch.len() - half), context, outbox);
            return;
        }
        match self {
            Stage::OneInput(operator) => operator.rows(batch, context, outbox),
            Stage::SeveralInputs { junction, .. } => junction.rows(port, batch, context, outbox),
        }
    }

    fn bound(&mut self, port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        match self {
            Stage::OneInput(operator) => operator.bound(bound, context, outbox),
            Stage::SeveralInputs { junction, .. } => junction.bound(port, bound, context, outbox),
        }
    }

    /// The input at a port has ended; says whether all have.
    fn end(&mut self, port: usize, context: &mut RunContext<'_>, outbox: &mut Outbox) -> bool {
        match self {
            Stage::OneInput(operator) => {
                operator.end(context, outbox);
                true
            }
            Stage::SeveralInputs { junction, open_ports } => {
                junction.bound(port, END_OF_TIME, context, outbox);
                *open_ports = open_ports.saturating_sub(1);
                if *open_ports == 0 {
                    junction.end(context, outbox);
                }
                *open_ports == 0
            }
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Stage::OneInput(operator) => operator.held_bytes(),
            Stage::SeveralInputs { junction, .. } => junction.held_bytes(),
        }
    }

    fn most_bytes_a_row(&self) -> usize {
        match self {
            Stage::OneInput(operator) => operator.most_bytes_a_row(),
            Stage::SeveralInputs { junction, .. } => junction.most_bytes_a_row(),
        }
    }
}

impl Dataflow {
    /// Builds the operators of a query.
    pub(crate) fn new(query: &Node, settings: BuildSettings) -> Result<Dataflow, CompileError> {
        let mut dataflow = Dataflow { stages: Vec::new(), leaves: Vec::new(), once: None };
        if query.is_finite() {
            let relation = FiniteRelation::new(query, settings)?;
            dataflow.once = Some(Once { relation, has_run: false });
        } else {
            dataflow.add(query, settings)?;
        }
        Ok(dataflow)
    }

    /// Adds a node and all below it.
    fn add(&mut self, node: &Node, settings: BuildSettings) -> Result<(), CompileError> {
        if let NodeKind::Source(stream) = node.kind {
            self.leaves.push(Leaf { stream, path: Vec::new() });
            return Ok(());
        }
        // Finite relations flow nowhere: their operator holds them.
        let streams: Vec<&Node> = node.inputs().into_iter().filter(|input| !input.is_finite()).collect();
        let mut port_leaves = Vec::new();
        for (port, input) in streams.iter().enumerate() {
            let first = self.leaves.len();
            self.add(input, settings.below(port))?;
            port_leaves.push(first..self.leaves.len());
        }
        let stage = match streams.as_slice() {
            [input] => Stage::OneInput(build_operator(node, input, settings)?),
            several => {
                Stage::SeveralInputs { junction: build_junction(node, settings)?, open_ports: several.len() }
            }
        };
        for (port, leaves) in port_leaves.into_iter().enumerate() {
            let hop = Hop { stage: self.stages.len(), port };
            self.leaves[leaves].iter_mut().for_each(|leaf| leaf.path.push(hop));
        }
        self.stages.push(stage);
        Ok(())
    }

    /// The streams that the query reads, as often as it reads them.
    pub(crate) fn sources(&self) -> impl Iterator<Item = StreamId> {
        self.leaves.iter().map(|leaf| leaf.stream)
    }

    /// Whether the query reads the stream.
    pub(crate) fn reads(&self, stream: StreamId) -> bool {
        self.sources().any(|source| source == stream)
    }

    /// The rows of a query that reads no stream, with the time at which queries started; nothing the second time.
    pub(crate) fn run_once(&mut self, context: &mut RunContext<'_>) -> Vec<Message> {
        let Some(once) = self.once.as_mut().filter(|once| !once.has_run) else { return Vec::new() };
        once.has_run = true;
        let rows = once.relation.evaluate(context);
        let rowtimes = vec![context.evaluation.query_started; rows.len()];
        let rows = Batch::new(rowtimes.into(), rows.columns);
        vec![Message::Rows(rows), Message::Bound(END_OF_TIME)]
    }

    /// Takes messages of a stream; gives what the query makes of them.
    pub(crate) fn run(
        &mut self,
        stream: StreamId,
        messages: &[Message],
        context: &mut RunContext<'_>,
    ) -> Vec<Message> {
        let mut given = Vec::new();
        for leaf in self.leaves.iter().filter(|leaf| leaf.stream == stream) {
            let mut messages = messages.to_vec();
            for hop in &leaf.path {
                let mut outbox = Outbox::default();
                let stage = &mut self.stages[hop.stage];
                for message in messages {
                    match message {
                        Message::Rows(batch) => stage.rows(hop.port, batch, context, &mut outbox),
                        Message::Bound(bound) => stage.bound(hop.port, bound, context, &mut outbox),
                        Message::End => {
                            if stage.end(hop.port, context, &mut outbox) {
                                outbox.messages.push(Message::End);
                            }
                        }
                        Message::Release => {
                            if let Stage::OneInput(operator) = stage {
                                operator.release(&mut outbox);
                            }
                            outbox.messages.push(Message::Release);
                        }
                    }
                }
                messages = outbox.messages;
            }
            // Whether a stream has ended depends on all its writers.
            messages.retain(|message| !matches!(message, Message::End));
            if given.is_empty() {
                given = messages;
            } else {
                given.append(&mut messages);
            }
        }
        given
    }

    /// About how long a row takes through all operators, in nanoseconds of a core.
    pub(crate) fn nanoseconds_a_row(&self) -> u64 {
        let cost = |stage: &Stage| match stage {
            Stage::OneInput(operator) => operator.nanoseconds_a_row(),
            Stage::SeveralInputs { junction, .. } => junction.nanoseconds_a_row(),
        };
        self.stages.iter().map(cost).sum()
    }

    /// How many operators hold rows or groups that grow with the input.
    pub(crate) fn holders(&self) -> usize {
        self.stages.iter().filter(|stage| stage.most_bytes_a_row() > 0).count()
    }

    /// For each column of the query, how many texts were cut to its length; empty when none can be.
    pub(crate) fn cut_texts(&self) -> Vec<u64> {
        match self.stages.last() {
            Some(Stage::OneInput(operator)) => operator.cut_texts(),
            _ => Vec::new(),
        }
    }

    /// Bytes that the operators hold of rows and groups.
    pub(crate) fn held_bytes(&self) -> usize {
        self.stages.iter().map(Stage::held_bytes).sum()
    }

    /// The state of each operator.
    pub(crate) fn save(&self) -> Result<Vec<Vec<u8>>, StateError> {
        let save = |stage: &Stage| match stage {
            Stage::OneInput(operator) => operator.save(),
            Stage::SeveralInputs { junction, .. } => junction.save(),
        };
        let once = self.once.iter().map(|once| Ok(vec![u8::from(once.has_run)]));
        once.chain(self.stages.iter().map(save)).collect()
    }

    /// Takes over what [`Dataflow::save`] gave for the same query.
    pub(crate) fn restore(&mut self, states: &[Vec<u8>]) -> Result<(), StateError> {
        if let Some(once) = &mut self.once {
            once.has_run = states.first().is_some_and(|state| state == &[1]);
            return Ok(());
        }
        self.stages.iter_mut().zip(states).try_for_each(|(stage, state)| match stage {
            Stage::OneInput(operator) => operator.restore(state),
            Stage::SeveralInputs { junction, .. } => junction.restore(state),
        })
    }

    /// How many parts have a state.
    pub(crate) fn len(&self) -> usize {
        self.stages.len() + usize::from(self.once.is_some())
    }
}

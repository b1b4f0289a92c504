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

use super::{BuildSettings, Message, Operator, Outbox, RunContext, StateError, build_operator};
use crate::expression::CompileError;
use millstream_sql::{Node, NodeKind, StreamId};

/// The operators of a query.
pub(crate) struct Dataflow {
    /// Every operator stands behind those that feed it.
    operators: Vec<Box<dyn Operator>>,
    leaves: Vec<Leaf>,
}

/// A stream that the query reads, once.
struct Leaf {
    stream: StreamId,
    /// From the stream to the top of the query.
    path: Vec<Hop>,
}

/// An operator on the way up.
#[derive(Clone, Copy)]
struct Hop {
    operator: usize,
}

impl Dataflow {
    /// Builds the operators of a query.
    pub(crate) fn new(query: &Node, settings: BuildSettings) -> Result<Dataflow, CompileError> {
        let mut dataflow = Dataflow { operators: Vec::new(), leaves: Vec::new() };
        dataflow.add(query, settings)?;
        Ok(dataflow)
    }

    /// Adds a node and all below it.
    fn add(&mut self, node: &Node, settings: BuildSettings) -> Result<(), CompileError> {
        if let NodeKind::Source(stream) = node.kind {
            self.leaves.push(Leaf { stream, path: Vec::new() });
            return Ok(());
        }
        let inputs = node.inputs();
        let first_leaf = self.leaves.len();
        for input in &inputs {
            self.add(input, settings.below())?;
        }
        if let [input] = inputs.as_slice() {
            let hop = Hop { operator: self.operators.len() };
            self.operators.push(build_operator(node, input, settings)?);
            self.leaves[first_leaf..].iter_mut().for_each(|leaf| leaf.path.push(hop));
        }
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
                let operator = &mut self.operators[hop.operator];
                let mut outbox = Outbox::default();
                for message in messages {
                    match message {
                        Message::Rows(batch) => operator.rows(batch, context, &mut outbox),
                        Message::Bound(bound) => operator.bound(bound, context, &mut outbox),
                    }
                }
                messages = outbox.messages;
            }
            if given.is_empty() {
                given = messages;
            } else {
                given.append(&mut messages);
            }
        }
        given
    }

    /// The state of each operator.
    pub(crate) fn save(&self) -> Result<Vec<Vec<u8>>, StateError> {
        self.operators.iter().map(|operator| operator.save()).collect()
    }

    /// Takes over what [`Dataflow::save`] gave for the same query.
    pub(crate) fn restore(&mut self, states: &[Vec<u8>]) -> Result<(), StateError> {
        self.operators.iter_mut().zip(states).try_for_each(|(operator, state)| operator.restore(state))
    }

    /// How many operators there are.
    pub(crate) fn len(&self) -> usize {
        self.operators.len()
    }
}

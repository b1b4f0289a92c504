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
use super::{BuildSettings, END_OF_TIME, Message, Operator, Outbox, RunContext, build, state_kind};
use crate::expression::CompileError;
use crate::fingerprint;
use crate::state::{NewPiece, Pieces, StateError, StateKind, StateReader, StateWriter};
use millstream_columns::Batch;
use millstream_sql::{Node, NodeKind, Program, StreamId};

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
    saved: Saved,
}

/// The only state of a query without streams: whether its rows have come.
const ONCE: StateKind = StateKind { name: "INSERT", version: 1 };

/// Takes over the state that an operator reads.
type TakeOver<'t> = dyn FnMut(&mut StateReader<'_>) -> Result<(), StateError> + 't;

/// Gives the state of the operator with this place among those that have one to whoever takes it over, and tells which
/// of its pieces are stored.
type ReadState<'r> = dyn FnMut(usize, &mut TakeOver<'_>) -> Result<Pieces, StateError> + 'r;

/// An operator with what is known about its state.
struct Stage {
    operator: Box<dyn Operator>,
    ports: usize,
    /// Ports whose input has not ended.
    open_ports: usize,
    saved: Option<Saved>,
}

/// What the last snapshot wrote of a state.
struct Saved {
    kind: StateKind,
    plan: u64,
    pieces: Pieces,
    /// Rows or bounds have come since.
    is_touched: bool,
}

/// The state of an operator in a snapshot.
pub(crate) struct OperatorState {
    pub(crate) kind: StateKind,
    pub(crate) plan: u64,
    pub(crate) pieces: Pieces,
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

impl Saved {
    fn new(kind: StateKind, plan: u64) -> Saved {
        Saved { kind, plan, pieces: Pieces::new(), is_touched: true }
    }

    fn state(&self) -> OperatorState {
        OperatorState { kind: self.kind, plan: self.plan, pieces: self.pieces.clone() }
    }
}

impl Stage {
    /// Hands over rows, in pieces where there may be no room for all of them: see `memory`.
    fn rows(&mut self, port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let most = batch.len().saturating_mul(self.operator.most_bytes_a_row());
        let held = self.operator.held_bytes().saturating_add(most);
        context.is_tight = most > 0 && !context.share.has_room_for(held);
        if context.is_tight && batch.len() > 1 {
            let half = batch.len() / 2;
            self.rows(port, batch.slice(0, half), context, outbox);
            self.rows(port, batch.slice(half, batch.len() - half), context, outbox);
            return;
        }
        if let Some(saved) = &mut self.saved {
            saved.is_touched = true;
        }
        self.operator.rows(port, batch, context, outbox);
    }

    fn bound(&mut self, port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        if let Some(saved) = &mut self.saved {
            saved.is_touched |= self.operator.bounds_change_state();
        }
        self.operator.bound(port, bound, context, outbox);
    }

    /// The input at a port has ended; says whether all have.
    fn end(&mut self, port: usize, context: &mut RunContext<'_>, outbox: &mut Outbox) -> bool {
        if let Some(saved) = &mut self.saved {
            saved.is_touched = true;
        }
        if self.ports > 1 {
            self.operator.bound(port, END_OF_TIME, context, outbox);
        }
        self.open_ports = self.open_ports.saturating_sub(1);
        let has_ended = self.open_ports == 0;
        if has_ended {
            self.operator.end(context, outbox);
        }
        has_ended
    }

    /// Lets rows go that wait for stragglers.
    fn release(&mut self, outbox: &mut Outbox) {
        if let Some(saved) = &mut self.saved {
            saved.is_touched = true;
        }
        self.operator.release(outbox);
    }
}

/// The nodes of a query that become operators, in the order of their stages: each behind those that feed it.
fn stages_of<'n>(node: &'n Node, stages: &mut Vec<&'n Node>) {
    if matches!(node.kind, NodeKind::Source(_)) {
        return;
    }
    streams_of(node).into_iter().for_each(|input| stages_of(input, stages));
    stages.push(node);
}

/// The inputs of a node that are streams. Finite relations flow nowhere: their operator holds them.
fn streams_of(node: &Node) -> Vec<&Node> {
    node.inputs().into_iter().filter(|input| !input.is_finite()).collect()
}

/// How the states of a query are written, in order, each with the fingerprint of what it depends on.
pub(crate) fn states_of(query: &Node, program: &Program) -> Vec<(StateKind, u64)> {
    nodes_with_states(query)
        .into_iter()
        .map(|(node, kind)| (kind, fingerprint::of_operator(node, program)))
        .collect()
}

/// The fingerprints of the same states as some earlier builds wrote them.
pub(crate) fn former_plans_of(query: &Node, program: &Program) -> Vec<u64> {
    nodes_with_states(query)
        .into_iter()
        .map(|(node, _)| fingerprint::of_operator_with_lag_expressions(node, program))
        .collect()
}

fn nodes_with_states(query: &Node) -> Vec<(&Node, StateKind)> {
    if query.is_finite() {
        return vec![(query, ONCE)];
    }
    let mut stages = Vec::new();
    stages_of(query, &mut stages);
    stages.into_iter().filter_map(|node| state_kind(node).map(|kind| (node, kind))).collect()
}

impl Dataflow {
    /// Builds the operators of a query; `states` is what [`states_of`] says of it as it was compiled.
    pub(crate) fn new(
        query: &Node,
        states: Vec<(StateKind, u64)>,
        settings: BuildSettings,
    ) -> Result<Dataflow, CompileError> {
        let mut states = states.into_iter().map(|(kind, plan)| Saved::new(kind, plan));
        let mut dataflow = Dataflow { stages: Vec::new(), leaves: Vec::new(), once: None };
        if query.is_finite() {
            let relation = FiniteRelation::new(query, settings)?;
            dataflow.once = states.next().map(|saved| Once { relation, has_run: false, saved });
        } else {
            dataflow.add(query, &mut states, settings)?;
        }
        Ok(dataflow)
    }

    /// Adds a node and all below it.
    fn add(
        &mut self,
        node: &Node,
        states: &mut impl Iterator<Item = Saved>,
        settings: BuildSettings,
    ) -> Result<(), CompileError> {
        if let NodeKind::Source(stream) = node.kind {
            self.leaves.push(Leaf { stream, path: Vec::new() });
            return Ok(());
        }
        let mut port_leaves = Vec::new();
        for (port, input) in streams_of(node).into_iter().enumerate() {
            let first = self.leaves.len();
            self.add(input, states, settings.below(port))?;
            port_leaves.push(first..self.leaves.len());
        }
        let ports = port_leaves.len();
        for (port, leaves) in port_leaves.into_iter().enumerate() {
            let hop = Hop { stage: self.stages.len(), port };
            self.leaves[leaves].iter_mut().for_each(|leaf| leaf.path.push(hop));
        }
        let saved = state_kind(node).and_then(|_| states.next());
        self.stages.push(Stage { operator: build(node, settings)?, ports, open_ports: ports, saved });
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
        once.saved.is_touched = true;
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
                            stage.release(&mut outbox);
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
        self.stages.iter().map(|stage| stage.operator.nanoseconds_a_row()).sum()
    }

    /// How many operators hold rows or groups that grow with the input.
    pub(crate) fn holders(&self) -> usize {
        self.stages.iter().filter(|stage| stage.operator.holds_rows()).count()
    }

    /// For each column of the query, how many texts were cut to its length; empty when none can be.
    pub(crate) fn cut_texts(&self) -> Vec<u64> {
        self.stages.last().map_or_else(Vec::new, |stage| stage.operator.cut_texts())
    }

    /// Bytes that the operators hold of rows and groups.
    pub(crate) fn held_bytes(&self) -> usize {
        self.stages.iter().map(|stage| stage.operator.held_bytes()).sum()
    }

    /// The states, in the order of [`states_of`]; what has to be stored for them goes to `new`. Without `is_incremental`
    /// that is everything.
    pub(crate) fn save(
        &mut self,
        is_incremental: bool,
        whole_bytes: u64,
        new: &mut Vec<NewPiece>,
    ) -> Result<Vec<OperatorState>, StateError> {
        let nothing = Pieces::new();
        if let Some(Once { has_run, saved, .. }) = &mut self.once {
            let former = if is_incremental { &saved.pieces } else { &nothing };
            let mut writer = StateWriter::new(former, saved.is_touched, whole_bytes, new);
            writer.whole(|| Ok(vec![u8::from(*has_run)]))?;
            saved.pieces = writer.into_pieces();
            saved.is_touched = false;
            return Ok(vec![saved.state()]);
        }
        let mut states = Vec::new();
        for Stage { operator, saved, .. } in &mut self.stages {
            let Some(saved) = saved else { continue };
            let former = if is_incremental { &saved.pieces } else { &nothing };
            let mut writer = StateWriter::new(former, saved.is_touched, whole_bytes, new);
            operator.save(&mut writer)?;
            saved.pieces = writer.into_pieces();
            saved.is_touched = false;
            states.push(saved.state());
        }
        Ok(states)
    }

    /// Takes over the states of the same query, in the order of [`states_of`]: for each a reader, and its pieces as
    /// they are stored, if they are as this build writes them.
    pub(crate) fn restore(&mut self, read: &mut ReadState<'_>) -> Result<(), StateError> {
        if let Some(Once { has_run, saved, .. }) = &mut self.once {
            saved.pieces = read(0, &mut |state| {
                *has_run = state.whole()? == [1];
                Ok(())
            })?;
            saved.is_touched = false;
            return Ok(());
        }
        let stages =
            self.stages.iter_mut().filter_map(|stage| Some((&mut stage.operator, stage.saved.as_mut()?)));
        for (index, (operator, saved)) in stages.enumerate() {
            saved.pieces = read(index, &mut |state| operator.restore(state))?;
            saved.is_touched = false;
        }
        Ok(())
    }

    /// What is stored is stored no more.
    pub(crate) fn forget_stored_parts(&mut self) {
        let stages = self.stages.iter_mut().filter_map(|stage| stage.saved.as_mut());
        stages.chain(self.once.iter_mut().map(|once| &mut once.saved)).for_each(|saved| saved.pieces.clear());
    }

    /// The places of the operators with a state among all of them: format 2 counted every operator.
    pub(crate) fn places_of_states(&self) -> (Vec<usize>, usize) {
        if self.once.is_some() {
            return (vec![0], 1);
        }
        let stages = self.stages.iter().enumerate();
        (
            stages.filter(|(_, stage)| stage.saved.is_some()).map(|(place, _)| place).collect(),
            self.stages.len(),
        )
    }
}

//! Joins of two streams.
//!
//! ```text
//!   left  ─▶ keys ─▶ ┌ queue ┐   row by row, in the order of ROWTIME and arrival:
//!                    │       │ ─▶ 1. rows whose window has passed come out without a match (outer joins)
//!   right ─▶ keys ─▶ └───────┘    2. the row meets the rows in the window of the other side
//!                                 3. the row enters the window of its own side
//! ```
//!
//! The rows that leave the queue together are handled in three passes: candidates by equal keys for all of them, then
//! the condition over all candidates at once, then the output in order. What comes out does not depend on how many
//! leave together.
//!
//! A row that meets many others is handled alone, its candidates in parts. What it matches is counted before it is made:
//! where that does not fit the memory limit of the application, the row becomes an error.

mod side;

use super::arrival_queue::{ArrivalQueue, Released, SavedQueue};
use super::memory::{GROUP_OVERHEAD, Matches};
use super::row_failures::{evaluate_all, report_row};
use super::saved_batch::SavedBatch;
use super::{
    BuildSettings, END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter,
    column_types, compile_all,
};
use crate::codec::Decoder;
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};
use millstream_columns::Batch;
use millstream_sql::{Expression, Frame, JoinSide, Matching, SqlType};
use serde::{Deserialize, Serialize};
use side::{NO_GROUP, NONE, Side};
use std::sync::Arc;

/// Candidates that are compared together, and their bytes: bounds the memory of a join without keys.
const MOST_CANDIDATES: usize = 32_768;
const MOST_BYTES: usize = 16 << 20;

/// Groups more than this are cleared away once most of them have no rows left.
const FEW_GROUPS: usize = 4_096;

pub(super) struct Join {
    queue: ArrivalQueue,
    /// Bytes of the rows in the queue.
    waiting_bytes: usize,
    sides: [Side; 2],
    /// Numbers the keys of both sides.
    groups: GroupTable,
    condition: Option<CompiledExpression>,
    output_types: Vec<SqlType>,
    /// Rows that have met another come out without a match, too, when they leave their window.
    reemits: bool,
}

/// The rows that meet the other side in one pass.
#[derive(Default)]
struct Meetings {
    triggers: Vec<Trigger>,
    /// Rows of the other sides.
    candidates: Vec<u64>,
    /// Bytes of all pairs of triggers and candidates.
    bytes: usize,
}

impl Meetings {
    fn is_full(&self, most_bytes: usize) -> bool {
        self.candidates.len() >= MOST_CANDIDATES || self.bytes > most_bytes
    }

    /// Takes out the last trigger when it fills a pass alone.
    fn take_large(&mut self, most_bytes: usize) -> Option<Meetings> {
        let start = self.triggers.iter().rev().nth(1).map_or(0, |before| before.end);
        let last = self.triggers.last()?;
        if last.end - start <= MOST_CANDIDATES && last.bytes <= most_bytes {
            return None;
        }
        let last = self.triggers.pop()?;
        let candidates = self.candidates.split_off(start);
        self.bytes -= last.bytes;
        let bytes = last.bytes;
        Some(Meetings { triggers: vec![Trigger { end: candidates.len(), ..last }], candidates, bytes })
    }
}

/// A row that comes, with the end of its candidates, and the bytes of its pairs with them.
struct Trigger {
    side: usize,
    id: u64,
    end: usize,
    bytes: usize,
}

/// Rows to come out: numbers of the left and right row, and the ROWTIME.
#[derive(Default)]
struct Pairs {
    ids: [Vec<u64>; 2],
    rowtimes: Vec<i64>,
}

impl Pairs {
    /// The row `id` of `side` with the row `other` of the other side.
    fn push(&mut self, side: usize, id: u64, other: u64, rowtime: i64) {
        self.ids[side].push(id);
        self.ids[1 - side].push(other);
        self.rowtimes.push(rowtime);
    }

    fn is_empty(&self) -> bool {
        self.rowtimes.is_empty()
    }

    fn len(&self) -> usize {
        self.rowtimes.len()
    }

    fn slice(&self, from: usize, to: usize) -> Pairs {
        let ids = [self.ids[0][from..to].to_vec(), self.ids[1][from..to].to_vec()];
        Pairs { ids, rowtimes: self.rowtimes[from..to].to_vec() }
    }
}

/// What a checkpoint of version 1 holds.
#[derive(Deserialize)]
struct Version1 {
    queue: SavedQueue,
    sides: [Version1Side; 2],
}

#[derive(Deserialize)]
struct Version1Side {
    rows: Vec<SavedBatch>,
    matched: Vec<bool>,
    first: u64,
    window_start: u64,
    unsettled: u64,
    open_ends: Vec<(i64, u64)>,
}

/// What a checkpoint holds but for the rows of the sides.
#[derive(Serialize, Deserialize)]
struct Header {
    queue: SavedQueue,
    sides: [SideHeader; 2],
}

/// What a checkpoint holds of a side.
#[derive(Serialize, Deserialize)]
struct SideHeader {
    first: u64,
    end: u64,
    window_start: u64,
    unsettled: u64,
    open_ends: Vec<(i64, u64)>,
    /// For each row held whether it has met another; empty where nothing depends on it.
    matched: Vec<bool>,
}

/// The piece of a checkpoint that holds the header; the rows of the sides are in pieces from these on.
const HEADER: u64 = 0;
const ROWS: [u64; 2] = [1 << 40, 1 << 41];

impl Join {
    pub(super) fn new(
        left: &JoinSide,
        right: &JoinSide,
        matching: &Matching,
        settings: BuildSettings,
    ) -> Result<Join, CompileError> {
        let excludes = settings.range_excludes_lower_bound;
        let keys = |of: fn(&(Expression, Expression)) -> &Expression| {
            let keys: Vec<Expression> = matching.keys.iter().map(|pair| of(pair).clone()).collect();
            compile_all(&keys)
        };
        let side = |side: &JoinSide, keys| Side::new(side, keys, column_types(&side.input), excludes);
        let sides = [side(left, keys(|pair| &pair.0)?), side(right, keys(|pair| &pair.1)?)];
        let output_types = sides
            .iter()
            .flat_map(|side| side.input_types.iter().copied().chain(std::iter::once(SqlType::Timestamp)));
        Ok(Join {
            queue: ArrivalQueue::new(2),
            waiting_bytes: 0,
            output_types: output_types.collect(),
            sides,
            groups: GroupTable::default(),
            condition: matching.condition.as_ref().map(CompiledExpression::compile).transpose()?,
            reemits: settings.outer_join_reemits,
        })
    }

    fn advance(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Released { ports, order, bound } = self.queue.release();
        let mut next = [self.sides[0].end(), self.sides[1].end()];
        for (side, batches) in ports.into_iter().enumerate() {
            for batch in batches {
                self.waiting_bytes -= self.sides[side].row_size.of_all(&batch);
                self.append(side, batch);
            }
        }
        let mut meetings = Meetings::default();
        let most_bytes = context.share.limited(MOST_BYTES);
        for (side, count) in order {
            for _ in 0..count {
                self.meet(side, next[side], &mut meetings);
                next[side] += 1;
                if meetings.is_full(most_bytes) {
                    let large = meetings.take_large(most_bytes);
                    self.settle(&mut meetings, context, outbox);
                    if let Some(large) = large {
                        self.settle_large(large, context, outbox);
                    }
                }
            }
        }
        self.settle(&mut meetings, context, outbox);
        if let Some(bound) = bound {
            let mut pairs = Pairs::default();
            self.leave_unmatched(bound, &mut pairs);
            self.give(&pairs, outbox);
            self.sides.iter_mut().for_each(|side| side.forget(bound));
            self.clear_groups();
            outbox.bound(bound);
        } else {
            // Rows at the time of the bound: those without a window have had their turn.
            self.sides.iter_mut().filter(|side| side.window.is_none()).for_each(|side| side.forget(i64::MIN));
        }
    }

    /// Takes rows of a side whose turn has come.
    fn append(&mut self, side: usize, batch: Batch) {
        let groups = groups_of(&mut self.groups, &self.sides[side], &batch);
        self.sides[side].append(batch, &groups);
    }

    /// A row looks for its partners and enters its own window.
    fn meet(&mut self, side: usize, id: u64, meetings: &mut Meetings) {
        let (rowtime, group) = self.sides[side].row(id);
        let (own_bytes, before) = (self.sides[side].bytes_of(id), meetings.candidates.len());
        let other = &mut self.sides[1 - side];
        let mut bytes = 0;
        if other.window.is_some() && group != NO_GROUP {
            other.move_window(rowtime);
            bytes = other.find(group, rowtime, &mut meetings.candidates);
        }
        self.sides[side].enter(id);
        let end = meetings.candidates.len();
        bytes += own_bytes * (end - before);
        meetings.bytes += bytes;
        meetings.triggers.push(Trigger { side, id, end, bytes });
    }

    /// Looks which candidates match, and gives the rows that come out.
    fn settle(&mut self, meetings: &mut Meetings, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let meetings = std::mem::take(meetings);
        if meetings.triggers.is_empty() {
            return;
        }
        if !context.has_room_for_matches(meetings.bytes) {
            return self.settle_counted(&meetings, context, outbox);
        }
        let all = self.pairs_of(&meetings);
        let triggers = meetings.triggers;
        let outer = self.sides.iter().any(|side| side.preserved);
        let Some(condition) = &self.condition else {
            context.note_matches(|| meetings.bytes);
            if outer {
                let pairs = self.in_order(&triggers, &all, |_| Verdict::Matches, context);
                self.give(&pairs, outbox);
            } else {
                self.give(&all, outbox);
            }
            return;
        };
        if all.is_empty() {
            let pairs = self.in_order(&triggers, &all, |_| Verdict::Matches, context);
            self.give(&pairs, outbox);
            return;
        }
        let joined = self.joined(&all);
        let evaluated = condition.evaluate(&joined, &context.evaluation);
        let truths = evaluated.values.as_boolean();
        let is_true = |pair: &usize| truths.is_valid(*pair) && truths.value(*pair);
        context.note_matches(|| (0..all.len()).filter(is_true).map(|pair| self.bytes_of(&all, pair)).sum());
        if !outer && evaluated.errors.is_empty() {
            outbox.rows(joined.filter(truths).expect("the mask has one value for each row"));
            return;
        }
        let mut verdicts: Vec<Verdict> = (0..joined.len())
            .map(|pair| {
                if truths.is_valid(pair) && truths.value(pair) { Verdict::Matches } else { Verdict::Differs }
            })
            .collect();
        for (pair, error) in evaluated.errors.iter() {
            verdicts[pair] = Verdict::Fails;
            // A row whose condition fails leaves the query, once.
            let trigger = triggers.partition_point(|trigger| trigger.end <= pair);
            let start = trigger.checked_sub(1).map_or(0, |before| triggers[before].end);
            if !verdicts[start..pair].contains(&Verdict::Fails) {
                report_row(error, &joined, pair, &self.output_types, context);
            }
        }
        let pairs = self.in_order(&triggers, &all, |pair| verdicts[pair], context);
        self.give(&pairs, outbox);
    }

    /// The same where perhaps not all matches fit: triggers are looked at one by one.
    fn settle_counted(&mut self, meetings: &Meetings, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut start = 0;
        for trigger in &meetings.triggers {
            let candidates = meetings.candidates[start..trigger.end].to_vec();
            start = trigger.end;
            let trigger = Trigger { end: candidates.len(), ..*trigger };
            let bytes = trigger.bytes;
            self.settle_large(Meetings { triggers: vec![trigger], candidates, bytes }, context, outbox);
        }
    }

    /// The same for one trigger, whose candidates are looked at in parts. It is an error when its matches do not fit.
    fn settle_large(&mut self, meeting: Meetings, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let all = self.pairs_of(&meeting);
        let mut verdicts = self.verdicts(&all, context);
        let matching = (0..all.len()).filter(|pair| verdicts[*pair] == Verdict::Matches);
        let (count, bytes) =
            matching.fold((0, 0), |(count, bytes), pair| (count + 1, bytes + self.bytes_of(&all, pair)));
        if !verdicts.contains(&Verdict::Fails)
            && !self.take_matches(&meeting.triggers[0], count, bytes, context)
        {
            // They have met, as far as rows without a match are concerned.
            verdicts.iter_mut().filter(|it| **it == Verdict::Matches).for_each(|it| *it = Verdict::Fails);
        }
        let pairs = self.in_order(&meeting.triggers, &all, |pair| verdicts[pair], context);
        for (from, to) in self.parts_of(&pairs) {
            self.give(&pairs.slice(from, to), outbox);
        }
    }

    /// Whether the matches of a trigger fit. When they do not, it becomes an error.
    fn take_matches(
        &self,
        trigger: &Trigger,
        count: usize,
        bytes: usize,
        context: &mut RunContext<'_>,
    ) -> bool {
        match context.take_matches(count, bytes) {
            Matches::Fit => true,
            Matches::TooMany(error) => {
                let side = &self.sides[trigger.side];
                let rowtimes = vec![side.row(trigger.id).0];
                let row = Batch::new(rowtimes.into(), side.gather(&side.places(&[trigger.id])));
                report_row(&error, &row, 0, &side.input_types, context);
                false
            }
            Matches::StillTooMany => false,
        }
    }

    /// All pairs of triggers and candidates.
    fn pairs_of(&self, meetings: &Meetings) -> Pairs {
        let mut all = Pairs::default();
        let mut start = 0;
        for trigger in &meetings.triggers {
            let (rowtime, _) = self.sides[trigger.side].row(trigger.id);
            for other in &meetings.candidates[start..trigger.end] {
                all.push(trigger.side, trigger.id, *other, rowtime);
            }
            start = trigger.end;
        }
        all
    }

    /// What the condition says of the pairs of one trigger. The first that fails is reported.
    fn verdicts(&self, all: &Pairs, context: &mut RunContext<'_>) -> Vec<Verdict> {
        let Some(condition) = &self.condition else { return vec![Verdict::Matches; all.len()] };
        let mut verdicts = Vec::with_capacity(all.len());
        let mut has_failed = false;
        for (from, to) in self.parts_of(all) {
            let joined = self.joined(&all.slice(from, to));
            let evaluated = condition.evaluate(&joined, &context.evaluation);
            let truths = evaluated.values.as_boolean();
            let is_true = |pair| truths.is_valid(pair) && truths.value(pair);
            let verdict = |pair| if is_true(pair) { Verdict::Matches } else { Verdict::Differs };
            verdicts.extend((0..joined.len()).map(verdict));
            for (pair, error) in evaluated.errors.iter() {
                if !has_failed {
                    report_row(error, &joined, pair, &self.output_types, context);
                }
                has_failed = true;
                verdicts[from + pair] = Verdict::Fails;
            }
        }
        verdicts
    }

    /// Where pairs are cut, so that the rows of a part are few and small, or one.
    fn parts_of(&self, pairs: &Pairs) -> Vec<(usize, usize)> {
        let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
        for pair in 0..pairs.len() {
            bytes += self.bytes_of(pairs, pair);
            if bytes >= MOST_BYTES || pair + 1 - from >= MOST_CANDIDATES {
                parts.push((from, pair + 1));
                (from, bytes) = (pair + 1, 0);
            }
        }
        if from < pairs.len() {
            parts.push((from, pairs.len()));
        }
        parts
    }

    /// Bytes of the rows of a pair.
    fn bytes_of(&self, pairs: &Pairs, pair: usize) -> usize {
        let of = |side: usize| match pairs.ids[side][pair] {
            NONE => 0,
            id => self.sides[side].bytes_of(id),
        };
        of(0) + of(1)
    }

    /// What comes out of the triggers, one after the other: unmatched rows whose time is over, then the matches.
    fn in_order(
        &mut self,
        triggers: &[Trigger],
        all: &Pairs,
        verdict: impl Fn(usize) -> Verdict,
        _context: &mut RunContext<'_>,
    ) -> Pairs {
        let mut pairs = Pairs::default();
        let mut start = 0;
        for trigger in triggers {
            let (side, id) = (trigger.side, trigger.id);
            let (rowtime, _) = self.sides[side].row(id);
            self.leave_unmatched(rowtime, &mut pairs);
            self.push_out(side, id, rowtime, &mut pairs);
            let candidates = start..trigger.end;
            start = trigger.end;
            let fails = candidates.clone().any(|pair| verdict(pair) == Verdict::Fails);
            let mut matched = fails;
            for pair in candidates {
                let other = all.ids[1 - side][pair];
                let matches = verdict(pair) == Verdict::Matches && !fails;
                if matches {
                    pairs.push(side, id, other, rowtime);
                    matched = true;
                }
                if matches || verdict(pair) == Verdict::Fails {
                    self.sides[1 - side].set_matched(other);
                }
            }
            if matched {
                self.sides[side].set_matched(id);
            } else if self.sides[side].preserved && self.sides[side].window.is_none() {
                pairs.push(side, id, NONE, rowtime);
            }
        }
        pairs
    }

    /// The rows of RANGE windows that nothing at or after `time` can meet come out without a match, in the order of the
    /// ends of their windows.
    fn leave_unmatched(&mut self, time: i64, pairs: &mut Pairs) {
        loop {
            let [left, right] = &mut self.sides;
            let dues = [left.next_unmatched(time, self.reemits), right.next_unmatched(time, self.reemits)];
            let (side, (end, id)) = match dues {
                [Some(left), Some(right)] if right.0 < left.0 => (1, right),
                [Some(left), _] => (0, left),
                [None, Some(right)] => (1, right),
                [None, None] => return,
            };
            pairs.push(side, id, NONE, end);
            self.sides[side].settle();
        }
    }

    /// The rows that the row `id` pushes out of a ROWS window of its own side come out without a match.
    fn push_out(&mut self, side: usize, id: u64, rowtime: i64, pairs: &mut Pairs) {
        let own = &mut self.sides[side];
        let Some(Frame::Rows { rows }) = own.window.filter(|_| own.preserved) else { return };
        while own.unsettled.saturating_add(rows) < id {
            if self.reemits || !own.is_matched(own.unsettled) {
                pairs.push(side, own.unsettled, NONE, rowtime);
            }
            own.unsettled += 1;
        }
    }

    fn give(&self, pairs: &Pairs, outbox: &mut Outbox) {
        if !pairs.is_empty() {
            outbox.rows(self.joined(pairs));
        }
    }

    /// The columns of these pairs.
    fn joined(&self, pairs: &Pairs) -> Batch {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.output_types.len());
        for (side, ids) in self.sides.iter().zip(&pairs.ids) {
            columns.extend(side.gather(&side.places(ids)));
            let rowtimes: TimestampMillisecondArray =
                ids.iter().map(|id| (*id != NONE).then(|| side.row(*id).0)).collect();
            columns.push(Arc::new(rowtimes));
        }
        Batch::new(pairs.rowtimes.clone().into(), columns)
    }

    /// Numbers the keys again when most of them have no rows any more.
    fn clear_groups(&mut self) {
        let rows = self.sides[0].len() + self.sides[1].len();
        if self.groups.len() > FEW_GROUPS.max(2 * rows) {
            self.regroup();
        }
    }

    fn regroup(&mut self) {
        self.groups.clear();
        for side in &mut self.sides {
            let mut groups = Vec::with_capacity(side.len());
            for batch in side.rows() {
                groups.append(&mut groups_of(&mut self.groups, side, &batch));
            }
            side.regroup(&groups);
        }
    }
}

/// What the condition says of a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Matches,
    Differs,
    Fails,
}

/// The group of each row of a batch of this side, keys included.
fn groups_of(table: &mut GroupTable, side: &Side, batch: &Batch) -> Vec<u32> {
    let keys = side.key_columns(batch);
    let mut groups = Vec::new();
    table.assign(&EncodedKeys::new(keys, batch.len()), 0..batch.len(), &mut groups);
    for key in keys.iter().filter(|key| key.null_count() > 0) {
        for (row, group) in groups.iter_mut().enumerate() {
            if key.is_null(row) {
                *group = NO_GROUP;
            }
        }
    }
    groups
}

impl Operator for Join {
    fn rows(&mut self, port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let side = &self.sides[port];
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let keys: Vec<&CompiledExpression> = side.keys.iter().collect();
        let (batch, keys) = evaluate_all(&keys, batch, &side.input_types, context);
        let Batch { rowtimes, mut columns } = batch;
        columns.extend(keys);
        let batch = Batch::new(rowtimes, columns);
        let bytes = side.row_size.of_all(&batch);
        let needed = bytes + GROUP_OVERHEAD;
        let refused = context.is_tight && !batch.is_empty();
        match refused.then(|| context.refusal(self.held_bytes(), needed)).flatten() {
            Some(refusal) => report_row(&refusal, &batch, 0, &side.input_types, context),
            None => {
                self.waiting_bytes += bytes;
                self.queue.rows(port, batch);
            }
        }
        // A row that failed still shows how far time has come.
        self.queue.bound(port, last);
        self.advance(context, outbox);
    }

    fn bound(&mut self, port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.queue.bound(port, bound);
        self.advance(context, outbox);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        200
    }

    /// The rows of windows that time does not empty come out without a match, with the latest ROWTIME there was.
    fn end(&mut self, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let mut pairs = Pairs::default();
        let newest = self.sides.iter().filter_map(|side| side.newest_rowtime()).max();
        let latest = newest.unwrap_or(context.evaluation.now);
        for side in 0..2 {
            let own = &mut self.sides[side];
            let lasts = matches!(own.window, Some(Frame::Rows { .. } | Frame::Unbounded)) && own.preserved;
            while lasts && own.unsettled < own.end() {
                if self.reemits || !own.is_matched(own.unsettled) {
                    pairs.push(side, own.unsettled, NONE, latest);
                }
                own.unsettled += 1;
            }
        }
        self.give(&pairs, outbox);
        outbox.bound(END_OF_TIME);
    }

    /// Rows that wait, rows in windows, and the numbers of their keys.
    fn held_bytes(&self) -> usize {
        let rows = self.sides[0].len() + self.sides[1].len();
        self.waiting_bytes + self.sides[0].bytes + self.sides[1].bytes + rows * GROUP_OVERHEAD
    }

    fn most_bytes_a_row(&self) -> usize {
        let most = self.sides.iter().map(|side| side.row_size.most()).max().unwrap_or(0);
        most + GROUP_OVERHEAD
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        for (side, base) in self.sides.iter_mut().zip(ROWS) {
            let mut runs = std::mem::take(&mut side.runs);
            runs.save((side.first, side.end()), base, state, |from, to| side.encoded(from, to));
            side.runs = runs;
        }
        let types: Vec<&[SqlType]> = self.sides.iter().map(|side| side.types.as_slice()).collect();
        let is_outer = self.sides.iter().any(|side| side.preserved);
        let side = |side: &Side| SideHeader {
            first: side.first,
            end: side.end(),
            window_start: side.window_start,
            unsettled: side.unsettled,
            open_ends: side.open_ends(),
            matched: if is_outer { side.matched() } else { Vec::new() },
        };
        let sides = [side(&self.sides[0]), side(&self.sides[1])];
        let mut header = postcard::to_allocvec(&Header { queue: self.queue.save(&types), sides })?;
        self.sides.iter().for_each(|side| side.runs.put_ranges(&mut header));
        state.put_if_new(HEADER, header);
        Ok(())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let bytes = state.whole()?;
        let types = [self.sides[0].types.clone(), self.sides[1].types.clone()];
        let queue_types = [types[0].as_slice(), types[1].as_slice()];
        let (queue, sides) = if state.version() == 1 {
            let Version1 { queue, sides } = postcard::from_bytes(&bytes)?;
            let mut headers = Vec::new();
            for (index, saved) in sides.into_iter().enumerate() {
                self.sides[index].first = saved.first;
                for rows in saved.rows {
                    self.append(index, rows.restored(&types[index])?);
                }
                headers.push(SideHeader {
                    first: saved.first,
                    end: self.sides[index].end(),
                    window_start: saved.window_start,
                    unsettled: saved.unsettled,
                    open_ends: saved.open_ends,
                    matched: saved.matched,
                });
            }
            (queue, headers)
        } else {
            let (Header { queue, sides }, rest) = postcard::take_from_bytes(&bytes)?;
            let mut from = Decoder::new(rest);
            for (index, header) in sides.iter().enumerate() {
                self.sides[index].runs.take_ranges(&mut from)?;
                self.sides[index].first = header.first;
            }
            for index in 0..2 {
                let mut runs = std::mem::take(&mut self.sides[index].runs);
                let first = self.sides[index].first;
                let mut batches = Vec::new();
                runs.restore(first, ROWS[index], &types[index], state, |batch| batches.push(batch))?;
                batches.into_iter().for_each(|batch| self.append(index, batch));
                self.sides[index].runs = runs;
            }
            (queue, sides.into())
        };
        self.queue.restore(queue, &queue_types)?;
        let waiting = self.queue.waiting();
        self.waiting_bytes = waiting.map(|(port, batch)| self.sides[port].row_size.of_all(batch)).sum();
        for (side, header) in self.sides.iter_mut().zip(sides) {
            let is_whole = header.matched.is_empty() || header.matched.len() == side.len();
            if !is_whole || side.end() != header.end {
                return Err(StateError::Columns);
            }
            let matched = (header.first..).zip(header.matched).filter(|(_, matched)| *matched);
            matched.for_each(|(id, _)| side.set_matched(id));
            side.window_start = header.window_start;
            side.unsettled = header.unsettled;
            side.set_open_ends(header.open_ends);
            side.arrived = side.end();
        }
        self.regroup();
        Ok(())
    }
}

//! Rows of a stream joined with the rows of a finite relation, such as a reference table.

use super::finite::FiniteRelation;
use super::memory::{GROUP_OVERHEAD, Matches, RowSize};
use super::row_failures::{evaluate_all, report_row};
use super::{BuildSettings, Operator, Outbox, RunContext, column_types, compile_all};
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use millstream_columns::{Batch, RowError};
use millstream_sql::{Expression, Matching, Node, SqlType};

/// Pairs that are compared together: bounds the memory of a condition without equal keys.
const MOST_PAIRS: usize = 32_768;
/// Bytes of them.
const MOST_BYTES: usize = 16 << 20;

pub(super) struct Lookup {
    relation: FiniteRelation,
    keys: Vec<CompiledExpression>,
    relation_keys: Vec<CompiledExpression>,
    condition: Option<CompiledExpression>,
    preserves_input: bool,
    input_types: Vec<SqlType>,
    relation_types: Vec<SqlType>,
    index: Index,
    /// The version of the reference tables that the index was made of.
    version: Option<u64>,
    input_size: RowSize,
    row_size: RowSize,
    /// Bytes of the rows of the relation and what finds them.
    bytes: usize,
    /// There is no room for them.
    refusal: Option<RowError>,
}

/// The rows of the relation by their keys.
struct Index {
    rows: Batch,
    groups: GroupTable,
    /// Rows of each group, one group after the other, each in the order of the relation.
    members: Vec<u32>,
    /// Where each group ends in `members`.
    ends: Vec<usize>,
    /// Bytes of the rows of each group.
    bytes: Vec<usize>,
}

impl Lookup {
    pub(super) fn new(
        input: &Node,
        relation: &Node,
        matching: &Matching,
        preserves_input: bool,
        settings: BuildSettings,
    ) -> Result<Lookup, CompileError> {
        let (keys, relation_keys): (Vec<Expression>, Vec<Expression>) = matching.keys.iter().cloned().unzip();
        let relation_types = column_types(relation);
        Ok(Lookup {
            relation: FiniteRelation::new(relation, settings)?,
            keys: compile_all(&keys)?,
            relation_keys: compile_all(&relation_keys)?,
            condition: matching.condition.as_ref().map(CompiledExpression::compile).transpose()?,
            preserves_input,
            input_types: column_types(input),
            index: Index::none(&relation_types),
            input_size: RowSize::of_types(&column_types(input)),
            row_size: RowSize::of_types(&relation_types),
            relation_types,
            version: None,
            bytes: 0,
            refusal: None,
        })
    }

    /// Builds the index again when the tables have changed.
    fn refresh(&mut self, context: &mut RunContext<'_>) {
        if self.version == Some(context.tables.version) {
            return;
        }
        self.version = Some(context.tables.version);
        let rows = self.relation.evaluate(context);
        let keys: Vec<&CompiledExpression> = self.relation_keys.iter().collect();
        let (rows, keys) = evaluate_all(&keys, rows, &self.relation_types, context);
        let keys_bytes = keys.iter().map(|key| key.get_array_memory_size()).sum::<usize>();
        let places = size_of::<u32>() + size_of::<usize>() + GROUP_OVERHEAD;
        self.bytes = self.row_size.of_all(&rows) + keys_bytes + rows.len() * places;
        self.refusal = context.relation_refusal(self.bytes);
        if self.refusal.is_some() {
            (self.index, self.bytes) = (Index::none(&self.relation_types), 0);
            return;
        }
        self.index = Index::new(rows, &keys, &self.row_size);
    }

    /// Gives the rows `start..end` of the batch with their partners.
    fn give(&self, batch: &Batch, pairs: &Pairs, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(condition) = &self.condition else {
            let none = |_| Verdict::Matches;
            let (rows, partners) = self.in_order(pairs, none);
            outbox.rows(self.joined(batch, &rows, &partners));
            return;
        };
        let joined = self.joined(batch, &pairs.rows.clone().into(), &pairs.partners.clone().into());
        let evaluated = condition.evaluate(&joined, &context.evaluation);
        let truths = evaluated.values.as_boolean();
        let mut verdicts: Vec<Verdict> = (0..joined.len())
            .map(|pair| {
                if truths.is_valid(pair) && truths.value(pair) { Verdict::Matches } else { Verdict::Differs }
            })
            .collect();
        let mut failed = None;
        for (pair, error) in evaluated.errors.iter() {
            verdicts[pair] = Verdict::Fails;
            // A row whose condition fails leaves the query, once.
            let row = pairs.rows[pair];
            if failed.replace(row) != Some(row) {
                report_row(error, batch, row as usize, &self.input_types, context);
            }
        }
        let (rows, partners) = self.in_order(pairs, |pair| verdicts[pair]);
        outbox.rows(self.joined(batch, &rows, &partners));
    }

    /// Gives one row with its partners among these rows of the relation, which come to so many bytes with it. They are
    /// looked at in parts, and given when all that match fit.
    fn give_large(
        &self,
        batch: &Batch,
        row: usize,
        (members, bytes): (&[u32], usize),
        context: &mut RunContext<'_>,
        outbox: &mut Outbox,
    ) {
        let most = (members.len().saturating_mul(MOST_BYTES) / bytes.max(1)).clamp(1, MOST_PAIRS);
        let mut partners: Vec<Option<u32>> = Vec::new();
        for part in members.chunks(most) {
            let Some(matching) = self.matching(batch, row, part, context) else { return };
            partners.extend(matching.into_iter().map(Some));
        }
        let of_partner = |partner: &u32| self.row_size.of(&self.index.rows, *partner as usize);
        let bytes = partners.len() * self.input_size.of(batch, row)
            + partners.iter().flatten().map(of_partner).sum::<usize>();
        match context.take_matches(partners.len(), bytes) {
            Matches::Fit => {}
            Matches::TooMany(error) => return report_row(&error, batch, row, &self.input_types, context),
            Matches::StillTooMany => return,
        }
        if partners.is_empty() && self.preserves_input {
            partners.push(None);
        }
        for part in partners.chunks(most) {
            let rows = UInt32Array::from(vec![row as u32; part.len()]);
            outbox.rows(self.joined(batch, &rows, &part.to_vec().into()));
        }
    }

    /// Which of these rows of the relation match; `None` when the condition fails for one: then the row is reported.
    fn matching(
        &self,
        batch: &Batch,
        row: usize,
        partners: &[u32],
        context: &mut RunContext<'_>,
    ) -> Option<Vec<u32>> {
        let Some(condition) = &self.condition else { return Some(partners.to_vec()) };
        let rows = UInt32Array::from(vec![row as u32; partners.len()]);
        let joined = self.joined(batch, &rows, &partners.to_vec().into());
        let evaluated = condition.evaluate(&joined, &context.evaluation);
        if let Some((_, error)) = evaluated.errors.iter().next() {
            report_row(error, batch, row, &self.input_types, context);
            return None;
        }
        let truths = evaluated.values.as_boolean();
        let is_true = |pair: &usize| truths.is_valid(*pair) && truths.value(*pair);
        Some((0..partners.len()).filter(is_true).map(|pair| partners[pair]).collect())
    }

    /// The pairs that match, and the rows without a match when they are preserved.
    fn in_order(&self, pairs: &Pairs, verdict: impl Fn(usize) -> Verdict) -> (UInt32Array, UInt32Array) {
        let (mut rows, mut partners) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (row, end) in (pairs.first_row..).zip(&pairs.ends) {
            let candidates = start..*end;
            start = *end;
            if candidates.clone().any(|pair| verdict(pair) == Verdict::Fails) {
                continue;
            }
            let before = rows.len();
            for pair in candidates.filter(|pair| verdict(*pair) == Verdict::Matches) {
                rows.push(row);
                partners.push(Some(pairs.partners[pair]));
            }
            if rows.len() == before && self.preserves_input {
                rows.push(row);
                partners.push(None);
            }
        }
        (rows.into(), partners.into())
    }

    fn joined(&self, batch: &Batch, rows: &UInt32Array, partners: &UInt32Array) -> Batch {
        let mut joined = batch.take(rows).expect("the rows are there");
        joined.columns.extend(self.index.rows.columns.iter().zip(&self.relation_types).map(
            |(column, sql_type)| {
                if partners.null_count() == partners.len() {
                    return crate::expression::null_array(*sql_type, partners.len());
                }
                arrow_select::take::take(column, partners, None).expect("the rows are there")
            },
        ));
        joined
    }
}

/// Rows of the input with candidates of the relation.
#[derive(Default)]
struct Pairs {
    first_row: u32,
    /// For each row from the first on, where its pairs end.
    ends: Vec<usize>,
    /// The row of each pair.
    rows: Vec<u32>,
    partners: Vec<u32>,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Matches,
    Differs,
    Fails,
}

impl Index {
    fn none(types: &[SqlType]) -> Index {
        let rows = Batch::empty(types);
        Index {
            rows,
            groups: GroupTable::default(),
            members: Vec::new(),
            ends: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn new(rows: Batch, keys: &[ArrayRef], row_size: &RowSize) -> Index {
        let mut groups = GroupTable::default();
        let mut of_rows = Vec::new();
        groups.assign(&EncodedKeys::new(keys, rows.len()), 0..rows.len(), &mut of_rows);
        // NULL equals nothing.
        let matches = |row: usize| keys.iter().all(|key| key.is_valid(row));
        let mut ends = vec![0; groups.len()];
        for (row, group) in of_rows.iter().enumerate() {
            ends[*group as usize] += usize::from(matches(row));
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total - *end;
        }
        let (mut members, mut bytes) = (vec![0; total], vec![0; groups.len()]);
        for (row, group) in of_rows.iter().enumerate().filter(|(row, _)| matches(*row)) {
            let place = &mut ends[*group as usize];
            members[*place] = row as u32;
            *place += 1;
            bytes[*group as usize] += row_size.of(&rows, row);
        }
        Index { rows, groups, members, ends, bytes }
    }

    fn members(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.members[start..self.ends[group]]
    }
}

impl Operator for Lookup {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        self.refresh(context);
        if let Some(refusal) = &self.refusal {
            (0..batch.len()).for_each(|row| report_row(refusal, &batch, row, &self.input_types, context));
            outbox.bound(last);
            return;
        }
        let keys: Vec<&CompiledExpression> = self.keys.iter().collect();
        let (batch, keys) = evaluate_all(&keys, batch, &self.input_types, context);
        let encoded = EncodedKeys::new(&keys, batch.len());
        let mut pairs = Pairs::default();
        let most_bytes = context.share.limited(MOST_BYTES);
        for row in 0..batch.len() {
            if keys.iter().all(|key| key.is_valid(row))
                && let Some(group) = self.index.groups.find(&encoded, row)
            {
                let members = self.index.members(group);
                let bytes =
                    self.index.bytes[group as usize] + members.len() * self.input_size.of(&batch, row);
                if members.len() > MOST_PAIRS || bytes > most_bytes || context.made_of_row.is_some() {
                    self.give(&batch, &pairs, context, outbox);
                    pairs = Pairs { first_row: row as u32 + 1, ..Pairs::default() };
                    self.give_large(&batch, row, (members, bytes), context, outbox);
                    continue;
                }
                pairs.bytes += bytes;
                pairs.rows.extend(std::iter::repeat_n(row as u32, members.len()));
                pairs.partners.extend_from_slice(members);
            }
            pairs.ends.push(pairs.rows.len());
            if pairs.rows.len() >= MOST_PAIRS || pairs.bytes >= MOST_BYTES {
                self.give(&batch, &pairs, context, outbox);
                pairs = Pairs { first_row: row as u32 + 1, ..Pairs::default() };
            }
        }
        self.give(&batch, &pairs, context, outbox);
        outbox.bound(last);
    }

    fn holds_rows(&self) -> bool {
        true
    }

    fn held_bytes(&self) -> usize {
        self.bytes
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }
}

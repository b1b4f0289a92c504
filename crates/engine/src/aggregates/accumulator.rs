//! The state of one aggregate for every group of a window.

use super::lanes::{LaneSum, integer_sum};
use super::moments::Moments;
use super::result::{average_of_decimals, average_of_integers, decimal_in_range, integer_in_range};
use crate::grouping::encode_value;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use millstream_columns::values::{ENTRY_OVERHEAD, array_from_values, value_at, value_bytes};
use millstream_columns::{RowError, RowErrors};
use millstream_sql::{AggregateCall, AggregateFunction, SqlType, Value};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::Range;

/// One aggregate over all groups. Its form in serde is that of the first version of checkpoints, which is only read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Accumulator {
    function: AggregateFunction,
    /// Type of the argument; of the result for COUNT(*).
    argument_type: SqlType,
    result_type: SqlType,
    /// Values already counted, for each group, when DISTINCT.
    pub(super) seen: Option<Vec<BTreeSet<Vec<u8>>>>,
    /// Bytes of all those, and of texts that are extremes, first or last ones.
    #[serde(skip)]
    pub(super) value_bytes: usize,
    pub(super) state: State,
}

/// The states; one entry for each group.
#[derive(Clone, Debug, Deserialize)]
pub(super) enum State {
    Count(Vec<i64>),
    Integers {
        sums: Vec<i128>,
        counts: Vec<u64>,
    },
    Decimals {
        sums: Vec<i128>,
        counts: Vec<u64>,
    },
    /// Sums of floats when there is one group only.
    OneDouble {
        sum: LaneSum,
        count: u64,
    },
    Doubles {
        sums: Vec<f64>,
        counts: Vec<u64>,
    },
    Extremes(Vec<Value>),
    Moments(Vec<Moments>),
    /// ANY: whether one was TRUE.
    Any(Vec<bool>),
    /// EVERY: `None` before the first value.
    Every(Vec<Option<bool>>),
    /// FIRST_VALUE and LAST_VALUE: `None` before the first row that counts.
    Ends(Vec<Option<Value>>),
}

impl Accumulator {
    /// An accumulator without groups. `single_group` promises that there will be but group 0.
    pub(crate) fn new(call: &AggregateCall, single_group: bool) -> Accumulator {
        use AggregateFunction as A;
        let argument_type = call.argument.as_ref().map_or(call.sql_type, |argument| argument.sql_type);
        let state = match call.function {
            A::Count => State::Count(Vec::new()),
            A::Sum | A::Avg => match argument_type {
                SqlType::Decimal { .. } => State::Decimals { sums: Vec::new(), counts: Vec::new() },
                SqlType::Double if single_group && !call.distinct => {
                    State::OneDouble { sum: LaneSum::default(), count: 0 }
                }
                SqlType::Double => State::Doubles { sums: Vec::new(), counts: Vec::new() },
                _ => State::Integers { sums: Vec::new(), counts: Vec::new() },
            },
            A::Min | A::Max => State::Extremes(Vec::new()),
            A::StddevPop | A::StddevSamp | A::VarPop | A::VarSamp => State::Moments(Vec::new()),
            A::Any => State::Any(Vec::new()),
            A::Every => State::Every(Vec::new()),
            A::FirstValue { .. } | A::LastValue { .. } => State::Ends(Vec::new()),
        };
        let seen = call.distinct.then(Vec::new);
        let result_type = call.sql_type;
        Accumulator { function: call.function, argument_type, result_type, seen, value_bytes: 0, state }
    }

    /// Bytes that a group takes, besides those of [`Accumulator::value_bytes`]: lists of groups are half empty at the worst.
    pub(crate) fn group_bytes(&self) -> usize {
        let state = match &self.state {
            State::Count(_) => size_of::<i64>(),
            State::Integers { .. } | State::Decimals { .. } => size_of::<i128>() + size_of::<u64>(),
            State::OneDouble { .. } => size_of::<LaneSum>(),
            State::Doubles { .. } => 2 * size_of::<f64>(),
            State::Extremes(_) => size_of::<Value>(),
            State::Ends(_) => size_of::<Option<Value>>(),
            State::Moments(_) => size_of::<Moments>(),
            State::Any(_) | State::Every(_) => 1,
        };
        let seen = if self.seen.is_some() { size_of::<BTreeSet<Vec<u8>>>() } else { 0 };
        2 * (state + seen)
    }

    /// The most bytes of the argument behind its value.
    fn longest_value(&self) -> usize {
        match self.argument_type {
            SqlType::Char { length } | SqlType::Varchar { length } => 4 * length as usize,
            SqlType::Binary { length } | SqlType::Varbinary { length } => length as usize,
            _ => 0,
        }
    }

    /// Bytes of values that are kept: those that DISTINCT has counted, and texts that are the least, greatest, first or
    /// last.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// The most bytes by which a row makes `value_bytes` grow.
    pub(crate) fn most_value_bytes_a_row(&self) -> usize {
        let seen = if self.seen.is_some() { entry_bytes(self.longest_value().max(16)) } else { 0 };
        let keeps_text = matches!(self.state, State::Extremes(_) | State::Ends(_));
        seen + if keeps_text { self.longest_value() } else { 0 }
    }

    /// Bytes by which a row makes `value_bytes` grow; `group` is `None` for one that does not exist yet.
    pub(crate) fn needed_bytes(&self, values: &ArrayRef, row: usize, group: Option<usize>) -> usize {
        if values.is_null(row) && !self.nulls_count() {
            return 0;
        }
        let mut needed = 0;
        if let Some(seen) = &self.seen {
            let mut key = Vec::new();
            encode_value(&value_at(values, self.argument_type, row), &mut key);
            let is_known = group.and_then(|group| seen.get(group)).is_some_and(|seen| seen.contains(&key));
            needed += if is_known { 0 } else { entry_bytes(key.len()) };
        }
        if let State::Extremes(extremes) = &self.state
            && self.longest_value() > 0
        {
            let value = value_at(values, self.argument_type, row);
            let current = group.and_then(|group| extremes.get(group)).unwrap_or(&Value::Null);
            if replaces(current, &value, self.function) {
                needed += text_bytes(&value).saturating_sub(text_bytes(current));
            }
        }
        if let State::Ends(ends) = &self.state
            && self.longest_value() > 0
        {
            let current = group.and_then(|group| ends.get(group)).and_then(Option::as_ref);
            if current.is_none() || !self.keeps_first() {
                let value = value_at(values, self.argument_type, row);
                needed += text_bytes(&value).saturating_sub(current.map_or(0, text_bytes));
            }
        }
        needed
    }

    /// Whether a row counts whose argument is NULL.
    fn nulls_count(&self) -> bool {
        matches!(
            self.function,
            AggregateFunction::FirstValue { ignore_nulls: false }
                | AggregateFunction::LastValue { ignore_nulls: false }
        )
    }

    /// Whether a value, once there, stays.
    fn keeps_first(&self) -> bool {
        matches!(self.function, AggregateFunction::FirstValue { .. })
    }

    /// Makes room for `groups` groups; new ones are empty.
    pub(crate) fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Count(counts) => counts.resize(groups, 0),
            State::Integers { sums, counts } | State::Decimals { sums, counts } => {
                sums.resize(groups, 0);
                counts.resize(groups, 0);
            }
            State::OneDouble { sum, count } => {
                if groups == 0 {
                    (*sum, *count) = (LaneSum::default(), 0);
                }
            }
            State::Doubles { sums, counts } => {
                sums.resize(groups, 0.0);
                counts.resize(groups, 0);
            }
            State::Extremes(values) => values.resize(groups, Value::Null),
            State::Moments(moments) => moments.resize(groups, Moments::default()),
            State::Any(found) => found.resize(groups, false),
            State::Every(found) => found.resize(groups, None),
            State::Ends(values) => values.resize(groups, None),
        }
        if let Some(seen) = &mut self.seen {
            seen.resize(groups, BTreeSet::new());
        }
    }

    /// Empties these groups.
    pub(crate) fn reset(&mut self, groups: &[usize]) {
        for group in groups.iter().copied() {
            match &mut self.state {
                State::Count(counts) => counts[group] = 0,
                State::Integers { sums, counts } | State::Decimals { sums, counts } => {
                    (sums[group], counts[group]) = (0, 0);
                }
                State::OneDouble { sum, count } => (*sum, *count) = (LaneSum::default(), 0),
                State::Doubles { sums, counts } => (sums[group], counts[group]) = (0.0, 0),
                State::Extremes(values) => {
                    self.value_bytes -= text_bytes(&values[group]);
                    values[group] = Value::Null;
                }
                State::Moments(moments) => moments[group] = Moments::default(),
                State::Any(found) => found[group] = false,
                State::Every(found) => found[group] = None,
                State::Ends(values) => {
                    self.value_bytes -= values[group].take().as_ref().map_or(0, text_bytes);
                }
            }
            if let Some(seen) = &mut self.seen {
                let bytes: usize = seen[group].iter().map(|value| entry_bytes(value.len())).sum();
                self.value_bytes -= bytes;
                seen[group].clear();
            }
        }
    }

    /// Forgets all groups.
    pub(crate) fn clear(&mut self) {
        self.resize(0);
        self.value_bytes = 0;
    }

    /// Adds the rows of `range` to group 0. `values` is the argument of the whole batch, absent for COUNT(*).
    pub(crate) fn update_single(&mut self, values: Option<&ArrayRef>, range: Range<usize>) {
        if self.seen.is_none() {
            match (&mut self.state, values) {
                (State::Count(counts), None) => {
                    counts[0] += range.len() as i64;
                    return;
                }
                (State::Count(counts), Some(values)) => {
                    let nulls = values.slice(range.start, range.len()).null_count();
                    counts[0] += (range.len() - nulls) as i64;
                    return;
                }
                (State::OneDouble { sum, count }, Some(values)) => {
                    let array = values.as_primitive::<Float64Type>();
                    let slice = &array.values()[range.clone()];
                    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
                        None => {
                            sum.add(slice);
                            *count += slice.len() as u64;
                        }
                        Some(nulls) => {
                            sum.add_where(slice, |index| nulls.is_valid(range.start + index));
                            *count +=
                                nulls.slice(range.start, range.len()).iter().filter(|valid| *valid).count()
                                    as u64;
                        }
                    }
                    return;
                }
                (State::Integers { sums, counts }, Some(values)) if values.null_count() == 0 => {
                    let slice = &values.as_primitive::<Int64Type>().values()[range];
                    sums[0] += integer_sum(slice);
                    counts[0] += slice.len() as u64;
                    return;
                }
                _ => {}
            }
        }
        self.update_rows(values, range.map(|row| (row, 0)));
    }

    /// Adds row `rows[i]` to group `groups[i]`. All groups must have room.
    pub(crate) fn update_groups(&mut self, values: Option<&ArrayRef>, rows: &[u32], groups: &[u32]) {
        let ids = groups;
        if self.seen.is_none() {
            match (&mut self.state, values) {
                (State::Count(counts), None) => {
                    ids.iter().for_each(|group| counts[*group as usize] += 1);
                    return;
                }
                (State::Count(counts), Some(values)) if values.null_count() == 0 => {
                    ids.iter().for_each(|group| counts[*group as usize] += 1);
                    return;
                }
                (State::Doubles { sums, counts }, Some(values)) if values.null_count() == 0 => {
                    let values = values.as_primitive::<Float64Type>().values();
                    for (group, row) in ids.iter().zip(rows) {
                        let group = *group as usize;
                        sums[group] += values[*row as usize];
                        counts[group] += 1;
                    }
                    return;
                }
                (State::Integers { sums, counts }, Some(values)) if values.null_count() == 0 => {
                    let values = values.as_primitive::<Int64Type>().values();
                    for (group, row) in ids.iter().zip(rows) {
                        let group = *group as usize;
                        sums[group] += i128::from(values[*row as usize]);
                        counts[group] += 1;
                    }
                    return;
                }
                _ => {}
            }
        }
        self.update_rows(values, ids.iter().zip(rows).map(|(group, row)| (*row as usize, *group as usize)));
    }

    /// The general way: row by row.
    fn update_rows(&mut self, values: Option<&ArrayRef>, rows: impl Iterator<Item = (usize, usize)>) {
        let Some(values) = values else {
            if let State::Count(counts) = &mut self.state {
                rows.for_each(|(_, group)| counts[group] += 1);
            }
            return;
        };
        let (nulls_count, keeps_first) = (self.nulls_count(), self.keeps_first());
        for (row, group) in rows {
            if values.is_null(row) && !nulls_count {
                continue;
            }
            if let Some(seen) = &mut self.seen {
                let mut key = Vec::new();
                encode_value(&value_at(values, self.argument_type, row), &mut key);
                let bytes = entry_bytes(key.len());
                if !seen[group].insert(key) {
                    continue;
                }
                self.value_bytes += bytes;
            }
            match &mut self.state {
                State::Count(counts) => counts[group] += 1,
                State::Integers { sums, counts } => {
                    sums[group] += i128::from(values.as_primitive::<Int64Type>().value(row));
                    counts[group] += 1;
                }
                State::Decimals { sums, counts } => {
                    let value = values.as_primitive::<Decimal128Type>().value(row);
                    sums[group] = sums[group].saturating_add(value);
                    counts[group] += 1;
                }
                State::OneDouble { sum, count } => {
                    sum.add(&[values.as_primitive::<Float64Type>().value(row)]);
                    *count += 1;
                }
                State::Doubles { sums, counts } => {
                    sums[group] += values.as_primitive::<Float64Type>().value(row);
                    counts[group] += 1;
                }
                State::Extremes(extremes) => {
                    let value = value_at(values, self.argument_type, row);
                    if replaces(&extremes[group], &value, self.function) {
                        self.value_bytes += text_bytes(&value);
                        self.value_bytes -= text_bytes(&extremes[group]);
                        extremes[group] = value;
                    }
                }
                State::Moments(moments) => {
                    moments[group].add(values.as_primitive::<Float64Type>().value(row))
                }
                State::Any(found) => found[group] |= values.as_boolean().value(row),
                State::Every(found) => {
                    let value = values.as_boolean().value(row);
                    found[group] = Some(found[group].unwrap_or(true) && value);
                }
                State::Ends(ends) => {
                    if !keeps_first || ends[group].is_none() {
                        let value = value_at(values, self.argument_type, row);
                        self.value_bytes += text_bytes(&value);
                        let former = ends[group].replace(value);
                        self.value_bytes -= former.as_ref().map_or(0, text_bytes);
                    }
                }
            }
        }
    }

    /// The results of `groups`, in that order, with the groups whose result does not exist by place in `groups`.
    pub(crate) fn results(&self, groups: &[usize]) -> (ArrayRef, RowErrors) {
        let mut errors = RowErrors::default();
        let values: Vec<Value> = groups
            .iter()
            .enumerate()
            .map(|(place, group)| {
                self.result(*group).unwrap_or_else(|error| {
                    errors.push(place, error);
                    Value::Null
                })
            })
            .collect();
        let array =
            array_from_values(self.result_type, &values).expect("an aggregate gives values of its own type");
        (array, errors)
    }

    fn result(&self, group: usize) -> Result<Value, RowError> {
        let averages = self.function == AggregateFunction::Avg;
        let value = match &self.state {
            State::Count(counts) => Value::Integer(counts[group]),
            State::Integers { sums, counts } => match counts[group] {
                0 => Value::Null,
                count if averages => Value::Integer(average_of_integers(sums[group], count)),
                _ => Value::Integer(integer_in_range(sums[group])?),
            },
            State::Decimals { sums, counts } => match (counts[group], self.argument_type, self.result_type) {
                (0, _, _) => Value::Null,
                (count, SqlType::Decimal { scale, .. }, SqlType::Decimal { scale: result_scale, .. })
                    if averages =>
                {
                    Value::Decimal(average_of_decimals(sums[group], count, scale, result_scale)?)
                }
                _ => Value::Decimal(decimal_in_range(sums[group])?),
            },
            State::OneDouble { sum, count } => double_result(sum.total(), *count, averages),
            State::Doubles { sums, counts } => double_result(sums[group], counts[group], averages),
            State::Extremes(extremes) => extremes[group].clone(),
            State::Moments(moments) => {
                moments[group].result(self.function).map_or(Value::Null, Value::Double)
            }
            State::Any(found) => Value::Boolean(found[group]),
            State::Every(found) => found[group].map_or(Value::Null, Value::Boolean),
            State::Ends(ends) => ends[group].clone().unwrap_or(Value::Null),
        };
        Ok(value)
    }
}

fn double_result(sum: f64, count: u64, averages: bool) -> Value {
    match count {
        0 => Value::Null,
        count if averages => Value::Double(sum / count as f64),
        _ => Value::Double(sum),
    }
}

/// Bytes of a value of a set: itself and what surrounds it.
pub(super) fn entry_bytes(length: usize) -> usize {
    ENTRY_OVERHEAD + length
}

/// Bytes of a value behind itself.
pub(super) fn text_bytes(value: &Value) -> usize {
    value_bytes(value) - size_of::<Value>()
}

/// Whether `value` is the new minimum or maximum. Both are of one type.
fn replaces(current: &Value, value: &Value, function: AggregateFunction) -> bool {
    use std::cmp::Ordering;
    if *current == Value::Null {
        return true;
    }
    let wanted = if function == AggregateFunction::Min { Ordering::Less } else { Ordering::Greater };
    compare_values(value, current) == wanted
}

/// Order of two values of one type; NaN is above all numbers.
pub(crate) fn compare_values(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left, right) {
        (Value::Integer(l), Value::Integer(r))
        | (Value::Timestamp(l), Value::Timestamp(r))
        | (Value::IntervalMillis(l), Value::IntervalMillis(r)) => l.cmp(r),
        (Value::Decimal(l), Value::Decimal(r)) => l.cmp(r),
        (Value::Double(l), Value::Double(r)) => {
            l.partial_cmp(r).unwrap_or_else(|| l.is_nan().cmp(&r.is_nan()))
        }
        (Value::Text(l), Value::Text(r)) => l.cmp(r),
        (Value::Binary(l), Value::Binary(r)) => l.cmp(r),
        (Value::Boolean(l), Value::Boolean(r)) => l.cmp(r),
        (Value::Date(l), Value::Date(r))
        | (Value::Time(l), Value::Time(r))
        | (Value::IntervalMonths(l), Value::IntervalMonths(r)) => l.cmp(r),
        _ => std::cmp::Ordering::Equal,
    }
}

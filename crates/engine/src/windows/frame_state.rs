//! What a partition of a sliding window holds: the times of its rows, and the state of each call over it.

use super::two_stacks::{Monoid, TwoStacks};
use crate::aggregates::{
    Moments, average_of_decimals, average_of_integers, decimal_in_range, integer_in_range,
};
use crate::grouping::encode_value;
use millstream_columns::RowError;
use millstream_columns::values::{ENTRY_OVERHEAD, value_bytes};
use millstream_sql::{AggregateFunction, Frame, SqlType, Value, WindowCall, WindowFunction};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The rows of a window, by their times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FrameRows {
    rowtimes: VecDeque<i64>,
    /// Rows of an unbounded window are counted only.
    count: u64,
    /// ROWTIME of the newest row.
    newest: i64,
}

impl FrameRows {
    /// Takes in the row at `rowtime` and gives how many of the oldest rows leave for it.
    pub(crate) fn admit(&mut self, rowtime: i64, frame: Frame, lower_bound_is_exclusive: bool) -> usize {
        self.newest = rowtime;
        match frame {
            Frame::Unbounded => {
                self.count += 1;
                0
            }
            Frame::Rows { .. } if self.is_full(frame) => 1,
            Frame::Rows { .. } => {
                self.count += 1;
                0
            }
            Frame::Range { .. } => {
                let leaving = self.expire(rowtime, frame, lower_bound_is_exclusive);
                self.rowtimes.push_back(rowtime);
                leaving
            }
        }
    }

    /// Lets the rows go that a row at `rowtime` does not see for their age; gives how many.
    pub(crate) fn expire(&mut self, rowtime: i64, frame: Frame, lower_bound_is_exclusive: bool) -> usize {
        let Frame::Range { millis } = frame else { return 0 };
        let oldest = rowtime.saturating_sub(millis);
        let mut leaving = 0;
        while let Some(front) = self.rowtimes.front() {
            let has_left = if lower_bound_is_exclusive { *front <= oldest } else { *front < oldest };
            // The current row itself stays even in a window of no length.
            if !has_left || *front == rowtime {
                break;
            }
            self.rowtimes.pop_front();
            leaving += 1;
        }
        leaving
    }

    /// Whether a row must leave for each that comes.
    pub(crate) fn is_full(&self, frame: Frame) -> bool {
        matches!(frame, Frame::Rows { rows } if self.count > rows)
    }

    /// Bytes that a row takes here.
    pub(crate) fn bytes_a_row(frame: Frame) -> usize {
        match frame {
            Frame::Range { .. } => size_of::<i64>(),
            Frame::Rows { .. } | Frame::Unbounded => 0,
        }
    }

    /// Bytes of all rows.
    pub(crate) fn held_bytes(&self) -> usize {
        self.rowtimes.len() * size_of::<i64>()
    }

    /// Whether no later row at or after `bound` can see any row of this window.
    pub(crate) fn is_past(&self, bound: i64, frame: Frame) -> bool {
        match frame {
            Frame::Range { millis } => self.newest < bound.saturating_sub(millis),
            Frame::Rows { .. } | Frame::Unbounded => false,
        }
    }
}

/// The state of one call over one partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum CallState {
    /// COUNT(*), and COUNT(x) with what to take back.
    Count { count: i64, held: VecDeque<bool> },
    /// SUM and AVG of integers and DECIMALs: exact, so values can be taken back.
    Exact { sum: i128, count: u64, held: VecDeque<Option<i128>> },
    /// SUM and AVG of floats.
    Doubles(TwoStacks<Total>),
    /// MIN or MAX of numbers and datetimes: the values that can still become the extreme, with their place.
    Extremes { held: VecDeque<(u64, Value)>, oldest: u64, next: u64 },
    /// Variances and deviations.
    Moments(TwoStacks<Moments>),
    /// ANY and EVERY: how many are TRUE and FALSE.
    Truths { yes: u64, no: u64, held: VecDeque<Option<bool>> },
    /// EXP_AVG.
    Decayed(TwoStacks<Decayed>),
    /// Functions that look at the values themselves.
    Values(VecDeque<Value>),
    /// DISTINCT aggregates: how often each value is in the window.
    Distinct { held: VecDeque<Option<Vec<u8>>>, values: BTreeMap<Vec<u8>, (u64, Value)> },
}

impl Default for CallState {
    fn default() -> CallState {
        CallState::Values(VecDeque::new())
    }
}

/// A sum of floats and how many there are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Total {
    sum: f64,
    count: u64,
}

impl Monoid for Total {
    fn then(self, later: Total) -> Total {
        Total { sum: self.sum + later.sum, count: self.count + later.count }
    }
}

impl Monoid for Moments {
    fn then(self, later: Moments) -> Moments {
        self.merged(later)
    }
}

/// Weighted sums relative to `at`: a value of age `a` weighs `2^(-a / half_life)`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Decayed {
    at: i64,
    half_life: i64,
    sum: f64,
    weight: f64,
}

impl Monoid for Decayed {
    fn then(self, later: Decayed) -> Decayed {
        if later.weight == 0.0 {
            return self;
        }
        if self.weight == 0.0 {
            return later;
        }
        let factor = decay(later.at - self.at, later.half_life);
        Decayed {
            at: later.at,
            half_life: later.half_life,
            sum: self.sum * factor + later.sum,
            weight: self.weight * factor + later.weight,
        }
    }
}

fn decay(age: i64, half_life: i64) -> f64 {
    (-(age as f64) / half_life as f64).exp2()
}

impl CallState {
    /// The empty state of a call.
    pub(crate) fn new(call: &WindowCall) -> CallState {
        use AggregateFunction as A;
        let argument_type = call.argument.as_ref().map_or(SqlType::BigInt, |argument| argument.sql_type);
        match call.function {
            WindowFunction::Aggregate(_) if call.distinct => {
                CallState::Distinct { held: VecDeque::new(), values: BTreeMap::new() }
            }
            WindowFunction::Aggregate(function) => match function {
                A::Count => CallState::Count { count: 0, held: VecDeque::new() },
                A::Sum | A::Avg if argument_type == SqlType::Double => {
                    CallState::Doubles(TwoStacks::default())
                }
                A::Sum | A::Avg => CallState::Exact { sum: 0, count: 0, held: VecDeque::new() },
                A::Min | A::Max => CallState::Extremes { held: VecDeque::new(), oldest: 0, next: 0 },
                A::StddevPop | A::StddevSamp | A::VarPop | A::VarSamp => {
                    CallState::Moments(TwoStacks::default())
                }
                A::Any | A::Every => CallState::Truths { yes: 0, no: 0, held: VecDeque::new() },
                // Of groups only: over windows these are functions of their own.
                A::FirstValue { .. } | A::LastValue { .. } => CallState::Values(VecDeque::new()),
            },
            WindowFunction::ExpAvg { .. } => CallState::Decayed(TwoStacks::default()),
            WindowFunction::FirstValue { .. }
            | WindowFunction::LastValue { .. }
            | WindowFunction::NthValue { .. }
            | WindowFunction::Lag { .. } => CallState::Values(VecDeque::new()),
        }
    }

    /// Removes the oldest row; gives the bytes that are free for it.
    pub(crate) fn leave(&mut self) -> usize {
        match self {
            CallState::Count { count, held } => {
                let counted = held.pop_front();
                *count -= i64::from(counted.unwrap_or(true));
                counted.map_or(0, |_| size_of::<bool>())
            }
            CallState::Exact { sum, count, held } => {
                let left = held.pop_front();
                if let Some(Some(value)) = left {
                    *sum -= value;
                    *count -= 1;
                }
                left.map_or(0, |_| size_of::<Option<i128>>())
            }
            CallState::Doubles(stacks) => freed(stacks),
            CallState::Moments(stacks) => freed(stacks),
            CallState::Decayed(stacks) => freed(stacks),
            CallState::Extremes { held, oldest, .. } => {
                let leaves = held.front().is_some_and(|(place, _)| place == oldest);
                *oldest += 1;
                let left = if leaves { held.pop_front() } else { None };
                left.map_or(0, |(_, value)| extreme_bytes(&value))
            }
            CallState::Truths { yes, no, held } => {
                let left = held.pop_front();
                match left {
                    Some(Some(true)) => *yes -= 1,
                    Some(Some(false)) => *no -= 1,
                    _ => {}
                }
                left.map_or(0, |_| size_of::<Option<bool>>())
            }
            CallState::Values(values) => values.pop_front().map_or(0, |value| value_bytes(&value)),
            CallState::Distinct { held, values } => {
                let Some(left) = held.pop_front() else { return 0 };
                let mut bytes = key_bytes(left.as_deref());
                if let Some(key) = left
                    && let Some((times, _)) = values.get_mut(&key)
                {
                    *times -= 1;
                    if *times == 0
                        && let Some((_, value)) = values.remove(&key)
                    {
                        bytes += distinct_bytes(&key, &value);
                    }
                }
                bytes
            }
        }
    }

    /// Bytes of all rows held.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            CallState::Count { held, .. } => held.len() * size_of::<bool>(),
            CallState::Exact { held, .. } => held.len() * size_of::<Option<i128>>(),
            CallState::Doubles(stacks) => stacks.len() * size_of::<Total>(),
            CallState::Moments(stacks) => stacks.len() * size_of::<Moments>(),
            CallState::Decayed(stacks) => stacks.len() * size_of::<Decayed>(),
            CallState::Extremes { held, .. } => held.iter().map(|(_, value)| extreme_bytes(value)).sum(),
            CallState::Truths { held, .. } => held.len() * size_of::<Option<bool>>(),
            CallState::Values(values) => values.iter().map(value_bytes).sum(),
            CallState::Distinct { held, values } => {
                let keys: usize = held.iter().map(|key| key_bytes(key.as_deref())).sum();
                keys + values.iter().map(|(key, (_, value))| distinct_bytes(key, value)).sum::<usize>()
            }
        }
    }

    /// Bytes that a row with this value adds, before it takes the place of others.
    pub(crate) fn needed_bytes(&self, value: &Value, call: &WindowCall, keeps: bool) -> usize {
        let if_kept = |bytes: usize| if keeps { bytes } else { 0 };
        match self {
            CallState::Count { .. } if call.argument.is_none() => 0,
            CallState::Count { .. } => if_kept(size_of::<bool>()),
            CallState::Exact { .. } => if_kept(size_of::<Option<i128>>()),
            CallState::Doubles(_) => if_kept(size_of::<Total>()),
            CallState::Moments(_) => if_kept(size_of::<Moments>()),
            CallState::Decayed(_) => if_kept(size_of::<Decayed>()),
            CallState::Extremes { .. } if *value == Value::Null => 0,
            CallState::Extremes { held, .. } if !keeps && !held.is_empty() => 0,
            CallState::Extremes { .. } => extreme_bytes(value),
            CallState::Truths { .. } => if_kept(size_of::<Option<bool>>()),
            CallState::Values(_) => value_bytes(value),
            CallState::Distinct { .. } if *value == Value::Null => if_kept(key_bytes(None)),
            CallState::Distinct { values, .. } => {
                let mut key = Vec::new();
                encode_value(value, &mut key);
                let entry = if values.contains_key(&key) { 0 } else { distinct_bytes(&key, value) };
                entry + if_kept(key_bytes(Some(&key)))
            }
        }
    }

    /// The most bytes that a row adds, its value having at most `most_value` of them.
    pub(crate) const fn most_bytes_a_row(most_value: usize) -> usize {
        // DISTINCT keeps a value as a key of the row, as a key of the table, and as itself.
        3 * most_value + ENTRY_OVERHEAD + 2 * size_of::<Moments>()
    }

    /// Adds the newest row; gives the bytes that it takes, and those that it makes free. `keeps` says whether rows ever
    /// leave: an unbounded window need not remember them.
    pub(crate) fn enter(
        &mut self,
        value: Value,
        rowtime: i64,
        call: &WindowCall,
        keeps: bool,
    ) -> (usize, usize) {
        let needed = self.needed_bytes(&value, call, keeps);
        let (mut taken, mut freed) = (needed, 0);
        match self {
            CallState::Count { count, held } => {
                let counts = value != Value::Null;
                *count += i64::from(counts);
                // COUNT(*) needs no memory: every row counts.
                if keeps && call.argument.is_some() {
                    held.push_back(counts);
                }
            }
            CallState::Exact { sum, count, held } => {
                let number = match value {
                    Value::Integer(value) => Some(i128::from(value)),
                    Value::Decimal(value) => Some(value),
                    _ => None,
                };
                if let Some(number) = number {
                    *sum += number;
                    *count += 1;
                }
                if keeps {
                    held.push_back(number);
                }
            }
            CallState::Doubles(stacks) => {
                let total = match value {
                    Value::Double(value) => Total { sum: value, count: 1 },
                    _ => Total::default(),
                };
                add(stacks, total, keeps);
            }
            CallState::Moments(stacks) => {
                let mut moments = Moments::default();
                if let Value::Double(value) = value {
                    moments.add(value);
                }
                add(stacks, moments, keeps);
            }
            CallState::Decayed(stacks) => {
                let WindowFunction::ExpAvg { half_life } = call.function else { return (0, 0) };
                let decayed = match value {
                    Value::Double(value) => Decayed { at: rowtime, half_life, sum: value, weight: 1.0 },
                    _ => Decayed { at: rowtime, half_life, sum: 0.0, weight: 0.0 },
                };
                add(stacks, decayed, keeps);
            }
            CallState::Extremes { held, next, .. } => {
                taken = 0;
                if value != Value::Null {
                    let wanted = match call.function {
                        WindowFunction::Aggregate(AggregateFunction::Min) => std::cmp::Ordering::Less,
                        _ => std::cmp::Ordering::Greater,
                    };
                    while held.back().is_some_and(|(_, known)| compare(known, &value) != wanted) {
                        freed += held.pop_back().map_or(0, |(_, gone)| extreme_bytes(&gone));
                    }
                    // What never leaves is not succeeded by anything less extreme.
                    if keeps || held.is_empty() {
                        taken = extreme_bytes(&value);
                        held.push_back((*next, value));
                    }
                }
                *next += 1;
            }
            CallState::Truths { yes, no, held } => {
                let truth = match value {
                    Value::Boolean(truth) => Some(truth),
                    _ => None,
                };
                *yes += u64::from(truth == Some(true));
                *no += u64::from(truth == Some(false));
                if keeps {
                    held.push_back(truth);
                }
            }
            CallState::Values(values) => values.push_back(value),
            CallState::Distinct { held, values } => {
                let key = (value != Value::Null).then(|| {
                    let mut key = Vec::new();
                    encode_value(&value, &mut key);
                    values.entry(key.clone()).or_insert((0, value)).0 += 1;
                    key
                });
                if keeps {
                    held.push_back(key);
                }
            }
        }
        (taken, freed)
    }

    /// The value of the call for the row just added at `rowtime`.
    pub(crate) fn value(&self, rowtime: i64, call: &WindowCall, lag: &Lag) -> Result<Value, RowError> {
        let argument_type = call.argument.as_ref().map_or(SqlType::BigInt, |argument| argument.sql_type);
        let function = match call.function {
            WindowFunction::Aggregate(function) => function,
            _ => return self.positional_value(rowtime, call, lag),
        };
        let averages = function == AggregateFunction::Avg;
        Ok(match self {
            CallState::Count { count, .. } => Value::Integer(*count),
            CallState::Exact { count: 0, .. } => Value::Null,
            CallState::Exact { sum, count, .. } => {
                exact_result(*sum, *count, averages, argument_type, call.sql_type)?
            }
            CallState::Doubles(stacks) => {
                let total = stacks.total();
                match total.count {
                    0 => Value::Null,
                    count if averages => Value::Double(total.sum / count as f64),
                    _ => Value::Double(total.sum),
                }
            }
            CallState::Moments(stacks) => stacks.total().result(function).map_or(Value::Null, Value::Double),
            CallState::Extremes { held, .. } => held.front().map_or(Value::Null, |(_, value)| value.clone()),
            CallState::Truths { yes, no, .. } => match (function, yes, no) {
                (AggregateFunction::Any, _, _) => Value::Boolean(*yes > 0),
                (_, 0, 0) => Value::Null,
                (_, _, no) => Value::Boolean(*no == 0),
            },
            CallState::Distinct { values, .. } => distinct_result(
                values.values().map(|(_, value)| value),
                function,
                argument_type,
                call.sql_type,
            )?,
            CallState::Decayed(_) | CallState::Values(_) => Value::Null,
        })
    }

    fn positional_value(&self, rowtime: i64, call: &WindowCall, lag: &Lag) -> Result<Value, RowError> {
        if let CallState::Decayed(stacks) = self {
            let total = stacks.total();
            let factor = decay(rowtime - total.at, total.half_life.max(1));
            return Ok(if total.weight == 0.0 {
                Value::Null
            } else {
                Value::Double((total.sum * factor) / (total.weight * factor))
            });
        }
        let CallState::Values(values) = self else { return Ok(Value::Null) };
        let counted = |ignore: bool| move |value: &&Value| !ignore || **value != Value::Null;
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let found = match &call.function {
            WindowFunction::FirstValue { ignore_nulls } => values.iter().find(counted(*ignore_nulls)),
            WindowFunction::LastValue { ignore_nulls } => values.iter().rev().find(counted(*ignore_nulls)),
            WindowFunction::NthValue { n, from_last: false, ignore_nulls } => {
                values.iter().filter(counted(*ignore_nulls)).nth(place(n - 1))
            }
            WindowFunction::NthValue { n, from_last: true, ignore_nulls } => {
                values.iter().rev().filter(counted(*ignore_nulls)).nth(place(n - 1))
            }
            WindowFunction::Lag { ignore_nulls, .. } => match lag.offset {
                None => None,
                Some(0) => values.back(),
                Some(offset) => {
                    let Ok(offset) = u64::try_from(offset) else {
                        let message = format!("LAG goes back 0 rows or more, not {offset}");
                        return Err(RowError::function(message));
                    };
                    let mut before = values.iter().rev().skip(1).filter(counted(*ignore_nulls));
                    Some(before.nth(place(offset - 1)).unwrap_or(&lag.default))
                }
            },
            WindowFunction::Aggregate(_) | WindowFunction::ExpAvg { .. } => None,
        };
        Ok(found.cloned().unwrap_or(Value::Null))
    }
}

/// What a call of LAG asks for in the current row.
#[derive(Debug)]
pub(crate) struct Lag {
    /// How many rows back; `None` for NULL.
    pub(crate) offset: Option<i64>,
    /// Given when the window does not go back so far.
    pub(crate) default: Value,
}

impl Lag {
    /// For a call of another function.
    pub(crate) const UNUSED: Lag = Lag { offset: None, default: Value::Null };
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    crate::aggregates::compare_values(left, right)
}

fn add<M: Monoid>(stacks: &mut TwoStacks<M>, value: M, keeps: bool) {
    if keeps { stacks.push(value) } else { stacks.absorb(value) }
}

fn freed<M: Monoid>(stacks: &mut TwoStacks<M>) -> usize {
    stacks.pop();
    size_of::<M>()
}

fn extreme_bytes(value: &Value) -> usize {
    size_of::<u64>() + value_bytes(value)
}

/// Of a row of a DISTINCT aggregate.
fn key_bytes(key: Option<&[u8]>) -> usize {
    size_of::<Option<Vec<u8>>>() + key.map_or(0, <[u8]>::len)
}

/// Of a value of a DISTINCT aggregate.
fn distinct_bytes(key: &[u8], value: &Value) -> usize {
    ENTRY_OVERHEAD + key.len() + value_bytes(value)
}

/// SUM or AVG of integers or DECIMALs over at least one value.
fn exact_result(
    sum: i128,
    count: u64,
    averages: bool,
    argument_type: SqlType,
    result_type: SqlType,
) -> Result<Value, RowError> {
    Ok(match (argument_type, result_type) {
        (SqlType::Decimal { scale, .. }, SqlType::Decimal { scale: result_scale, .. }) if averages => {
            Value::Decimal(average_of_decimals(sum, count, scale, result_scale)?)
        }
        (SqlType::Decimal { .. }, _) => Value::Decimal(decimal_in_range(sum)?),
        _ if averages => Value::Integer(average_of_integers(sum, count)),
        _ => Value::Integer(integer_in_range(sum)?),
    })
}

/// An aggregate over different values, each once.
fn distinct_result<'v>(
    values: impl Iterator<Item = &'v Value>,
    function: AggregateFunction,
    argument_type: SqlType,
    result_type: SqlType,
) -> Result<Value, RowError> {
    use AggregateFunction as A;
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(match function {
            A::Count => Value::Integer(0),
            A::Any => Value::Boolean(false),
            _ => Value::Null,
        });
    }
    match function {
        A::Count => Ok(Value::Integer(values.count() as i64)),
        A::Sum | A::Avg => {
            let (mut exact, mut float, mut count) = (0_i128, 0.0, 0_u64);
            for value in values {
                match value {
                    Value::Integer(value) => exact += i128::from(*value),
                    Value::Decimal(value) => exact += value,
                    Value::Double(value) => float += value,
                    _ => {}
                }
                count += 1;
            }
            let averages = function == A::Avg;
            if argument_type == SqlType::Double {
                return Ok(Value::Double(if averages { float / count as f64 } else { float }));
            }
            exact_result(exact, count, averages, argument_type, result_type)
        }
        A::Min => Ok(values.min_by(|l, r| compare(l, r)).cloned().unwrap_or(Value::Null)),
        A::Max => Ok(values.max_by(|l, r| compare(l, r)).cloned().unwrap_or(Value::Null)),
        A::StddevPop | A::StddevSamp | A::VarPop | A::VarSamp => {
            let mut moments = Moments::default();
            for value in values {
                if let Value::Double(value) = value {
                    moments.add(*value);
                }
            }
            Ok(moments.result(function).map_or(Value::Null, Value::Double))
        }
        A::Any => Ok(Value::Boolean(values.any(|value| *value == Value::Boolean(true)))),
        A::Every => Ok(Value::Boolean(values.all(|value| *value == Value::Boolean(true)))),
        A::FirstValue { .. } => Ok(values.next().cloned().unwrap_or(Value::Null)),
        A::LastValue { .. } => Ok(values.last().cloned().unwrap_or(Value::Null)),
    }
}

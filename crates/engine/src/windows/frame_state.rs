//! What a partition of a sliding window holds: the times of its rows, and the state of each call over it.

use super::two_stacks::{Monoid, TwoStacks};
use crate::aggregates::{
    Moments, average_of_decimals, average_of_integers, decimal_in_range, integer_in_range,
};
use crate::grouping::encode_value;
use crate::row_error::RowError;
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
        let mut leaving = 0;
        match frame {
            Frame::Unbounded => self.count += 1,
            Frame::Rows { rows } => {
                self.count += 1;
                if self.count > rows.saturating_add(1) {
                    self.count -= 1;
                    leaving = 1;
                }
            }
            Frame::Range { millis } => {
                let oldest = rowtime.saturating_sub(millis);
                while let Some(front) = self.rowtimes.front() {
                    let has_left = if lower_bound_is_exclusive { *front <= oldest } else { *front < oldest };
                    // The current row itself stays even in a window of no length.
                    if !has_left || *front == rowtime {
                        break;
                    }
                    self.rowtimes.pop_front();
                    leaving += 1;
                }
                self.rowtimes.push_back(rowtime);
            }
        }
        leaving
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
            },
            WindowFunction::ExpAvg { .. } => CallState::Decayed(TwoStacks::default()),
            WindowFunction::FirstValue { .. }
            | WindowFunction::LastValue { .. }
            | WindowFunction::NthValue { .. }
            | WindowFunction::Lag { .. } => CallState::Values(VecDeque::new()),
        }
    }

    /// Removes the oldest row.
    pub(crate) fn leave(&mut self) {
        match self {
            CallState::Count { count, held } => {
                *count -= i64::from(held.pop_front().unwrap_or(true));
            }
            CallState::Exact { sum, count, held } => {
                if let Some(Some(value)) = held.pop_front() {
                    *sum -= value;
                    *count -= 1;
                }
            }
            CallState::Doubles(stacks) => stacks.pop(),
            CallState::Moments(stacks) => stacks.pop(),
            CallState::Decayed(stacks) => stacks.pop(),
            CallState::Extremes { held, oldest, .. } => {
                if held.front().is_some_and(|(place, _)| place == oldest) {
                    held.pop_front();
                }
                *oldest += 1;
            }
            CallState::Truths { yes, no, held } => match held.pop_front() {
                Some(Some(true)) => *yes -= 1,
                Some(Some(false)) => *no -= 1,
                _ => {}
            },
            CallState::Values(values) => {
                values.pop_front();
            }
            CallState::Distinct { held, values } => {
                if let Some(Some(key)) = held.pop_front()
                    && let Some((times, _)) = values.get_mut(&key)
                {
                    *times -= 1;
                    if *times == 0 {
                        values.remove(&key);
                    }
                }
            }
        }
    }

    /// Adds the newest row. `keeps` says whether rows ever leave: an unbounded window need not remember them.
    pub(crate) fn enter(&mut self, value: Value, rowtime: i64, call: &WindowCall, keeps: bool) {
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
            CallState::Doubles(stacks) => stacks.push(match value {
                Value::Double(value) => Total { sum: value, count: 1 },
                _ => Total::default(),
            }),
            CallState::Moments(stacks) => {
                let mut moments = Moments::default();
                if let Value::Double(value) = value {
                    moments.add(value);
                }
                stacks.push(moments);
            }
            CallState::Decayed(stacks) => {
                let WindowFunction::ExpAvg { half_life } = call.function else { return };
                stacks.push(match value {
                    Value::Double(value) => Decayed { at: rowtime, half_life, sum: value, weight: 1.0 },
                    _ => Decayed { at: rowtime, half_life, sum: 0.0, weight: 0.0 },
                });
            }
            CallState::Extremes { held, next, .. } => {
                if value != Value::Null {
                    let wanted = match call.function {
                        WindowFunction::Aggregate(AggregateFunction::Min) => std::cmp::Ordering::Less,
                        _ => std::cmp::Ordering::Greater,
                    };
                    while held.back().is_some_and(|(_, known)| compare(known, &value) != wanted) {
                        held.pop_back();
                    }
                    held.push_back((*next, value));
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
    }

    /// The value of the call for the row just added at `rowtime`.
    pub(crate) fn value(&self, rowtime: i64, call: &WindowCall) -> Result<Value, RowError> {
        let argument_type = call.argument.as_ref().map_or(SqlType::BigInt, |argument| argument.sql_type);
        let function = match call.function {
            WindowFunction::Aggregate(function) => function,
            _ => return Ok(self.positional_value(rowtime, call)),
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

    fn positional_value(&self, rowtime: i64, call: &WindowCall) -> Value {
        if let CallState::Decayed(stacks) = self {
            let total = stacks.total();
            let factor = decay(rowtime - total.at, total.half_life.max(1));
            return if total.weight == 0.0 {
                Value::Null
            } else {
                Value::Double((total.sum * factor) / (total.weight * factor))
            };
        }
        let CallState::Values(values) = self else { return Value::Null };
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
            WindowFunction::Lag { offset: 0, .. } => values.back(),
            WindowFunction::Lag { offset, default, ignore_nulls } => {
                let before =
                    values.iter().rev().skip(1).filter(counted(*ignore_nulls)).nth(place(offset - 1));
                return before.cloned().or_else(|| default.clone()).unwrap_or(Value::Null);
            }
            WindowFunction::Aggregate(_) | WindowFunction::ExpAvg { .. } => None,
        };
        found.cloned().unwrap_or(Value::Null)
    }
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    crate::aggregates::compare_values(left, right)
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
    }
}

//! What operators compute: projections, groups, aggregates and sliding windows.

use serde::{Deserialize, Serialize};

use crate::{Expression, SqlType};

/// What a projection computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// One for each output column.
    pub expressions: Vec<Expression>,
    /// `expr AS ROWTIME`: the new ROWTIME (TIMESTAMP). A row whose ROWTIME would go backwards, or is NULL, is a row
    /// error (`OUT_OF_ORDER`).
    pub rowtime: Option<Expression>,
}

/// Which grouping expression moves a tumbling window.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupDriver {
    /// Key number `key` is a function of ROWTIME that is constant on `[offset + k * period, offset + (k+1) * period)`
    /// for every whole `k` (milliseconds since the epoch): STEP or FLOOR by fixed units.
    Periodic {
        /// Which key.
        key: usize,
        /// Length of a window in milliseconds, > 0.
        period: i64,
        /// Where windows start, 0 <= offset < period.
        offset: i64,
    },
    /// Key number `key` is another monotonic function of ROWTIME alone (months, CEIL, interval division): the window
    /// ends at the first millisecond at which its value changes.
    Rowtime {
        /// Which key.
        key: usize,
    },
    /// Key number `key` is monotonic but not a function of ROWTIME (`MONOTONIC(x)`): the window ends with the row that
    /// changes its value, and bears that row's ROWTIME. Bounds do not close it.
    Value {
        /// Which key.
        key: usize,
    },
}

impl GroupDriver {
    /// The number of the key that moves the window.
    pub fn key(&self) -> usize {
        match self {
            GroupDriver::Periodic { key, .. } | GroupDriver::Rowtime { key } | GroupDriver::Value { key } => {
                *key
            }
        }
    }
}

/// An aggregate of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// Its argument over the input; absent for COUNT(*). An error in it takes the row out of every aggregate.
    pub argument: Option<Expression>,
    /// Equal values count once.
    pub distinct: bool,
    /// The type of the result.
    pub sql_type: SqlType,
}

/// The aggregate functions. Unless said otherwise, rows with a NULL argument are skipped; nothing left gives NULL, and 0
/// for COUNT. Variants are stored in checkpoints by their place: new ones come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AggregateFunction {
    /// COUNT: BIGINT.
    Count,
    /// SUM: BIGINT of integers, DECIMAL(18,s), DOUBLE.
    Sum,
    /// AVG: the integer type truncated toward zero, DECIMAL half-up, DOUBLE.
    Avg,
    /// MIN.
    Min,
    /// MAX.
    Max,
    /// Population standard deviation: DOUBLE.
    StddevPop,
    /// Sample standard deviation; NULL of one value.
    StddevSamp,
    /// Population variance.
    VarPop,
    /// Sample variance; NULL of one value.
    VarSamp,
    /// ANY of booleans: TRUE if any is, else FALSE; FALSE over no non-null value.
    Any,
    /// EVERY of booleans: FALSE if any is, else TRUE; NULL over no non-null value.
    Every,
    /// FIRST_VALUE of a group: the value of its first row by ROWTIME, then arrival. NULLs are values unless ignored.
    FirstValue {
        /// IGNORE NULLS: the first that is not NULL.
        ignore_nulls: bool,
    },
    /// LAST_VALUE of a group: the value of its last row.
    LastValue {
        /// IGNORE NULLS: the last that is not NULL.
        ignore_nulls: bool,
    },
}

/// A sliding window: the rows of the same partition that have arrived, up to the current one.
#[derive(Clone, Debug, PartialEq)]
pub struct SlidingWindow {
    /// PARTITION BY; empty for one partition.
    pub partition: Vec<Expression>,
    /// How far back it reaches.
    pub frame: Frame,
}

/// How far back a sliding window reaches; every window ends with the current row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Rows with ROWTIME in `[t - millis, t]` that have arrived (lower end exclusive under a switch).
    Range {
        /// Milliseconds, >= 0.
        millis: i64,
    },
    /// The `rows` rows before, and the current one.
    Rows {
        /// How many before the current one.
        rows: u64,
    },
    /// All rows so far.
    Unbounded,
}

/// A function over a sliding window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCall {
    /// Which.
    pub function: WindowFunction,
    /// Its argument over the input; absent for COUNT(*).
    pub argument: Option<Expression>,
    /// Equal values count once (aggregates only).
    pub distinct: bool,
    /// Number of the window in [`crate::NodeKind::Slide`].
    pub window: usize,
    /// The type of the result.
    pub sql_type: SqlType,
}

impl WindowCall {
    /// The expressions over the input.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut all: Vec<&Expression> = self.argument.iter().collect();
        if let WindowFunction::Lag { offset, default, .. } = &self.function {
            all.push(offset);
            all.extend(default.as_deref());
        }
        all
    }

    pub(super) fn expressions_mut(&mut self) -> Vec<&mut Expression> {
        let mut all: Vec<&mut Expression> = self.argument.iter_mut().collect();
        if let WindowFunction::Lag { offset, default, .. } = &mut self.function {
            all.push(offset);
            all.extend(default.as_deref_mut());
        }
        all
    }
}

/// What may stand before OVER.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowFunction {
    /// An aggregate over the rows of the window.
    Aggregate(AggregateFunction),
    /// The oldest row's value; with `ignore_nulls` the oldest that is not NULL.
    FirstValue {
        /// IGNORE NULLS.
        ignore_nulls: bool,
    },
    /// The newest row's value; with `ignore_nulls` the newest that is not NULL.
    LastValue {
        /// IGNORE NULLS.
        ignore_nulls: bool,
    },
    /// The n-th value of the window, from 1; NULL when there are too few.
    NthValue {
        /// From 1.
        n: u64,
        /// Count from the newest.
        from_last: bool,
        /// Skip NULLs while counting.
        ignore_nulls: bool,
    },
    /// The value `offset` rows before the current one inside the window, else the default. Both are of the current row.
    Lag {
        /// BIGINT; 0 is the current row, a negative one is a row error, NULL gives NULL.
        offset: Box<Expression>,
        /// Given outside the window; of the call's type.
        default: Option<Box<Expression>>,
        /// Skip NULLs while counting.
        ignore_nulls: bool,
    },
    /// Exponential average: weight 2^(-age / half_life).
    ExpAvg {
        /// Milliseconds, > 0.
        half_life: i64,
    },
}

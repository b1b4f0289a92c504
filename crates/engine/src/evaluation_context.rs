//! The times that expressions may ask for.

/// What expressions may know besides the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationContext {
    /// When the query started, in milliseconds since the epoch: CURRENT_TIMESTAMP and its parts.
    pub query_started: i64,
    /// When these rows are processed, in milliseconds since the epoch: CURRENT_ROW_TIMESTAMP.
    pub now: i64,
    /// Each row is processed at its ROWTIME instead, whenever that is in truth: a second reading gives the same.
    pub virtual_clock: bool,
}

impl EvaluationContext {
    /// When a row with this ROWTIME is processed.
    pub(crate) fn time_of(&self, rowtime: i64) -> i64 {
        if self.virtual_clock { rowtime } else { self.now }
    }
}

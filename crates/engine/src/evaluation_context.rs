//! The times that expressions may ask for.

/// What expressions may know besides the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationContext {
    /// When the query started, in milliseconds since the epoch: CURRENT_TIMESTAMP and its parts.
    pub query_started: i64,
    /// When these rows are processed, in milliseconds since the epoch: CURRENT_ROW_TIMESTAMP.
    pub now: i64,
}

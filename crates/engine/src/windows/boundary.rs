//! Where a tumbling window over ROWTIME ends.

use crate::expression::{CompiledExpression, EvaluationContext};
use millstream_sql::Value;

/// How the end of a window follows from a ROWTIME inside it.
#[derive(Debug)]
pub(crate) enum WindowBoundary {
    /// Windows of one length: `[offset + k * period, offset + (k + 1) * period)`.
    Periodic { period: i64, offset: i64 },
    /// A monotonic key of ROWTIME alone: the window ends where its value changes.
    Key(CompiledExpression),
}

impl WindowBoundary {
    /// The first millisecond after the window that holds `rowtime`; `i64::MAX` when there is none.
    ///
    /// For a key, the end is found by doubling steps and then halving them: about `2 log2` of the window's length in
    /// milliseconds evaluations of the key.
    pub(crate) fn end_of(&self, rowtime: i64, context: &EvaluationContext) -> i64 {
        match self {
            WindowBoundary::Periodic { period, offset } => {
                let start =
                    (rowtime - offset).div_euclid(*period).saturating_mul(*period).saturating_add(*offset);
                start.saturating_add(*period)
            }
            WindowBoundary::Key(key) => {
                search(rowtime, |instant| key.evaluate_rowtime_only(instant, context).ok())
            }
        }
    }
}

/// The first instant after `start` at which a monotonic function has another value than at `start`.
fn search(start: i64, value_at: impl Fn(i64) -> Option<Value>) -> i64 {
    /// Far beyond any window: about 35,000 years.
    const LONGEST_STEP: i64 = 1 << 50;
    let current = value_at(start);
    let (mut inside, mut step) = (start, 1_i64);
    let mut outside = loop {
        let candidate = start.saturating_add(step);
        if value_at(candidate) != current {
            break candidate;
        }
        inside = candidate;
        if step >= LONGEST_STEP {
            return i64::MAX;
        }
        step *= 2;
    };
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        if value_at(middle) == current { inside = middle } else { outside = middle }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_half_open_and_aligned() {
        let boundary = WindowBoundary::Periodic { period: 5_000, offset: 0 };
        let context = EvaluationContext::default();
        assert_eq!(boundary.end_of(0, &context), 5_000);
        assert_eq!(boundary.end_of(4_999, &context), 5_000);
        assert_eq!(boundary.end_of(5_000, &context), 10_000);
        assert_eq!(boundary.end_of(-1, &context), 0);
        let ceiling = WindowBoundary::Periodic { period: 60_000, offset: 1 };
        assert_eq!(ceiling.end_of(60_000, &context), 60_001);
        assert_eq!(ceiling.end_of(60_001, &context), 120_001);
    }

    #[test]
    fn the_search_finds_the_exact_end() {
        for width in [1, 2, 3, 1_000, 86_400_000, 2_678_400_000] {
            let key = |instant: i64| Some(Value::Integer(instant.div_euclid(width)));
            assert_eq!(search(width * 7, key), width * 8, "{width}");
            assert_eq!(search(width * 8 - 1, key), width * 8, "{width}");
        }
        assert_eq!(search(0, |_| Some(Value::Null)), i64::MAX);
    }
}

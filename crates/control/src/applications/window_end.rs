//! When the windows that hold rows now will all be closed, if no more rows come.

use millstream_sql::{
    Frame, GroupDriver, JoinSide, Node, NodeKind, Program, SortBucket, StreamId, TableFunction,
};

/// The time at which the last window closes that a row of `input` with this ROWTIME can be in, over all pumps one after
/// the other. Windows that no passage of time closes, or that follow a calendar, are not counted.
pub(crate) fn last_window_end(program: &Program, input: StreamId, rowtime: i64) -> i64 {
    let mut times: Vec<Option<i64>> = vec![None; program.streams.len()];
    if let Some(time) = times.get_mut(input.0) {
        *time = Some(rowtime);
    }
    // A chain of pumps is at most as long as there are pumps.
    for _ in 0..program.pumps.len() {
        for pump in &program.pumps {
            let time = through(&pump.query, &times);
            times[pump.target.0] = times[pump.target.0].max(time);
        }
    }
    times.into_iter().flatten().max().unwrap_or(rowtime)
}

/// The ROWTIME of the last row that comes out of a node.
fn through(node: &Node, times: &[Option<i64>]) -> Option<i64> {
    match &node.kind {
        NodeKind::Source(stream) => times.get(stream.0).copied().flatten(),
        // Finite relations have no times.
        NodeKind::Table(_) | NodeKind::Values(_) | NodeKind::SetOperation { .. } => None,
        NodeKind::Filter { input, .. }
        | NodeKind::Project { input, .. }
        | NodeKind::Slide { input, .. }
        | NodeKind::ParseLog { input, .. }
        | NodeKind::Lookup { input, .. }
        | NodeKind::Subquery { input, .. }
        | NodeKind::Distinct { input, .. } => through(input, times),
        NodeKind::Sort { input, bucket, .. } => {
            let time = through(input, times)?;
            match bucket {
                SortBucket::Periodic { period, offset } => Some(next_boundary(time, *period, *offset)),
                SortBucket::Rowtime => Some(time.saturating_add(1)),
                SortBucket::Key(_) | SortBucket::Value { .. } | SortBucket::Window => Some(time),
            }
        }
        NodeKind::TimeSort { input, interval, .. } => Some(through(input, times)?.saturating_add(*interval)),
        NodeKind::Union { inputs } => inputs.iter().filter_map(|input| through(input, times)).max(),
        NodeKind::Join { left, right, .. } => through_side(left, times).max(through_side(right, times)),
        NodeKind::Tumble { input, driver, .. } => {
            let time = through(input, times)?;
            match driver {
                GroupDriver::Periodic { period, offset, .. } => Some(next_boundary(time, *period, *offset)),
                GroupDriver::Rowtime { .. } | GroupDriver::Value { .. } => Some(time),
            }
        }
        NodeKind::Stagger { input, range, .. } => Some(through(input, times)?.saturating_add(*range)),
        NodeKind::TableFunction { input, function } => {
            let time = through(input, times)?;
            match function {
                TableFunction::CountDistinctItems { period, .. } | TableFunction::TopItems { period, .. } => {
                    Some(next_boundary(time, *period, 0))
                }
                TableFunction::GroupRank(_) => Some(time.saturating_add(1)),
                TableFunction::RandomCutForest(_) | TableFunction::Hotspots(_) => Some(time),
            }
        }
    }
}

/// The ROWTIME of the last row that comes out of a join for a row of this side: without a match it leaves with the end of
/// its window, and a little later in truth, when no other row can come at that time any more.
fn through_side(side: &JoinSide, times: &[Option<i64>]) -> Option<i64> {
    let time = through(&side.input, times)?;
    match side.window {
        Some(Frame::Range { millis }) if side.preserved => {
            Some(time.saturating_add(millis).saturating_add(1))
        }
        _ => Some(time),
    }
}

/// The first boundary after `time`.
fn next_boundary(time: i64, period: i64, offset: i64) -> i64 {
    let window = time.saturating_sub(offset).div_euclid(period);
    window.saturating_add(1).saturating_mul(period).saturating_add(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::{Column, InputStream, SqlType, compile};

    fn end(sql: &str, rowtime: i64) -> i64 {
        let input = InputStream {
            name: "S".to_owned(),
            columns: vec![Column { name: "A".to_owned(), sql_type: SqlType::Integer, not_null: false }],
            metadata_columns: 0,
        };
        let program = compile(sql, &[input], &millstream_engine::catalog()).program.unwrap();
        last_window_end(&program, StreamId(0), rowtime)
    }

    #[test]
    fn windows_one_after_the_other_add_up() {
        let first = "CREATE STREAM W (N BIGINT); CREATE PUMP P AS INSERT INTO W SELECT STREAM COUNT(*) FROM S \
                     GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND);";
        assert_eq!(end(first, 7_001), 10_000);
        assert_eq!(end(first, 10_000), 15_000);
        let second = "CREATE STREAM X (N BIGINT); CREATE PUMP Q AS INSERT INTO X SELECT STREAM COUNT(*) FROM W \
                      GROUP BY STEP(W.ROWTIME BY INTERVAL '1' MINUTE);";
        assert_eq!(end(&format!("{first}{second}"), 7_001), 60_000);
        assert_eq!(
            end("CREATE STREAM W (A INTEGER); CREATE PUMP P AS INSERT INTO W SELECT STREAM A FROM S;", 7),
            7
        );
    }

    #[test]
    fn a_row_that_an_outer_join_keeps_leaves_with_its_window() {
        let joined = |kind: &str| {
            format!(
                "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM L.A FROM S OVER (RANGE \
                 INTERVAL '1' MINUTE PRECEDING) AS L {kind} JOIN S AS R ON L.A = R.A + 1;"
            )
        };
        assert_eq!(end(&joined("INNER"), 7_000), 7_000);
        assert_eq!(end(&joined("RIGHT"), 7_000), 7_000);
        assert_eq!(end(&joined("LEFT"), 7_000), 67_001);
        let union = "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM A FROM S UNION ALL SELECT \
                     STREAM CAST(COUNT(*) AS INTEGER) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND);";
        assert_eq!(end(union, 7_001), 10_000);
        let values = "CREATE STREAM T (A INTEGER); INSERT INTO T VALUES (1); CREATE PUMP P AS INSERT INTO T SELECT \
                      STREAM V.A FROM S JOIN (VALUES (1)) AS V (A) ON S.A = V.A;";
        assert_eq!(end(values, 9), 9);
    }
}

//! How many rows all pumps may make of one row of an input, as the plan lets it guess: how many rows go in before what has
//! come out is looked at.

use millstream_sql::{Node, NodeKind, Program, StreamId};

/// What a join is taken to make of a row: only the data tells.
const MATCHES: u64 = 1_000;

/// Rows that may come out before it is looked at how much that was.
const MOST_ROWS: u64 = 1 << 20;

/// How many rows of an input go through the pumps at once when there is a limit on what comes out: at least one.
pub(super) fn rows_at_once(program: &Program) -> usize {
    let made = made_of_one_row(program).max(1);
    usize::try_from((MOST_ROWS / made).max(1)).unwrap_or(usize::MAX)
}

/// Rows that the pumps give for one row of each input, those that other pumps read included.
fn made_of_one_row(program: &Program) -> u64 {
    let mut of_streams: Vec<u64> = program.streams.iter().map(|stream| u64::from(stream.is_input)).collect();
    // A chain of pumps is at most as long as there are pumps.
    for _ in &program.pumps {
        let mut next: Vec<u64> = program.streams.iter().map(|stream| u64::from(stream.is_input)).collect();
        for pump in &program.pumps {
            let target = &mut next[pump.target.0];
            *target = target.saturating_add(rows_of(&pump.query, &of_streams));
        }
        if next == of_streams {
            break;
        }
        of_streams = next;
    }
    program.pumps.iter().fold(0, |all, pump| all.saturating_add(rows_of(&pump.query, &of_streams)))
}

/// Rows of a query when its streams have so many.
fn rows_of(node: &Node, of_streams: &[u64]) -> u64 {
    if let NodeKind::Source(StreamId(stream)) = node.kind {
        return of_streams[stream];
    }
    let inputs = node.inputs().into_iter();
    let rows = inputs.fold(0_u64, |all, input| all.saturating_add(rows_of(input, of_streams)));
    match node.kind {
        NodeKind::Join { .. } | NodeKind::Lookup { .. } => rows.saturating_mul(MATCHES),
        _ => rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::{Column, InputStream, SqlType, compile};

    fn rows_at_once_of(text: &str) -> usize {
        let column = Column { name: "N".to_owned(), sql_type: SqlType::Integer, not_null: false };
        let input = InputStream { name: "S".to_owned(), columns: vec![column], metadata_columns: 0 };
        let compiled = compile(text, &[input], &crate::catalog());
        rows_at_once(&compiled.program.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
    }

    #[test]
    fn fewer_rows_go_in_at_once_where_more_may_come_out() {
        let first = "CREATE STREAM A (N INTEGER); CREATE PUMP P AS INSERT INTO A SELECT STREAM N FROM S;";
        assert_eq!(rows_at_once_of(first), 1 << 20);
        let twice = format!("{first} CREATE PUMP Q AS INSERT INTO A SELECT STREAM N FROM S;");
        assert_eq!(rows_at_once_of(&twice), 1 << 19);
        let joined_twice = "CREATE STREAM A (N INTEGER); CREATE PUMP P AS INSERT INTO A SELECT STREAM L.N FROM S AS L \
             JOIN S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS R ON L.N = R.N \
             JOIN S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS Q ON L.N = Q.N;";
        assert_eq!(rows_at_once_of(joined_twice), 1);
        let joined = "CREATE STREAM A (N INTEGER); CREATE PUMP P AS INSERT INTO A SELECT STREAM L.N FROM S AS L \
             JOIN S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS R ON L.N = R.N;";
        assert_eq!(rows_at_once_of(joined), (1 << 20) / 2_000);
        // Each stream has twice the rows of the one before: 2 + 4 + … + 2^9.
        let mut doubled = String::new();
        for level in 0..9 {
            let source = if level == 0 { "S".to_owned() } else { format!("A{}", level - 1) };
            doubled += &format!("CREATE STREAM A{level} (N INTEGER);");
            for pump in ["P", "Q"] {
                doubled += &format!(
                    "CREATE PUMP {pump}{level} AS INSERT INTO A{level} SELECT STREAM N FROM {source};"
                );
            }
        }
        assert_eq!(rows_at_once_of(&doubled), (1 << 20) / 1_022);
    }
}

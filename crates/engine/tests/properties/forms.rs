//! DISTINCT, ORDER BY, TOP_K_ITEMS_TUMBLING and GROUP_RANK beside plain evaluators that have all rows before them.

use crate::program::Query;
use crate::rows::{Row, rows};
use crate::running::{Cuts, OutputRow, run};
use millstream_sql::Value;
use proptest::prelude::*;
use std::cmp::Ordering;

fn text(value: Option<&'static str>) -> Value {
    value.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

fn integer(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::Integer)
}

/// The end of the window of that many milliseconds.
fn end_of(rowtime: i64, period: i64) -> i64 {
    (rowtime.div_euclid(period) + 1) * period
}

/// NULL last.
fn ascending<T: PartialOrd>(left: Option<T>, right: Option<T>) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => left.partial_cmp(&right).expect("the rows hold no NaN"),
    }
}

fn found(columns: &'static str, query: &'static str, rows: &[Row]) -> Vec<OutputRow> {
    let found = run(&Query::Other(columns, query), rows, &Cuts::none());
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    found.rows
}

/// The rows of each window, in order.
fn windows(rows: &[Row], period: i64) -> Vec<(i64, Vec<Row>)> {
    let mut windows: Vec<(i64, Vec<Row>)> = Vec::new();
    for row in rows {
        let end = end_of(row.rowtime, period);
        match windows.last_mut() {
            Some((known, of_window)) if *known == end => of_window.push(row.clone()),
            _ => windows.push((end, vec![row.clone()])),
        }
    }
    windows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn distinct_gives_the_first_of_equal_rows(rows in rows(60)) {
        let query = "SELECT STREAM DISTINCT K, N, STEP(S.ROWTIME BY INTERVAL '5' SECOND) FROM S";
        let mut seen = Vec::new();
        let mut expected = Vec::new();
        for row in &rows {
            let window = end_of(row.rowtime, 5_000) - 5_000;
            if !seen.contains(&(row.k, row.n, window)) {
                seen.push((row.k, row.n, window));
                let values = vec![text(row.k), integer(row.n), Value::Timestamp(window)];
                expected.push(OutputRow { rowtime: row.rowtime, values });
            }
        }
        prop_assert_eq!(found("K VARCHAR(40), N INTEGER, W TIMESTAMP", query, &rows), expected);
    }

    #[test]
    fn order_by_sorts_within_its_buckets(rows in rows(60)) {
        let query = "SELECT STREAM K, N FROM S ORDER BY STEP(S.ROWTIME BY INTERVAL '5' SECOND), N, K DESC";
        let mut expected = Vec::new();
        for (end, mut window) in windows(&rows, 5_000) {
            // NULL is last of N, and first of K, which is descending.
            window.sort_by(|left, right| {
                ascending(left.n, right.n).then(ascending(left.k, right.k).reverse())
            });
            let sorted = window.iter().map(|row| OutputRow { rowtime: end, values: vec![text(row.k), integer(row.n)] });
            expected.extend(sorted);
        }
        prop_assert_eq!(found("K VARCHAR(40), N INTEGER", query, &rows), expected);
    }

    #[test]
    fn top_items_are_the_most_frequent(rows in rows(60)) {
        let query = "SELECT STREAM * FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM K FROM S), 'K', 2, 60))";
        let mut expected = Vec::new();
        for (end, window) in windows(&rows, 60_000) {
            let mut counts: Vec<(&str, i64)> = Vec::new();
            for item in window.iter().filter_map(|row| row.k) {
                match counts.iter_mut().find(|(known, _)| *known == item) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((item, 1)),
                }
            }
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let top = counts.into_iter().take(2).map(|(item, count)| OutputRow {
                rowtime: end,
                values: vec![Value::Text(item.to_owned()), Value::Integer(count)],
            });
            expected.extend(top);
        }
        prop_assert_eq!(found("I VARCHAR(40), C BIGINT", query, &rows), expected);
    }

    #[test]
    fn group_ranks_count_the_rows_before(rows in rows(60)) {
        let query = "SELECT STREAM * FROM TABLE(GROUP_RANK(CURSOR(SELECT STREAM K, D FROM S), 'D', 'R', 'asc', 'none', 0, 0))";
        let rank = |row: &Row| {
            let before = rows.iter().filter(|other| other.rowtime == row.rowtime && ascending(other.d, row.d).is_lt());
            Value::Integer(1 + before.count() as i64)
        };
        let expected: Vec<OutputRow> = rows
            .iter()
            .map(|row| {
                let d = row.d.map_or(Value::Null, Value::Double);
                OutputRow { rowtime: row.rowtime, values: vec![text(row.k), d, rank(row)] }
            })
            .collect();
        prop_assert_eq!(found("K VARCHAR(40), D DOUBLE, R INTEGER", query, &rows), expected);
    }
}

//! What memory limits come to: for queries of every kind the growth of resident memory when a limit of 64 MiB is reached,
//! over that limit. `cargo run --release --example memory`.

#![allow(clippy::disallowed_methods, reason = "a tool works on the machine itself")]

use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, SqlType, StreamId, compile};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: System = System;

const LIMIT: u64 = 64 << 20;

/// Columns of the target, and what stands behind SELECT STREAM.
const QUERIES: [(&str, &str); 14] = [
    ("N BIGINT, A DOUBLE", "COUNT(*), AVG(D) FROM S GROUP BY K, FLOOR(S.ROWTIME TO DAY)"),
    ("N BIGINT", "COUNT(*) FROM S GROUP BY L, FLOOR(S.ROWTIME TO DAY)"),
    ("N BIGINT", "COUNT(*) FROM S GROUP BY N, K, FLOOR(S.ROWTIME TO DAY)"),
    ("N BIGINT", "SUM(DISTINCT N) FROM S GROUP BY FLOOR(S.ROWTIME TO DAY)"),
    ("K VARCHAR(40), M VARCHAR(40)", "K, MAX(K) FROM S GROUP BY K, FLOOR(S.ROWTIME TO DAY)"),
    ("N BIGINT", "COUNT(*) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '1' DAY)"),
    ("A DOUBLE", "AVG(D) OVER (PARTITION BY K RANGE INTERVAL '1' DAY PRECEDING) FROM S"),
    ("A DOUBLE", "AVG(D) OVER (RANGE INTERVAL '1' DAY PRECEDING) FROM S"),
    ("A DOUBLE", "MAX(D) OVER (PARTITION BY G RANGE INTERVAL '1' DAY PRECEDING) FROM S"),
    ("K VARCHAR(40), N INTEGER", "K, N FROM S ORDER BY FLOOR(S.ROWTIME TO DAY), N"),
    ("K VARCHAR(40), N INTEGER, T TIMESTAMP", "DISTINCT K, N, FLOOR(S.ROWTIME TO DAY) FROM S"),
    (
        "I VARCHAR(40), N BIGINT",
        "* FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM K FROM S), 'K', 10, 3600))",
    ),
    (
        "K VARCHAR(40), N INTEGER",
        "S.K, R.N FROM S OVER (RANGE INTERVAL '1' DAY PRECEDING) AS S JOIN R ON S.K = R.K",
    ),
    ("K VARCHAR(40), N INTEGER", "K, N FROM S UNION ALL SELECT STREAM K, N FROM R"),
];

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn batch(rows: std::ops::Range<i32>) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("key number {row}")))),
        Arc::new(StringArray::from_iter_values(
            rows.clone().map(|row| format!("{row} {}", "x".repeat(2_000))),
        )),
        Arc::new(Int32Array::from_iter_values(rows.clone())),
        Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| row % 100))),
        Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| f64::from(-row)))),
    ];
    Batch::new(rows.map(i64::from).collect::<Vec<_>>().into(), columns)
}

/// Runs a query until a row is refused; the growth of resident memory over the limit, and bytes counted.
fn run(target: &str, query: &str) -> (f64, usize) {
    let column =
        |(name, sql_type): (&str, SqlType)| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = [
        ("K", SqlType::Varchar { length: 40 }),
        ("L", SqlType::Varchar { length: 4_000 }),
        ("N", SqlType::Integer),
        ("G", SqlType::Integer),
        ("D", SqlType::Double),
    ];
    let columns: Vec<Column> = columns.into_iter().map(column).collect();
    let input =
        |name: &str| InputStream { name: name.to_owned(), columns: columns.clone(), metadata_columns: 0 };
    let text = format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
    let compilation = compile(&text, &[input("S"), input("R")], &catalog());
    let program = compilation.program.unwrap_or_else(|| panic!("{query}: {:?}", compilation.diagnostics));
    let settings = ApplicationSettings { memory_limit: LIMIT, ..ApplicationSettings::default() };
    let mut application = Application::new(program, settings).expect("the plan is sound");
    let mut row = 0;
    application.push(StreamId(0), &batch(0..1_000), 0).expect("the rows are in order");
    let before = resident();
    loop {
        row += 1_000;
        application.push(StreamId(0), &batch(row..row + 1_000), 0).expect("the rows are in order");
        if !application.take_errors().is_empty() || row > 4_000_000 {
            let grown = resident().saturating_sub(before);
            return (grown as f64 / LIMIT as f64, application.held_bytes()[0].1);
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() {
    if let Some(number) = std::env::args().nth(1).and_then(|text| text.parse::<usize>().ok()) {
        let (target, query) = QUERIES[number];
        let (grown, held) = run(target, query);
        println!("{grown:.2} of the limit resident, {} MiB counted: {query}", held >> 20);
        return;
    }
    // Each in a process of its own: memory that was given back may stay resident.
    let program = std::env::current_exe().expect("the program has a name");
    for number in 0..QUERIES.len() {
        let ran = std::process::Command::new(&program).arg(number.to_string()).status();
        ran.expect("the program can be started");
    }
}

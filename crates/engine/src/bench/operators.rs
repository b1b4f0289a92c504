//! Whole pumps over rows that are already in columns: windows, groups, forests.

use crate::bench::{Measurement, measure};
use crate::{Application, ApplicationSettings, Batch, catalog};
use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
use arrow_buffer::ScalarBuffer;
use millstream_sql::{Column, InputStream, SqlType, StreamId, compile};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Rows of a batch.
const ROWS_PER_BATCH: usize = 8_192;

/// Rows of a run of the fast statements; they are one millisecond apart.
const ROWS: usize = 1 << 20;

/// The statements: name, columns of the target, query over `TRADES (SYMBOL, PRICE, QUANTITY)`, rows of a run.
const STATEMENTS: [(&str, &str, &str, usize); 9] = [
    (
        "tumbling AVG",
        "A DOUBLE",
        "AVG(PRICE) FROM TRADES GROUP BY STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
        ROWS,
    ),
    (
        "grouped AVG and COUNT",
        "K VARCHAR(8), A DOUBLE, N BIGINT",
        "SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY SYMBOL, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
        ROWS,
    ),
    (
        "grouped by a number",
        "K INTEGER, A DOUBLE, N BIGINT",
        "QUANTITY, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY QUANTITY, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
        ROWS,
    ),
    (
        "distinct count",
        "N BIGINT",
        "NUMBER_OF_DISTINCT_ITEMS FROM TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT STREAM SYMBOL FROM TRADES), \
         'SYMBOL', 5))",
        ROWS,
    ),
    (
        "sliding RANGE by key",
        "A DOUBLE",
        "AVG(PRICE) OVER (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES",
        ROWS / 4,
    ),
    (
        "sliding ROWS by key",
        "A DOUBLE",
        "AVG(PRICE) OVER (PARTITION BY SYMBOL ROWS 100 PRECEDING) FROM TRADES",
        ROWS / 4,
    ),
    (
        "sliding MAX by key",
        "A DOUBLE",
        "MAX(PRICE) OVER (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES",
        ROWS / 4,
    ),
    (
        "stagger by key",
        "K VARCHAR(8), N BIGINT",
        "SYMBOL, COUNT(*) FROM TRADES WINDOWED BY STAGGER (PARTITION BY SYMBOL RANGE INTERVAL '5' SECOND)",
        ROWS / 4,
    ),
    (
        "random cut forest, 1-D",
        "S DOUBLE",
        "ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM PRICE FROM TRADES)))",
        ROWS / 128,
    ),
];

/// Runs every statement over prepared batches.
pub fn run(duration: Duration) -> Vec<Measurement> {
    run_named("", duration)
}

/// Runs the statements whose name holds `part`.
pub fn run_named(part: &str, duration: Duration) -> Vec<Measurement> {
    let batches = trades();
    STATEMENTS
        .iter()
        .filter(|(name, ..)| name.contains(part))
        .map(|(name, target, query, rows)| {
            let batches = &batches[..(rows / ROWS_PER_BATCH).max(1)];
            let bytes: usize = batches.iter().map(batch_bytes).sum();
            measure(name, duration, batches.len() * ROWS_PER_BATCH, bytes, || {
                let mut application = application(target, query);
                let output = application.program().stream("T").expect("the application creates T");
                application.subscribe(output);
                for batch in batches {
                    application.push(StreamId(0), batch, 0).expect("the rows are in order");
                    black_box(application.take_output(output));
                }
            })
        })
        .collect()
}

fn application(target: &str, query: &str) -> Application {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = InputStream {
        name: "TRADES".to_owned(),
        columns: vec![
            column("SYMBOL", SqlType::Varchar { length: 8 }),
            column("PRICE", SqlType::Double),
            column("QUANTITY", SqlType::Integer),
        ],
    };
    let text = format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
    let program = compile(&text, &[input], &catalog()).program.expect("the statement is legal");
    Application::new(program, ApplicationSettings::default()).expect("the plan is sound")
}

fn batch_bytes(batch: &Batch) -> usize {
    let columns: usize = batch.columns.iter().map(|column| column.get_buffer_memory_size()).sum();
    columns + batch.len() * 8
}

fn trades() -> Vec<Batch> {
    (0..ROWS / ROWS_PER_BATCH)
        .map(|number| {
            let rows = number * ROWS_PER_BATCH..(number + 1) * ROWS_PER_BATCH;
            let mixed = |row: usize| row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(
                    rows.clone().map(|row| format!("S{}", mixed(row) % 100)),
                )),
                Arc::new(Float64Array::from_iter_values(
                    rows.clone().map(|row| (mixed(row) % 1_000_003) as f64 / 1_000.0),
                )),
                Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| (mixed(row) % 100) as i32))),
            ];
            Batch::new(ScalarBuffer::from_iter(rows.map(|row| row as i64)), columns)
        })
        .collect()
}

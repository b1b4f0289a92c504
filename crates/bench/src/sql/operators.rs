//! Whole pumps over rows that are already in columns: windows, groups, forests.

use super::Bench;
use crate::Measurement;
use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, SqlType, StreamId, compile};
use std::hint::black_box;
use std::sync::Arc;

/// Rows of a batch.
const ROWS_PER_BATCH: usize = 8_192;

/// Rows of a run of the fast statements; they are one millisecond apart.
const ROWS: usize = 1 << 20;

/// Columns of the input.
pub(super) const COLUMNS: [(&str, SqlType); 3] =
    [("SYMBOL", SqlType::Varchar { length: 8 }), ("PRICE", SqlType::Double), ("QUANTITY", SqlType::Integer)];

/// One statement over `TRADES (SYMBOL, PRICE, QUANTITY)`.
struct Statement {
    name: &'static str,
    /// Columns of the target.
    target: &'static str,
    /// What stands behind SELECT STREAM.
    query: &'static str,
    /// Rows of a run.
    rows: usize,
    /// The budget in rows a second.
    least: Option<f64>,
}

const STATEMENTS: [Statement; 17] = [
    Statement {
        name: "top 10 of each 5 s",
        target: "I VARCHAR(8), N BIGINT",
        query: "ITEM, ITEM_COUNT FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM SYMBOL FROM TRADES), \
                'SYMBOL', 10, 5))",
        rows: ROWS,
        least: Some(4e6),
    },
    Statement {
        name: "top 10 of each minute, all different",
        target: "I VARCHAR(32), N BIGINT",
        query: "ITEM, ITEM_COUNT FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM PRICE FROM TRADES), \
                'PRICE', 10, 60))",
        rows: ROWS,
        least: Some(4e6),
    },
    Statement {
        name: "DISTINCT in each 5 s",
        target: "K VARCHAR(8), T TIMESTAMP",
        query: "DISTINCT SYMBOL, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND) FROM TRADES",
        rows: ROWS,
        least: None,
    },
    Statement {
        name: "ORDER BY within each second",
        target: "K VARCHAR(8), P DOUBLE",
        query: "SYMBOL, PRICE FROM TRADES ORDER BY STEP(TRADES.ROWTIME BY INTERVAL '1' SECOND), PRICE DESC",
        rows: ROWS / 4,
        least: None,
    },
    Statement {
        name: "regular expression to a record",
        target: "A VARCHAR(8), B VARCHAR(8)",
        query: "T.R.COLUMN1, T.R.COLUMN2 FROM (SELECT STREAM REGEX_LOG_PARSE(SYMBOL, '([A-Z]+)([0-9]+)') AS R FROM \
                TRADES) AS T",
        rows: ROWS / 4,
        least: None,
    },
    Statement {
        name: "hotspots of 1000 points, 2-D",
        target: "R VARCHAR(4096)",
        query: "HOTSPOTS_RESULT FROM TABLE(HOTSPOTS(CURSOR(SELECT STREAM PRICE, QUANTITY FROM TRADES), 1000, 5, 4))",
        rows: ROWS / 64,
        least: None,
    },
    Statement {
        name: "tumbling AVG",
        target: "A DOUBLE",
        query: "AVG(PRICE) FROM TRADES GROUP BY STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
        rows: ROWS,
        least: Some(300e6),
    },
    Statement {
        name: "grouped AVG and COUNT",
        target: "K VARCHAR(8), A DOUBLE, N BIGINT",
        query: "SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY SYMBOL, STEP(TRADES.ROWTIME BY \
                INTERVAL '5' SECOND)",
        rows: ROWS,
        least: Some(40e6),
    },
    Statement {
        name: "grouped by a number",
        target: "K INTEGER, A DOUBLE, N BIGINT",
        query: "QUANTITY, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY QUANTITY, STEP(TRADES.ROWTIME BY \
                INTERVAL '5' SECOND)",
        rows: ROWS,
        least: Some(40e6),
    },
    Statement {
        name: "distinct count",
        target: "N BIGINT",
        query: "NUMBER_OF_DISTINCT_ITEMS FROM TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT \
                STREAM SYMBOL FROM TRADES), 'SYMBOL', 5))",
        rows: ROWS,
        least: Some(50e6),
    },
    Statement {
        name: "distinct count, all different",
        target: "N BIGINT",
        query: "NUMBER_OF_DISTINCT_ITEMS FROM TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT \
                STREAM PRICE FROM TRADES), 'PRICE', 60))",
        rows: ROWS,
        least: None,
    },
    Statement {
        name: "sliding RANGE by key",
        target: "A DOUBLE",
        query: "AVG(PRICE) OVER (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES",
        rows: ROWS / 4,
        least: Some(10e6),
    },
    Statement {
        name: "sliding ROWS by key",
        target: "A DOUBLE",
        query: "AVG(PRICE) OVER (PARTITION BY SYMBOL ROWS 100 PRECEDING) FROM TRADES",
        rows: ROWS / 4,
        least: Some(9e6),
    },
    Statement {
        name: "sliding MAX by key",
        target: "A DOUBLE",
        query: "MAX(PRICE) OVER (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES",
        rows: ROWS / 4,
        least: None,
    },
    Statement {
        name: "stagger by key",
        target: "K VARCHAR(8), N BIGINT",
        query: "SYMBOL, COUNT(*) FROM TRADES WINDOWED BY STAGGER (PARTITION BY SYMBOL RANGE INTERVAL \
                '5' SECOND)",
        rows: ROWS / 4,
        least: None,
    },
    Statement {
        name: "random cut forest, 1-D",
        target: "S DOUBLE",
        query: "ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM PRICE FROM TRADES)))",
        rows: ROWS / 64,
        least: Some(30e3),
    },
    Statement {
        name: "random cut forest, 10-D",
        target: "S DOUBLE",
        query: "ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM PRICE, QUANTITY, \
                PRICE * 2, PRICE + QUANTITY, PRICE * PRICE, QUANTITY * 3, PRICE - QUANTITY, PRICE / \
                7, QUANTITY / 3, PRICE * QUANTITY FROM TRADES)))",
        rows: ROWS / 64,
        least: Some(15e3),
    },
];

/// Runs every statement over prepared batches.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let batches = trades();
    let wanted = STATEMENTS.iter().filter(|statement| bench.wants(statement.name));
    wanted
        .map(|statement| {
            let batches = &batches[..(statement.rows / ROWS_PER_BATCH).max(1)];
            let bytes = batches.iter().map(|batch| bytes_read(batch, statement.query)).sum();
            let size = (batches.len() * ROWS_PER_BATCH, bytes);
            bench.measure(statement.name, statement.least, size, || {
                let mut application = application(statement.target, statement.query);
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

/// An application with one input, one pump and one stream `T`.
pub(super) fn application(target: &str, query: &str) -> Application {
    let text = format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
    application_of(&text, ApplicationSettings::default())
}

/// An application over the trades.
pub(super) fn application_of(text: &str, settings: ApplicationSettings) -> Application {
    let column = |(name, sql_type): &(&str, SqlType)| Column {
        name: (*name).to_owned(),
        sql_type: *sql_type,
        not_null: false,
    };
    let input = InputStream {
        name: "TRADES".to_owned(),
        columns: COLUMNS.iter().map(column).collect(),
        metadata_columns: 0,
    };
    let program = compile(text, &[input], &catalog()).program.expect("the statements are legal");
    Application::new(program, settings).expect("the plan is sound")
}

/// Bytes of the columns that a query names.
fn bytes_read(batch: &Batch, query: &str) -> usize {
    let columns = COLUMNS.iter().zip(&batch.columns);
    let read = columns.filter(|((name, _), _)| query.contains(name));
    read.map(|(_, column)| column.get_buffer_memory_size()).sum()
}

/// The rows, in batches.
pub(super) fn trades() -> Vec<Batch> {
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

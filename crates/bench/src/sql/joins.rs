//! Applications over several inputs: joins of streams, lookups in a reference table, UNION ALL.

use super::Bench;
use crate::Measurement;
use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, ReferenceTable, SqlType, StreamId, TableId, compile_with_tables};
use std::hint::black_box;
use std::sync::Arc;

/// Rows of a batch.
const ROWS_PER_BATCH: usize = 8_192;

/// Rows of each of the two inputs; they are one millisecond apart.
const ROWS: usize = 1 << 18;

/// Rows of the reference table.
const TABLE_ROWS: usize = 10_000;

/// One statement over `ORDERS` and `SHIPMENTS`, both `(ID BIGINT, PLACE VARCHAR(8), AMOUNT DOUBLE)`, and the table
/// `PLACES (NUMBER BIGINT, NAME VARCHAR(16))`.
struct Statement {
    name: &'static str,
    /// Columns of the target.
    target: &'static str,
    /// What stands behind SELECT STREAM.
    query: &'static str,
    /// The budget in rows a second, those of all inputs counted.
    least: Option<f64>,
}

const STATEMENTS: [Statement; 4] = [
    Statement {
        name: "stream join, both windowed",
        target: "ID BIGINT, A DOUBLE, B DOUBLE",
        query: "O.ID, O.AMOUNT, S.AMOUNT FROM ORDERS OVER (RANGE INTERVAL '5' SECOND PRECEDING) AS O JOIN SHIPMENTS \
                OVER (RANGE INTERVAL '5' SECOND PRECEDING) AS S ON O.ID = S.ID",
        least: Some(2e6),
    },
    Statement {
        name: "stream join, left outer",
        target: "ID BIGINT, A DOUBLE, B DOUBLE",
        query: "O.ID, O.AMOUNT, S.AMOUNT FROM ORDERS OVER (RANGE INTERVAL '5' SECOND PRECEDING) AS O LEFT JOIN \
                SHIPMENTS AS S ON O.ID = S.ID AND S.AMOUNT >= O.AMOUNT",
        least: Some(2e6),
    },
    Statement {
        name: "join with a reference table",
        target: "ID BIGINT, N VARCHAR(16)",
        query: "O.ID, P.NAME FROM ORDERS AS O LEFT JOIN PLACES AS P ON O.ID = P.NUMBER",
        least: None,
    },
    Statement {
        name: "UNION ALL of two streams",
        target: "ID BIGINT, A DOUBLE",
        query: "ID, AMOUNT FROM ORDERS UNION ALL SELECT STREAM ID, AMOUNT FROM SHIPMENTS",
        least: None,
    },
];

/// Runs every statement over prepared batches of both inputs, which take turns.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let wanted = STATEMENTS.iter().filter(|statement| bench.wants(statement.name));
    let inputs = [rows(0), rows(1)];
    wanted
        .map(|statement| {
            let mut application = application(statement);
            let reads_both = statement.query.contains("SHIPMENTS");
            let read = &inputs[..if reads_both { 2 } else { 1 }];
            let bytes = read.iter().flatten().flat_map(|batch| &batch.columns);
            let bytes = bytes.map(|column| column.get_buffer_memory_size()).sum();
            bench.measure(statement.name, statement.least, (ROWS * read.len(), bytes), || {
                let output = application.program().stream("T").expect("the application creates T");
                application.subscribe(output);
                for number in 0..ROWS / ROWS_PER_BATCH {
                    for (input, batches) in read.iter().enumerate() {
                        application
                            .push(StreamId(input), &batches[number], 0)
                            .expect("the rows are in order");
                    }
                    black_box(application.take_output(output));
                }
                application = self::application(statement);
            })
        })
        .collect()
}

fn application(statement: &Statement) -> Application {
    let columns = |columns: &[(&str, SqlType)]| {
        let column = |(name, sql_type): &(&str, SqlType)| Column {
            name: (*name).to_owned(),
            sql_type: *sql_type,
            not_null: false,
        };
        columns.iter().map(column).collect::<Vec<Column>>()
    };
    let varchar = |length| SqlType::Varchar { length };
    let own = columns(&[("ID", SqlType::BigInt), ("PLACE", varchar(8)), ("AMOUNT", SqlType::Double)]);
    let inputs = ["ORDERS", "SHIPMENTS"].map(|name| InputStream {
        name: name.to_owned(),
        columns: own.clone(),
        metadata_columns: 0,
    });
    let table = ReferenceTable {
        name: "PLACES".to_owned(),
        columns: columns(&[("NUMBER", SqlType::BigInt), ("NAME", varchar(16))]),
    };
    let Statement { target, query, .. } = statement;
    let text = format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
    let program = compile_with_tables(&text, &inputs, &[table], &catalog());
    let program = program.program.expect("the statement is legal");
    let mut application =
        Application::new(program, ApplicationSettings::default()).expect("the plan is sound");
    let places: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..TABLE_ROWS as i64)),
        Arc::new(StringArray::from_iter_values((0..TABLE_ROWS).map(|row| format!("place {row}")))),
    ];
    let places = Batch::new(vec![0; TABLE_ROWS].into(), places);
    application.load_table(TableId(0), &places).expect("the columns are those of the table");
    application
}

/// The rows of an input in batches. Row `n` of the one meets row `n` of the other, up to two seconds away.
fn rows(input: usize) -> Vec<Batch> {
    (0..ROWS / ROWS_PER_BATCH)
        .map(|number| {
            let rows = number * ROWS_PER_BATCH..(number + 1) * ROWS_PER_BATCH;
            let shuffled = |row: usize| (row / 2_048 * 2_048 + (row * 1_021 + input * 77) % 2_048) as i64;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(rows.clone().map(shuffled))),
                Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("P{}", row % 100)))),
                Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| (row % 1_000) as f64))),
            ];
            Batch::new(rows.map(|row| row as i64).collect::<Vec<_>>().into(), columns)
        })
        .collect()
}

//! The end of the inputs, and rows that wait for stragglers.

use arrow_array::{ArrayRef, TimestampMillisecondArray};
use millstream_columns::{Batch, value_at};
use millstream_engine::{Application, ApplicationSettings, PushError, catalog};
use millstream_sql::{Column, InputStream, SqlType, StreamId, Value, compile};
use std::sync::Arc;

fn application(sql: &str) -> (Application, StreamId, StreamId) {
    let column = Column { name: "TS".to_owned(), sql_type: SqlType::Timestamp, not_null: false };
    let input = InputStream { name: "S".to_owned(), columns: vec![column], metadata_columns: 0 };
    let program = compile(sql, &[input], &catalog()).program.expect("the SQL is right");
    let settings = ApplicationSettings { virtual_clock: true, ..ApplicationSettings::default() };
    let mut application = Application::new(program, settings).expect("the plan runs");
    let stream = |name: &str| application.program().stream(name).expect("there");
    let (input, output) = (stream("S"), stream("T"));
    application.subscribe(output);
    (application, input, output)
}

fn push(
    application: &mut Application,
    input: StreamId,
    rowtime: i64,
    times: &[i64],
) -> Result<(), PushError> {
    let column: ArrayRef = Arc::new(TimestampMillisecondArray::from(times.to_vec()));
    application.push(input, &Batch::new(vec![rowtime; times.len()].into(), vec![column]), rowtime)
}

/// ROWTIME and count of what has come out.
fn counts(application: &mut Application, output: StreamId) -> Vec<(i64, Value)> {
    let batches = application.take_output(output);
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.len()).map(|row| (batch.rowtimes[row], value_at(&batch.columns[0], SqlType::BigInt, row)))
    });
    rows.collect()
}

const SORTED: &str = "CREATE STREAM SORTED (TS TIMESTAMP);
    CREATE PUMP P AS INSERT INTO SORTED SELECT STREAM TS AS ROWTIME, TS FROM S ORDER BY TS WITHIN INTERVAL '1' MINUTE;
    CREATE STREAM T (N BIGINT);
    CREATE PUMP Q AS INSERT INTO T
      SELECT STREAM COUNT(*) FROM SORTED GROUP BY STEP(SORTED.ROWTIME BY INTERVAL '10' SECOND);";

#[test]
fn row_10_rows_that_wait_go_when_asked_for_and_others_may_follow() {
    let (mut application, input, output) = application(SORTED);
    push(&mut application, input, 20_000, &[15_000, 12_000]).expect("in order");
    application.bound(input, 500_000, 500_000).expect("an input");
    assert_eq!(counts(&mut application, output), []);
    application.release_sorted(500_000);
    assert_eq!(counts(&mut application, output), [(20_000, Value::Integer(2))]);
    push(&mut application, input, 500_000, &[500_001]).expect("rows may follow");
    push(&mut application, input, 500_000, &[400_000]).expect("but not before what has left");
    assert_eq!(application.take_errors().len(), 1);
    application.drain(500_000);
    assert_eq!(counts(&mut application, output), [(510_000, Value::Integer(1))]);
}

#[test]
fn row_07_no_rows_follow_the_end() {
    let (mut application, input, output) = application(SORTED);
    push(&mut application, input, 20_000, &[15_000]).expect("in order");
    application.drain(20_000);
    assert_eq!(counts(&mut application, output), [(20_000, Value::Integer(1))]);
    assert!(matches!(push(&mut application, input, 30_000, &[30_000]), Err(PushError::Backwards { .. })));
    application.drain(20_000);
    assert_eq!(counts(&mut application, output), []);
}

#[test]
fn row_07_rows_of_several_writers_and_outer_joins_go_at_the_end() {
    let (mut application, input, output) = application(
        "CREATE STREAM A (N BIGINT);
         CREATE PUMP P1 AS INSERT INTO A SELECT STREAM COUNT(*) FROM S GROUP BY FLOOR(S.ROWTIME TO MONTH);
         CREATE PUMP P2 AS INSERT INTO A SELECT STREAM COUNT(*) FROM S GROUP BY MONOTONIC(TS);
         CREATE STREAM T (N BIGINT);
         CREATE PUMP P3 AS INSERT INTO T SELECT STREAM A.N FROM A LEFT JOIN
           (SELECT STREAM CAST(COUNT(*) AS BIGINT) AS N FROM S GROUP BY FLOOR(S.ROWTIME TO DAY)) OVER (ROWS 1 PRECEDING) AS B
           ON A.N = B.N + 5;",
    );
    push(&mut application, input, 20_000, &[15_000, 15_000, 15_000]).expect("in order");
    application.drain(20_000);
    let mut found = counts(&mut application, output);
    found.sort_by_key(|(rowtime, _)| *rowtime);
    // January 1970 has 31 days.
    assert_eq!(found, [(20_000, Value::Integer(3)), (31 * 86_400_000, Value::Integer(3))]);
}

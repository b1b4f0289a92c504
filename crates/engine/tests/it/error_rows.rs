//! What the error stream tells of a row: why, when, which, and from which pump.

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, StringArray, TimestampMillisecondArray};
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, SqlType, StreamId, compile};
use std::sync::Arc;

#[test]
fn an_error_row_shows_the_row_as_text() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = InputStream {
        name: "S".to_owned(),
        columns: vec![
            column("K", SqlType::Varchar { length: 8 }),
            column("N", SqlType::Integer),
            column("E", SqlType::Decimal { precision: 5, scale: 2 }),
            column("T", SqlType::Timestamp),
        ],
        metadata_columns: 0,
    };
    let text =
        "CREATE STREAM A (Q INTEGER NOT NULL); CREATE PUMP P AS INSERT INTO A SELECT STREAM 10 / N FROM S;";
    let program = compile(text, &[input], &catalog()).program.expect("the text is legal");
    let mut application =
        Application::new(program, ApplicationSettings::default()).expect("the plan is sound");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a,b"), None, Some("c")])),
        Arc::new(Int32Array::from(vec![Some(0), None, Some(5)])),
        Arc::new(
            Decimal128Array::from(vec![Some(-150), Some(5), None])
                .with_precision_and_scale(5, 2)
                .expect("the scale is within the precision"),
        ),
        Arc::new(TimestampMillisecondArray::from(vec![Some(1_500), None, None])),
    ];
    let rows = Batch::new(vec![7_000, 8_000, 9_000].into(), columns);
    application.push(StreamId(0), &rows, 99).expect("the rows are in order");
    let errors = application.take_errors();
    let shown: Vec<_> = errors
        .iter()
        .map(|error| {
            let bytes: Vec<u8> = (0..error.data_row.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&error.data_row[at..at + 2], 16).expect("two hex digits"))
                .collect();
            let row = String::from_utf8(bytes).expect("the row is text");
            (error.error_name.as_str(), error.error_time, error.data_rowtime, error.pump_name.as_str(), row)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("DIVISION_BY_ZERO", 99, Some(7_000), "P", "\"a,b\",0,-1.50,1970-01-01 00:00:01.500".to_owned()),
            ("NULL_VIOLATION", 99, Some(8_000), "P", String::new()),
        ]
    );
    assert!(errors[1].message.contains("\"Q\""), "{}", errors[1].message);
}

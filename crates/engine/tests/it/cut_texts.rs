//! Texts that pumps cut to the length of a column are counted.

use arrow_array::StringArray;
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, SqlType, compile};
use std::sync::Arc;

#[test]
fn texts_that_pumps_cut_are_counted_by_column() {
    let input = InputStream {
        name: "S".to_owned(),
        columns: vec![Column {
            name: "K".to_owned(),
            sql_type: SqlType::Varchar { length: 16 },
            not_null: false,
        }],
        metadata_columns: 0,
    };
    let sql = "CREATE STREAM A (WIDE VARCHAR(16), NARROW VARCHAR(4), PADDED CHAR(6));
        CREATE PUMP P AS INSERT INTO A SELECT STREAM K, K, K FROM S;
        CREATE PUMP Q AS INSERT INTO A SELECT STREAM K, K, 'x' FROM S WHERE K <> 'AMZN';
        CREATE STREAM B (SHORT VARCHAR(2));
        CREATE PUMP R AS INSERT INTO B SELECT STREAM CAST(NARROW AS VARCHAR(2)) FROM A;";
    let program = compile(sql, &[input], &catalog()).program.expect("the SQL is right");
    let mut application = Application::new(program, ApplicationSettings::default()).expect("the plan runs");
    let stream = application.program().stream("S").expect("an input");
    let texts = StringArray::from(vec![Some("AMZN"), Some("GOOGL"), None, Some("GÖÖG"), Some("ALPHABET")]);
    application.push(stream, &Batch::new(vec![1; 5].into(), vec![Arc::new(texts)]), 1).expect("in order");
    let found: Vec<(String, String, u64)> =
        application.cut_texts().into_iter().map(|cut| (cut.stream, cut.column, cut.count)).collect();
    // A CAST that the author wrote is none of these.
    assert_eq!(found, [("A".to_owned(), "NARROW".to_owned(), 4), ("A".to_owned(), "PADDED".to_owned(), 1)]);
}

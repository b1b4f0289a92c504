//! Random rows of the input `S (K VARCHAR(40), N INTEGER, D DOUBLE, B BOOLEAN, E DECIMAL(10,2))`, with NULLs.

use millstream_columns::{Batch, array_from_values};
use millstream_sql::{Column, InputStream, SqlType, Value};
use proptest::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) rowtime: i64,
    pub(crate) k: Option<&'static str>,
    pub(crate) n: Option<i64>,
    pub(crate) d: Option<f64>,
    pub(crate) b: Option<bool>,
    /// In hundredths.
    pub(crate) e: Option<i128>,
}

const COLUMNS: [(&str, SqlType); 5] = [
    ("K", SqlType::Varchar { length: 40 }),
    ("N", SqlType::Integer),
    ("D", SqlType::Double),
    ("B", SqlType::Boolean),
    ("E", SqlType::Decimal { precision: 10, scale: 2 }),
];

/// The time of the first rows: in the middle of every window that the programs have.
const START: i64 = 1_704_067_203_500;

/// Up to `most` rows in order of time. Numbers are such that sums of DOUBLEs are exact in any order.
pub(crate) fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let step = prop::sample::select(vec![0_i64, 0, 1, 499, 500, 1_000, 2_500, 5_000, 61_000]);
    let k =
        prop::sample::select(vec![None, Some(""), Some("a"), Some("b"), Some("longer than any packed key")]);
    let n = prop::sample::select(vec![
        None,
        Some(-3),
        Some(0),
        Some(1),
        Some(2),
        Some(7),
        Some(i64::from(i32::MAX)),
    ]);
    let d = prop::sample::select(vec![None, Some(0.0), Some(-0.5), Some(1.25), Some(1_024.0), Some(-7.0)]);
    let b = prop::option::of(any::<bool>());
    let e = prop::sample::select(vec![None, Some(0), Some(1), Some(-250), Some(99_999)]);
    prop::collection::vec((step, k, n, d, b, e), 0..most).prop_map(|parts| {
        let mut rowtime = START;
        let mut rows = Vec::new();
        for (step, k, n, d, b, e) in parts {
            rowtime += step;
            rows.push(Row { rowtime, k, n, d, b, e });
        }
        rows
    })
}

/// The input as the application declares it.
pub(crate) fn input() -> InputStream {
    let column = |(name, sql_type): &(&str, SqlType)| Column {
        name: (*name).to_owned(),
        sql_type: *sql_type,
        not_null: false,
    };
    InputStream { name: "S".to_owned(), columns: COLUMNS.iter().map(column).collect(), metadata_columns: 0 }
}

/// A batch of rows.
pub(crate) fn batch(rows: &[Row]) -> Batch {
    let columns = COLUMNS.iter().enumerate().map(|(index, (_, sql_type))| {
        let values: Vec<Value> = rows.iter().map(|row| row.value(index)).collect();
        array_from_values(*sql_type, &values).expect("the values are of the type of their column")
    });
    let rowtimes: Vec<i64> = rows.iter().map(|row| row.rowtime).collect();
    Batch::new(rowtimes.into(), columns.collect())
}

impl Row {
    /// The value of a column by its place.
    pub(crate) fn value(&self, column: usize) -> Value {
        match column {
            0 => self.k.map_or(Value::Null, |k| Value::Text(k.to_owned())),
            1 => self.n.map_or(Value::Null, Value::Integer),
            2 => self.d.map_or(Value::Null, Value::Double),
            3 => self.b.map_or(Value::Null, Value::Boolean),
            _ => self.e.map_or(Value::Null, Value::Decimal),
        }
    }
}

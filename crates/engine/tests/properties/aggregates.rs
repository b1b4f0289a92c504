//! The aggregates of the random programs: their SQL, and what they are by definition.

use crate::rows::Row;
use millstream_sql::Value;

/// An aggregate.
pub(crate) struct Aggregate {
    pub(crate) sql: &'static str,
    /// The type of the column that takes it.
    pub(crate) column: &'static str,
    /// Its value over the rows of a window, oldest first.
    pub(crate) over: fn(&[&Row]) -> Value,
}

/// Aggregates of groups and of windows.
pub(crate) const AGGREGATES: [Aggregate; 19] = [
    Aggregate { sql: "COUNT(*)", column: "BIGINT", over: |rows| Value::Integer(rows.len() as i64) },
    Aggregate { sql: "COUNT(N)", column: "BIGINT", over: |rows| Value::Integer(numbers(rows).len() as i64) },
    Aggregate { sql: "COUNT(K)", column: "BIGINT", over: |rows| Value::Integer(texts(rows).len() as i64) },
    Aggregate {
        sql: "SUM(N)",
        column: "BIGINT",
        over: |rows| integer(numbers(rows), |all| all.iter().sum()),
    },
    Aggregate {
        sql: "AVG(N)",
        column: "INTEGER",
        over: |rows| integer(numbers(rows), |all| all.iter().sum::<i64>() / all.len() as i64),
    },
    Aggregate {
        sql: "MIN(N)",
        column: "INTEGER",
        over: |rows| or_null(numbers(rows).into_iter().min(), Value::Integer),
    },
    Aggregate {
        sql: "MAX(N)",
        column: "INTEGER",
        over: |rows| or_null(numbers(rows).into_iter().max(), Value::Integer),
    },
    Aggregate {
        sql: "SUM(DISTINCT N)",
        column: "BIGINT",
        over: |rows| {
            integer(numbers(rows), |all| {
                let mut different = all.to_vec();
                different.sort_unstable();
                different.dedup();
                different.iter().sum()
            })
        },
    },
    Aggregate {
        sql: "MIN(K)",
        column: "VARCHAR(40)",
        over: |rows| or_null(texts(rows).into_iter().min(), text),
    },
    Aggregate {
        sql: "MAX(K)",
        column: "VARCHAR(40)",
        over: |rows| or_null(texts(rows).into_iter().max(), text),
    },
    Aggregate { sql: "SUM(D)", column: "DOUBLE", over: |rows| double(floats(rows), |all| all.iter().sum()) },
    Aggregate { sql: "AVG(D)", column: "DOUBLE", over: |rows| double(floats(rows), mean) },
    Aggregate {
        sql: "MAX(D)",
        column: "DOUBLE",
        over: |rows| double(floats(rows), |all| all.iter().copied().fold(f64::MIN, f64::max)),
    },
    Aggregate {
        sql: "VAR_POP(D)",
        column: "DOUBLE",
        over: |rows| double(floats(rows), |all| squares(all) / all.len() as f64),
    },
    Aggregate {
        sql: "STDDEV_SAMP(D)",
        column: "DOUBLE",
        over: |rows| match floats(rows) {
            all if all.len() < 2 => Value::Null,
            all => Value::Double((squares(&all) / (all.len() - 1) as f64).sqrt()),
        },
    },
    Aggregate {
        sql: "ANY(B)",
        column: "BOOLEAN",
        over: |rows| Value::Boolean(rows.iter().any(|row| row.b == Some(true))),
    },
    Aggregate {
        sql: "EVERY(B)",
        column: "BOOLEAN",
        over: |rows| {
            let known: Vec<bool> = rows.iter().filter_map(|row| row.b).collect();
            if known.is_empty() { Value::Null } else { Value::Boolean(known.iter().all(|b| *b)) }
        },
    },
    Aggregate {
        sql: "SUM(E)",
        column: "DECIMAL(18,2)",
        over: |rows| match decimals(rows) {
            all if all.is_empty() => Value::Null,
            all => Value::Decimal(all.iter().sum()),
        },
    },
    Aggregate {
        sql: "AVG(E)",
        column: "DECIMAL(18,6)",
        over: |rows| match decimals(rows) {
            all if all.is_empty() => Value::Null,
            // Hundredths to millionths, half away from zero.
            all => {
                let (sum, count) = (all.iter().sum::<i128>() * 10_000, all.len() as i128);
                let half = if sum < 0 { -count } else { count };
                Value::Decimal((2 * sum + half) / (2 * count))
            }
        },
    },
];

/// Functions of windows only.
pub(crate) const POSITIONAL: [Aggregate; 6] = [
    Aggregate { sql: "FIRST_VALUE(N)", column: "INTEGER", over: |rows| nth(rows.first()) },
    Aggregate {
        sql: "LAST_VALUE(N) IGNORE NULLS",
        column: "INTEGER",
        over: |rows| or_null(numbers(rows).last().copied(), Value::Integer),
    },
    Aggregate { sql: "NTH_VALUE(N, 2)", column: "INTEGER", over: |rows| nth(rows.get(1)) },
    Aggregate {
        sql: "NTH_VALUE(N, 2) FROM LAST IGNORE NULLS",
        column: "INTEGER",
        over: |rows| or_null(numbers(rows).iter().rev().nth(1).copied(), Value::Integer),
    },
    Aggregate { sql: "LAG(N)", column: "INTEGER", over: |rows| nth(rows.iter().rev().nth(1)) },
    Aggregate {
        sql: "LAG(N, 2, 99)",
        column: "INTEGER",
        over: |rows| rows.iter().rev().nth(2).map_or(Value::Integer(99), |row| row.value(1)),
    },
];

fn numbers(rows: &[&Row]) -> Vec<i64> {
    rows.iter().filter_map(|row| row.n).collect()
}

fn floats(rows: &[&Row]) -> Vec<f64> {
    rows.iter().filter_map(|row| row.d).collect()
}

fn texts(rows: &[&Row]) -> Vec<&'static str> {
    rows.iter().filter_map(|row| row.k).collect()
}

fn decimals(rows: &[&Row]) -> Vec<i128> {
    rows.iter().filter_map(|row| row.e).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn nth(row: Option<&&Row>) -> Value {
    row.map_or(Value::Null, |row| row.value(1))
}

fn or_null<T>(value: Option<T>, wrap: impl Fn(T) -> Value) -> Value {
    value.map_or(Value::Null, wrap)
}

fn integer(all: Vec<i64>, of: impl Fn(&[i64]) -> i64) -> Value {
    if all.is_empty() { Value::Null } else { Value::Integer(of(&all)) }
}

fn double(all: Vec<f64>, of: impl Fn(&[f64]) -> f64) -> Value {
    if all.is_empty() { Value::Null } else { Value::Double(of(&all)) }
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

fn squares(all: &[f64]) -> f64 {
    let mean = mean(all);
    all.iter().map(|value| (value - mean) * (value - mean)).sum()
}

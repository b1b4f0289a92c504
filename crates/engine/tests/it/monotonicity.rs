//! Monotonicity: rule by rule what may close windows (section 2.7), and operator by operator what columns keep of it.

use arrow_array::{ArrayRef, Int32Array};
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, Compilation, GroupDriver, InputStream, NodeKind, SqlType, Value, compile};
use std::sync::Arc;

/// What closes a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closes {
    /// Windows of one length, by ROWTIME.
    Periodic,
    /// Another function of ROWTIME.
    Time,
    /// The row that changes the value.
    Row,
    /// Nothing: refused.
    Nothing,
}

fn compiled(sql: &str) -> Compilation {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = |name: &str| InputStream {
        name: name.to_owned(),
        columns: vec![
            column("K", SqlType::Varchar { length: 4 }),
            column("V", SqlType::Integer),
            column("D", SqlType::Double),
            column("TS", SqlType::Timestamp),
        ],
        metadata_columns: 0,
    };
    compile(sql, &[input("S"), input("R")], &catalog())
}

/// What closes the windows of `GROUP BY key` over `from`.
fn closes(from: &str, key: &str) -> Closes {
    let sql = format!(
        "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM {from} GROUP BY {key};"
    );
    let compilation = compiled(&sql);
    let Some(program) = compilation.program else {
        let first = compilation.diagnostics.first().expect("a refusal has a reason");
        assert!(first.message.contains("needs a monotonic expression"), "{from}: {key}: {}", first.message);
        return Closes::Nothing;
    };
    let mut found = Closes::Nothing;
    program.pumps[0].query.walk(&mut |node| {
        if let NodeKind::Tumble { driver, .. } = &node.kind
            && found == Closes::Nothing
        {
            found = match driver {
                GroupDriver::Periodic { .. } => Closes::Periodic,
                GroupDriver::Rowtime { .. } => Closes::Time,
                GroupDriver::Value { .. } => Closes::Row,
            };
        }
    });
    found
}

#[test]
fn row_02_each_rule_of_the_table_holds() {
    use Closes::*;
    let rules = [
        // Constants drive nothing.
        ("1", Nothing),
        ("TIMESTAMP '2024-01-01 00:00:00'", Nothing),
        ("S.V", Nothing),
        ("S.TS", Nothing),
        ("STEP(S.TS BY INTERVAL '5' SECOND)", Nothing),
        // ROWTIME and what is asserted.
        ("S.ROWTIME", Periodic),
        ("MONOTONIC(S.V)", Row),
        ("MONOTONIC(S.TS)", Row),
        // FLOOR, CEIL, STEP, SUBSTRING: as their operand.
        ("FLOOR(S.ROWTIME TO HOUR)", Periodic),
        ("CEIL(S.ROWTIME TO HOUR)", Periodic),
        ("FLOOR(S.ROWTIME TO MONTH)", Time),
        ("STEP(S.ROWTIME BY INTERVAL '7' SECOND)", Periodic),
        ("STEP(S.ROWTIME BY INTERVAL '1' MONTH)", Time),
        ("FLOOR(MONOTONIC(S.D))", Row),
        ("CEIL(MONOTONIC(S.D))", Row),
        ("STEP(MONOTONIC(S.V) BY 10)", Row),
        ("FLOOR(MONOTONIC(S.TS) TO HOUR)", Row),
        ("SUBSTRING(MONOTONIC(S.K) FROM 0 FOR 2)", Row),
        ("SUBSTRING(MONOTONIC(S.K) FROM 1 FOR 2)", Row),
        ("SUBSTRING(MONOTONIC(S.K) FROM 2 FOR 2)", Nothing),
        ("SUBSTRING(MONOTONIC(S.K) FROM 1 FOR S.V)", Nothing),
        // Signs.
        ("+MONOTONIC(S.V)", Row),
        ("-MONOTONIC(S.V)", Row),
        // Sums and differences with a constant, and of two of one direction.
        ("MONOTONIC(S.V) + 1", Row),
        ("1 + MONOTONIC(S.V)", Row),
        ("MONOTONIC(S.V) - 1", Row),
        ("1 - MONOTONIC(S.V)", Row),
        ("MONOTONIC(S.V) + MONOTONIC(S.D)", Row),
        ("MONOTONIC(S.V) - MONOTONIC(S.D)", Nothing),
        ("MONOTONIC(S.V) + (1 - MONOTONIC(S.D))", Nothing),
        ("MONOTONIC(S.V) - (1 - MONOTONIC(S.D))", Row),
        ("MONOTONIC(S.V) + S.V", Nothing),
        // Products and quotients with a constant: by its sign.
        ("MONOTONIC(S.V) * 2", Row),
        ("2 * MONOTONIC(S.V)", Row),
        ("MONOTONIC(S.V) * -2", Row),
        ("MONOTONIC(S.V) * (2 * 3)", Row),
        ("MONOTONIC(S.V) * 0", Nothing),
        ("MONOTONIC(S.V) * S.V", Nothing),
        ("MONOTONIC(S.V) * MONOTONIC(S.V)", Nothing),
        ("MONOTONIC(S.V) / 2", Row),
        ("MONOTONIC(S.V) / -2", Row),
        ("MONOTONIC(S.V) / S.V", Nothing),
        ("2 / MONOTONIC(S.V)", Nothing),
        ("MONOTONIC(S.V) + 2 * MONOTONIC(S.D)", Row),
        ("MONOTONIC(S.V) + -2 * MONOTONIC(S.D)", Nothing),
        // Datetimes and intervals.
        ("S.ROWTIME + INTERVAL '1' DAY", Periodic),
        ("S.ROWTIME - INTERVAL '1' DAY", Periodic),
        ("FLOOR((S.ROWTIME - INTERVAL '10' SECOND) TO MINUTE) + INTERVAL '1' DAY", Periodic),
        ("(S.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND", Time),
        ("FLOOR((S.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)", Time),
        ("(TIMESTAMP '2100-01-01 00:00:00' - S.ROWTIME) SECOND", Time),
        ("(S.ROWTIME - S.TS) SECOND", Nothing),
        ("S.ROWTIME + (S.V * INTERVAL '1' SECOND)", Nothing),
        ("UNIX_TIMESTAMP(S.ROWTIME) / 60000", Time),
        ("TO_TIMESTAMP(UNIX_TIMESTAMP(S.ROWTIME) / 60000 * 60000)", Time),
        // Fields that start over, but for the year.
        ("EXTRACT(YEAR FROM S.ROWTIME)", Time),
        ("EXTRACT(HOUR FROM S.ROWTIME)", Nothing),
        ("CAST(S.ROWTIME AS TIME)", Nothing),
        ("MOD(MONOTONIC(S.V), 10)", Nothing),
        // Casts that keep order.
        ("CAST(S.ROWTIME AS DATE)", Time),
        ("CAST(FLOOR(S.ROWTIME TO MINUTE) AS VARCHAR(19))", Time),
        ("CAST(MONOTONIC(S.V) AS BIGINT)", Row),
        ("CAST(MONOTONIC(S.D) AS INTEGER)", Row),
        ("CAST(MONOTONIC(S.V) AS VARCHAR(10))", Nothing),
        ("CAST(MONOTONIC(S.K) AS INTEGER)", Nothing),
        ("CAST((S.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') MINUTE AS INTEGER)", Time),
        // The clock.
        ("CURRENT_ROW_TIMESTAMP", Row),
        ("LOCALTIMESTAMP", Row),
        ("CURRENT_DATE", Row),
        ("LOCALTIME", Row),
        // Anything else keeps constants only.
        ("CASE WHEN S.V > 0 THEN S.ROWTIME END", Nothing),
        ("COALESCE(MONOTONIC(S.V), 0)", Nothing),
        ("ABS(MONOTONIC(S.V))", Nothing),
    ];
    for (key, expected) in rules {
        assert_eq!(closes("S", key), expected, "GROUP BY {key}");
        let key_in_from = format!("(SELECT STREAM {key} AS W FROM S) AS Q");
        assert_eq!(closes(&key_in_from, "Q.W"), expected, "GROUP BY Q.W of {key}");
    }
}

#[test]
fn row_02_each_operator_keeps_what_it_can() {
    use Closes::*;
    // `W` is ROWTIME, `M` is asserted, `X` is neither.
    let inner = "(SELECT STREAM S.ROWTIME AS W, MONOTONIC(V) AS M, D AS X, K, TS FROM S) AS I";
    let join = |window: &str, kind: &str, other: &str| {
        format!(
            "(SELECT STREAM W, M, X FROM {inner_over} {kind} R{other} AS O ON I.K = O.K) AS Q",
            inner_over = inner.replace(" AS I", &format!("{window} AS I"))
        )
    };
    let minute = " OVER (RANGE INTERVAL '1' MINUTE PRECEDING)";
    let cases: Vec<(String, [Closes; 3])> = vec![
        (format!("(SELECT STREAM W, M, X FROM {inner}) AS Q"), [Periodic, Row, Nothing]),
        (format!("(SELECT STREAM * FROM {inner}) AS Q (W, M, X, K, TS)"), [Periodic, Row, Nothing]),
        (format!("(SELECT STREAM W, M, X FROM {inner} WHERE X > 0) AS Q"), [Periodic, Row, Nothing]),
        (format!("(SELECT STREAM DISTINCT W, M, X FROM {inner}) AS Q"), [Periodic, Row, Nothing]),
        // UNION ALL: what is the same function of ROWTIME on both sides.
        (
            format!(
                "(SELECT STREAM W, M, X FROM {inner} UNION ALL SELECT STREAM S.ROWTIME, V, D FROM S) AS Q"
            ),
            [Periodic, Nothing, Nothing],
        ),
        (
            format!("(SELECT STREAM W, M, X FROM {inner} UNION ALL SELECT STREAM W, M, X FROM {inner}) AS Q"),
            [Periodic, Nothing, Nothing],
        ),
        (
            format!("(SELECT STREAM W, M, X FROM {inner} UNION ALL SELECT STREAM TS, V, D FROM S) AS Q"),
            [Nothing, Nothing, Nothing],
        ),
        // Joins: the current rows of a side without a window; rows of equal ROWTIME; else nothing.
        (join("", "JOIN", minute), [Periodic, Row, Nothing]),
        (join("", "LEFT JOIN", minute), [Periodic, Row, Nothing]),
        (join("", "RIGHT JOIN", minute), [Nothing, Nothing, Nothing]),
        (join(minute, "JOIN", ""), [Nothing, Nothing, Nothing]),
        (join(minute, "JOIN", minute), [Nothing, Nothing, Nothing]),
        (join("", "JOIN", ""), [Periodic, Nothing, Nothing]),
        (join("", "FULL JOIN", ""), [Nothing, Nothing, Nothing]),
        // With VALUES: each row in its place.
        (
            format!(
                "(SELECT STREAM W, M, X FROM {inner} LEFT JOIN (VALUES ('a')) AS O (K) ON I.K = O.K) AS Q"
            ),
            [Periodic, Row, Nothing],
        ),
        // Sliding windows give each row at once.
        (
            format!("(SELECT STREAM W, M, SUM(X) OVER (ROWS 3 PRECEDING) AS X FROM {inner}) AS Q"),
            [Periodic, Row, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM LAST_VALUE(W) OVER L AS W, FIRST_VALUE(M) OVER L AS M, MAX(X) OVER L AS X FROM {inner} \
                 WINDOW L AS (ROWS 3 PRECEDING)) AS Q"
            ),
            [Periodic, Row, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM W, FIRST_VALUE(M) OVER L AS M, X FROM {inner} WINDOW L AS (PARTITION BY K ROWS 3 \
                 PRECEDING)) AS Q"
            ),
            [Periodic, Nothing, Nothing],
        ),
        // Groups leave in the order of their windows and first rows.
        (
            format!(
                "(SELECT STREAM FLOOR(W TO MINUTE) AS W, M, X FROM {inner} GROUP BY FLOOR(W TO MINUTE), M, X) AS Q"
            ),
            [Periodic, Row, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM MIN(W) AS W, MIN(M) AS M, MAX(X) AS X FROM {inner} GROUP BY FLOOR(W TO MINUTE), K) AS Q"
            ),
            [Row, Row, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM MAX(W) AS W, LAST_VALUE(M) AS M, X FROM {inner} GROUP BY FLOOR(W TO MINUTE), X) AS Q"
            ),
            [Nothing, Nothing, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM MAX(W) AS W, LAST_VALUE(M) AS M, AVG(X) AS X FROM {inner} GROUP BY FLOOR(W TO MINUTE)) AS Q"
            ),
            [Row, Row, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM FLOOR(W TO MINUTE) AS W, M, X FROM {inner} WINDOWED BY STAGGER (PARTITION BY FLOOR(W TO \
                 MINUTE), M, X RANGE INTERVAL '1' MINUTE)) AS Q"
            ),
            [Periodic, Row, Nothing],
        ),
        // ORDER BY: what is the same for all rows of a bucket.
        (format!("(SELECT STREAM W, M, X FROM {inner} ORDER BY W, X) AS Q"), [Periodic, Nothing, Nothing]),
        (
            format!(
                "(SELECT STREAM FLOOR(W TO HOUR) AS W, M, X FROM {inner} ORDER BY FLOOR(W TO MINUTE), X) AS Q"
            ),
            [Periodic, Nothing, Nothing],
        ),
        (
            format!(
                "(SELECT STREAM FLOOR(W TO SECOND) AS W, M, X FROM {inner} ORDER BY FLOOR(W TO MINUTE), X) AS Q"
            ),
            [Nothing, Nothing, Nothing],
        ),
        (format!("(SELECT STREAM W, M, X FROM {inner} ORDER BY M, X) AS Q"), [Nothing, Row, Nothing]),
        (
            format!(
                "(SELECT STREAM TS AS ROWTIME, TS AS W, M, X FROM {inner} ORDER BY TS WITHIN INTERVAL '5' SECOND) AS Q"
            ),
            [Periodic, Nothing, Nothing],
        ),
        // A new ROWTIME: only what equals it follows it.
        (format!("(SELECT STREAM TS AS ROWTIME, W, M, X FROM {inner}) AS Q"), [Row, Row, Nothing]),
        (format!("(SELECT STREAM TS AS ROWTIME, TS AS W, M, X FROM {inner}) AS Q"), [Periodic, Row, Nothing]),
        // Table functions that hand each row on.
        (
            format!("TABLE(HOTSPOTS(CURSOR(SELECT STREAM W, M, X FROM {inner}), 100, 1, 2)) AS Q"),
            [Periodic, Row, Nothing],
        ),
        (
            format!(
                "TABLE(GROUP_RANK(CURSOR(SELECT STREAM W, M, X FROM {inner}), 'X', 'R', 'asc', 'asc', 0, 0)) AS Q"
            ),
            [Periodic, Nothing, Nothing],
        ),
    ];
    for (from, expected) in cases {
        let found = ["Q.W", "Q.M", "Q.X"].map(|key| closes(&from, key));
        assert_eq!(found, expected, "{from}");
    }
}

/// The counts that leave a stream T over `from`, keyed by `key`, with their ROWTIMEs.
fn counts(from: &str, key: &str) -> Vec<(i64, i64)> {
    let sql = format!(
        "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM {from} GROUP BY {key};"
    );
    let compilation = compiled(&sql);
    let program = compilation.program.unwrap_or_else(|| panic!("{from}: {:?}", compilation.diagnostics));
    let settings = ApplicationSettings { virtual_clock: true, ..ApplicationSettings::default() };
    let mut application = Application::new(program, settings).expect("the plan runs");
    let (input, other) = (
        application.program().stream("S").expect("there"),
        application.program().stream("R").expect("there"),
    );
    let output = application.program().stream("T").expect("there");
    application.subscribe(output);
    let times: Vec<i64> = (0..40).map(|row| row * row * 137).collect();
    let null =
        |sql_type: SqlType| millstream_columns::array_from_values(sql_type, &vec![Value::Null; times.len()]);
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..40));
    let columns = vec![
        null(SqlType::Varchar { length: 4 }).expect("NULLs"),
        numbers,
        null(SqlType::Double).expect("NULLs"),
        null(SqlType::Timestamp).expect("NULLs"),
    ];
    application.push(input, &Batch::new(times.into(), columns), 0).expect("in order");
    for input in [input, other] {
        application.bound(input, 300_000, 300_000).expect("an input");
    }
    let mut rows = Vec::new();
    for batch in application.take_output(output) {
        for (row, rowtime) in batch.rowtimes.iter().enumerate() {
            match millstream_columns::value_at(&batch.columns[0], SqlType::BigInt, row) {
                Value::Integer(count) => rows.push((*rowtime, count)),
                other => panic!("{other:?}"),
            }
        }
    }
    rows
}

#[test]
fn row_02_windows_over_a_column_are_those_over_rowtime() {
    let relations = [
        "(SELECT STREAM S.ROWTIME AS W, V FROM S) AS Q",
        "(SELECT STREAM DISTINCT S.ROWTIME AS W, V FROM S) AS Q",
        "(SELECT STREAM S.ROWTIME AS W, V FROM S WHERE V IS NOT NULL) AS Q (W, V)",
        "(SELECT STREAM S.ROWTIME AS W, V FROM S UNION ALL SELECT STREAM R.ROWTIME, V FROM R) AS Q",
        "(SELECT STREAM S.ROWTIME AS W, S.V FROM S LEFT JOIN R OVER (RANGE INTERVAL '1' MINUTE PRECEDING) ON S.V = R.V) AS Q",
        "(SELECT STREAM S.ROWTIME AS W, V FROM S ORDER BY S.ROWTIME, V DESC) AS Q",
        "(SELECT STREAM A.W, A.V FROM (SELECT STREAM S.ROWTIME AS W, V FROM S) AS A, (SELECT STREAM V FROM S) AS B WHERE A.V = B.V) AS Q",
        "TABLE(HOTSPOTS(CURSOR(SELECT STREAM S.ROWTIME AS W, V FROM S), 100, 1, 2)) AS Q",
    ];
    let keys = [
        "STEP(Q.W BY INTERVAL '5' SECOND)",
        "FLOOR(Q.W TO MINUTE)",
        "CEIL(Q.W TO MINUTE)",
        "FLOOR((Q.W - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)",
        "UNIX_TIMESTAMP(Q.W) / 7000",
    ];
    for key in keys {
        let expected = counts("S", &key.replace("Q.W", "S.ROWTIME"));
        assert!(expected.len() > 2, "{key}: {expected:?}");
        for from in relations {
            assert_eq!(counts(from, key), expected, "{from} GROUP BY {key}");
        }
    }
}

#[test]
fn row_02_subqueries_within_each_other_stay_small() {
    let mut from = "(SELECT STREAM S.ROWTIME AS W FROM S) AS Q".to_owned();
    for _ in 0..20 {
        from = format!(
            "(SELECT STREAM Q.W + (Q.W - TIMESTAMP '1970-01-01 00:00:00') DAY AS W FROM {from}) AS Q"
        );
    }
    // Doubled each time, the expression would have a million operators: rows close its windows instead.
    assert_eq!(closes(&from, "Q.W"), Closes::Row);
    let mut product = "S.D".to_owned();
    for _ in 0..150 {
        product.push_str(" * S.D");
    }
    assert_eq!(closes("S", &product), Closes::Nothing);
}

#[test]
fn row_02_a_refusal_names_the_rowtime_that_would_do() {
    let refusal = |sql: &str| {
        let compilation = compiled(sql);
        compilation.diagnostics.into_iter().find(|d| d.is_error()).and_then(|d| d.hint).expect("a hint")
    };
    let hint = refusal(
        "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM (SELECT STREAM V FROM S) \
         AS Q GROUP BY Q.V;",
    );
    assert!(hint.contains("STEP(Q.ROWTIME BY"), "{hint}");
    let hint = refusal(
        "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM S AS \"in\" GROUP BY V;",
    );
    assert!(hint.contains("STEP(\"in\".ROWTIME BY"), "{hint}");
}

#[test]
fn row_02_views_as_deep_as_they_may_be_fit_into_the_stack() {
    let mut sql = "CREATE VIEW V0 AS SELECT STREAM S.ROWTIME AS W, V FROM S;\n".to_owned();
    for level in 1..99 {
        sql.push_str(&format!(
            "CREATE VIEW V{level} AS SELECT STREAM W, V FROM V{} WHERE V > 0;\n",
            level - 1
        ));
    }
    sql.push_str(
        "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM V98 GROUP BY STEP(V98.W \
         BY INTERVAL '5' SECOND);",
    );
    let compiling = std::thread::Builder::new().stack_size(2 << 20);
    let thread = compiling.spawn(move || compiled(&sql).program.is_some()).expect("a thread starts");
    assert!(thread.join().expect("no overflow"));
}

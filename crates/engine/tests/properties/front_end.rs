//! The front end and random text: it answers with remarks, never with a panic.

use crate::rows::{Row, batch, input};
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{StreamId, compile, compile_expression, parse_sql_type};
use proptest::prelude::*;

/// Pieces of the language, in any order and number.
const PIECES: [&str; 92] = [
    "CREATE",
    "OR",
    "REPLACE",
    "STREAM",
    "PUMP",
    "AS",
    "INSERT",
    "INTO",
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "WINDOW",
    "OVER",
    "PARTITION",
    "ROWS",
    "RANGE",
    "BETWEEN",
    "PRECEDING",
    "CURRENT",
    "ROW",
    "UNBOUNDED",
    "STEP",
    "FLOOR",
    "TO",
    "MINUTE",
    "SECOND",
    "INTERVAL",
    "'1'",
    "'5' SECOND",
    "S",
    "K",
    "N",
    "D",
    "S.ROWTIME",
    "ROWTIME",
    "COUNT(*)",
    "SUM(N)",
    "AVG(D)",
    "CAST",
    "INTEGER",
    "VARCHAR(4)",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "NOT",
    "NULL",
    "AND",
    "IN",
    "LIKE",
    "IS",
    "(",
    ")",
    ",",
    ";",
    "+",
    "-",
    "*",
    "/",
    "=",
    "||",
    ".",
    "'a'",
    "\"b\"",
    "TABLE",
    "CURSOR",
    "RANDOM_CUT_FOREST",
    "WINDOWED BY STAGGER",
    "DISTINCT",
    "ORDER",
    "WITHIN",
    "DESC",
    "NULLS",
    "FIRST",
    "FUNCTION",
    "VIEW",
    "RETURNS",
    "RETURN",
    "DROP",
    "F",
    "REGEX_LOG_PARSE",
    "FAST_REGEX_LOG_PARSE",
    "TOP_K_ITEMS_TUMBLING",
    "GROUP_RANK",
    "HOTSPOTS",
    "R.COLUMN1",
    "'(a*)|b'",
    "'V', 'R', 'asc', 'asc', 0, 0",
];

fn check(text: &str) {
    let compilation = compile(text, &[input()], &catalog());
    for remark in &compilation.diagnostics {
        // Every remark can be shown at its place.
        assert!(!remark.render("text", text).is_empty());
    }
    assert_eq!(compilation.program.is_none(), compilation.diagnostics.iter().any(|remark| remark.is_error()));
    let _ = compile_expression(text, &catalog());
    let _ = parse_sql_type(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_makes_the_front_end_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn no_pieces_of_sql_make_the_front_end_panic(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40)) {
        check(&pieces.join(" "));
        let query = format!("CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM {} FROM S", pieces.join(" "));
        check(&query);
    }

    #[test]
    fn a_damaged_application_is_refused_politely(at in 0_usize..400, length in 0_usize..8, put in "[ -~é\n]{0,3}") {
        let text = "CREATE OR REPLACE STREAM \"T\" (A DOUBLE, \"B\" BIGINT);\n\
            CREATE OR REPLACE PUMP \"P\" AS INSERT INTO \"T\" SELECT STREAM AVG(CAST(N AS DOUBLE)), COUNT(*) FROM S WHERE K LIKE 'a%' \
            GROUP BY K, STEP(S.ROWTIME BY INTERVAL '5' SECOND) HAVING COUNT(*) > 1;\n\
            CREATE PUMP Q AS INSERT INTO \"T\" (A) SELECT STREAM SUM(D) OVER (PARTITION BY K RANGE INTERVAL '1:00' MINUTE TO SECOND PRECEDING) FROM S;";
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        check(&format!("{}{put}{}", &text[..start], &text[end..]));
    }
}

#[test]
fn no_depth_and_no_length_makes_the_front_end_panic() {
    const MANY: usize = 20_000;
    let repeated = |piece: &str| piece.repeat(MANY / piece.len().max(1) + 1);
    let items = [
        repeated("("),
        repeated("-"),
        repeated("NOT "),
        repeated("1 + "),
        repeated("1 OR "),
        repeated("K || "),
        repeated("CASE WHEN "),
        repeated("CAST("),
        repeated("ABS("),
        repeated("K."),
        repeated("COALESCE(N, "),
        repeated("N BETWEEN 1 AND "),
        repeated("SUM(N) OVER (PARTITION BY "),
        format!("N IN ({} 1)", repeated("1, ")),
        format!("{} 1", repeated("N, ")),
    ];
    for item in &items {
        check(&format!(
            "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM {item} FROM S;"
        ));
    }
    let tails = [
        repeated("(SELECT * FROM "),
        format!("S {}", repeated("UNION ALL SELECT * FROM S ")),
        format!("S {}", repeated("JOIN S ON 1 = 1 ")),
        format!("S GROUP BY {} N", repeated("N, ")),
        repeated("TABLE(F(CURSOR(SELECT * FROM "),
    ];
    for tail in &tails {
        check(&format!(
            "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM * FROM {tail};"
        ));
    }
    check(&repeated("CREATE STREAM T (A INTEGER);"));
    check(&repeated("CREATE "));
    check(&repeated("/*"));
    check(&"x".repeat(200_000));
}

/// What the limits allow also runs, on a thread with the usual stack.
#[test]
fn the_deepest_legal_text_runs() {
    let wrapped = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let items = [
        format!("{}1", "N + ".repeat(199)),
        format!("CASE WHEN {} TRUE THEN 1 END", "B AND ".repeat(198)),
        wrapped("(", "N", ")", 60),
        wrapped("ABS(", "N", ")", 60),
        wrapped("CASE WHEN B THEN ", "N", " ELSE 0 END", 60),
        wrapped("COALESCE(N, ", "N", ")", 60),
        wrapped("CAST(", "N", " AS INTEGER)", 60),
        wrapped("- ", "N", "", 60),
        format!("CASE WHEN N IN ({} N) THEN 1 END", "N + 1, ".repeat(5_000)),
    ];
    for item in &items {
        run_legal(&format!("SELECT STREAM {item} FROM S"));
        run_legal(&format!("SELECT STREAM MAX({item}) FROM S GROUP BY S.ROWTIME"));
        run_legal(&format!("SELECT STREAM MAX({item}) OVER (PARTITION BY {item} ROWS 2 PRECEDING) FROM S"));
    }
    run_legal(&format!("SELECT STREAM N FROM {}", wrapped("(SELECT STREAM N FROM ", "S", ")", 30)));
    run_legal(&format!(
        "SELECT STREAM {} FROM S",
        wrapped("(SELECT ", "A", " FROM (VALUES (1)) AS V (A))", 20)
    ));
    run_legal(&format!("SELECT STREAM N FROM S {}", "UNION ALL SELECT STREAM N FROM S ".repeat(60)));
    let joins: String = (0..60)
        .map(|number| format!("JOIN S OVER (ROWS 1 PRECEDING) AS S{number} ON S.N = S{number}.N "))
        .collect();
    run_legal(&format!("SELECT STREAM S.N FROM S {joins}"));
}

fn run_legal(query: &str) {
    let text = format!("CREATE STREAM T (A BIGINT); CREATE PUMP P AS INSERT INTO T {query};");
    let compilation = compile(&text, &[input()], &catalog());
    assert!(compilation.program.is_some(), "{text}\n{:?}", compilation.diagnostics);
    let program = compilation.program.expect("it was just seen");
    let mut application =
        Application::new(program, ApplicationSettings::default()).expect("the plan is sound");
    let row = Row { rowtime: 0, k: None, n: Some(1), d: None, b: Some(true), e: None };
    application.push(StreamId(0), &batch(&[row]), 0).expect("the row is in order");
    application.bound(StreamId(0), 10, 10).expect("the input exists");
    assert!(application.take_errors().is_empty(), "{text}");
}

//! The front end and random text: it answers with remarks, never with a panic.

use crate::rows::input;
use millstream_engine::catalog;
use millstream_sql::{compile, compile_expression, parse_sql_type};
use proptest::prelude::*;

/// Pieces of the language, in any order and number.
const PIECES: [&str; 72] = [
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

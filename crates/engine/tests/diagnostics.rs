//! What people are told about wrong texts: every mistake at once, its place, and the way out.

use millstream_engine::catalog;
use millstream_sql::{Column, InputStream, SqlType, compile};

fn input() -> InputStream {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    InputStream {
        name: "TRADES".to_owned(),
        columns: vec![
            column("TICKER", SqlType::Varchar { length: 8 }),
            column("PRICE", SqlType::Double),
            column("review_id", SqlType::Varchar { length: 16 }),
            column("QUANTITY", SqlType::Integer),
        ],
    }
}

/// Compiles `text` and compares its remarks: `LINE:COLUMN message | hint` each, in the order of the text.
fn check(text: &str, expected: &[&str]) {
    let compilation = compile(text, &[input()], &catalog());
    let found: Vec<String> = compilation
        .diagnostics
        .iter()
        .map(|remark| {
            let hint = remark.hint.as_ref().map_or(String::new(), |hint| format!(" | {hint}"));
            format!("{} {}{hint}", remark.position(text), remark.message)
        })
        .collect();
    assert_eq!(found, expected, "\n{text}\n{}", found.join("\n"));
}

/// Remarks on the select list of one pump; columns count from the first item.
fn check_items(items: &str, tail: &str, expected: &[&str]) {
    let prefix = "CREATE STREAM T (A DOUBLE, B BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM\n";
    check(&format!("{prefix}{items} FROM TRADES {tail};"), expected);
}

#[test]
fn the_nearest_name_is_offered() {
    check_items("PRICEE, 1", "", &["2:1 column \"PRICEE\" does not exist | did you mean \"PRICE\"?"]);
    check_items(
        "TR.PRICE, 1",
        "AS TA",
        &["2:1 there is no stream or alias \"TR\" in FROM | did you mean \"TA\"?"],
    );
    check_items("Q.PRICE, 1", "", &["2:1 there is no stream or alias \"Q\" in FROM | FROM has \"TRADES\""]);
    check_items("ABSS(PRICE), 1", "", &["2:1 there is no function ABSS | did you mean \"ABS\"?"]);
    check_items(
        "AVGG(PRICE), COUNTT(*)",
        "GROUP BY FLOOR(TRADES.ROWTIME TO MINUTE)",
        &[
            "2:1 there is no function AVGG | did you mean \"AVG\"?",
            "2:14 there is no function COUNTT | did you mean \"COUNT\"?",
        ],
    );
    check_items("CAST(PRICE AS DUBLE), 1", "", &["2:15 there is no type DUBLE | did you mean \"DOUBLE\"?"]);
    check_items(
        "SUM(PRICE) OVER WIN, 1",
        "WINDOW WINN AS (ROWS 2 PRECEDING)",
        &["2:17 there is no window \"WIN\" | did you mean \"WINN\"?"],
    );
}

#[test]
fn case_is_explained() {
    let folded = "names are case-sensitive and unquoted names are folded to upper case: write";
    check_items(
        "review_id, 1",
        "",
        &[&format!("2:1 column \"REVIEW_ID\" does not exist | {folded} \"review_id\"")],
    );
    check_items("\"price\", 1", "", &[&format!("2:1 column \"price\" does not exist | {folded} \"PRICE\"")]);
}

#[test]
fn streams_are_offered_for_reading_and_writing() {
    check(
        "CREATE STREAM OUTPUT_A (A DOUBLE);\n\
         CREATE PUMP P AS INSERT INTO OUTPUT_B SELECT STREAM PRICE FROM TRADES;\n\
         CREATE PUMP Q AS INSERT INTO OUTPUT_A SELECT STREAM PRICE FROM TRADE;",
        &[
            "2:30 there is no stream \"OUTPUT_B\" to insert into | did you mean \"OUTPUT_A\"?",
            "3:64 there is no stream \"TRADE\" | did you mean \"TRADES\"?",
        ],
    );
}

#[test]
fn several_mistakes_of_one_statement_are_told() {
    check_items(
        "AVG(PRICEE), MAX(TIKCER)",
        "WHERE TICKR = 'A' AND PRICE = 'x' GROUP BY FLOOR(TRADES.ROWTIME TO MINUTE) HAVING SUM(QUANTTY) > 1",
        &[
            "2:5 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:18 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:44 column \"TICKR\" does not exist | did you mean \"TICKER\"?",
            "2:60 = cannot compare DOUBLE with CHAR(1) | there are no implicit conversions: use CAST",
            "2:124 column \"QUANTTY\" does not exist | did you mean \"QUANTITY\"?",
        ],
    );
}

#[test]
fn each_statement_is_looked_at_though_those_before_are_wrong() {
    check(
        "CREATE STREAM \"OUT\" (A DOUBLE, B BIGNT);\n\
         CREATE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM PRICE, QUANTITY FROM TRADES;\n\
         CREATE STREAM T (A DOUBLE)\n\
         CREATE PUMP Q AS INSERT INTO T SELECT STREAM PRIC FROM TRADES;\n\
         CREATE PUMP R AS INSERT INTO T SELECT STREAM PRICE FROM\n\
         CREATE PUMP S AS INSERT INTO T SELECT STREAM QUANTITI FROM TRADES;",
        &[
            "1:34 there is no type BIGNT | did you mean \"BIGINT\"?",
            "4:1 expected \";\", found CREATE | end each statement with ;",
            "4:46 column \"PRIC\" does not exist | did you mean \"PRICE\"?",
            "6:1 expected a stream name, found CREATE",
            "6:46 column \"QUANTITI\" does not exist | did you mean \"QUANTITY\"?",
        ],
    );
}

#[test]
fn a_mistake_is_told_once() {
    check_items(
        "SUM(PRICE) OVER W, COUNT(*) OVER W",
        "WINDOW W AS (PARTITION BY TIKCER ROWS 2 PRECEDING)",
        &["2:74 column \"TIKCER\" does not exist | did you mean \"TICKER\"?"],
    );
}

#[test]
fn what_is_ignored_is_said() {
    check(
        "CREATE STREAM X.T (A DOUBLE) OPTIONS (a 'b'); // note\n\
         CREATE STREAM U (K VARCHAR, L VARCHAR(5) NOT NULL);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM PRICE FROM TRADES;",
        &[
            "1:15 an application has one schema: the qualifier \"X\" is ignored",
            "1:30 the OPTIONS of a stream have no effect here | leave them out",
            "1:47 read as the start of a comment | write comments as -- or /* */",
            "2:20 the type does not say how long: it is taken as VARCHAR(65535) | write VARCHAR(n)",
        ],
    );
}

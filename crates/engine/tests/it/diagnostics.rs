//! What is reported about wrong texts: every mistake at once, its place, and the way out.

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
        metadata_columns: 0,
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

/// The first mistake of a text: `LINE:COLUMN message | hint`.
fn first(text: &str) -> String {
    let compilation = compile(text, &[input()], &catalog());
    let remark = compilation.diagnostics.iter().find(|remark| remark.is_error()).expect("a mistake");
    format!("{} {} | {}", remark.position(text), remark.message, remark.hint.as_deref().unwrap_or(""))
}

/// The remarks on a text, without their hints.
fn all(text: &str) -> Vec<String> {
    let compilation = compile(text, &[input()], &catalog());
    compilation.diagnostics.iter().map(|it| format!("{} {}", it.position(text), it.message)).collect()
}

const TARGET: &str = "CREATE STREAM T (A DOUBLE);\nCREATE PUMP P AS INSERT INTO T ";

#[test]
fn functions_of_other_dialects_have_the_form_of_this_one() {
    for (call, form) in [
        ("TUMBLE(TRADES.ROWTIME, INTERVAL '1' MINUTE)", "STEP(stream.ROWTIME BY INTERVAL '1' MINUTE)"),
        ("HOP(TRADES.ROWTIME, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)", "GROUP BY STEP("),
        ("CONCAT(TICKER, TICKER)", "a || b"),
        ("JSON_VALUE(TICKER, '$.a')", "columns = "),
        ("AVERAGE(PRICE)", "AVG(x)"),
        ("IFNULL(PRICE, 0)", "COALESCE"),
        ("DATEDIFF(CURRENT_TIMESTAMP, TRADES.ROWTIME)", "TSDIFF"),
        ("DATE_TRUNC('hour', TRADES.ROWTIME)", "FLOOR(t TO HOUR)"),
        ("NOW()", "CURRENT_ROW_TIMESTAMP"),
        ("LEFT(TICKER, 2)", "SUBSTRING(text FROM 1 FOR 3)"),
        ("CONVERT(PRICE, 1)", "CAST(x AS type)"),
        ("ROW_NUMBER() OVER (ROWS 2 PRECEDING)", "COUNT(*) OVER"),
    ] {
        let found = first(&format!("{TARGET}SELECT STREAM {call} FROM TRADES;"));
        let name = call.split('(').next().unwrap_or(call);
        assert!(found.contains(name) && found.contains(form), "{call}: {found}");
    }
}

#[test]
fn with_limit_and_queries_by_themselves_say_what_to_write() {
    let with =
        first(&format!("{TARGET}WITH Q AS (SELECT STREAM PRICE FROM TRADES) SELECT STREAM PRICE FROM Q;"));
    assert!(
        with.starts_with("2:32 WITH is not part of the language")
            && with.contains("FROM (SELECT STREAM …) AS name")
    );
    assert!(with.contains("CREATE VIEW name AS"), "{with}");
    let with = first("WITH Q AS (SELECT STREAM PRICE FROM TRADES) SELECT STREAM PRICE FROM Q;");
    assert!(with.starts_with("1:1 WITH is not part of the language"), "{with}");
    let limit = first(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES LIMIT 10;"));
    assert!(
        limit.starts_with("2:64 LIMIT")
            && limit.contains("TOP_K_ITEMS_TUMBLING")
            && limit.contains("GROUP_RANK")
    );
    let week =
        first(&format!("{TARGET}SELECT STREAM COUNT(*) FROM TRADES GROUP BY FLOOR(TRADES.ROWTIME TO WEEK);"));
    assert!(
        week.contains("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND") && week.contains("INTERVAL '7' DAY"),
        "{week}"
    );
    let bare = first("SELECT STREAM PRICE FROM TRADES;");
    assert!(
        bare.starts_with("1:1 a query by itself")
            && bare.contains("CREATE PUMP name_pump AS INSERT INTO name")
    );
}

#[test]
fn typographic_quotes_are_one_mistake_each() {
    let found = all(&format!("{TARGET}SELECT STREAM PRICE FROM “TRADES” WHERE TICKER = ‘IBM’;"));
    assert_eq!(found, ["2:57 “ is a typographic quote, not SQL", "2:81 ‘ is a typographic quote, not SQL"]);
}

#[test]
fn one_column_is_one_column() {
    let found = first(&format!("{TARGET}SELECT STREAM PRICE, PRICE FROM TRADES;"));
    assert!(found.contains("takes 1 column here, the query gives 2"), "{found}");
    let found = first(&format!("{TARGET}SELECT STREAM ABS(PRICE, 1) FROM TRADES;"));
    assert!(found.contains("ABS takes 1 argument, not 2"), "{found}");
}

#[test]
fn what_follows_from_a_first_mistake_is_not_said_again() {
    for (create, mistakes) in [
        ("CREATE STREAM T (A DUBLE);", 1),
        ("CREATE STREAM T (A INTEGER, A INTEGER);", 1),
        ("CREATE STREAM T (A INTEGER B);", 1),
        ("CREATE STREM T (A INTEGER);", 1),
        ("CRATE STREAM T (A INTEGER);", 1),
        ("CREATE STREAM T (A INTEGER, FROM INTEGER);", 1),
        ("CREATE OR REPLCE STREAM T (A INTEGER);", 1),
        ("CREATE STREAM (A INTEGER);", 3),
    ] {
        let text = format!(
            "{create} CREATE PUMP P AS INSERT INTO T SELECT STREAM 1 FROM TRADES; CREATE STREAM U (A INTEGER); CREATE PUMP Q \
             AS INSERT INTO U SELECT STREAM A FROM T; ALTER PUMP P STOP;"
        );
        assert_eq!(all(&text).len(), mistakes, "{text}: {:#?}", all(&text));
    }
    let text = format!("{TARGET}SELECT STREAM NOTHERE FROM TRADES; ALTER PUMP P STOP; DROP PUMP P;");
    assert_eq!(all(&text).len(), 1, "{:#?}", all(&text));
}

#[test]
fn a_misspelled_keyword_is_named_where_it_stands() {
    for (query, expected) in [
        ("SELECT STREAM PRICE FORM TRADES", "2:52 expected FROM, found FORM | did you mean FROM?"),
        (
            "SELECT STREAM PRICE FROM TRADES WEHRE PRICE > 1",
            "2:64 expected WHERE, found WEHRE | did you mean WHERE?",
        ),
        (
            "SELECT STREAM PRICE FROM TRADES GRUOP BY PRICE",
            "2:64 expected GROUP, found GRUOP | did you mean GROUP?",
        ),
        ("SELCT STREAM PRICE FROM TRADES", "2:32 expected SELECT, found SELCT | did you mean SELECT?"),
        ("SELECT STREAM PRICE FROM TRADES AS A JION TRADES AS B ON A.PRICE = B.PRICE", "2:69 expected"),
    ] {
        let found = first(&format!("{TARGET}{query};"));
        assert!(found.starts_with(expected), "{query}: {found}");
    }
    // Aliases that resemble no keyword are aliases.
    let found = first(&format!("{TARGET}SELECT STREAM PRICE P TRADES;"));
    assert!(found.starts_with("2:54 expected FROM, found TRADES"), "{found}");
}

#[test]
fn columns_of_the_service_are_those_of_inputs() {
    let text = "CREATE STREAM T (A DOUBLE); CREATE PUMP P AS INSERT INTO T SELECT STREAM PRICE FROM TRADES;
        CREATE STREAM U (A TIMESTAMP); CREATE PUMP Q AS INSERT INTO U SELECT STREAM APPROXIMATE_ARRIVAL_TIME FROM T;";
    let found = first(text);
    assert!(found.contains("\"APPROXIMATE_ARRIVAL_TIME\" does not exist"), "{found}");
    assert!(found.contains("select it in the pump that reads the input"), "{found}");
}

#[test]
fn row_12_a_pump_that_is_defined_again_is_named() {
    let text = "CREATE STREAM T (A DOUBLE);
CREATE OR REPLACE PUMP P AS INSERT INTO T SELECT STREAM PRICE FROM TRADES;
CREATE OR REPLACE PUMP P AS INSERT INTO T SELECT STREAM -PRICE FROM TRADES;";
    let compilation = compile(text, &[input()], &catalog());
    assert!(compilation.program.is_some());
    assert_eq!(all(text), ["3:24 pump \"P\" is defined again: only this definition runs"]);
    let plain = text.replace("OR REPLACE ", "");
    assert_eq!(all(&plain), ["3:13 pump \"P\" exists already"]);
}

#[test]
fn functions_that_need_a_window_say_how_beside_groups() {
    let found = first(&format!(
        "{TARGET}SELECT STREAM LAG(PRICE) FROM TRADES GROUP BY TICKER, FLOOR(TRADES.ROWTIME TO MINUTE);"
    ));
    assert!(found.contains("in a subquery with OVER"), "{found}");
}

#[test]
fn r12_columns_of_records_are_listed_whatever_their_names() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let mut delivery = InputStream {
        name: "D".to_owned(),
        columns: vec![
            column("PARTITION_KEY", SqlType::Integer),
            column("APPROXIMATE_ARRIVAL_TIME", SqlType::Timestamp),
        ],
        metadata_columns: 1,
    };
    let text = "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM * FROM D;";
    assert!(compile(text, &[delivery.clone()], &catalog()).program.is_some());
    delivery.metadata_columns = 0;
    assert!(compile(text, &[delivery], &catalog()).program.is_none());
}

#[test]
fn pumps_that_double_one_behind_the_other_are_refused() {
    type Body<'b> = &'b dyn Fn(&str, &str, usize) -> String;
    let chain = |levels: usize, body: Body<'_>| {
        let mut text = String::new();
        let mut before = "TRADES".to_owned();
        for level in 0..levels {
            let name = format!("T{level}");
            text.push_str(&format!("CREATE STREAM {name} (PRICE DOUBLE); {}", body(&before, &name, level)));
            before = name;
        }
        text
    };
    let union = |from: &str, to: &str, level: usize| {
        format!(
            "CREATE PUMP P{level} AS INSERT INTO {to} SELECT STREAM PRICE FROM {from} UNION ALL SELECT STREAM PRICE FROM {from};\n"
        )
    };
    let pumps = |from: &str, to: &str, level: usize| {
        format!(
            "CREATE PUMP P{level} AS INSERT INTO {to} SELECT STREAM PRICE FROM {from}; CREATE PUMP Q{level} AS INSERT INTO {to} \
             SELECT STREAM PRICE FROM {from};\n"
        )
    };
    for body in [&union as Body<'_>, &pumps] {
        assert!(compile(&chain(9, body), &[input()], &catalog()).program.is_some());
        let found = first(&chain(22, body));
        assert!(found.starts_with("10:") && found.contains("\"T9\" by 1024 paths"), "{found}");
    }
}

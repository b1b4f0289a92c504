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
fn an_ambiguous_column_names_those_who_have_it() {
    let join = "AS L JOIN TRADES AS \"r\" ON L.TICKER = \"r\".TICKER";
    check_items(
        "PRICE, \"review_id\"",
        join,
        &[
            "2:1 column PRICE is ambiguous: several relations have it | say whose: L.PRICE or \"r\".PRICE",
            "2:8 column \"review_id\" is ambiguous: several relations have it | say whose: L.\"review_id\" or \
             \"r\".\"review_id\"",
        ],
    );
    check_items(
        "L.PRICE, 1",
        &format!("{join} WHERE ROWTIME > TIMESTAMP '2024-01-01 00:00:00'"),
        &[&format!(
            "2:{} ROWTIME is ambiguous: FROM has several streams | say whose: L.ROWTIME or \"r\".ROWTIME",
            "L.PRICE, 1 FROM TRADES  WHERE ".len() + join.len() + 1
        )],
    );
    let of_query = "CREATE STREAM T (A DOUBLE);\nCREATE PUMP P AS INSERT INTO T\nSELECT STREAM A FROM";
    check(
        &format!("{of_query} (SELECT STREAM PRICE AS A, QUANTITY AS A FROM TRADES) AS Q;"),
        &["3:15 column A is ambiguous: its relation has several of that name | give them names of their own"],
    );
    check(
        &format!(
            "{of_query} (SELECT STREAM PRICE AS A FROM TRADES), (SELECT STREAM QUANTITY AS A FROM TRADES);"
        ),
        &[
            "3:15 column A is ambiguous: several relations have it | give each query in FROM an alias, and say whose",
        ],
    );
}

#[test]
fn having_says_what_stands_for_an_alias() {
    let group = "GROUP BY FLOOR(TRADES.ROWTIME TO MINUTE) HAVING";
    check_items(
        "SUM(PRICE) AS TOTAL, COUNT(*)  AS \"n\"",
        &format!("{group} TOTAL > 1 AND \"n\" > 2 AND TOTL > 3"),
        &[
            "2:99 HAVING does not know TOTAL, an alias of the select list | write SUM(PRICE) in its place",
            "2:113 HAVING does not know \"n\", an alias of the select list | write COUNT(*) in its place",
            "2:125 column \"TOTL\" does not exist | the columns are \"TICKER\", \"PRICE\", \"review_id\", \"QUANTITY\"",
        ],
    );
    // A column of that name is meant where there is one.
    check_items(
        "SUM(PRICE) AS PRICE, 1",
        &format!("{group} PRICE > 1"),
        &[
            "2:84 PRICE is neither a grouping expression nor inside an aggregate | add it to GROUP BY, or aggregate it: \
             MIN(…), MAX(…), AVG(…)",
        ],
    );
}

#[test]
fn a_missing_comma_is_guessed_where_it_is_plain() {
    for (items, place, found) in [
        ("PRICE AS A QUANTITY AS B", "2:12", "QUANTITY"),
        ("PRICE A QUANTITY", "2:9", "QUANTITY"),
        ("PRICE \"QUANTITY\" B, 1", "2:18", "B"),
        ("1 AS A SUM(PRICE)", "2:8", "SUM"),
        ("PRICE SUM(QUANTITY)", "2:7", "SUM"),
        ("TICKER CHAR_LENGTH(TICKER)", "2:8", "CHAR_LENGTH"),
        ("PRICE AS A CAST(QUANTITY AS BIGINT)", "2:12", "CAST"),
    ] {
        check_items(
            items,
            "",
            &[&format!(
                "{place} expected \",\" or FROM, found {found} | a comma seems to be missing before it"
            )],
        );
    }
    // A keyword that is misspelled comes first, and others are no columns.
    check(
        &format!("{TARGET}SELECT STREAM\nPRICE A FORM TRADES WHERE EXTRACT(DAY FROM TRADES.ROWTIME) = 1;"),
        &["3:9 expected FROM, found FORM | did you mean FROM?"],
    );
    check_items("PRICE A WHERE", "", &["2:9 expected FROM, found WHERE"]);
    check_items("PRICE 5", "", &["2:7 expected FROM, found 5"]);
    check_items("PRICE 'price'", "", &["2:7 expected FROM, found a string"]);
}

#[test]
fn a_comment_of_another_language_is_one_mistake() {
    check(
        "# the target\nCREATE STREAM T (A DOUBLE);\n  # what's in it\nCREATE PUMP P AS INSERT INTO T SELECT STREAM PRICE # the price\n\
         FROM TRADES;",
        &[
            "1:1 # does not begin a comment | comments begin with --",
            "3:3 # does not begin a comment | comments begin with --",
            "4:52 # does not begin a comment | comments begin with --",
        ],
    );
    check_items(
        "PRICE, A#B",
        "",
        &[
            "2:8 column \"A\" does not exist | the columns are \"TICKER\", \"PRICE\", \"review_id\", \"QUANTITY\"",
            "2:9 unexpected character '#' | comments begin with --; a name that holds # is quoted: \"a#b\"",
        ],
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
fn a_mistake_of_one_clause_hides_none_of_another() {
    // Of a key, or of the whole GROUP BY.
    check_items(
        "AVG(PRICEE), TICKER, SUM(TICKER)",
        "WHERE QUANTITI > 1 GROUP BY FLOOR(TRADES.ROWTIME TO MINUTE), TIKCER HAVING COUNTT(*) > 1 ORDER BY PRISE",
        &[
            "2:5 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:22 SUM takes a number, not VARCHAR(8) | convert it with CAST",
            "2:52 column \"QUANTITI\" does not exist | did you mean \"QUANTITY\"?",
            "2:107 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:121 there is no function COUNTT | did you mean \"COUNT\"?",
            "2:144 column \"PRISE\" does not exist | did you mean \"PRICE\"?",
        ],
    );
    check_items(
        "PRICE, AVG(PRICEE)",
        "GROUP BY TICKER",
        &[
            "2:1 PRICE is neither a grouping expression nor inside an aggregate | add it to GROUP BY, or aggregate it: MIN(…), \
             MAX(…), AVG(…)",
            "2:12 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:32 GROUP BY on a stream needs a monotonic expression, or its groups would never be complete | add \
             STEP(TRADES.ROWTIME BY INTERVAL '…' SECOND) or FLOOR(TRADES.ROWTIME TO MINUTE); or assert it: MONOTONIC(x)",
        ],
    );
    check_items(
        "COUNT(*), PRICEE",
        "HAVING COUNT(*) > 1",
        &[
            "2:11 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:30 HAVING needs GROUP BY or WINDOWED BY | filter single rows with WHERE",
        ],
    );
    check_items(
        "AVG(PRICEE) OVER (ROWS 2 PRECEDING), MAX(TIKCER)",
        "GROUP BY FLOOR(TRADES.ROWTIME TO MINUTE)",
        &[
            "2:1 an analytic function (OVER) is not allowed in a select with GROUP BY | compute it in an outer query over the \
             grouped subquery",
            "2:5 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:42 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
        ],
    );
    // Of ON, or of the window of a join.
    check_items(
        "L.PRICEE, 1",
        "OVER (RANGE 5 PRECEDING) AS L JOIN TRADES AS R ON L.TICKER = R.TIKCER WHERE R.PRIC > 1 ORDER BY L.QUANTTY",
        &[
            "2:1 column \"PRICEE\" does not exist in \"L\" | did you mean \"PRICE\"?",
            "2:37 RANGE … PRECEDING takes a constant interval of days to seconds | write RANGE INTERVAL '1' MINUTE PRECEDING",
            "2:86 column \"TIKCER\" does not exist in \"R\" | did you mean \"TICKER\"?",
            "2:101 column \"PRIC\" does not exist in \"R\" | did you mean \"PRICE\"?",
            "2:121 column \"QUANTTY\" does not exist in \"L\" | did you mean \"QUANTITY\"?",
        ],
    );
    // Of a list: ORDER BY is over what the author wrote.
    check_items(
        "PRICEE AS P, TIKCER",
        "ORDER BY QUANTTY WITHIN 5, P, 2, TICKR",
        &[
            "2:1 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:14 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:42 column \"QUANTTY\" does not exist | did you mean \"QUANTITY\"?",
            "2:57 WITHIN takes a constant interval of days to seconds | write ORDER BY t WITHIN INTERVAL '5' SECOND",
            "2:66 column \"TICKR\" does not exist | did you mean \"TICKER\"?",
        ],
    );
}

#[test]
fn a_mistake_within_an_expression_hides_none_beside_it() {
    let cast = "there are no implicit conversions: use CAST";
    check_items(
        "CASE WHEN PRICEE > 1 THEN TIKCER WHEN TICKER = 1 THEN PRICE ELSE QUANTTY END, 1",
        "",
        &[
            "2:11 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:27 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            &format!("2:39 = cannot compare VARCHAR(8) with INTEGER | {cast}"),
            "2:66 column \"QUANTTY\" does not exist | did you mean \"QUANTITY\"?",
        ],
    );
    check_items(
        "PRICE, 1",
        "WHERE PRICE AND TICKER",
        &[
            "2:28 AND needs a BOOLEAN, this is DOUBLE | compare it with something",
            "2:38 AND needs a BOOLEAN, this is VARCHAR(8) | compare it with something",
        ],
    );
    check_items(
        "ABSS(PRICEE, LOWERR(TIKCER)), COUNT(PRIC)",
        "",
        &[
            "2:1 there is no function ABSS | did you mean \"ABS\"?",
            "2:6 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:14 there is no function LOWERR | did you mean \"LOWER\"?",
            "2:21 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:31 aggregate function COUNT is not allowed in the select list without GROUP BY | aggregate in a subquery with GROUP \
         BY, and use its column outside",
            "2:37 column \"PRIC\" does not exist | did you mean \"PRICE\"?",
        ],
    );
    check_items(
        "LAG(PRICEE, 1, QUANTTY) OVER (PARTITION BY TIKCER ORDER BY PRICE ROWS 0 PRECEDING), 1",
        "",
        &[
            "2:5 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:16 column \"QUANTTY\" does not exist | did you mean \"QUANTITY\"?",
            "2:44 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:51 ORDER BY is not allowed in a window: streams are in order of ROWTIME | remove it",
            "2:71 PRECEDING is not allowed here: 0 rows: write CURRENT ROW | write … PRECEDING, or BETWEEN … PRECEDING AND CURRENT \
         ROW",
        ],
    );
    // A type that does not exist ends neither its query nor its stream.
    check_items(
        "CAST(PRICEE AS STRING), CAST(TIKCER AS VARCHAR(0))",
        "WHERE CAST(PRICE AS DUBLE) > 'x'",
        &[
            "2:6 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
            "2:16 there is no type STRING | use VARCHAR(n)",
            "2:30 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:48 the length must be 1 to 65535, not 0",
            "2:84 there is no type DUBLE | did you mean \"DOUBLE\"?",
        ],
    );
    check(
        "CREATE STREAM T (A STRING, B INTERVAL DAY, C LONG NOT NULL, D DECIMAL(50, 2), E DOUBLE);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM PRICEE FROM TRADES;",
        &[
            "1:20 there is no type STRING | use VARCHAR(n)",
            "1:30 INTERVAL cannot be the type of a column | store it as BIGINT, or as text with CAST(… AS VARCHAR(n))",
            "1:46 there is no type LONG | use BIGINT",
            "1:71 the precision of DECIMAL must be 1 to 19, not 50",
            "2:46 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
        ],
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_told() {
    // Nothing is known of the columns of a stream that does not exist, nor of a query that was refused.
    let unknown = "there is no stream \"TRADE\" | did you mean \"TRADES\"?";
    check(
        "CREATE STREAM T (A DOUBLE);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM X, SUMM(Y) FROM TRADE WHERE Z > 1 ORDER BY W;\n\
         CREATE PUMP Q AS INSERT INTO T SELECT STREAM X FROM (SELECT STREAM PRICEE AS X FROM TRADES) AS S;",
        &[
            "2:49 there is no function SUMM | did you mean \"SUM\"?",
            &format!("2:62 {unknown}"),
            "3:68 column \"PRICEE\" does not exist | did you mean \"PRICE\"?",
        ],
    );
    // A record that cannot be made has no fields, and is not missed.
    check_items(
        "FAST_REGEX_LOG_PARSE(TIKCER, 'a(b)') AS R, PRIC",
        "",
        &[
            "2:22 column \"TIKCER\" does not exist | did you mean \"TICKER\"?",
            "2:44 column \"PRIC\" does not exist | did you mean \"PRICE\"?",
        ],
    );
    // Columns that USING joins are one, also when they cannot be compared.
    check(
        "CREATE STREAM T (A DOUBLE); CREATE STREAM U (PRICE VARCHAR(4), B DOUBLE);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM PRICE + C FROM TRADES JOIN U USING (PRICE);",
        &[
            "2:54 column \"C\" does not exist | the columns are \"TICKER\", \"PRICE\", \"review_id\", \"QUANTITY\", \"PRICE\", \
             \"B\"",
            "2:82 = cannot compare DOUBLE with VARCHAR(4) | there are no implicit conversions: use CAST",
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
fn low_constant_patterns_are_read_before_any_row_comes() {
    for (condition, pattern) in [
        ("TICKER SIMILAR TO '(a'", "'(a' is not a pattern of SIMILAR TO"),
        ("REGEX_REPLACE(TICKER, '(a', 'x', 1, 0) = 'x'", "REGEX_REPLACE: '(a' is not a regular expression"),
        ("SUBSTRING(TICKER FROM 'b(') = 'b'", "'b(' is not a"),
    ] {
        let text = format!(
            "CREATE STREAM T (A DOUBLE); CREATE PUMP P AS INSERT INTO T SELECT STREAM PRICE FROM TRADES WHERE {condition};"
        );
        let found = first(&text);
        assert!(found.contains(pattern), "{condition}: {found}");
    }
}

#[test]
fn low_pumps_that_double_one_behind_the_other_are_refused() {
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

/// A foreign form is said once, with the form of this language, and hides no other mistake nor makes one up.
#[test]
fn forms_of_other_dialects_are_said_once() {
    let top = "TABLE(TOP_K_ITEMS_TUMBLING(";
    for (query, message, form) in [
        ("PRICE FROM TRADES WHERE TICKER == 'A'", "== is not part of the language", "write ="),
        ("PRICE FROM TRADES WHERE TICKER === 'A'", "=== is not part of the language", "write ="),
        ("PRICE FROM TRADES WHERE PRICE <=> 3", "<=> is not part", "IS NOT DISTINCT FROM"),
        ("PRICE FROM TRADES WHERE PRICE > 1 && QUANTITY < 3", "&& is not part", "write AND"),
        ("PRICE FROM TRADES WHERE !(PRICE > 1)", "! is not part", "write NOT"),
        ("PRICE FROM TRADES WHERE TICKER ~ 'A'", "~ is not part", "SIMILAR TO"),
        ("PRICE FROM TRADES WHERE TICKER =~ 'A'", "=~ is not part", "SIMILAR TO"),
        ("PRICE FROM TRADES WHERE TICKER !~ 'A'", "!~ is not part", "NOT text SIMILAR TO"),
        ("PRICE % 3 FROM TRADES", "% is not part", "MOD(x, y)"),
        ("PRICE ^ 3 FROM TRADES", "^ is not part", "POWER(x, y)"),
        ("PRICE ** 3 FROM TRADES", "** is not part", "POWER(x, y)"),
        ("QUANTITY::DOUBLE FROM TRADES", ":: is not part", "CAST(x AS type)"),
        ("`PRICE` FROM TRADES", "` does not quote a name", "\"name\""),
        ("[PRICE] FROM TRADES", "expected an expression, found \"[\"", "\"name\""),
        ("@PRICE FROM TRADES", "unexpected character '@'", "remove it"),
        ("PRICE FROM TRADES WHERE TICKER ILIKE 'a%'", "ILIKE is not part", "LOWER(text) LIKE"),
        ("PRICE FROM TRADES WHERE TICKER NOT RLIKE 'a'", "RLIKE is not part", "SIMILAR TO"),
        ("PRICE FROM TRADES WHERE PRICE BETWEEN 1, 3", "expected AND, found \",\"", "x BETWEEN low AND high"),
        (
            "PRICE FROM TRADES WHERE CURRENT_TIMESTAMP > TRADES.ROWTIME + INTERVAL '10 minutes'",
            "expected YEAR, MONTH",
            "INTERVAL '10' MINUTE",
        ),
        ("TOP 3 PRICE FROM TRADES", "TOP is not part", top),
        ("PRICE FROM TRADES LIMIT 3", "LIMIT is not part", top),
        ("PRICE FROM TRADES OFFSET 3", "OFFSET is not part", top),
        ("PRICE FROM TRADES EMIT CHANGES", "EMIT is not part", "remove it"),
        ("PRICE FROM TRADES QUALIFY COUNT(*) OVER W = 1", "QUALIFY is not part", "outer query"),
        (
            "PRICE FROM TUMBLE(TRADES, ROWTIME, INTERVAL '1' MINUTE)",
            "TUMBLE is called where the name of a stream stands",
            "GROUP BY STEP(",
        ),
        ("PRICE FROM HOP(TABLE TRADES)", "HOP is called where", "count each hop"),
        ("PRICE FROM TABLE(TUMBLE(TABLE TRADES))", "there is no table function TUMBLE", "GROUP BY STEP("),
        (
            "PRICE FROM RANDOM_CUT_FOREST(CURSOR(x))",
            "RANDOM_CUT_FOREST is called",
            "TABLE(RANDOM_CUT_FOREST(",
        ),
        (
            "MEDIAN(PRICE) FROM TRADES GROUP BY STEP(TRADES.ROWTIME BY INTERVAL '1' SECOND)",
            "there is no function MEDIAN",
            "AVG(x)",
        ),
        (
            "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY PRICE) FROM TRADES",
            "WITHIN GROUP is not part",
            "there are no percentiles",
        ),
        (
            "LISTAGG(TICKER, ',') WITHIN GROUP (ORDER BY PRICE) FROM TRADES",
            "WITHIN GROUP is not part",
            "there is no aggregate of texts",
        ),
        (
            "FIRST_VALUE(PRICE) WITHIN GROUP (ORDER BY QUANTITY) FROM TRADES",
            "WITHIN GROUP is not part",
            "remove it: FIRST_VALUE(x) and LAST_VALUE(x) go by ROWTIME",
        ),
    ] {
        let text = format!("{TARGET}SELECT STREAM {query};");
        let found = all(&text);
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        let first = first(&text);
        assert!(first.contains(message) && first.contains(form), "{query}: {first}");
    }
    // What is read in place of the sign lets the rest of the statement be looked at.
    let found = all(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE PRICE > 1 && WEIGHT == 3;"));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1].contains("column \"WEIGHT\" does not exist"), "{found:?}");
}

#[test]
fn a_misspelled_function_is_unknown_also_before_over() {
    for over in ["OVER (ROWS 3 PRECEDING)", "OVER W"] {
        let found = first(&format!(
            "{TARGET}SELECT STREAM AVGG(PRICE) {over} FROM TRADES WINDOW W AS (ROWS 3 PRECEDING);"
        ));
        assert!(found.contains("there is no function AVGG | did you mean \"AVG\"?"), "{found}");
    }
    let found = first(&format!("{TARGET}SELECT STREAM ABS(PRICE) OVER (ROWS 3 PRECEDING) FROM TRADES;"));
    assert!(found.contains("analytic function ABS is not allowed"), "{found}");
}

#[test]
fn if_not_exists_is_said_once() {
    let found = all(
        "CREATE STREAM IF NOT EXISTS T (A DOUBLE);\nCREATE PUMP IF NOT EXISTS P AS INSERT INTO T SELECT STREAM PRICE FROM TRADES;",
    );
    assert_eq!(
        found,
        ["1:15 IF NOT EXISTS is not part of the language", "2:13 IF NOT EXISTS is not part of the language"]
    );
}

#[test]
fn what_a_statement_did_not_expect_does_not_make_up_mistakes() {
    let found = all(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE TICKER NOT 'A';"));
    assert_eq!(found, ["2:77 expected \";\", found NOT"]);
    // The next statement is not what a statement did not expect.
    let found =
        all("CREATE STREAM T (A DOUBLE)\nCREATE PUMP P AS INSERT INTO T SELECT STREAM WEIGHT FROM TRADES;");
    assert_eq!(found, ["2:1 expected \";\", found CREATE", "2:46 column \"WEIGHT\" does not exist"]);
}

#[test]
fn text_in_double_quotes_is_told_from_a_column() {
    let found = first(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE TICKER IN (\"Oslo's\", 'A');"));
    let hint = "a text stands in single quotes: 'Oslo''s'; the columns are \"TICKER\"";
    assert!(found.contains("column \"Oslo's\" does not exist") && found.contains(hint), "{found}");
    let found = first(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE TICKER = OSLO;"));
    assert!(!found.contains("single quotes"), "{found}");
}

#[test]
fn constant_patterns_are_read_before_any_row() {
    for (predicate, place, message) in [
        ("LIKE 'a' ESCAPE 'xx'", "2:93", "ESCAPE takes exactly one character, not 'xx'"),
        ("LIKE TICKER ESCAPE ''", "2:96", "ESCAPE takes exactly one character, not ''"),
        ("SIMILAR TO 'a' ESCAPE 'xx'", "2:99", "ESCAPE takes exactly one character, not 'xx'"),
        ("LIKE 'a!b' ESCAPE '!'", "2:82", "the LIKE pattern 'a!b' has the escape character before"),
        ("NOT LIKE 'a!' ESCAPE '!'", "2:86", "the LIKE pattern 'a!' has the escape character before"),
    ] {
        let found = first(&format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE TICKER {predicate};"));
        assert!(found.starts_with(&format!("{place} {message}")), "{predicate}: {found}");
    }
}

#[test]
fn a_comparison_with_null_is_a_lint() {
    let lints = |condition: &str| {
        let text = format!("{TARGET}SELECT STREAM PRICE FROM TRADES WHERE {condition};");
        let compilation = compile(&text, &[input()], &catalog());
        assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics);
        compilation.lints.into_iter().map(|lint| lint.hint.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(lints("PRICE = NULL"), ["write x IS NULL"]);
    assert_eq!(lints("NULL <> PRICE"), ["write x IS NOT NULL"]);
    assert!(lints("PRICE IS NULL").is_empty());
}

/// What is no SQL at all costs no more than its length.
#[test]
fn very_many_mistakes_are_not_all_told() {
    for piece in [":", "\u{201c}", "\0", "SELECT;"] {
        let text = piece.repeat(100_000 / piece.len());
        let compilation = compile(&text, &[input()], &catalog());
        assert!(compilation.program.is_none());
        assert_eq!(compilation.diagnostics.len(), 100, "{piece:?}");
        let shown = compilation.diagnostics[50].render("a.sql", &text);
        assert!(shown.len() < 2_000, "{} bytes", shown.len());
    }
    // Warnings do not push mistakes out.
    let text = format!("{}{TARGET}SELECT STREAM PRICEE FROM TRADES;", "// a\n".repeat(200));
    let compilation = compile(&text, &[input()], &catalog());
    assert_eq!(compilation.diagnostics.iter().filter(|remark| remark.is_error()).count(), 1);
}

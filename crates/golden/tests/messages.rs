//! What golden files say of their mistakes and of what differs: as people write it, never as the program holds it.

use millstream_golden::{GoldenFile, run};

/// Reads a file that cannot be read; line and message.
fn refusal(text: &str) -> (usize, String) {
    let error = GoldenFile::parse(text).expect_err("the file is wrong");
    (error.line, error.message)
}

/// All that a file fails of.
fn failures(text: &str) -> Vec<String> {
    let file = GoldenFile::parse(text).expect("the file can be read");
    run(&file).failures.into_iter().map(|failure| format!("{}: {}", failure.line, failure.message)).collect()
}

const APPLICATION: &str = "input S (X INTEGER, N VARCHAR(4))
table T (A INTEGER)
application
CREATE STREAM R (X INTEGER);
CREATE PUMP P AS INSERT INTO R SELECT STREAM X FROM S;
end
";

#[test]
fn a_missing_blank_line_is_named() {
    for block in ["rows S\n00:00:01 | 1 | 'a'\n", "rows T\n1\n", "expect R\n00:00:01 | 1\n"] {
        for directive in ["expect R", "bound 00:00:05", "checkpoint", "rows S", "eval 1 => 1"] {
            let word = directive.split(' ').next().unwrap();
            let (line, message) = refusal(&format!("{APPLICATION}{block}{directive}\n"));
            assert_eq!(line, 9, "{block}{directive}");
            assert_eq!(
                message,
                format!("the blank line before {word} is missing: it ends the rows above"),
                "{block}{directive}"
            );
        }
    }
}

#[test]
fn a_row_behind_a_blank_line_is_no_directive() {
    for row in ["00:00:01 | 1 | 'a'", "2024-01-01 00:00:01 | 1", "* | 1", "1 | 2"] {
        let (line, message) = refusal(&format!("{APPLICATION}rows S\n\n{row}\n"));
        assert_eq!(line, 9);
        assert_eq!(
            message, "this row is of no rows and no expect: a blank line has ended the block above",
            "{row}"
        );
    }
    assert!(refusal("rowz S\n").1.starts_with("'rowz' is not a directive: there are input, table, set"));
}

#[test]
fn values_are_named_as_they_are_written() {
    for (rows, expected) in [
        (
            "rows S\n1 | 'a'",
            "\"1\" is not a time: a row begins with its ROWTIME, such as 2024-01-01 00:00:05.000 or 00:00:05",
        ),
        (
            "rows S\n'a' | 1",
            "\"'a'\" is not a time: a row begins with its ROWTIME, such as 2024-01-01 00:00:05.000 or 00:00:05",
        ),
        ("bound soon", "\"soon\" is not a time: write 2024-01-01 00:00:05.000 or 00:00:05"),
        (
            "rows S\n00:00:01 | 1 | abc",
            "column \"N\": \"abc\" is not a value: write 'abc' if it is a text; else 42, TRUE, NULL, DATE '…', TIMESTAMP \
             '…', X'…' or *",
        ),
        ("rows S\n00:00:01 | 'a' | 'b'", "column \"X\": 'a' is not of its type, INTEGER"),
        ("rows S\n00:00:01 | 3000000000 | 'b'", "column \"X\": 3000000000 is not of its type, INTEGER"),
        ("rows S\n00:00:01 | 1 | 7", "column \"N\": 7 is not of its type, VARCHAR(4)"),
        ("rows S\n00:00:01 | 1 | *", "column \"N\": * is not of its type, VARCHAR(4)"),
        ("rows S\n00:00:01 | 1 | 'b", "column \"N\": the text 'b is not closed by a quote"),
        ("rows S\n00:00:01 | 1", "a row has a ROWTIME and 2 values, this has 1 value"),
        ("rows T\n1 | 2", "a row has 1 value, this has 2 values"),
        ("rows U\n1", "there is no input or table \"U\": declare it with input U (…) or table U (…)"),
        ("rows", "write rows NAME, then its rows"),
        ("expect R\n00:00:01 | ~1", "write a tolerance as ~0.92 +- 0.05"),
        ("expect R\n00:00:01 | X'3'", "X'3' has an odd number of digits"),
        ("expect R\n00:00:01 | X'é3'", "X'é3' is not hex"),
        ("expect R sorted", "\"sorted\" is not known here: write unordered or none"),
        ("expect error_stream two", "\"two\" is not a number of rows"),
        ("set seed x", "\"x\" is not a seed: write a whole number"),
    ] {
        assert_eq!(refusal(&format!("{APPLICATION}{rows}\n")).1, expected, "{rows}");
    }
}

#[test]
fn numbers_that_no_column_of_the_type_holds_are_refused() {
    for (sql_type, value) in [
        ("TINYINT", "128"),
        ("SMALLINT", "-32769"),
        ("BIGINT", "9223372036854775808"),
        ("INTEGER", "1.5"),
        ("DECIMAL(4,2)", "100"),
        ("DECIMAL(4,2)", "1.005"),
    ] {
        let (_, message) = refusal(&format!("input S (X {sql_type})\nrows S\n00:00:01 | {value}\n"));
        assert_eq!(message, format!("column \"X\": {value} is not of its type, {sql_type}"));
    }
    for (sql_type, value) in [("TINYINT", "-128"), ("DECIMAL(4,2)", "-99.99"), ("REAL", "1e3")] {
        GoldenFile::parse(&format!("input S (X {sql_type})\nrows S\n00:00:01 | {value}\n")).unwrap();
    }
}

#[test]
fn eval_shows_values_as_sql_writes_them() {
    for (expression, expected, shown) in [
        ("'a' || 'b'", "'B'", "gave 'ab' of type VARCHAR(2), expected 'B'"),
        ("'x'", "'it''s'", "gave 'x' of type CHAR(1), expected 'it''s'"),
        ("1 + 1", "3", "gave 2 of type INTEGER, expected 3"),
        ("1 + 1", "~3 +- 0.5", "gave 2 of type INTEGER, expected ~3 +- 0.5"),
        ("1 + 1", "NULL", "gave 2 of type INTEGER, expected NULL"),
        ("1 + 1", "TRUE", "gave 2 of type INTEGER, expected TRUE"),
        ("1 + 1", "X'0aFF'", "gave 2 of type INTEGER, expected X'0AFF'"),
        ("1 + 1", "DATE '2024-02-29'", "gave 2 of type INTEGER, expected DATE '2024-02-29'"),
        ("1 + 1", "TIME '10:00:00'", "gave 2 of type INTEGER, expected TIME '10:00:00'"),
        (
            "1 + 1",
            "TIMESTAMP '2024-02-29 10:00:00.5'",
            "gave 2 of type INTEGER, expected TIMESTAMP '2024-02-29 10:00:00.500'",
        ),
        ("1 / 0", "INVALID", "was accepted, and fails for the row: "),
        ("1 + 1", "INVALID", "was accepted, with the value 2"),
        ("1 + 1", "ERROR", "gave 2, not a row error"),
    ] {
        let found = failures(&format!("eval {expression} => {expected}\n"));
        assert!(found[0].starts_with(&format!("1: {expression} {shown}")), "{found:?}");
    }
}

#[test]
fn what_was_expected_is_said() {
    let none = failures(&format!("{APPLICATION}expect error_stream 1\n"));
    assert_eq!(none, ["7: expected 1 row error, found none"]);
    let refused = |place: &str| {
        failures(&format!("application\nCREATE STREAM R (X INTEGR);\nend\nexpect invalid {place}\n"))
            .join("\n")
    };
    let found = refused("1:1 no such type");
    assert!(
        found.starts_with("4: expected a mistake at 1:1 that says \"no such type\"; the first is at 1:"),
        "{found}"
    );
    let found = refused("* no such type");
    assert!(
        found.starts_with("4: expected a mistake that says \"no such type\"; the first is at 1:"),
        "{found}"
    );
    let found = failures(&format!("{APPLICATION}expect invalid 1:1 text\n"));
    assert_eq!(found, ["7: the application was accepted: expected a mistake at 1:1 that says \"text\""]);
    let found = failures(&format!("{APPLICATION}expect U none\n"));
    assert_eq!(found, ["7: the application has no stream \"U\""]);
    let found = failures("");
    assert_eq!(
        found,
        [
            "1: the file expects nothing, so it tests nothing: add expect, expect error_stream, expect invalid or eval"
        ]
    );
}

//! What of the language is understood, found out by compiling an example of each part: the list of it cannot rot.

use super::aggregate::{AGGREGATES, ANALYTIC, WITHOUT_FUNCTION, function_named};
use super::table_function::TABLE_FUNCTIONS;
use super::{compile_expression, compile_with_tables};
use crate::{AggregateFunction, Column, Diagnostic, FunctionCatalog, InputStream, ReferenceTable, SqlType};

/// A part of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// What kind of part.
    pub kind: FeatureKind,
    /// As an author knows it, e.g. `GROUP BY … STEP` or `MAX`.
    pub name: String,
    /// The section of the language specification that describes it.
    pub section: &'static str,
    /// Whether it is understood.
    pub support: Support,
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureKind {
    /// A statement.
    Statement,
    /// A clause of a query.
    Clause,
    /// A data type.
    DataType,
    /// A form of expression: literals, operators, predicates.
    Expression,
    /// A function of groups, or of sliding windows.
    Aggregate,
    /// A function of sliding windows alone.
    Analytic,
    /// A function of FROM TABLE(…).
    TableFunction,
    /// A function of single rows.
    Scalar,
    /// A function that takes a text apart.
    LogParser,
}

/// Whether a part of the language is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// It runs.
    Supported,
    /// It is refused with this message.
    Refused(String),
}

/// A statement or clause with a text that uses it; `S` is a stream, `R` a reference table, `T` a stream of the text.
struct Example {
    kind: FeatureKind,
    name: &'static str,
    section: &'static str,
    text: &'static str,
}

const fn statement(name: &'static str, section: &'static str, text: &'static str) -> Example {
    Example { kind: FeatureKind::Statement, name, section, text }
}

/// The text is what stands behind INSERT INTO T.
const fn clause(name: &'static str, section: &'static str, text: &'static str) -> Example {
    Example { kind: FeatureKind::Clause, name, section, text }
}

const fn expression(name: &'static str, section: &'static str, text: &'static str) -> Example {
    Example { kind: FeatureKind::Expression, name, section, text }
}

const fn data_type(name: &'static str, section: &'static str, text: &'static str) -> Example {
    Example { kind: FeatureKind::DataType, name, section, text }
}

const EXAMPLES: &[Example] = &[
    statement("CREATE [OR REPLACE] STREAM", "2.2", "CREATE OR REPLACE STREAM U (A INTEGER NOT NULL);"),
    statement("CREATE STREAM … DESCRIPTION", "2.2", "CREATE STREAM U (A INTEGER) DESCRIPTION 'text';"),
    statement("CREATE STREAM … OPTIONS", "2.2", "CREATE STREAM U (A INTEGER) OPTIONS (x 'y');"),
    statement(
        "CREATE [OR REPLACE] PUMP",
        "2.3",
        "CREATE PUMP P AS INSERT INTO T (V) SELECT STREAM V FROM S;",
    ),
    statement(
        "CREATE PUMP … STOPPED",
        "2.3",
        "CREATE PUMP P STOPPED AS INSERT INTO T (V) SELECT STREAM V FROM S;",
    ),
    statement(
        "INSERT EXPEDITED",
        "2.3",
        "CREATE PUMP P AS INSERT EXPEDITED INTO T (V) SELECT STREAM V FROM S;",
    ),
    statement(
        "ALTER PUMP … START | STOP",
        "2.3",
        "CREATE PUMP P AS INSERT INTO T (V) SELECT STREAM V FROM S; ALTER PUMP P STOP;",
    ),
    statement(
        "CREATE [OR REPLACE] FUNCTION",
        "2.4",
        "CREATE FUNCTION F(X INTEGER) RETURNS INTEGER RETURN X;",
    ),
    statement("CREATE [OR REPLACE] VIEW", "2.5", "CREATE VIEW W AS SELECT STREAM V FROM S;"),
    statement("DROP STREAM", "2.5", "DROP STREAM T;"),
    statement("DROP PUMP", "2.5", "DROP PUMP IF EXISTS P;"),
    statement("DROP FUNCTION", "2.5", "DROP FUNCTION IF EXISTS F CASCADE;"),
    statement("DROP VIEW", "2.5", "DROP VIEW IF EXISTS W;"),
    statement("CREATE SCHEMA, SET SCHEMA", "2.5", "CREATE SCHEMA X; SET SCHEMA 'X';"),
    statement("INSERT … VALUES of its own", "2.5", "INSERT INTO T (V) VALUES (1);"),
    statement("SELECT of its own", "2.5", "SELECT STREAM V FROM S;"),
    statement("CREATE FOREIGN STREAM", "2.5", "CREATE FOREIGN STREAM U (A INTEGER) SERVER X;"),
    statement("UPDATE, DELETE, MERGE", "2.5", "UPDATE T SET V = 1;"),
    clause("SELECT without STREAM", "2.3", "SELECT V FROM S"),
    clause("INSERT INTO … (columns)", "2.3", "(V) SELECT STREAM V FROM S"),
    clause("*", "2.6", "SELECT STREAM * FROM (SELECT STREAM V FROM S)"),
    clause("expression AS ROWTIME", "3.7", "SELECT STREAM V, TS AS ROWTIME FROM S"),
    clause("WHERE", "2.6", "SELECT STREAM V FROM S WHERE V > 1"),
    clause("DISTINCT", "2.6", "SELECT STREAM DISTINCT V FROM (SELECT STREAM MONOTONIC(V) AS V FROM S)"),
    clause(
        "DISTINCT over ROWTIME",
        "2.6",
        "(V, TS) SELECT STREAM DISTINCT V, FLOOR(S.ROWTIME TO DAY) FROM S",
    ),
    clause(
        "GROUP BY … STEP",
        "3.2",
        "SELECT STREAM MAX(V) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND)",
    ),
    clause("GROUP BY … FLOOR, CEIL", "3.2", "SELECT STREAM MAX(V) FROM S GROUP BY FLOOR(S.ROWTIME TO MONTH)"),
    clause(
        "GROUP BY by division of an interval",
        "3.2",
        "SELECT STREAM MAX(V) FROM S GROUP BY FLOOR((S.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)",
    ),
    clause("GROUP BY MONOTONIC", "3.2", "SELECT STREAM MAX(V) FROM S GROUP BY MONOTONIC(V)"),
    clause("GROUP BY without a monotonic expression", "2.6", "SELECT STREAM MAX(V) FROM S GROUP BY K"),
    clause(
        "HAVING",
        "2.6",
        "SELECT STREAM MAX(V) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND) HAVING COUNT(*) > 1",
    ),
    clause(
        "WINDOWED BY STAGGER",
        "3.4",
        "SELECT STREAM MAX(V) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '1' MINUTE)",
    ),
    clause(
        "OVER … RANGE",
        "3.3",
        "SELECT STREAM MAX(V) OVER (PARTITION BY K RANGE INTERVAL '1' MINUTE PRECEDING) FROM S",
    ),
    clause(
        "OVER … ROWS",
        "3.3",
        "SELECT STREAM MAX(V) OVER (ROWS BETWEEN 4 PRECEDING AND CURRENT ROW) FROM S",
    ),
    clause(
        "OVER … UNBOUNDED PRECEDING",
        "3.3",
        "SELECT STREAM MAX(V) OVER (ROWS UNBOUNDED PRECEDING) FROM S",
    ),
    clause(
        "OVER … FOLLOWING",
        "3.3",
        "SELECT STREAM MAX(V) OVER (ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM S",
    ),
    clause("OVER … ORDER BY", "3.3", "SELECT STREAM MAX(V) OVER (ORDER BY V ROWS 2 PRECEDING) FROM S"),
    clause("WINDOW", "2.6", "SELECT STREAM MAX(V) OVER W FROM S WINDOW W AS (ROWS 2 PRECEDING)"),
    clause("subquery in FROM", "2.6", "SELECT STREAM Q.V FROM (SELECT STREAM V FROM S) AS Q"),
    clause("alias with columns", "2.6", "SELECT STREAM Q.X FROM (SELECT STREAM V FROM S) AS Q(X)"),
    clause("VALUES", "2.6", "SELECT STREAM S.V FROM S JOIN (VALUES (1), (2)) AS N(X) ON S.V = N.X"),
    clause(
        "[INNER] JOIN of streams",
        "3.6",
        "SELECT STREAM A.V FROM S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS A JOIN S AS B ON A.V = B.V",
    ),
    clause(
        "LEFT, RIGHT, FULL JOIN of streams",
        "3.6",
        "SELECT STREAM A.V FROM S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS A FULL JOIN S AS B ON A.V = B.V",
    ),
    clause(
        "CROSS JOIN",
        "3.6",
        "SELECT STREAM A.V FROM S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS A CROSS JOIN S AS B",
    ),
    clause(
        "JOIN … USING, NATURAL JOIN",
        "3.6",
        "SELECT STREAM A.V FROM S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS A JOIN S AS B USING (V)",
    ),
    clause(
        "JOIN of streams without a window",
        "3.6",
        "SELECT STREAM A.V FROM S AS A JOIN S AS B ON A.V = B.V",
    ),
    clause(
        "JOIN with FOLLOWING",
        "3.6",
        "SELECT STREAM A.V FROM S AS A JOIN S OVER (RANGE INTERVAL '1' HOUR FOLLOWING) AS B ON A.V = B.V",
    ),
    clause("JOIN with a reference table", "3.6", "SELECT STREAM S.V FROM S LEFT JOIN R ON S.K = R.K"),
    clause(
        "RIGHT, FULL JOIN with a reference table",
        "3.6",
        "SELECT STREAM S.V FROM S RIGHT JOIN R ON S.K = R.K",
    ),
    clause("UNION ALL of streams", "2.6", "SELECT STREAM V FROM S UNION ALL SELECT STREAM V FROM S"),
    clause(
        "UNION, EXCEPT, INTERSECT of streams",
        "2.6",
        "SELECT STREAM V FROM S EXCEPT SELECT STREAM V FROM S",
    ),
    clause(
        "UNION, EXCEPT, INTERSECT of tables",
        "2.6",
        "SELECT STREAM S.V FROM S JOIN (SELECT K FROM R EXCEPT SELECT K FROM R) AS Q ON S.K = Q.K",
    ),
    clause("ORDER BY", "2.6", "SELECT STREAM V FROM S ORDER BY FLOOR(S.ROWTIME TO SECOND), V DESC"),
    clause("ORDER BY … NULLS FIRST | LAST", "2.6", "SELECT STREAM V FROM S ORDER BY ROWTIME, V NULLS FIRST"),
    clause(
        "ORDER BY … WITHIN",
        "2.6",
        "SELECT STREAM V, TS AS ROWTIME FROM S ORDER BY TS WITHIN INTERVAL '5' SECOND",
    ),
    clause("ORDER BY without a monotonic expression", "2.6", "SELECT STREAM V FROM S ORDER BY V"),
    clause("IN (subquery)", "2.6", "SELECT STREAM V FROM S WHERE K IN (SELECT K FROM R)"),
    clause("EXISTS (subquery)", "2.6", "SELECT STREAM V FROM S WHERE EXISTS (SELECT K FROM R)"),
    clause("scalar subquery", "2.6", "SELECT STREAM (SELECT N FROM R WHERE K = 'a') FROM S"),
    clause(
        "record fields",
        "1.2",
        "(K) SELECT STREAM Q.X.COLUMN1 FROM (SELECT STREAM REGEX_LOG_PARSE(K, '(.)') AS X FROM S) AS Q",
    ),
    data_type("BOOLEAN", "1.6", "BOOLEAN"),
    data_type("TINYINT", "1.6", "TINYINT"),
    data_type("SMALLINT", "1.6", "SMALLINT"),
    data_type("INTEGER, INT", "1.6", "INT"),
    data_type("BIGINT", "1.6", "BIGINT"),
    data_type("DECIMAL, DEC, NUMERIC (p,s)", "1.6", "NUMERIC(19,5)"),
    data_type("REAL", "1.6", "REAL"),
    data_type("DOUBLE [PRECISION]", "1.6", "DOUBLE PRECISION"),
    data_type("FLOAT", "1.6", "FLOAT"),
    data_type("CHAR(n), CHARACTER(n)", "1.6", "CHARACTER(10)"),
    data_type("VARCHAR(n), CHAR[ACTER] VARYING(n)", "1.6", "CHARACTER VARYING(65535)"),
    data_type("BINARY(n)", "1.6", "BINARY(10)"),
    data_type("VARBINARY(n), BINARY VARYING(n)", "1.6", "BINARY VARYING(10)"),
    data_type("DATE", "1.6", "DATE"),
    data_type("TIME", "1.6", "TIME"),
    data_type("TIMESTAMP", "1.6", "TIMESTAMP"),
    data_type("INTERVAL as a column", "1.5", "INTERVAL DAY TO SECOND"),
    expression("Unicode strings, UESCAPE", "1.4", "u&'!0041' UESCAPE '!'"),
    expression("date, time and timestamp literals", "1.4", "TIMESTAMP '2024-01-01 00:00:00'"),
    expression("{d …}, {t …}, {ts …}", "1.4", "{ts '2024-01-01 00:00:00'}"),
    expression("binary literals", "1.4", "X'3F67'"),
    expression("day-time intervals", "1.5", "INTERVAL '2 3:4:5.678' DAY TO SECOND"),
    expression("year-month intervals", "1.5", "INTERVAL '3-4' YEAR TO MONTH"),
    expression("+ - * / of numbers", "1.8", "1 + 2 * 3.5 / 4e0 - 1"),
    expression("datetime + interval", "1.8", "DATE '2024-01-01' + INTERVAL '1' DAY"),
    expression("(datetime - datetime) qualifier", "1.8", "(TIME '12:03:34' - TIME '11:57:23') MINUTE"),
    expression("interval * number", "1.8", "2 * INTERVAL '1' DAY"),
    expression("||", "1.9", "'a' || 'b'"),
    expression("comparisons", "1.9", "1 <> 2"),
    expression("BETWEEN [SYMMETRIC]", "1.9", "1 NOT BETWEEN SYMMETRIC 2 AND 0"),
    expression("IN (list)", "1.9", "1 IN (1, 2)"),
    expression("IS [NOT] NULL", "1.9", "1 IS NOT NULL"),
    expression("IS [NOT] TRUE, FALSE, UNKNOWN", "1.9", "TRUE IS NOT UNKNOWN"),
    expression("IS [NOT] DISTINCT FROM", "1.9", "1 IS DISTINCT FROM 1.0"),
    expression("LIKE … ESCAPE", "1.9", "'a%' LIKE 'a!%' ESCAPE '!'"),
    expression("SIMILAR TO … ESCAPE", "1.9", "'ab' SIMILAR TO '(a|b)+'"),
    expression(
        "period predicates",
        "1.9",
        "PERIOD (TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-02 00:00:00') CONTAINS TIMESTAMP '2024-01-01 00:00:00'",
    ),
    expression("CASE", "1.9", "CASE 1 WHEN 1 THEN 'a' ELSE 'b' END"),
    expression("CAST", "1.10", "CAST('1' AS INTEGER)"),
    expression("CURRENT_ROW_TIMESTAMP", "1.11", "CURRENT_ROW_TIMESTAMP"),
    expression("CURRENT_TIMESTAMP, LOCALTIMESTAMP", "1.11", "LOCALTIMESTAMP"),
    expression("CURRENT_DATE", "1.11", "CURRENT_DATE"),
    expression("CURRENT_TIME, LOCALTIME", "1.11", "LOCALTIME"),
    expression("FLOOR, CEIL (… TO unit)", "4.6", "CEIL(TIMESTAMP '2024-01-01 00:00:00' TO HOUR)"),
    expression("STEP (… BY …)", "4.6", "STEP(23 BY 5)"),
    expression("EXTRACT", "4.6", "EXTRACT(SECOND FROM INTERVAL '1.5' SECOND)"),
    expression("MONOTONIC", "4.6", "MONOTONIC(1)"),
    expression("COALESCE", "4.7", "COALESCE(NULL, 2, 5)"),
    expression("NULLIF", "4.7", "NULLIF(1, 2)"),
];

/// All that the front end understands by itself, and what it refuses; `catalog` has the functions that the examples use.
/// A few milliseconds.
pub fn features(catalog: &dyn FunctionCatalog) -> Vec<Feature> {
    let mut features: Vec<Feature> = EXAMPLES
        .iter()
        .map(|example| Feature {
            kind: example.kind,
            name: example.name.to_owned(),
            section: example.section,
            support: support(example, catalog),
        })
        .collect();
    let mut function = |kind, name: &str, section, query: String| {
        let support = support_of_query(&query, catalog);
        features.push(Feature { kind, name: name.to_owned(), section, support });
    };
    for (name, aggregate) in AGGREGATES {
        let argument = match aggregate {
            AggregateFunction::Any | AggregateFunction::Every => "V > 1",
            _ => "V",
        };
        let query = format!(
            "SELECT STREAM CASE WHEN {name}({argument}) IS NULL THEN 0 ELSE 1 END FROM S \
                             GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND)"
        );
        function(FeatureKind::Aggregate, name, "4.1", query);
    }
    function(
        FeatureKind::Aggregate,
        "COUNT(DISTINCT …)",
        "4.1",
        "SELECT STREAM COUNT(DISTINCT V) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND)".to_owned(),
    );
    for name in ANALYTIC {
        let more = match name {
            "EXP_AVG" => ", INTERVAL '1' SECOND",
            "NTH_VALUE" => ", 2",
            _ => "",
        };
        let window = "OVER (RANGE INTERVAL '1' MINUTE PRECEDING)";
        let query = format!("SELECT STREAM CAST({name}(V{more}) {window} AS INTEGER) FROM S");
        function(FeatureKind::Analytic, name, "4.1", query);
    }
    for name in WITHOUT_FUNCTION.into_iter().filter(|name| function_named(name).is_none()) {
        let query = format!("SELECT STREAM {name}(V) OVER (ROWS 1 PRECEDING) FROM S");
        function(FeatureKind::Analytic, name, "4.1", query);
    }
    for table_function in TABLE_FUNCTIONS {
        let name = table_function.name;
        let arguments = table_function.example;
        let query = format!("SELECT STREAM 1 FROM TABLE({name}(CURSOR(SELECT STREAM V FROM S){arguments}))");
        function(FeatureKind::TableFunction, name, table_function.section, query);
    }
    features
}

fn support(example: &Example, catalog: &dyn FunctionCatalog) -> Support {
    match example.kind {
        FeatureKind::Statement => support_of(&format!("{TARGET}{}", example.text), catalog),
        FeatureKind::DataType => support_of(&format!("CREATE STREAM U (A {});", example.text), catalog),
        FeatureKind::Expression => match compile_expression(example.text, catalog) {
            Ok(_) => Support::Supported,
            Err(mistakes) => refused(&mistakes),
        },
        _ => support_of_query(example.text, catalog),
    }
}

const TARGET: &str = "CREATE STREAM T (V INTEGER, TS TIMESTAMP, K VARCHAR(8));\n";

/// A query of one number, unless it names the columns that it fills.
fn support_of_query(query: &str, catalog: &dyn FunctionCatalog) -> Support {
    let columns = if query.starts_with('(') { "" } else { "(V) " };
    support_of(&format!("{TARGET}CREATE PUMP P AS INSERT INTO T {columns}{query};"), catalog)
}

fn support_of(text: &str, catalog: &dyn FunctionCatalog) -> Support {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let text_type = SqlType::Varchar { length: 8 };
    let input = InputStream {
        name: "S".to_owned(),
        columns: vec![
            column("V", SqlType::Integer),
            column("TS", SqlType::Timestamp),
            column("K", text_type),
        ],
        metadata_columns: 0,
    };
    let table = ReferenceTable {
        name: "R".to_owned(),
        columns: vec![column("K", text_type), column("N", SqlType::Integer)],
    };
    let compilation = compile_with_tables(text, &[input], &[table], catalog);
    if compilation.program.is_some() { Support::Supported } else { refused(&compilation.diagnostics) }
}

fn refused(diagnostics: &[Diagnostic]) -> Support {
    let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    Support::Refused(first.map_or_else(String::new, |mistake| mistake.message.clone()))
}

//! A file of SQL alone, with the streams that it reads given beside it.

use millstream_sql::{InputStream, Program, Severity, Subject, compile};

use super::metadata_column::MetadataColumn;
use super::mistake::{Mistake, Mistakes};
use super::schema_text::{DeclaredColumn, SchemaTextError, parse_declared_stream};

/// A stream that SQL alone reads, as `--stream` gives it.
#[derive(Clone, Debug)]
pub struct SqlInput {
    /// The input: the declared columns, then the metadata columns.
    pub stream: InputStream,
    /// The columns of the records.
    pub declared: Vec<DeclaredColumn>,
    /// What the service adds to the records of a stream, but for names that are declared.
    pub metadata: Vec<MetadataColumn>,
}

impl SqlInput {
    /// Parses `NAME (COLUMN TYPE, …)`. The stream has the metadata columns that one of a pipeline has.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<SqlInput, SchemaTextError> {
        let (mut stream, declared) = parse_declared_stream(text)?;
        let is_free = |metadata: &MetadataColumn| declared.iter().all(|(name, ..)| name != metadata.name());
        let metadata: Vec<MetadataColumn> = MetadataColumn::OF_STREAM.into_iter().filter(is_free).collect();
        stream.columns.extend(metadata.iter().map(|column| column.column()));
        stream.metadata_columns = metadata.len();
        Ok(SqlInput { stream, declared, metadata })
    }
}

/// SQL that was checked.
#[derive(Clone, Debug)]
pub struct CheckedSql {
    /// The plan.
    pub program: Program,
    /// Remarks that do not keep it from running, rendered.
    pub warnings: Vec<Mistake>,
}

/// Checks SQL over input streams.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn check_sql(source_name: &str, sql: &str, inputs: &[InputStream]) -> Result<CheckedSql, Mistakes> {
    let compilation = compile(sql, inputs, &millstream_engine::catalog());
    let mut mistakes = Vec::new();
    let mut warnings = Vec::new();
    for diagnostic in &compilation.diagnostics {
        let span = diagnostic.span.start as usize..diagnostic.span.end as usize;
        let hint = match diagnostic.subject {
            // The streams that it defines itself are no help to one who has not said what it reads.
            Subject::UnknownStream if inputs.is_empty() => Some(
                "SQL alone does not say what it reads: add --stream 'NAME (COLUMN TYPE, …)' for each input"
                    .to_owned(),
            ),
            Subject::UnknownStream | Subject::Unterminated | Subject::Text => diagnostic.hint.clone(),
        };
        let mistake = Mistake::at(source_name, sql, span, &diagnostic.message, hint);
        match diagnostic.severity {
            Severity::Error => mistakes.push(mistake),
            Severity::Warning => warnings.push(mistake.into_warning()),
        }
    }
    match compilation.program {
        Some(program) if mistakes.is_empty() => Ok(CheckedSql { program, warnings }),
        _ => {
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            Err(Mistakes(mistakes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::parse_input_stream;

    #[test]
    fn row_05_streams_beside_sql_have_the_metadata_columns() {
        let sql = "CREATE STREAM T (A INTEGER, B TIMESTAMP, C VARCHAR(512), D VARCHAR(128), E VARCHAR(64));
            CREATE PUMP P AS INSERT INTO T SELECT STREAM *, APPROXIMATE_ARRIVAL_TIME, S.PARTITION_KEY, \"SEQUENCE_NUMBER\",
            SHARD_ID FROM S;";
        let input = SqlInput::parse("S (A INTEGER)").unwrap();
        assert_eq!((input.declared.len(), input.metadata.len()), (1, 4));
        assert!(check_sql("app.sql", sql, &[input.stream]).is_ok());
        // A declared column of the name is one of the records.
        let input = SqlInput::parse("S (A INTEGER, SHARD_ID INTEGER)").unwrap();
        assert_eq!(input.metadata.len(), 3);
        let listed = "CREATE STREAM T (A INTEGER, S INTEGER);
            CREATE PUMP P AS INSERT INTO T SELECT STREAM * FROM S;";
        assert!(check_sql("app.sql", listed, &[input.stream]).is_ok());
    }

    #[test]
    fn an_input_that_nobody_gave_is_asked_for() {
        let hint =
            |sql: &str| check_sql("app.sql", sql, &[]).unwrap_err().0[0].hint.clone().unwrap_or_default();
        let reading = "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM A FROM TT;";
        assert!(hint(reading).contains("add --stream"), "{}", hint(reading));
        // What it writes to, and what it drops, it would have to declare itself.
        for other in [
            "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO U SELECT STREAM A FROM T;",
            "DROP STREAM T;",
        ] {
            assert!(!hint(other).contains("--stream"), "{other}: {}", hint(other));
        }
    }

    #[test]
    fn mistakes_of_sql_have_their_place() {
        let input = parse_input_stream("S (a INTEGER)").unwrap();
        let sql = "CREATE OR REPLACE STREAM T (x INTEGER);\nCREATE OR REPLACE PUMP P AS INSERT INTO T\n  SELECT STREAM b FROM S;";
        let mistakes = check_sql("app.sql", sql, &[input]).unwrap_err();
        assert_eq!((mistakes.0[0].line, mistakes.0[0].column), (3, 17), "{mistakes}");
        assert!(mistakes.to_string().contains("app.sql:3:17"));
    }
}

//! A file of SQL alone, with the streams that it reads given beside it.

use millstream_sql::{InputStream, Program, Severity, compile};

use super::mistake::{Mistake, Mistakes};

/// SQL that was checked.
#[derive(Clone, Debug)]
pub struct CheckedSql {
    /// The plan.
    pub program: Program,
    /// Remarks that do not keep it from running, rendered.
    pub warnings: Vec<String>,
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
        let mistake = Mistake::at(source_name, sql, span, &diagnostic.message, diagnostic.hint.clone());
        match diagnostic.severity {
            Severity::Error => mistakes.push(mistake),
            Severity::Warning => warnings.push(mistake.rendered.replacen("error:", "warning:", 1)),
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
    fn mistakes_of_sql_have_their_place() {
        let input = parse_input_stream("S (a INTEGER)").unwrap();
        let sql = "CREATE OR REPLACE STREAM T (x INTEGER);\nCREATE OR REPLACE PUMP P AS INSERT INTO T\n  SELECT STREAM b FROM S;";
        let mistakes = check_sql("app.sql", sql, &[input]).unwrap_err();
        assert_eq!((mistakes.0[0].line, mistakes.0[0].column), (3, 17), "{mistakes}");
        assert!(mistakes.to_string().contains("app.sql:3:17"));
    }
}

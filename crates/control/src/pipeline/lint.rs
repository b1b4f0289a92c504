//! What of an application is legal and probably not meant.

use millstream_engine::catalog;
use millstream_sql::{Diagnostic, InputStream, Program, Stream, compile_with_tables};

use super::mistake::Mistake;

/// Hours for which a stream keeps its records unless it says otherwise.
const DEFAULT_RETENTION_HOURS: u32 = 24;

/// Remarks on SQL that has been checked, in the order of the text, rendered as warnings. `retention_hours` says how long
/// the stream that it reads keeps its records; 24 when nothing is known.
pub fn lint_sql(
    source_name: &str,
    sql: &str,
    program: &Program,
    retention_hours: Option<u32>,
) -> Vec<Mistake> {
    let input = |stream: &Stream| InputStream {
        name: stream.name.clone(),
        columns: stream.columns.clone(),
        metadata_columns: stream.metadata_columns,
    };
    let inputs: Vec<InputStream> = program.streams.iter().filter(|it| it.is_input).map(input).collect();
    let compilation = compile_with_tables(sql, &inputs, &program.tables, &catalog());
    let hours = retention_hours.unwrap_or(DEFAULT_RETENTION_HOURS);
    let too_long = compilation.windows.iter().filter(|it| it.millis > i64::from(hours) * 3_600_000);
    let too_long = too_long.map(|window| {
        let message = format!(
            "the window is longer than the stream keeps its records ({hours} hours): what it has lost, such as by new SQL, \
             cannot be read again"
        );
        Diagnostic::warning(window.span, message)
            .with_hint("keep records longer (retention_hours), or shorten the window")
    });
    let mut remarks: Vec<Diagnostic> = compilation.lints.iter().cloned().chain(too_long).collect();
    remarks.sort_by_key(|remark| remark.span.start);
    let remark = |remark: &Diagnostic| {
        let span = remark.span.start as usize..remark.span.end as usize;
        let mut shown = Mistake::at(source_name, sql, span, &remark.message, remark.hint.clone());
        shown.rendered = shown.rendered.replacen("error:", "warning:", 1);
        shown
    };
    remarks.iter().map(remark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{SqlInput, check_sql};

    fn lints(sql: &str, retention_hours: Option<u32>) -> Vec<String> {
        let input = SqlInput::parse(
            "S (K VARCHAR(4), V INTEGER, TS TIMESTAMP, EVENT_START TIMESTAMP, EVENT_END TIMESTAMP)",
        )
        .unwrap();
        let other = SqlInput::parse("R (K VARCHAR(4))").unwrap();
        let sql = format!("CREATE STREAM T (A BIGINT, B INTEGER);\n{sql}");
        let checked = check_sql("app.sql", &sql, &[input.stream, other.stream]).unwrap();
        let found = lint_sql("app.sql", &sql, &checked.program, retention_hours);
        found.into_iter().map(|it| format!("{}:{} {}", it.line, it.column, it.message)).collect()
    }

    #[test]
    fn the_unusual_order_of_tsdiff_is_told() {
        let reported = |call: &str| {
            let sql = format!("CREATE PUMP P AS INSERT INTO T (A) SELECT STREAM {call} FROM S;");
            !lints(&sql, None).is_empty()
        };
        for call in [
            "TSDIFF(S.ROWTIME, TS)",
            "TSDIFF(EVENT_END, EVENT_START)",
            "TSDIFF(CURRENT_ROW_TIMESTAMP, TS)",
            "TSDIFF(TS, LAG(TS) OVER (ROWS 1 PRECEDING))",
        ] {
            assert!(reported(call), "{call}");
        }
        for call in ["TSDIFF(TS, S.ROWTIME)", "TSDIFF(EVENT_START, EVENT_END)", "TSDIFF(TS, TS)"] {
            assert!(!reported(call), "{call}");
        }
    }

    #[test]
    fn windows_longer_than_retention_are_told() {
        for (query, retention, reported) in [
            ("COUNT(*) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '2' DAY)", None, true),
            ("COUNT(*) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '2' DAY)", Some(48), false),
            ("COUNT(*) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '2' DAY)", Some(47), true),
            ("COUNT(*) OVER (RANGE INTERVAL '25' HOUR PRECEDING) FROM S", None, true),
            ("COUNT(*) OVER (RANGE INTERVAL '1' HOUR PRECEDING) FROM S", None, false),
            ("COUNT(*) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '3' HOUR)", Some(2), true),
            ("1 FROM S OVER (RANGE INTERVAL '30' DAY PRECEDING) AS L JOIN R ON L.K = R.K", None, true),
        ] {
            let found =
                lints(&format!("CREATE PUMP P AS INSERT INTO T (A) SELECT STREAM {query};"), retention);
            let is_reported = found.iter().any(|remark| remark.contains("longer than the stream keeps"));
            assert_eq!(is_reported, reported, "{query}: {found:?}");
        }
    }

    #[test]
    fn columns_in_another_order_are_told() {
        let swapped = lints("CREATE PUMP P AS INSERT INTO T SELECT STREAM V AS B, V AS A FROM S;", None);
        assert_eq!(swapped.len(), 2, "{swapped:?}");
        assert!(
            swapped[0].starts_with("2:51 B fills column A of \"T\", which has a column B elsewhere"),
            "{swapped:?}"
        );
        let other = lints("CREATE PUMP P AS INSERT INTO T SELECT STREAM V AS TOTAL, V FROM S;", None);
        assert_eq!(other.len(), 1, "{other:?}");
        assert!(other[0].contains("the alias TOTAL has no effect"), "{other:?}");
        for right in [
            "CREATE PUMP P AS INSERT INTO T SELECT STREAM V AS A, V AS B FROM S;",
            "CREATE PUMP P AS INSERT INTO T (B, A) SELECT STREAM V AS B, V AS A FROM S;",
            "CREATE PUMP P AS INSERT INTO T SELECT STREAM V, V + 1 FROM S;",
        ] {
            assert_eq!(lints(right, None), Vec::<String>::new(), "{right}");
        }
    }

    #[test]
    fn joins_without_windows_and_the_start_of_the_query_are_told() {
        let join =
            lints("CREATE PUMP P AS INSERT INTO T (B) SELECT STREAM S.V FROM S JOIN R ON S.K = R.K;", None);
        assert!(join[0].contains("only rows of equal ROWTIME"), "{join:?}");
        let clock = lints(
            "CREATE PUMP P AS INSERT INTO T (B) SELECT STREAM V FROM S WHERE TS < CURRENT_TIMESTAMP;",
            None,
        );
        assert!(clock[0].contains("CURRENT_TIMESTAMP is the time at which the query started"), "{clock:?}");
    }
}

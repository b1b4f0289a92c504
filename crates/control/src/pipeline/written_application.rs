//! An application as it is written: where its SQL and the columns of its input stand, for remarks on them.

use std::ops::Range;

use millstream_engine::catalog;
use millstream_sql::{
    Diagnostic, InputStream, Places, Program, Span, Stream, UnfilledStream, compile_with_tables,
};
use millstream_wording::counted;
use toml::Spanned;

use super::Pipeline;
use super::declarations::ApplicationDeclaration;
use super::mistake::Mistake;
use super::schema_text::column_place;
use super::source_text::{SourceText, place_of_inline_text};

/// SQL, and where it stands.
pub(super) struct SqlPlace {
    /// The file.
    name: String,
    text: String,
    /// Where the SQL begins in its text.
    offset: usize,
}

impl SqlPlace {
    /// A file of its own.
    pub(super) fn file(name: &str, sql: &str) -> SqlPlace {
        SqlPlace { name: name.to_owned(), text: sql.to_owned(), offset: 0 }
    }

    /// SQL in a pipeline file; by itself, where it is written with escapes.
    pub(super) fn inline(source: &SourceText<'_>, application: &str, sql: &Spanned<String>) -> SqlPlace {
        match place_of_inline_text(source.text, sql) {
            Some(offset) => SqlPlace { name: source.name.to_owned(), text: source.text.to_owned(), offset },
            None => SqlPlace::file(&format!("{} (sql of {application})", source.name), sql.get_ref()),
        }
    }

    pub(super) fn mistake(&self, span: Span, message: &str, hint: Option<String>) -> Mistake {
        let span = span.start as usize + self.offset..span.end as usize + self.offset;
        Mistake::at(&self.name, &self.text, span, message, hint)
    }
}

/// The columns of an input, and where they stand.
struct SchemaPlace {
    /// The file, or the flag.
    name: String,
    text: String,
    columns: Range<usize>,
}

impl SchemaPlace {
    /// Of `NAME (COLUMN TYPE, …)`.
    fn flag(name: &str, text: &str) -> SchemaPlace {
        let start = text.find('(').map_or(0, |at| at + 1);
        let end = text.rfind(')').unwrap_or(text.len()).max(start);
        SchemaPlace { name: name.to_owned(), text: text.to_owned(), columns: start..end }
    }

    fn declared(source: &SourceText<'_>, columns: &Spanned<String>) -> SchemaPlace {
        let place = match place_of_inline_text(source.text, columns) {
            Some(start) => start..start + columns.get_ref().len(),
            None => columns.span(),
        };
        SchemaPlace { name: source.name.to_owned(), text: source.text.to_owned(), columns: place }
    }

    /// The column; all of them when it is not there by this name.
    fn of_column(&self, column: &str) -> Range<usize> {
        let start = self.columns.start;
        match column_place(&self.text[self.columns.clone()], column) {
            Some(place) => start + place.start..start + place.end,
            None => self.columns.clone(),
        }
    }

    fn mistake(&self, place: Range<usize>, message: &str, hint: Option<String>) -> Mistake {
        Mistake::at(&self.name, &self.text, place, message, hint)
    }
}

/// An application as it is written.
pub struct WrittenApplication {
    sql: SqlPlace,
    schema: SchemaPlace,
    /// Of the columns of its reference tables, in their order.
    references: Vec<SchemaPlace>,
    places: Places,
    lints: Vec<Diagnostic>,
    windows: Vec<millstream_sql::WindowLength>,
    unfilled: Vec<UnfilledStream>,
    /// The streams that outputs take.
    outputs: Vec<String>,
}

/// Hours for which a stream keeps its records unless it says otherwise.
const DEFAULT_RETENTION_HOURS: u32 = 24;

impl WrittenApplication {
    /// A file of SQL whose input is described by a flag, such as `--stream`.
    pub fn sql_file(
        name: &str,
        sql: &str,
        program: &Program,
        flag: &str,
        stream: &str,
    ) -> WrittenApplication {
        WrittenApplication::new(SqlPlace::file(name, sql), sql, program, SchemaPlace::flag(flag, stream))
    }

    /// An application of a pipeline, by its number.
    ///
    /// # Panics
    /// When there is no such application.
    pub fn of_pipeline(pipeline: &Pipeline, index: usize) -> WrittenApplication {
        let source = SourceText::new(&pipeline.source_name, &pipeline.text);
        let (declared, checked) = (&pipeline.declarations.applications[index], &pipeline.applications[index]);
        let schema = SchemaPlace::declared(&source, &declared.input.columns);
        let place = sql_place(&source, declared, &checked.sql);
        let outputs = declared.outputs.iter().map(|output| output.from.get_ref().clone());
        let references = declared.references.iter();
        WrittenApplication {
            outputs: outputs.collect(),
            references: references.map(|table| SchemaPlace::declared(&source, &table.columns)).collect(),
            ..WrittenApplication::new(place, &checked.sql, &checked.program, schema)
        }
    }

    fn new(place: SqlPlace, sql: &str, program: &Program, schema: SchemaPlace) -> WrittenApplication {
        let input = |stream: &Stream| InputStream {
            name: stream.name.clone(),
            columns: stream.columns.clone(),
            metadata_columns: stream.metadata_columns,
        };
        let inputs: Vec<InputStream> = program.streams.iter().filter(|it| it.is_input).map(input).collect();
        let compilation = compile_with_tables(sql, &inputs, &program.tables, &catalog());
        WrittenApplication {
            sql: place,
            schema,
            references: Vec::new(),
            places: compilation.places,
            lints: compilation.lints,
            windows: compilation.windows,
            unfilled: compilation.unfilled,
            outputs: Vec::new(),
        }
    }

    /// What is legal and probably not meant, in the order of the text, as warnings. `retention_hours` says how long the stream
    /// that the application reads keeps its records; 24 when nothing is known.
    pub fn lints(&self, retention_hours: Option<u32>) -> Vec<Mistake> {
        let hours = retention_hours.unwrap_or(DEFAULT_RETENTION_HOURS);
        let too_long = self.windows.iter().filter(|it| it.millis > i64::from(hours) * 3_600_000);
        let too_long = too_long.map(|window| {
            let message = format!(
                "the window is longer than the stream keeps its records ({}): what it has lost, such as by new SQL, cannot be read \
                 again",
                counted(hours, "hour")
            );
            Diagnostic::warning(window.span, message)
                .with_hint("keep records longer (retention_hours), or shorten the window")
        });
        let remarks = self.lints.iter().cloned().chain(too_long).chain(self.empty_streams());
        let mut remarks: Vec<Diagnostic> = remarks.collect();
        remarks.sort_by_key(|remark| remark.span.start);
        let place = |remark: &Diagnostic| {
            self.sql.mistake(remark.span, &remark.message, remark.hint.clone()).into_warning()
        };
        remarks.iter().map(place).collect()
    }

    /// Streams that something reads and nothing fills.
    fn empty_streams(&self) -> impl Iterator<Item = Diagnostic> {
        self.unfilled.iter().filter_map(|stream| {
            let name = &stream.name;
            let reader = match &stream.reader {
                Some(pump) => format!("pump \"{pump}\" reads"),
                None if self.outputs.contains(name) => "an output takes".to_owned(),
                None => return None,
            };
            let (message, hint) = match &stream.stopped {
                Some(pump) => (
                    format!(
                        "stream \"{name}\", which {reader}, is filled by pump \"{pump}\", which is STOPPED, and by no other: it never has a row"
                    ),
                    format!("write CREATE PUMP \"{pump}\" without STOPPED, or remove what reads the stream"),
                ),
                None => (
                    format!("no pump fills stream \"{name}\", which {reader}: it never has a row"),
                    format!("write CREATE PUMP name AS INSERT INTO \"{name}\" SELECT STREAM …"),
                ),
            };
            Some(Diagnostic::warning(stream.span, message).with_hint(hint))
        })
    }

    /// A warning about a column, at its declaration: of a stream of the SQL, else of the input.
    pub fn on_column(&self, stream: &str, column: &str, message: &str, hint: Option<String>) -> Mistake {
        match self.places.column(stream, column) {
            Some(span) => self.sql.mistake(span, message, hint),
            None => self.schema.mistake(self.schema.of_column(column), message, hint),
        }
        .into_warning()
    }

    /// A warning about a pump, at its name; `None` when the SQL has none of that name.
    pub fn on_pump(&self, pump: &str, message: &str) -> Option<Mistake> {
        Some(self.sql.mistake(self.places.pump(pump)?, message, None).into_warning())
    }

    /// A warning about the records of the input, at their columns.
    pub fn on_input(&self, message: &str) -> Mistake {
        self.schema.mistake(self.schema.columns.clone(), message, None).into_warning()
    }

    /// A warning about the rows of a reference table, by its number, at its columns.
    ///
    /// # Panics
    /// When there is no such table.
    pub fn on_reference(&self, index: usize, message: &str) -> Mistake {
        let schema = &self.references[index];
        schema.mistake(schema.columns.clone(), message, None).into_warning()
    }
}

/// Where the SQL of a declared application stands.
fn sql_place(source: &SourceText<'_>, declared: &ApplicationDeclaration, sql: &str) -> SqlPlace {
    match (&declared.sql, &declared.sql_file) {
        (Some(inline), _) => SqlPlace::inline(source, declared.name.get_ref(), inline),
        (None, Some(file)) => SqlPlace::file(file.get_ref(), sql),
        (None, None) => SqlPlace::file(source.name, sql),
    }
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
        let written =
            WrittenApplication::sql_file("app.sql", &sql, &checked.program, "--stream", "S (K VARCHAR(4))");
        written
            .lints(retention_hours)
            .into_iter()
            .map(|it| format!("{}:{} {}", it.line, it.column, it.message))
            .collect()
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

    #[test]
    fn streams_that_nothing_fills_are_told_where_something_reads_them() {
        let of_pump =
            "CREATE STREAM U (A BIGINT);\nCREATE PUMP P AS INSERT INTO T (A) SELECT STREAM A FROM U;";
        let told = "2:15 no pump fills stream \"U\", which pump \"P\" reads: it never has a row";
        assert_eq!(lints(of_pump, None), [told]);
        let stopped =
            "CREATE STREAM U (A BIGINT); CREATE PUMP P STOPPED AS INSERT INTO U SELECT STREAM V FROM S;
             CREATE PUMP Q AS INSERT INTO T (A) SELECT STREAM A FROM U;";
        let told = "2:15 stream \"U\", which pump \"Q\" reads, is filled by pump \"P\", which is STOPPED, and by no other: it never has \
                    a row";
        assert_eq!(lints(stopped, None), [told]);
        let several = "CREATE PUMP R AS INSERT INTO U SELECT STREAM V FROM S;";
        for right in [
            "CREATE STREAM U (A BIGINT);",
            "CREATE STREAM U (A BIGINT); INSERT INTO U VALUES (1); CREATE PUMP P AS INSERT INTO T (A) SELECT STREAM A FROM U;",
            &format!("{stopped} ALTER PUMP P START;"),
            &format!("{stopped} ALTER PUMP Q STOP;"),
            &format!("{stopped} {several}"),
        ] {
            assert_eq!(lints(right, None), Vec::<String>::new(), "{right}");
        }
        let text = "[[stream]]\nname = \"s\"\n[[application]]\nname = \"a\"\nsql = \"CREATE STREAM T (A BIGINT); CREATE STREAM U (A BIGINT);\"\n\
                    [application.input]\nstream = \"s\"\ncolumns = \"N BIGINT\"\n\
                    [[application.output]]\nfrom = \"T\"\nstream = \"t\"\n[[stream]]\nname = \"t\"\n";
        let pipeline = Pipeline::parse("f.toml", text, &|_| Err(String::new())).unwrap();
        let found = WrittenApplication::of_pipeline(&pipeline, 0).lints(None);
        let [remark] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(remark.message, "no pump fills stream \"T\", which an output takes: it never has a row");
        assert_eq!((remark.line, remark.column), (5, 22));
    }

    #[test]
    fn remarks_stand_where_columns_and_pumps_are_declared() {
        let text = "[[stream]]\nname = \"s\"\n[[application]]\nname = \"a\"\nsql = \"\"\"\nCREATE STREAM T (A BIGINT,\n  K VARCHAR(3));\n\
                    CREATE PUMP P AS INSERT INTO T SELECT STREAM N, K FROM SOURCE_SQL_STREAM_001;\n\"\"\"\n[application.input]\n\
                    stream = \"s\"\ncolumns = \"\"\"\nN BIGINT,\n  \"K\" VARCHAR(3)\"\"\"\n";
        let pipeline = Pipeline::parse("f.toml", text, &|_| Err(String::new())).unwrap();
        let written = WrittenApplication::of_pipeline(&pipeline, 0);
        let place = |remark: Mistake| {
            assert!(remark.rendered.starts_with("warning: here\n"), "{}", remark.rendered);
            (remark.line, remark.column)
        };
        assert_eq!(place(written.on_column("T", "K", "here", None)), (7, 3));
        assert_eq!(place(written.on_column("SOURCE_SQL_STREAM_001", "K", "here", None)), (14, 3));
        assert_eq!(place(written.on_column("SOURCE_SQL_STREAM_001", "?", "here", None)), (13, 1));
        assert_eq!(place(written.on_input("here")), (13, 1));
        assert_eq!(written.on_pump("P", "here").map(place), Some((8, 13)));
        assert_eq!(written.on_pump("Q", "here"), None);

        // In a file of its own, and a flag.
        let sql = "CREATE STREAM T (A BIGINT);\nCREATE PUMP P AS INSERT INTO T SELECT STREAM N FROM S;";
        let stream = "S (N BIGINT, \"k (x)\" VARCHAR(4))";
        let input = SqlInput::parse(stream).unwrap();
        let checked = check_sql("app.sql", sql, &[input.stream]).unwrap();
        let written = WrittenApplication::sql_file("app.sql", sql, &checked.program, "--stream", stream);
        assert!(written.on_column("T", "A", "here", None).rendered.contains("--> app.sql:1:18\n"));
        assert!(written.on_column("S", "k (x)", "here", None).rendered.contains("--> --stream:1:14\n"));
    }
}

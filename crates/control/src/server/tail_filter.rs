//! A SQL condition over records or rows that somebody follows.
//!
//! The condition runs in an application of its own: `SELECT STREAM * FROM S WHERE condition`, one record at a time.

use std::sync::Arc;

use millstream_columns::Batch;
use millstream_columns::discover::discover;
use millstream_columns::formats::{InputColumn, InputSchema, RecordFormat, RecordParser};
use millstream_engine::Application;
use millstream_engine::ApplicationSettings;
use millstream_host::Timestamp;
use millstream_sql::{Column, Diagnostic, InputStream, Severity, StreamId, check_expression, compile};

use super::Server;
use super::data::{Followed, TailError};
use crate::applications::ERROR_STREAM;
use crate::definition::{Definition, Kind, OutputFormat, Reference};
use crate::pipeline::CheckedApplication;
use crate::world::{World, log_key};

/// The name of the stream in the condition's query.
const STREAM: &str = "S";

/// Tells which records or rows meet a condition.
pub struct TailFilter {
    parser: RecordParser,
    application: Application,
    input: StreamId,
    output: StreamId,
    /// The latest ROWTIME: an application takes rows in its order.
    latest: i64,
    /// Records for which the condition could not be decided.
    undecided: u64,
}

impl TailFilter {
    /// Over records of a schema.
    ///
    /// # Errors
    /// What is wrong with the condition, in words.
    fn new(schema: &InputSchema, condition: &str, now: Timestamp) -> Result<TailFilter, String> {
        let refused = |mistakes: &[Diagnostic]| {
            let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            let mistake = mistakes.iter().find(|one| one.severity == Severity::Error)?;
            let columns = names.join(", ");
            Some(format!("--where {condition:?}: {} (columns: {columns})", mistake.in_a_line()))
        };
        // By itself first: what a mistake in it makes of the query around it helps nobody.
        if let Err(mistakes) = check_expression(condition) {
            return Err(refused(&mistakes).unwrap_or_else(|| format!("--where {condition:?} cannot be read")));
        }
        let columns: Vec<Column> = schema
            .columns
            .iter()
            .map(|column| Column { name: column.name.clone(), sql_type: column.sql_type, not_null: false })
            .collect();
        let declared: Vec<String> = schema
            .columns
            .iter()
            .map(|column| format!("{} {}", quoted(&column.name), column.sql_type))
            .collect();
        let sql = format!(
            "CREATE STREAM \"MATCHES\" ({});\nCREATE PUMP \"FILTER\" AS INSERT INTO \"MATCHES\" SELECT STREAM * FROM \
             \"{STREAM}\" WHERE {condition}\n;",
            declared.join(", ")
        );
        let input = InputStream { name: STREAM.to_owned(), columns, metadata_columns: 0 };
        let compilation = compile(&sql, &[input], &millstream_engine::catalog());
        if let Some(message) = refused(&compilation.diagnostics) {
            return Err(message);
        }
        let program = compilation.program.ok_or("the condition has no plan")?;
        let find = |name: &str| program.stream(name).ok_or("the condition's streams are missing");
        let (input, output) = (find(STREAM)?, find("MATCHES")?);
        let settings = ApplicationSettings { query_started: now.millis(), ..ApplicationSettings::default() };
        let mut application = Application::new(program, settings).map_err(|error| error.to_string())?;
        application.subscribe(output);
        let parser = schema.parser().map_err(|error| error.to_string())?;
        Ok(TailFilter { parser, application, input, output, latest: i64::MIN, undecided: 0 })
    }

    /// Whether a record has a row that meets the condition. Its ROWTIME is the arrival of the record, or that of the row
    /// itself. A record that is no row, and a row for which the condition fails, do not, and are counted.
    pub fn passes(&mut self, record: &[u8], rowtime: Timestamp) -> bool {
        self.parser.parse(record);
        let parsed = self.parser.finish();
        let rows = parsed.row_to_record.len();
        if rows == 0 {
            self.undecided += 1;
            return false;
        }
        self.latest = self.latest.max(rowtime.millis());
        let rowtimes = arrow_buffer::ScalarBuffer::from(vec![self.latest; rows]);
        let pushed = self.application.push(self.input, &Batch::new(rowtimes, parsed.columns), self.latest);
        let has_failed = pushed.is_err() || !self.application.take_errors().is_empty();
        self.undecided += u64::from(has_failed);
        pushed.is_ok() && self.application.take_output(self.output).iter().any(|batch| !batch.is_empty())
    }

    /// Records since the last call for which the condition could not be decided.
    pub fn take_undecided(&mut self) -> u64 {
        std::mem::take(&mut self.undecided)
    }
}

impl Server {
    /// A condition over what [`Server::tail`] would give: over the columns of an in-application stream; over those that an
    /// application declares for the records of a stream that it reads; or else over what the newest records look like.
    ///
    /// # Errors
    /// What is wrong with the condition, or that nobody knows the columns.
    pub async fn tail_filter(
        &self,
        what: &str,
        kind: Option<Kind>,
        condition: &str,
    ) -> Result<TailFilter, TailError> {
        let followed = self.followed(what, kind)?;
        let (world, condition) = (Arc::clone(&self.world), condition.to_owned());
        // Compiles SQL, and may read files.
        let now = world.clock.now();
        let made = move || TailFilter::new(&schema_of(&world, &followed)?, &condition, now);
        self.world.spawn().blocking(made).await.and_then(|made| made).map_err(TailError::Condition)
    }
}

/// A name as SQL takes it, whatever characters it has.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn schema_of(world: &World, followed: &Followed) -> Result<InputSchema, String> {
    let rows = world.registry.rows();
    let applications = rows.iter().filter(|row| !row.deleting).filter_map(|row| match &row.definition {
        Definition::Application(application) => Some((row.name.as_str(), application)),
        _ => None,
    });
    let place = match followed {
        Followed::Place(place) => place,
        Followed::Rows { stream, .. } if stream == ERROR_STREAM => {
            return Ok(json_schema(&crate::applications::error_columns()));
        }
        Followed::Rows { application: name, stream } => {
            let found = applications.into_iter().find(|(known, _)| known == name);
            let (_, definition) = found.ok_or_else(|| format!("there is no application \"{name}\""))?;
            let checked = CheckedApplication::of(name, definition)?;
            let columns = columns_of(&checked, stream);
            let columns = columns.ok_or_else(|| format!("there is no in-application stream \"{stream}\""))?;
            return Ok(json_schema(&columns));
        }
    };
    let applications: Vec<_> = applications.collect();
    let mut readers = applications.iter().filter(|(_, one)| one.input.source.reference() == *place);
    if let Some((name, application)) = readers.next() {
        return CheckedApplication::of(name, application).map(|checked| checked.schema);
    }
    // What an application puts there says it as well, also before the first row.
    let outputs = applications.iter().flat_map(|(name, application)| {
        application.outputs.iter().map(move |output| (name, application, output))
    });
    let mut writers = outputs.filter(|(.., output)| output.target.reference() == *place);
    if let (Some((name, application, output)), None) = (writers.next(), writers.next()) {
        let checked = CheckedApplication::of(name, application)?;
        if let Some(columns) = columns_of(&checked, &output.from) {
            let format = match output.format {
                OutputFormat::Json => return Ok(json_schema(&columns)),
                OutputFormat::Csv => RecordFormat::Csv {
                    row_delimiter: "\n".to_owned(),
                    column_delimiter: ",".to_owned(),
                    quoting: true,
                },
            };
            return Ok(InputSchema { format, ..json_schema(&columns) });
        }
    }
    discovered_schema(world, place)
}

/// The columns of an in-application stream.
fn columns_of(checked: &CheckedApplication, stream: &str) -> Option<Vec<(String, millstream_sql::SqlType)>> {
    if stream == ERROR_STREAM {
        return Some(crate::applications::error_columns());
    }
    let id = checked.program.stream(stream)?;
    let columns = checked.program.streams[id.0].columns.iter();
    Some(columns.map(|column| (column.name.clone(), column.sql_type)).collect())
}

/// What the newest records of a stream look like.
fn discovered_schema(world: &World, place: &Reference) -> Result<InputSchema, String> {
    let sample = super::data::sample(&world.log, &log_key(place)).map_err(|error| error.to_string())?;
    if sample.is_empty() {
        return Err(format!(
            "{place} has no records yet, and no application says what its columns are: put some first"
        ));
    }
    let sample: Vec<&[u8]> = sample.iter().map(|record| record.as_ref()).collect();
    discover(&sample).map(|found| found.schema).map_err(|error| error.to_string())
}

/// Rows as one JSON object each.
fn json_schema(columns: &[(String, millstream_sql::SqlType)]) -> InputSchema {
    let columns = columns.iter().map(|(name, sql_type)| InputColumn::of_member(name, *sql_type));
    InputSchema { format: RecordFormat::Json { record_row_path: "$".to_owned() }, columns: columns.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::SqlType;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn names_of_any_characters_are_found_in_rows() {
        for name in ["a.b", "a b", "a[0]", "it's", "say \"it\"", "back\\slash", "$"] {
            let mut filter = TailFilter::new(
                &json_schema(&[(name.to_owned(), SqlType::Integer)]),
                &format!("{} > 10", quoted(name)),
                NOW,
            )
            .unwrap();
            let row = |number| serde_json::json!({ name: number }).to_string();
            assert!(
                filter.passes(row(20).as_bytes(), NOW) && !filter.passes(row(2).as_bytes(), NOW),
                "{name}"
            );
            assert_eq!(filter.take_undecided(), 0, "{name}");
        }
    }

    #[test]
    fn conditions_choose_records() {
        let columns =
            [("ticker".to_owned(), SqlType::Varchar { length: 8 }), ("price".to_owned(), SqlType::Double)];
        let mut filter =
            TailFilter::new(&json_schema(&columns), "\"price\" > 10 AND \"ticker\" = 'A'", NOW).unwrap();
        assert!(filter.passes(br#"{"ticker":"A","price":10.5}"#, NOW));
        assert!(!filter.passes(br#"{"ticker":"A","price":9}"#, NOW));
        assert!(!filter.passes(br#"{"ticker":"B","price":11}"#, NOW));
        assert_eq!(filter.take_undecided(), 0);
        assert!(!filter.passes(b"no JSON", NOW));
        assert_eq!((filter.take_undecided(), filter.take_undecided()), (1, 0));
        assert!(filter.passes(br#"{"ticker":"A","price":11}"#, NOW));
        let mut filter = TailFilter::new(&json_schema(&columns), "1 / \"price\" > 0", NOW).unwrap();
        assert!(
            !filter.passes(br#"{"ticker":"A","price":0}"#, NOW)
                && filter.passes(br#"{"ticker":"A","price":1}"#, NOW)
        );
        assert_eq!(filter.take_undecided(), 1);
        let error = TailFilter::new(&json_schema(&columns), "cost > 1", NOW).err().unwrap();
        assert!(error.contains("COST") && error.contains("columns: ticker, price"), "{error}");
    }

    #[test]
    fn rowtime_is_that_of_the_row_and_the_query_has_begun_when_it_was_asked() {
        let columns = [("n".to_owned(), SqlType::Integer)];
        let passes = |condition: &str, millis: i64| {
            let mut filter = TailFilter::new(&json_schema(&columns), condition, NOW).unwrap();
            let is_met = filter.passes(br#"{"n":1}"#, Timestamp(millis));
            assert_eq!(filter.take_undecided(), 0, "{condition}");
            is_met
        };
        let (before, after) = (NOW.millis() - 60_000, NOW.millis() + 60_000);
        for (condition, is_met) in [
            ("ROWTIME > TIMESTAMP '2020-01-01 00:00:00'", [true, true]),
            ("ROWTIME > CURRENT_TIMESTAMP", [false, true]),
            ("CURRENT_ROW_TIMESTAMP > CURRENT_TIMESTAMP", [false, true]),
        ] {
            assert_eq!([before, after].map(|millis| passes(condition, millis)), is_met, "{condition}");
        }
    }
}

//! Checks a file whole: names, references between nouns, numbers, schemas, SQL.

use std::ops::Range;

use millstream_engine::formats::{InputColumn, InputSchema, RecordFormat};
use millstream_sql::{Column, InputStream, Program, Severity, compile};
use millstream_streamlog::StreamName;
use toml::Spanned;

use super::declarations::{
    ApplicationDeclaration, Builtin, Declarations, RecordFormatChoice, StartingPosition,
};
use super::metadata_column::MetadataColumn;
use super::mistake::{Mistake, Mistakes};
use super::schema_text::parse_columns;
use super::similar_name::nearest;
use super::switches::ApplicationSwitches;
use super::{Pipeline, circles, declarations};
use crate::applications::ERROR_STREAM;

/// Input streams of an application, at most.
const MOST_INPUT_STREAMS: u32 = 64;

/// Gives the text of a SQL file that a pipeline names.
pub type SqlFiles<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// An application with its plan.
#[derive(Clone, Debug)]
pub struct CheckedApplication {
    /// Its name.
    pub name: String,
    /// The SQL.
    pub sql: String,
    /// The plan.
    pub program: Program,
    /// The names of the input streams, at least one.
    pub input_streams: Vec<String>,
    /// The columns of the input streams behind those of the schema.
    pub metadata: Vec<MetadataColumn>,
    /// How records become rows.
    pub schema: InputSchema,
    /// Compatibility switches.
    pub switches: ApplicationSwitches,
}

pub(super) fn parse(source_name: &str, text: &str, files: &SqlFiles<'_>) -> Result<Pipeline, Mistakes> {
    let declarations: Declarations =
        toml::from_str(text).map_err(|error| Mistakes(vec![syntax_mistake(source_name, text, &error)]))?;
    let mut check = Check {
        source_name,
        text,
        files,
        mistakes: Vec::new(),
        warnings: Vec::new(),
        applications: Vec::new(),
    };
    check.all(&declarations);
    let Check { mut mistakes, warnings, applications, .. } = check;
    if mistakes.is_empty() {
        return Ok(Pipeline { source_name: source_name.to_owned(), declarations, applications, warnings });
    }
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    Err(Mistakes(mistakes))
}

/// A mistake of the TOML itself, or a key or value that does not belong there.
fn syntax_mistake(source_name: &str, text: &str, error: &toml::de::Error) -> Mistake {
    let message = error.message();
    let hint = hint_for(message);
    let span = error.span().unwrap_or(0..0);
    Mistake::at(source_name, text, span, message.lines().next().unwrap_or("not valid TOML"), hint)
}

/// "unknown field `x`, expected one of `a`, `b`" names all that would be right: offer the nearest.
fn hint_for(message: &str) -> Option<String> {
    let (unknown, expected) = message.split_once(", expected ")?;
    let wrong = unknown.split('`').nth(1)?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match nearest(wrong, known.iter().copied()) {
        Some(name) => Some(format!("did you mean \"{name}\"?")),
        None if known.is_empty() => None,
        None => Some(format!("there are: {}", known.join(", "))),
    }
}

struct Check<'a> {
    source_name: &'a str,
    text: &'a str,
    files: &'a SqlFiles<'a>,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
    applications: Vec<CheckedApplication>,
}

/// The names of one noun.
struct Names<'d> {
    noun: &'static str,
    names: Vec<&'d str>,
}

impl Check<'_> {
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.push(Mistake::at(self.source_name, self.text, span, message, hint));
    }

    /// Names of a noun; a name that is there twice, or cannot be one, is a mistake.
    fn names<'d>(
        &mut self,
        noun: &'static str,
        given: impl Iterator<Item = &'d Spanned<String>>,
    ) -> Names<'d> {
        let mut names: Vec<&str> = Vec::new();
        for name in given {
            if let Err(error) = name.get_ref().parse::<StreamName>() {
                self.wrong(name.span(), error.to_string().replace("a stream", &format!("a {noun}")), None);
            }
            if names.contains(&name.get_ref().as_str()) {
                let message = format!("{noun} \"{}\" is declared twice", name.get_ref());
                self.wrong(name.span(), message, Some("give one of them another name".to_owned()));
            }
            names.push(name.get_ref());
        }
        Names { noun, names }
    }

    /// A reference must name something that is declared.
    fn reference(&mut self, reference: &Spanned<String>, names: &Names<'_>) {
        let wanted = reference.get_ref().as_str();
        if names.names.contains(&wanted) {
            return;
        }
        let section = names.noun.replace(' ', "_");
        let hint = match nearest(wanted, names.names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None if names.names.is_empty() => format!("declare it: [[{section}]] name = \"{wanted}\""),
            None => format!("there are: {}", names.names.join(", ")),
        };
        self.wrong(reference.span(), format!("there is no {} \"{wanted}\"", names.noun), Some(hint));
    }

    /// Exactly one of several ways must be chosen.
    fn exactly_one(&mut self, place: Range<usize>, what: &str, keys: &[(&str, bool)]) {
        let count = keys.iter().filter(|(_, given)| *given).count();
        if count != 1 {
            let all: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            let found = if count == 0 { "none is" } else { "several are" };
            self.wrong(place, format!("{what} needs exactly one of {}; {found} given", all.join(", ")), None);
        }
    }

    fn all(&mut self, declared: &Declarations) {
        let streams = self.names("stream", declared.streams.iter().map(|one| &one.name));
        let delivery_streams =
            self.names("delivery stream", declared.delivery_streams.iter().map(|one| &one.name));
        let endpoints = self.names("endpoint", declared.endpoints.iter().map(|one| &one.name));
        let functions = self.names("function", declared.functions.iter().map(|one| &one.name));
        let topics = self.names("topic", declared.topics.iter().map(|one| &one.name));
        let metrics = self.names("metric", declared.metrics.iter().map(|one| &one.name));
        self.names("alarm", declared.alarms.iter().map(|one| &one.name));
        self.names("application", declared.applications.iter().map(|one| &one.name));
        self.names("input", declared.inputs.iter().map(|one| &one.name));

        for stream in &declared.streams {
            if !(1..=10_000).contains(&stream.shards) {
                self.wrong(stream.name.span(), "a stream has 1 to 10000 shards", None);
            }
            if !(1..=8_760).contains(&stream.retention_hours) {
                self.wrong(stream.name.span(), "retention_hours is 1 to 8760", None);
            }
        }
        for delivery in &declared.delivery_streams {
            self.bucket(&delivery.bucket);
            if let Some(bucket) = delivery.backup.as_ref().and_then(|backup| backup.bucket.as_ref()) {
                self.bucket(bucket);
            }
            if let Some(transform) = &delivery.transform {
                self.reference(&transform.function, &functions);
            }
            if let Err(error) = crate::deliveries::naming(delivery) {
                let span = delivery.prefix.as_ref().map_or(delivery.name.span(), Spanned::span);
                self.wrong(span, error.to_string(), None);
            }
        }
        for endpoint in &declared.endpoints {
            let model = endpoint.model.get_ref();
            if model.starts_with("builtin:") && model != "builtin:star-rating" {
                let hint = "the model in this program is builtin:star-rating".to_owned();
                self.wrong(endpoint.model.span(), format!("there is no model \"{model}\""), Some(hint));
            }
            if endpoint.threads == Some(0) {
                self.wrong(endpoint.name.span(), "threads must be at least 1", None);
            }
        }
        for function in &declared.functions {
            self.function(function, &endpoints, &metrics, &topics);
        }
        for subscription in &declared.subscriptions {
            self.reference(&subscription.topic, &topics);
            let email = subscription.email.get_ref();
            if !email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) {
                self.wrong(subscription.email.span(), format!("\"{email}\" is not an e-mail address"), None);
            }
        }
        for alarm in &declared.alarms {
            self.reference(&alarm.metric, &metrics);
            for topic in [&alarm.topic, &alarm.ok_topic, &alarm.insufficient_data_topic].into_iter().flatten()
            {
                self.reference(topic, &topics);
            }
            if !(1..=100).contains(&alarm.evaluation_periods) {
                self.wrong(alarm.name.span(), "evaluation_periods is 1 to 100", None);
            }
        }
        for input in &declared.inputs {
            self.exactly_one(
                input.name.span(),
                "an input",
                &[("path", input.path.is_some()), ("stream", input.stream.is_some())],
            );
            self.exactly_one(
                input.name.span(),
                "an input",
                &[
                    ("delivery_stream", input.delivery_stream.is_some()),
                    ("into_stream", input.into_stream.is_some()),
                ],
            );
            for stream in input.stream.iter().chain(&input.into_stream) {
                self.reference(stream, &streams);
            }
            if let Some(delivery) = &input.delivery_stream {
                self.reference(delivery, &delivery_streams);
            }
            for (key, value) in [("rate", input.rate), ("speed", input.speed)] {
                if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                    self.wrong(input.name.span(), format!("{key} must be a number above 0"), None);
                }
            }
        }
        if let Some(circle) = circles::find(declared) {
            let message = format!("records would run in a circle for ever: {}", circle.way);
            self.wrong(circle.span, message, Some("let the last one write to another stream".to_owned()));
        }
        for application in &declared.applications {
            self.application(application, &streams, &delivery_streams, &functions);
        }
    }

    /// A bucket is a directory: its name must not lead elsewhere.
    fn bucket(&mut self, bucket: &Spanned<String>) {
        let name = bucket.get_ref();
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !name.contains("..");
        if !fits {
            let message = format!("\"{name}\" cannot name a bucket");
            let hint = "use 3 to 63 lower-case letters, digits, dots and hyphens".to_owned();
            self.wrong(bucket.span(), message, Some(hint));
        }
    }

    fn function(
        &mut self,
        function: &declarations::FunctionDeclaration,
        endpoints: &Names<'_>,
        metrics: &Names<'_>,
        topics: &Names<'_>,
    ) {
        for (reference, names) in
            [(&function.endpoint, endpoints), (&function.metric, metrics), (&function.topic, topics)]
        {
            if let Some(reference) = reference {
                self.reference(reference, names);
            }
        }
        let given = [
            ("endpoint", function.endpoint.is_some()),
            ("columns", function.columns.is_some()),
            ("metric", function.metric.is_some()),
            ("column", function.column.is_some()),
            ("topic", function.topic.is_some()),
            ("threshold", function.threshold.is_some()),
            ("quiet_period", function.quiet_period.is_some()),
        ];
        let (kind, needed, allowed): (_, &[&str], &[&str]) = match function.builtin {
            Builtin::ScoreReviews => ("score-reviews", &["endpoint"], &["columns"]),
            Builtin::MetricFromAverage => ("metric-from-average", &["metric"], &["column"]),
            Builtin::NotifyOnAnomaly => {
                ("notify-on-anomaly", &["topic"], &["threshold", "quiet_period", "column"])
            }
        };
        for (key, is_given) in given {
            let is_needed = needed.contains(&key);
            if is_needed && !is_given {
                self.wrong(function.name.span(), format!("a function of kind {kind} needs {key}"), None);
            } else if is_given && !is_needed && !allowed.contains(&key) {
                let message = format!("a function of kind {kind} does not take {key}");
                self.wrong(function.name.span(), message, None);
            }
        }
        if let Some(columns) = &function.columns {
            for needed in ["review_id", "product_category", "review_body"] {
                if columns.iter().filter(|column| *column == needed).count() != 1 {
                    let message = format!("columns must name \"{needed}\" once");
                    self.wrong(function.name.span(), message, None);
                }
            }
        }
        if function.threshold.is_some_and(|threshold| !threshold.is_finite()) {
            self.wrong(function.name.span(), "threshold must be a number", None);
        }
    }

    fn application(
        &mut self,
        declared: &ApplicationDeclaration,
        streams: &Names<'_>,
        delivery_streams: &Names<'_>,
        functions: &Names<'_>,
    ) {
        let input = &declared.input;
        let place = declared.name.span();
        self.exactly_one(
            place.clone(),
            "the input of an application",
            &[("delivery_stream", input.delivery_stream.is_some()), ("stream", input.stream.is_some())],
        );
        self.exactly_one(
            place.clone(),
            "an application",
            &[("sql", declared.sql.is_some()), ("sql_file", declared.sql_file.is_some())],
        );
        for (reference, names) in [
            (&input.delivery_stream, delivery_streams),
            (&input.stream, streams),
            (&input.preprocessor, functions),
        ] {
            if let Some(reference) = reference {
                self.reference(reference, names);
            }
        }
        let mut switches = ApplicationSwitches::default();
        for (name, value) in &declared.switches {
            if let Err(error) = switches.set(name, value.get_ref()) {
                self.wrong(value.span(), error, None);
            }
        }
        if let Some(start) = &input.starting_position
            && *start.get_ref() == StartingPosition::TrimHorizon
            && input.delivery_stream.is_some()
        {
            let message = "trim-horizon is for streams: a delivery stream has no oldest record to go back to";
            let hint = "leave starting_position out: the first run begins with what waits in its buffer";
            self.wrong(start.span(), message, Some(hint.to_owned()));
        }
        let Some((schema, metadata, input_streams)) = self.schema(declared) else { return };
        let Some((sql, program)) = self.program(declared, &input_streams) else { return };
        for output in &declared.outputs {
            self.exactly_one(
                output.from.span(),
                "an output",
                &[
                    ("function", output.function.is_some()),
                    ("stream", output.stream.is_some()),
                    ("delivery_stream", output.delivery_stream.is_some()),
                ],
            );
            for (reference, names) in [
                (&output.function, functions),
                (&output.stream, streams),
                (&output.delivery_stream, delivery_streams),
            ] {
                if let Some(reference) = reference {
                    self.reference(reference, names);
                }
            }
            let from = output.from.get_ref();
            if from != ERROR_STREAM && program.stream(from).is_none() {
                let known = program.streams.iter().map(|stream| stream.name.as_str());
                let hint = nearest(from, known.chain([ERROR_STREAM]))
                    .map(|name| format!("did you mean \"{name}\"? (names are case-sensitive)"));
                let message = format!("the application has no in-application stream \"{from}\"");
                self.wrong(output.from.span(), message, hint);
            }
        }
        let name = declared.name.get_ref().clone();
        let input_streams = input_streams.into_iter().map(|stream| stream.name).collect();
        self.applications.push(CheckedApplication {
            name,
            sql,
            program,
            input_streams,
            metadata,
            schema,
            switches,
        });
    }

    fn schema(
        &mut self,
        declared: &ApplicationDeclaration,
    ) -> Option<(InputSchema, Vec<MetadataColumn>, Vec<InputStream>)> {
        let input = &declared.input;
        let columns = match parse_columns(input.columns.get_ref()) {
            Ok(columns) => columns,
            Err(error) => {
                self.wrong(input.columns.span(), error.to_string(), None);
                return None;
            }
        };
        let row_delimiter = input.row_delimiter.clone().unwrap_or_else(|| "\n".to_owned());
        let format = match input.format {
            RecordFormatChoice::Csv => RecordFormat::Csv {
                row_delimiter,
                column_delimiter: input.column_delimiter.clone().unwrap_or_else(|| ",".to_owned()),
                quoting: input.quoting.unwrap_or(true),
            },
            RecordFormatChoice::Tsv => RecordFormat::Csv {
                row_delimiter,
                column_delimiter: input.column_delimiter.clone().unwrap_or_else(|| "\t".to_owned()),
                quoting: input.quoting.unwrap_or(false),
            },
            RecordFormatChoice::Json => RecordFormat::Json {
                record_row_path: input.record_row_path.clone().unwrap_or_else(|| "$".to_owned()),
            },
        };
        let is_json = input.format == RecordFormatChoice::Json;
        let metadata = match &input.stream {
            Some(_) => MetadataColumn::OF_STREAM.to_vec(),
            None => MetadataColumn::OF_DELIVERY_STREAM.to_vec(),
        };
        if let Some(column) =
            metadata.iter().find(|column| columns.iter().any(|(name, ..)| name == column.name()))
        {
            let message =
                format!("column \"{}\" has the name of a column that every input has", column.name());
            self.wrong(input.columns.span(), message, Some("give it another name".to_owned()));
            return None;
        }
        let stream_columns: Vec<Column> = columns
            .iter()
            .map(|(name, sql_type, _)| Column { name: name.clone(), sql_type: *sql_type, not_null: false })
            .chain(metadata.iter().map(|column| column.column()))
            .collect();
        let parallelism = input.parallelism.as_ref().map_or(1, |parallelism| *parallelism.get_ref());
        if !(1..=MOST_INPUT_STREAMS).contains(&parallelism) {
            let span = input.parallelism.as_ref().map_or(declared.name.span(), Spanned::span);
            self.wrong(span, format!("parallelism is 1 to {MOST_INPUT_STREAMS}"), None);
            return None;
        }
        let streams = (1..=parallelism).map(|number| InputStream {
            name: format!("{}_{number:03}", input.name_prefix),
            columns: stream_columns.clone(),
        });
        let columns = columns
            .into_iter()
            .map(|(name, sql_type, mapping)| {
                let mapping = mapping.or_else(|| is_json.then(|| format!("$.{name}")));
                InputColumn { name, sql_type, mapping }
            })
            .collect();
        let schema = InputSchema { format, columns };
        if let Err(error) = schema.parser() {
            self.wrong(input.columns.span(), error.to_string(), None);
            return None;
        }
        Some((schema, metadata, streams.collect()))
    }

    /// Compiles the SQL; its mistakes are shown where it stands.
    fn program(
        &mut self,
        declared: &ApplicationDeclaration,
        inputs: &[InputStream],
    ) -> Option<(String, Program)> {
        let (sql, name, text, offset);
        if let Some(inline) = &declared.sql {
            sql = inline.get_ref().clone();
            match place_of_inline_text(self.text, inline) {
                Some(start) => {
                    (name, text, offset) = (self.source_name.to_owned(), self.text.to_owned(), start)
                }
                None => {
                    let application = declared.name.get_ref();
                    (name, text, offset) =
                        (format!("{} (sql of {application})", self.source_name), sql.clone(), 0);
                }
            }
        } else if let Some(file) = &declared.sql_file {
            match (self.files)(file.get_ref()) {
                Ok(contents) => {
                    sql = contents.clone();
                    (name, text, offset) = (file.get_ref().clone(), contents, 0);
                }
                Err(reason) => {
                    self.wrong(file.span(), format!("cannot read {}: {reason}", file.get_ref()), None);
                    return None;
                }
            }
        } else {
            return None;
        }
        let compilation = compile(&sql, inputs, &millstream_engine::catalog());
        for diagnostic in &compilation.diagnostics {
            let span = diagnostic.span.start as usize + offset..diagnostic.span.end as usize + offset;
            let mistake = Mistake::at(&name, &text, span, &diagnostic.message, diagnostic.hint.clone());
            match diagnostic.severity {
                Severity::Error => self.mistakes.push(mistake),
                Severity::Warning => {
                    self.warnings.push(mistake.rendered.replacen("error:", "warning:", 1));
                }
            }
        }
        compilation.program.map(|program| (sql, program))
    }
}

/// Where the characters of an inline text begin in the file, when they stand there as they are.
fn place_of_inline_text(file: &str, inline: &Spanned<String>) -> Option<usize> {
    let span = inline.span();
    let raw = file.get(span.clone())?;
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let mut start = quotes;
    if quotes == 3 {
        start += if raw.get(3..)?.starts_with("\r\n") { 2 } else { 0 };
        start += usize::from(raw.get(start..)?.starts_with('\n'));
    }
    let text = raw.get(start..raw.len().checked_sub(quotes)?)?;
    (text == inline.get_ref()).then_some(span.start + start)
}

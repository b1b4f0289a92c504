//! Checks an application: its inputs and reference tables, its SQL, its outputs.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use millstream_columns::formats::{Delimiter, InputColumn, InputSchema, RecordFormat, SchemaError};
use millstream_engine::check_memory;
use millstream_sql::{
    Column, Diagnostic, InputStream, Program, ReferenceTable, Severity, compile_with_tables, syntax_mistakes,
};
use toml::Spanned;

use super::check::{Check, Names, listed};
use super::checked_application::{CheckedApplication, columns_of, input_names, metadata_of, table_of};
use super::declarations::{
    ApplicationDeclaration, RecordFormatChoice, ReferenceDeclaration, StartingPosition,
};
use super::lower::{source, value};
use super::metadata_column::MetadataColumn;
use super::mistake::Mistake;
use super::reference::CheckedReference;
use super::schema_text::{DeclaredColumn, column_place, parse_columns};
use super::similar_name::nearest;
use super::source_text::place_within;
use super::switches::ApplicationSwitches;
use super::unread_inputs;
use super::written_application::SqlPlace;
use crate::applications::ERROR_STREAM;
use crate::definition::{Kind, Reference, ReferencePlace};

/// Input streams of an application, at most.
const MOST_INPUT_STREAMS: u32 = 64;
/// The least that an application may be given for its windows, joins and forests, in bytes.
const LEAST_MEMORY: u64 = 64 << 10;
/// Characters of a table's name.
const LONGEST_TABLE_NAME: usize = 32;

/// What a file says of the records of an input or a table.
struct SchemaText<'a> {
    format: RecordFormatChoice,
    encoding: Option<&'a Spanned<String>>,
    row_delimiter: Option<&'a Spanned<String>>,
    column_delimiter: Option<&'a Spanned<String>>,
    quoting: Option<&'a Spanned<bool>>,
    record_row_path: Option<&'a Spanned<String>>,
    columns: &'a Spanned<String>,
}

impl Check<'_> {
    pub(super) fn application(
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
        let is_enough = self.memory_limit(declared);
        let mut switches = ApplicationSwitches::default();
        for (name, value) in &declared.switches {
            if let Err(error) = switches.set(name, &value.get_ref().text()) {
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
        }
        self.outputs_once(declared);
        let (inputs, references) = (self.inputs(declared), self.references(declared));
        let Some((sql, place_of_sql)) = self.sql(declared) else { return };
        let (Some((schema, metadata, input_streams)), Some(references)) = (inputs, references) else {
            // What a mistake of the input can have to do with is not told.
            for diagnostic in syntax_mistakes(&sql) {
                let Diagnostic { span, message, hint, .. } = diagnostic;
                self.mistakes.push(place_of_sql.mistake(span, &message, hint));
            }
            self.outputs_beside(declared, &sql);
            return;
        };
        let Some(program) = self.program(&sql, &place_of_sql, &input_streams, &references) else {
            self.outputs_beside(declared, &sql);
            return;
        };
        for output in &declared.outputs {
            let from = output.from.get_ref();
            if from != ERROR_STREAM && program.stream(from).is_none() {
                let known: Vec<&str> = program.streams.iter().map(|stream| stream.name.as_str()).collect();
                let hint = match nearest(from, known.iter().copied().chain([ERROR_STREAM])) {
                    Some(name) => format!("did you mean \"{name}\"? (names are case-sensitive)"),
                    None => format!("there are: {}, {ERROR_STREAM}", listed(&known)),
                };
                self.no_stream(&output.from, Some(hint));
            }
        }
        self.unread_inputs(declared, &program);
        let name = declared.name.get_ref().clone();
        let input_streams = input_streams.into_iter().map(|stream| stream.name).collect();
        let checked = CheckedApplication {
            name,
            sql,
            program,
            input_streams,
            metadata,
            references,
            schema,
            memory_limit: value(&declared.memory_limit).map(|limit| limit.0),
            threads: declared.threads,
            switches,
        };
        let place_of_limit = declared.memory_limit.as_ref().map_or(place, Spanned::span);
        if is_enough && let Err(shortage) = check_memory(&checked.program, &checked.settings(0, 0, false)) {
            self.wrong(place_of_limit, shortage.to_string(), None);
        }
        self.applications.push(checked);
    }

    /// Whether the memory limit is one that something can run with.
    fn memory_limit(&mut self, declared: &ApplicationDeclaration) -> bool {
        let Some(limit) = &declared.memory_limit else { return true };
        let is_possible = !(1..LEAST_MEMORY).contains(&limit.get_ref().0);
        if !is_possible {
            let message = format!("memory_limit must be at least {LEAST_MEMORY} bytes, or 0 for no limit");
            let hint = "a number without a unit counts bytes: write \"64MiB\" or \"1GiB\"";
            self.wrong(limit.span(), message, Some(hint.to_owned()));
        }
        is_possible
    }

    /// Rows go to a destination once: in a second output to it they would bear the same numbers, and be taken for repetitions.
    fn outputs_once(&mut self, declared: &ApplicationDeclaration) {
        let mut lines: HashMap<(&str, Reference), usize> = HashMap::new();
        for output in &declared.outputs {
            let targets = [
                (Kind::Function, &output.function),
                (Kind::Stream, &output.stream),
                (Kind::DeliveryStream, &output.delivery_stream),
            ];
            let given = targets.into_iter().find_map(|(kind, name)| Some((kind, name.as_ref()?)));
            let Some((kind, name)) = given.filter(|_| !self.gaps.is_substitute(&output.from.span())) else {
                continue;
            };
            let (from, target) = (output.from.get_ref(), Reference::new(kind, name.get_ref()));
            let line = self.source.line_of(name.span().start).0 + 1;
            if let Some(first) = lines.get(&(from, target.clone())) {
                let message =
                    format!("in-application stream \"{from}\" goes to {target} twice, first in line {first}");
                let hint = "remove one of the two outputs; to write the rows in another format, too, send them to \
                            another stream or function";
                self.wrong(name.span(), message, Some(hint.to_owned()));
            } else {
                lines.insert((from, target), line);
            }
        }
    }

    /// A warning about input streams that nothing reads while records go to them.
    fn unread_inputs(&mut self, declared: &ApplicationDeclaration, program: &Program) {
        let outputs: Vec<&str> =
            declared.outputs.iter().map(|output| output.from.get_ref().as_str()).collect();
        let (Some(parallelism), Some(unread)) =
            (&declared.input.parallelism, unread_inputs::find(program, &outputs))
        else {
            return;
        };
        let mistake = Mistake::within(self.source, parallelism.span(), unread.message, Some(unread.hint));
        self.warnings.push(mistake.into_warning());
    }

    fn no_stream(&mut self, from: &Spanned<String>, hint: Option<String>) {
        let message = format!("the application has no in-application stream \"{}\"", from.get_ref());
        self.wrong(from.span(), message, hint);
    }

    /// The outputs beside SQL with mistakes: it may be meant to have any stream that it names.
    fn outputs_beside(&mut self, declared: &ApplicationDeclaration, sql: &str) {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        for output in &declared.outputs {
            let from = output.from.get_ref();
            let is_named = match from.chars().all(is_part) {
                true => sql.split(|c| !is_part(c)).any(|word| word.eq_ignore_ascii_case(from)),
                false => sql.contains(from.as_str()),
            };
            let prefix = &declared.input.name_prefix;
            if from != ERROR_STREAM && !is_named && !from.starts_with(prefix.as_str()) {
                self.no_stream(&output.from, None);
            }
        }
    }

    /// The input streams, and how records become their rows.
    fn inputs(
        &mut self,
        declared: &ApplicationDeclaration,
    ) -> Option<(InputSchema, Vec<MetadataColumn>, Vec<InputStream>)> {
        let input = &declared.input;
        let schema = self.schema(&SchemaText {
            format: input.format,
            encoding: input.encoding.as_ref(),
            row_delimiter: input.row_delimiter.as_ref(),
            column_delimiter: input.column_delimiter.as_ref(),
            quoting: input.quoting.as_ref(),
            record_row_path: input.record_row_path.as_ref(),
            columns: &input.columns,
        });
        let parallelism = input.parallelism.as_ref().map_or(1, |parallelism| *parallelism.get_ref());
        let is_possible = (1..=MOST_INPUT_STREAMS).contains(&parallelism);
        if !is_possible {
            let span = input.parallelism.as_ref().map_or(declared.name.span(), Spanned::span);
            self.wrong(span, format!("parallelism must be 1 to {MOST_INPUT_STREAMS}"), None);
        }
        let schema = schema?;
        let metadata = metadata_of(&source(input)?);
        let has = |name: &str| schema.columns.iter().any(|column| column.name == name);
        if let Some(column) = metadata.iter().find(|column| has(column.name())) {
            let message =
                format!("column \"{}\" has the name of a column that every input has", column.name());
            self.wrong(input.columns.span(), message, Some("give it another name".to_owned()));
            return None;
        }
        if !is_possible {
            return None;
        }
        let columns: Vec<Column> =
            columns_of(&schema).chain(metadata.iter().map(|column| column.column())).collect();
        let names = input_names(&input.name_prefix, parallelism);
        let metadata_columns = metadata.len();
        let streams = names.map(|name| InputStream { name, columns: columns.clone(), metadata_columns });
        Some((schema, metadata, streams.collect()))
    }

    /// The reference tables.
    fn references(&mut self, declared: &ApplicationDeclaration) -> Option<Vec<CheckedReference>> {
        let checked: Vec<Option<CheckedReference>> =
            declared.references.iter().map(|reference| self.reference_table(reference)).collect();
        let mut names = HashSet::new();
        let mut is_unique = true;
        for name in declared.references.iter().map(|reference| &reference.name) {
            if !names.insert(name.get_ref()) {
                let message = format!("table \"{}\" is declared twice", name.get_ref());
                self.wrong(name.span(), message, None);
                is_unique = false;
            }
        }
        checked.into_iter().collect::<Option<Vec<_>>>().filter(|_| is_unique)
    }

    fn reference_table(&mut self, reference: &ReferenceDeclaration) -> Option<CheckedReference> {
        let name = reference.name.get_ref();
        let is_name = (1..=LONGEST_TABLE_NAME).contains(&name.chars().count());
        if !is_name {
            let message = format!("a table name has 1 to {LONGEST_TABLE_NAME} characters");
            self.wrong(reference.name.span(), message, None);
        }
        let place = match (&reference.path, &reference.bucket, &reference.key) {
            (Some(path), None, None) => Some(ReferencePlace::File(path.get_ref().into())),
            (None, Some(bucket), Some(key)) => {
                self.bucket(bucket);
                let (bucket, key) = (bucket.get_ref().clone(), key.get_ref().clone());
                Some(ReferencePlace::Object { bucket, key })
            }
            _ => {
                let message = "a reference table needs either path, or bucket and key";
                self.wrong_section(&reference.name, message);
                None
            }
        };
        let schema = self.schema(&SchemaText {
            format: reference.format,
            encoding: reference.encoding.as_ref(),
            row_delimiter: reference.row_delimiter.as_ref(),
            column_delimiter: reference.column_delimiter.as_ref(),
            quoting: reference.quoting.as_ref(),
            record_row_path: reference.record_row_path.as_ref(),
            columns: &reference.columns,
        });
        let header = reference.header.as_ref().is_some_and(|header| *header.get_ref());
        if let (Some(key), true, RecordFormatChoice::Json) = (&reference.header, header, reference.format) {
            let message = "JSON has no header: its members have names";
            self.wrong(key.span(), message.to_owned(), None);
        }
        Some(CheckedReference { name: name.clone(), place: place?, schema: schema?, header })
            .filter(|_| is_name)
    }

    /// How records become rows.
    fn schema(&mut self, text: &SchemaText<'_>) -> Option<InputSchema> {
        if let Some(encoding) = text.encoding
            && !encoding.get_ref().eq_ignore_ascii_case("UTF-8")
        {
            let message = format!("encoding \"{}\" is not known: records are UTF-8", encoding.get_ref());
            let hint = "convert them to UTF-8 with a preprocessing function".to_owned();
            self.wrong(encoding.span(), message, Some(hint));
        }
        let columns = match parse_columns(text.columns.get_ref()) {
            Ok(columns) => columns,
            Err(errors) => {
                for error in errors {
                    let place = place_within(self.source.text, text.columns, &error.span);
                    self.wrong(place, error.message, Some(error.hint));
                }
                return None;
            }
        };
        let mut fits = self.keys_of_format(text);
        let or = |given: Option<&Spanned<String>>, default: &str| match given {
            Some(text) => text.get_ref().clone(),
            None => default.to_owned(),
        };
        let delimited = |delimiter: &str, quoting: bool| RecordFormat::Csv {
            row_delimiter: or(text.row_delimiter, "\n"),
            column_delimiter: or(text.column_delimiter, delimiter),
            quoting: text.quoting.map_or(quoting, |quoting| *quoting.get_ref()),
        };
        let format = match text.format {
            RecordFormatChoice::Csv => delimited(",", true),
            RecordFormatChoice::Tsv => delimited("\t", false),
            RecordFormatChoice::Json => RecordFormat::Json { record_row_path: or(text.record_row_path, "$") },
        };
        let is_json = text.format == RecordFormatChoice::Json;
        if !is_json {
            fits &= self.columns_without_paths(text, &columns);
        }
        let columns = columns.into_iter().map(|(name, sql_type, mapping)| match mapping {
            None if is_json => InputColumn::of_member(&name, sql_type),
            mapping => InputColumn { name, sql_type, mapping },
        });
        let schema = InputSchema { format, columns: columns.collect() };
        match schema.parser() {
            Ok(_) => fits.then_some(schema),
            Err(error) => {
                self.wrong(self.place_of(&error, text, &schema), error.to_string(), None);
                None
            }
        }
    }

    /// Where what makes a schema unusable is written.
    fn place_of(&self, error: &SchemaError, text: &SchemaText<'_>, schema: &InputSchema) -> Range<usize> {
        let of_column = |name: &str| {
            let place = column_place(text.columns.get_ref(), name)?;
            Some(place_within(self.source.text, text.columns, &place))
        };
        let of_path = |path: &String| match text.record_row_path {
            Some(row_path) if row_path.get_ref() == path => Some(row_path.span()),
            _ => {
                let column = schema.columns.iter().find(|column| column.mapping.as_ref() == Some(path));
                column.and_then(|column| of_column(&column.name))
            }
        };
        let place = match error {
            SchemaError::Delimiter(Delimiter::Row) => text.row_delimiter.map(Spanned::span),
            SchemaError::Delimiter(Delimiter::Column) => text.column_delimiter.map(Spanned::span),
            SchemaError::Path { path, .. } | SchemaError::TwoArrays { second: path, .. } => of_path(path),
            SchemaError::ColumnType { column, .. } | SchemaError::MissingMapping(column) => of_column(column),
            SchemaError::NoColumns | SchemaError::TooManyColumns(_) => None,
        };
        place.unwrap_or_else(|| text.columns.span())
    }

    /// A key that says how records of another format are written is a mistake: nothing would come of it.
    fn keys_of_format(&mut self, text: &SchemaText<'_>) -> bool {
        fn place<T>(given: Option<&Spanned<T>>) -> Option<Range<usize>> {
            given.map(Spanned::span)
        }
        let of_delimited = [
            ("row_delimiter", place(text.row_delimiter)),
            ("column_delimiter", place(text.column_delimiter)),
            ("quoting", place(text.quoting)),
        ];
        let (others, is_for): (&[_], _) = match text.format {
            RecordFormatChoice::Json => (&of_delimited, "delimited records, not for format = \"json\""),
            RecordFormatChoice::Csv | RecordFormatChoice::Tsv => {
                (&[("record_row_path", place(text.record_row_path))], "format = \"json\"")
            }
        };
        let mut fits = true;
        for (key, place) in others {
            if let Some(place) = place {
                self.wrong(place.clone(), format!("{key} is for {is_for}"), Some("remove it".to_owned()));
                fits = false;
            }
        }
        fits
    }

    /// Delimited fields are read by their position: a path behind the type is a mistake.
    fn columns_without_paths(&mut self, text: &SchemaText<'_>, columns: &[DeclaredColumn]) -> bool {
        let with_paths = columns.iter().filter_map(|(name, _, path)| path.as_ref().map(|path| (name, path)));
        let mut fits = true;
        for (name, path) in with_paths {
            let place = column_place(text.columns.get_ref(), name).unwrap_or_default();
            let message =
                format!("column \"{name}\" has the path {path}, and delimited records have no paths");
            let hint = "write format = \"json\", or remove the path: columns are read by their position";
            let place = place_within(self.source.text, text.columns, &place);
            self.wrong(place, message, Some(hint.to_owned()));
            fits = false;
        }
        fits
    }

    /// The SQL, and where it stands.
    fn sql(&mut self, declared: &ApplicationDeclaration) -> Option<(String, SqlPlace)> {
        if let Some(inline) = &declared.sql {
            let place = SqlPlace::inline(self.source, declared.name.get_ref(), inline);
            return Some((inline.get_ref().clone(), place));
        }
        let file = declared.sql_file.as_ref()?;
        match (self.files)(file.get_ref()) {
            Ok(contents) => {
                let place = SqlPlace::file(file.get_ref(), &contents);
                Some((contents, place))
            }
            Err(reason) => {
                self.wrong(file.span(), reason, None);
                None
            }
        }
    }

    /// Compiles the SQL; its mistakes are shown where it stands.
    fn program(
        &mut self,
        sql: &str,
        place: &SqlPlace,
        inputs: &[InputStream],
        references: &[CheckedReference],
    ) -> Option<Program> {
        let tables: Vec<ReferenceTable> = references.iter().map(table_of).collect();
        let compilation = compile_with_tables(sql, inputs, &tables, &millstream_engine::catalog());
        for diagnostic in &compilation.diagnostics {
            let mistake = place.mistake(diagnostic.span, &diagnostic.message, diagnostic.hint.clone());
            match diagnostic.severity {
                Severity::Error => self.mistakes.push(mistake),
                Severity::Warning => {
                    self.warnings.push(mistake.into_warning());
                }
            }
        }
        compilation.program
    }
}

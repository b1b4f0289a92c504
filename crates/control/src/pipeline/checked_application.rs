//! An application with its plan.

use std::num::NonZeroUsize;

use millstream_columns::formats::{InputColumn, InputSchema, RecordFormat};
use millstream_engine::{ApplicationSettings, TableRoom};
use millstream_sql::{
    Column, InputStream, Program, ReferenceTable, Severity, compile_with_tables, parse_sql_type,
};

use super::metadata_column::MetadataColumn;
use super::reference::CheckedReference;
use super::switches::ApplicationSwitches;
use crate::definition::{
    ApplicationDefinition, ApplicationSource, ColumnDefinition, RecordFormatDefinition, SchemaDefinition,
};

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
    /// Its reference tables.
    pub references: Vec<CheckedReference>,
    /// How records become rows.
    pub schema: InputSchema,
    /// Bytes that its state may take; 0 for no limit.
    pub memory_limit: Option<u64>,
    /// Pumps that may run at once.
    pub threads: Option<NonZeroUsize>,
    /// Compatibility switches.
    pub switches: ApplicationSwitches,
}

impl CheckedApplication {
    /// Compiles a definition that was checked when it was made. That fails only when this version of the program no longer
    /// takes what an earlier one took.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn of(name: &str, definition: &ApplicationDefinition) -> Result<CheckedApplication, String> {
        let mut switches = ApplicationSwitches::default();
        for (switch, value) in &definition.switches {
            switches.set(switch, value)?;
        }
        let input = &definition.input;
        let schema = schema_of(&input.schema)?;
        let metadata = metadata_of(&input.source);
        let columns: Vec<Column> =
            columns_of(&schema).chain(metadata.iter().map(|column| column.column())).collect();
        let inputs: Vec<InputStream> = input_names(&input.name_prefix, input.parallelism)
            .map(|name| InputStream { name, columns: columns.clone(), metadata_columns: metadata.len() })
            .collect();
        let mut references = Vec::new();
        for reference in &definition.references {
            let (name, place, header) = (reference.name.clone(), reference.place.clone(), reference.header);
            references.push(CheckedReference { name, place, schema: schema_of(&reference.schema)?, header });
        }
        let tables: Vec<ReferenceTable> = references.iter().map(table_of).collect();
        let compilation =
            compile_with_tables(&definition.sql, &inputs, &tables, &millstream_engine::catalog());
        let mistake = compilation.diagnostics.iter().find(|one| one.severity == Severity::Error);
        if let Some(mistake) = mistake {
            return Err(format!("its SQL: {}", mistake.message));
        }
        let Some(program) = compilation.program else { return Err("its SQL has no plan".to_owned()) };
        Ok(CheckedApplication {
            name: name.to_owned(),
            sql: definition.sql.clone(),
            program,
            input_streams: inputs.into_iter().map(|stream| stream.name).collect(),
            metadata,
            references,
            schema,
            memory_limit: definition.memory_limit,
            threads: definition.threads,
            switches,
        })
    }

    /// How the engine runs it.
    pub(crate) fn settings(&self, seed: u64, query_started: i64, virtual_clock: bool) -> ApplicationSettings {
        let defaults = ApplicationSettings::default();
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        ApplicationSettings {
            seed,
            query_started,
            virtual_clock,
            switches: self.switches.engine,
            memory_limit: self.memory_limit.unwrap_or(defaults.memory_limit),
            threads: self.threads.map_or_else(processors, NonZeroUsize::get),
            ..defaults
        }
    }

    /// The room for the rows of one of its reference tables.
    pub(crate) fn table_room(&self, reference: &CheckedReference) -> TableRoom {
        TableRoom::new(&table_of(reference), self.settings(0, 0, false).memory_limit)
    }

    /// The names of the columns of an in-application stream; none of the error stream.
    pub(crate) fn columns_of(&self, stream: &str) -> Vec<String> {
        let Some(id) = self.program.stream(stream) else { return Vec::new() };
        self.program.streams[id.0].columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// `PREFIX_001`, `PREFIX_002`, ….
pub(super) fn input_names(prefix: &str, parallelism: u32) -> impl Iterator<Item = String> {
    (1..=parallelism).map(move |number| format!("{prefix}_{number:03}"))
}

/// The columns that the source of an input adds to those of its schema.
pub(super) fn metadata_of(source: &ApplicationSource) -> Vec<MetadataColumn> {
    match source {
        ApplicationSource::Stream(_) => MetadataColumn::OF_STREAM.to_vec(),
        ApplicationSource::DeliveryStream(_) => MetadataColumn::OF_DELIVERY_STREAM.to_vec(),
    }
}

/// The columns of a schema, as a stream or table has them.
pub(super) fn columns_of(schema: &InputSchema) -> impl Iterator<Item = Column> {
    let columns = schema.columns.iter();
    columns.map(|column| Column { name: column.name.clone(), sql_type: column.sql_type, not_null: false })
}

/// A reference table as the SQL sees it.
pub(super) fn table_of(reference: &CheckedReference) -> ReferenceTable {
    ReferenceTable { name: reference.name.clone(), columns: columns_of(&reference.schema).collect() }
}

/// The schema as it is kept.
pub(super) fn schema_definition(schema: &InputSchema) -> SchemaDefinition {
    let columns = schema.columns.iter().map(|column| ColumnDefinition {
        name: column.name.clone(),
        sql_type: column.sql_type.to_string(),
        mapping: column.mapping.clone(),
    });
    SchemaDefinition {
        format: match schema.format.clone() {
            RecordFormat::Csv { row_delimiter, column_delimiter, quoting } => {
                RecordFormatDefinition::Csv { row_delimiter, column_delimiter, quoting }
            }
            RecordFormat::Json { record_row_path } => RecordFormatDefinition::Json { record_row_path },
        },
        columns: columns.collect(),
    }
}

/// The inverse of [`schema_definition`].
fn schema_of(definition: &SchemaDefinition) -> Result<InputSchema, String> {
    let columns = definition.columns.iter().map(|column| {
        let sql_type = parse_sql_type(&column.sql_type)
            .map_err(|mistake| format!("column \"{}\": {}", column.name, mistake.in_a_line()))?;
        Ok(InputColumn { name: column.name.clone(), sql_type, mapping: column.mapping.clone() })
    });
    let columns = columns.collect::<Result<Vec<_>, String>>()?;
    let format = match definition.format.clone() {
        RecordFormatDefinition::Csv { row_delimiter, column_delimiter, quoting } => {
            RecordFormat::Csv { row_delimiter, column_delimiter, quoting }
        }
        RecordFormatDefinition::Json { record_row_path } => RecordFormat::Json { record_row_path },
    };
    let schema = InputSchema { format, columns };
    schema.parser().map_err(|error| error.to_string())?;
    Ok(schema)
}

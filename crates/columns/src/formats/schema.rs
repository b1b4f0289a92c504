//! What the records of an input look like.

use crate::formats::csv::CsvReader;
use crate::formats::json::JsonReader;
use crate::formats::json_path::push_member;
use crate::formats::parser::{Reader, RecordParser};
use millstream_sql::SqlType;

/// How records become rows.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSchema {
    /// The format of a record.
    pub format: RecordFormat,
    /// The columns; for CSV by position.
    pub columns: Vec<InputColumn>,
}

/// The format of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordFormat {
    /// Rows of fields.
    Csv {
        /// Ends a row, 1 to 1024 characters; usually a newline.
        row_delimiter: String,
        /// Separates fields, 1 to 1024 characters; usually a comma or a tab.
        column_delimiter: String,
        /// Whether `"…"` quotes a field, with `""` for a quote in it.
        quoting: bool,
    },
    /// One or several JSON documents.
    Json {
        /// Path of the object that is a row, `$` for the document; `$.records[0:]` makes each element a row.
        record_row_path: String,
    },
}

/// A column of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputColumn {
    /// Its name, for messages.
    pub name: String,
    /// Its type: any but an interval.
    pub sql_type: SqlType,
    /// For JSON, the path of the value: `$.a`, `$.a.b`, `$['a.b']`, `$.array[0:]`, `$.array[0:].x`. For CSV unused.
    pub mapping: Option<String>,
}

impl InputColumn {
    /// A column of JSON rows that holds the member of its name, whatever characters that has.
    pub fn of_member(name: &str, sql_type: SqlType) -> InputColumn {
        let mut path = "$".to_owned();
        push_member(&mut path, name);
        InputColumn { name: name.to_owned(), sql_type, mapping: Some(path) }
    }
}

/// What is between the parts of delimited records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Delimiter {
    /// Between rows.
    #[error("row")]
    Row,
    /// Between columns.
    #[error("column")]
    Column,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No columns.
    #[error("the schema has no columns; name at least one")]
    NoColumns,
    /// More than 1000 columns.
    #[error("the schema has {0} columns; at most 1000 are allowed")]
    TooManyColumns(usize),
    /// A column of a type that no record can hold.
    #[error("column \"{column}\" has type {sql_type}, which no column can have")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        sql_type: SqlType,
    },
    /// A delimiter that is empty or too long.
    #[error("the {0} delimiter must have 1 to 1024 characters")]
    Delimiter(Delimiter),
    /// A JSON column without a path.
    #[error("column \"{0}\" has no mapping; a JSON column needs one, such as $.{0}")]
    MissingMapping(String),
    /// A path that is not one.
    #[error("\"{path}\" is not a path: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two arrays to flatten.
    #[error("the paths \"{first}\" and \"{second}\" go through two arrays; only one array makes rows")]
    TwoArrays {
        /// A path through one array.
        first: String,
        /// A path through another.
        second: String,
    },
}

impl InputSchema {
    /// A parser for this schema.
    ///
    /// # Errors
    /// When the schema is not usable.
    pub fn parser(&self) -> Result<RecordParser, SchemaError> {
        if self.columns.is_empty() {
            return Err(SchemaError::NoColumns);
        }
        if self.columns.len() > 1000 {
            return Err(SchemaError::TooManyColumns(self.columns.len()));
        }
        for column in &self.columns {
            if matches!(column.sql_type, SqlType::Null | SqlType::Interval(_)) {
                return Err(SchemaError::ColumnType {
                    column: column.name.clone(),
                    sql_type: column.sql_type,
                });
            }
        }
        let reader = match &self.format {
            RecordFormat::Csv { row_delimiter, column_delimiter, quoting } => {
                for (which, delimiter) in
                    [(Delimiter::Row, row_delimiter), (Delimiter::Column, column_delimiter)]
                {
                    if !(1..=1024).contains(&delimiter.chars().count()) {
                        return Err(SchemaError::Delimiter(which));
                    }
                }
                Reader::Csv(Box::new(CsvReader::new(row_delimiter, column_delimiter, *quoting)))
            }
            RecordFormat::Json { record_row_path } => {
                Reader::Json(Box::new(JsonReader::new(record_row_path, &self.columns)?))
            }
        };
        Ok(RecordParser::new(reader, &self.columns))
    }
}

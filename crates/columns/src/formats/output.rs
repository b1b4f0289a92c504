//! Rows out: one byte string for each.

use crate::formats::{output_csv, output_json};
use arrow_array::ArrayRef;
use millstream_sql::SqlType;

/// The format of output records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// One object a row, members in the order of the columns, no blanks.
    Json {
        /// A newline after each object (the switch `json_newline`).
        newline: bool,
    },
    /// Fields with commas between and a newline behind.
    Csv,
}

/// A column of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name as it is stored.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
}

/// Writes rows as records.
#[derive(Clone, Debug)]
pub struct OutputWriter {
    format: OutputFormat,
    pub(super) columns: Vec<OutputColumn>,
    /// For JSON, what stands before each value: `{"A":` or `,"B":`.
    pub(super) prefixes: Vec<Vec<u8>>,
}

/// Records in one run of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRows {
    /// All records, one after the other.
    pub bytes: Vec<u8>,
    /// Where each record ends.
    pub ends: Vec<usize>,
}

impl EncodedRows {
    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let record = &self.bytes[start..*end];
            start = *end;
            record
        })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl OutputWriter {
    /// A writer of rows with these columns.
    pub fn new(format: OutputFormat, columns: Vec<OutputColumn>) -> OutputWriter {
        let prefixes = columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
                output_json::write_string(&mut prefix, &column.name);
                prefix.push(b':');
                prefix
            })
            .collect();
        OutputWriter { format, columns, prefixes }
    }

    /// The rows of these columns, which have the types of the writer, as records.
    ///
    /// # Panics
    /// When a column is not of its type.
    pub fn write(&self, columns: &[ArrayRef]) -> EncodedRows {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut encoded =
            EncodedRows { bytes: Vec::with_capacity(rows * 32), ends: Vec::with_capacity(rows) };
        for row in 0..rows {
            match self.format {
                OutputFormat::Json { newline } => {
                    output_json::write_row(self, columns, row, &mut encoded.bytes);
                    if newline {
                        encoded.bytes.push(b'\n');
                    }
                }
                OutputFormat::Csv => output_csv::write_row(self, columns, row, &mut encoded.bytes),
            }
            encoded.ends.push(encoded.bytes.len());
        }
        encoded
    }
}

//! From records to the columns of rows: what preprocessing made of them, parsing, metadata columns. What gives each row its
//! ROWTIME is up to the caller: the arrival of its record in an application that runs, a column or a rate in a replay.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, TimestampMillisecondArray, new_null_array};
use millstream_columns::formats::{ParsedBatch, RecordParser};
use millstream_columns::{ErrorName, physical_type};

use super::preprocess::Preprocessed;
use crate::pipeline::{CheckedApplication, MetadataColumn};

/// Reads the records of one input stream.
pub(crate) struct RowReader {
    parser: RecordParser,
    metadata: Vec<ReadColumn>,
}

/// A metadata column; one that nothing shows costs nothing.
struct ReadColumn {
    column: MetadataColumn,
    is_read: bool,
}

/// A metadata column that holds texts.
#[derive(Clone, Copy)]
pub(crate) enum TextColumn {
    PartitionKey,
    SequenceNumber,
    ShardId,
}

/// What some records hold. Records are named by their places among them.
pub(crate) struct ReadRows {
    /// The columns of the schema.
    pub(crate) columns: Vec<ArrayRef>,
    /// The record of each row.
    pub(crate) records: Vec<u32>,
    /// Records that are no rows, ascending.
    pub(crate) failures: Vec<Failure>,
    /// For each column of the schema the rows, ascending, whose texts were cut to its length.
    pub(crate) cut_rows: Vec<Vec<usize>>,
}

/// A record, or a row of one, that is none.
pub(crate) struct Failure {
    pub(crate) record: u32,
    pub(crate) name: ErrorName,
    pub(crate) message: String,
    pub(crate) raw: Vec<u8>,
}

impl RowReader {
    /// For the input of an application. With `all_metadata` columns that the SQL does not name have values, too.
    pub(crate) fn new(checked: &CheckedApplication, all_metadata: bool) -> RowReader {
        let metadata = checked.metadata.iter().map(|column| ReadColumn {
            column: *column,
            is_read: all_metadata || column.may_be_named_in(&checked.sql),
        });
        RowReader {
            parser: checked.schema.parser().expect("the schema was checked with the pipeline"),
            metadata: metadata.collect(),
        }
    }

    /// From now on all metadata columns have values.
    pub(crate) fn read_all_metadata(&mut self) {
        self.metadata.iter_mut().for_each(|column| column.is_read = true);
    }

    /// Reads records that stand one after the other, each up to its end in `ends`.
    pub(crate) fn read_all(&mut self, records: &[u8], ends: &[usize]) -> ReadRows {
        self.parser.parse_all(records, ends);
        rows_of(self.parser.finish(), |parsed| parsed)
    }

    /// Reads records, each as it is.
    pub(crate) fn read<'r>(&mut self, records: impl Iterator<Item = &'r [u8]>) -> ReadRows {
        records.for_each(|record| self.parser.parse(record));
        rows_of(self.parser.finish(), |parsed| parsed)
    }

    /// Reads what the preprocessing function made of records.
    pub(crate) fn read_preprocessed<'r>(
        &mut self,
        records: impl Iterator<Item = &'r [u8]>,
        outcomes: &[Preprocessed],
    ) -> ReadRows {
        // The parser counts the records that it is given.
        let mut given: Vec<u32> = Vec::with_capacity(outcomes.len());
        let mut failures = Vec::new();
        for (place, (raw, outcome)) in (0..).zip(records.zip(outcomes)) {
            match outcome {
                Preprocessed::Data(data) => {
                    self.parser.parse(data);
                    given.push(place);
                }
                Preprocessed::Dropped => {}
                Preprocessed::Failed(reason) => failures.push(Failure {
                    record: place,
                    name: ErrorName::FunctionError,
                    message: reason.clone(),
                    raw: raw.to_vec(),
                }),
            }
        }
        let mut rows = rows_of(self.parser.finish(), |parsed| given[parsed as usize]);
        rows.failures.append(&mut failures);
        rows.failures.sort_by_key(|failure| failure.record);
        rows
    }

    /// Adds the metadata columns to those of the schema: when the record of each row arrived, and what `text` gives for
    /// another column of a row, by its place.
    pub(crate) fn add_metadata(
        &self,
        columns: &mut Vec<ArrayRef>,
        arrivals: impl ExactSizeIterator<Item = i64> + Clone,
        text: impl Fn(TextColumn, usize) -> String,
    ) {
        let rows = arrivals.len();
        let texts = |column| Arc::new((0..rows).map(|row| Some(text(column, row))).collect::<StringArray>());
        for ReadColumn { column, is_read } in &self.metadata {
            columns.push(match column {
                _ if !*is_read => new_null_array(&physical_type(column.sql_type()), rows),
                MetadataColumn::ApproximateArrivalTime => {
                    Arc::new(TimestampMillisecondArray::from_iter_values(arrivals.clone()))
                }
                MetadataColumn::PartitionKey => texts(TextColumn::PartitionKey),
                MetadataColumn::SequenceNumber => texts(TextColumn::SequenceNumber),
                MetadataColumn::ShardId => texts(TextColumn::ShardId),
            });
        }
    }
}

/// With the record of each row by its place, where the parser has counted only those that it was given.
fn rows_of(parsed: ParsedBatch, place_of: impl Fn(u32) -> u32) -> ReadRows {
    let failures = parsed.errors.into_iter().map(|error| Failure {
        record: place_of(error.record),
        name: error.name,
        message: error.message,
        raw: error.raw,
    });
    ReadRows {
        columns: parsed.columns,
        failures: failures.collect(),
        cut_rows: parsed.cut_rows,
        records: parsed.row_to_record.into_iter().map(place_of).collect(),
    }
}

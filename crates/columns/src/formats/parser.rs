//! The parser of records: any number of records into one batch of columns.

use crate::formats::columns::ColumnBuilder;
use crate::formats::csv::CsvReader;
use crate::formats::json::JsonReader;
use crate::formats::schema::InputColumn;
use crate::row_error::ErrorName;
use arrow_array::ArrayRef;

/// As many bytes of a refused record as the error stream can show (49,152 hexadecimal digits).
const RAW_LIMIT: usize = 24_576;

/// Rows made from records.
#[derive(Clone, Debug, Default)]
pub struct ParsedBatch {
    /// The columns of the schema, all of one length.
    pub columns: Vec<ArrayRef>,
    /// For each row the record that it came from.
    pub row_to_record: Vec<u32>,
    /// The records, or rows of records, that were refused, in order.
    pub errors: Vec<RecordError>,
    /// For each column the rows, ascending, that had a text (or bytes) longer than it: cut to its length, as the service does.
    pub cut_rows: Vec<Vec<usize>>,
}

/// A record, or a row of one, that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The record.
    pub record: u32,
    /// [`ErrorName::ParseError`] or [`ErrorName::CoercionError`].
    pub name: ErrorName,
    /// What is wrong, with the column where there is one.
    pub message: String,
    /// Its bytes, at most the first 24,576.
    pub raw: Vec<u8>,
}

/// The reader of one format.
pub(super) enum Reader {
    Csv(Box<CsvReader>),
    Json(Box<JsonReader>),
}

/// Turns records into columns.
///
/// A row of a record with a value that does not fit its column gives an error and no row; the other rows of the record
/// stand. Nothing in a record can make this panic. Memory grows with the bytes given (and the padding of CHAR columns): call
/// [`RecordParser::finish`] after some thousand records.
pub struct RecordParser {
    reader: Reader,
    rows: Rows,
}

/// The rows so far.
pub(super) struct Rows {
    pub(super) builders: Vec<ColumnBuilder>,
    pub(super) names: Vec<String>,
    pub(super) row_to_record: Vec<u32>,
    pub(super) errors: Vec<RecordError>,
    pub(super) record: u32,
}

impl Rows {
    /// Ends a row whose columns are all there.
    #[inline]
    pub(super) fn commit(&mut self) {
        self.row_to_record.push(self.record);
    }

    /// Takes back every row after the first `rows`, whole or in part.
    pub(super) fn roll_back(&mut self, rows: usize) {
        self.row_to_record.truncate(rows);
        self.builders.iter_mut().for_each(|builder| builder.truncate(rows));
    }

    pub(super) fn refuse(&mut self, name: ErrorName, message: String, raw: &[u8]) {
        let raw = raw[..raw.len().min(RAW_LIMIT)].to_vec();
        self.errors.push(RecordError { record: self.record, name, message, raw });
    }

    /// Refuses a row because of one column.
    pub(super) fn refuse_column(&mut self, column: usize, value: &str, raw: &[u8]) {
        let mut shown: String = value.chars().take(100).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        let message = format!(
            "column \"{}\": '{shown}' is not a valid {}",
            self.names[column],
            self.builders[column].sql_type()
        );
        self.refuse(ErrorName::CoercionError, message, raw);
    }
}

impl RecordParser {
    pub(super) fn new(reader: Reader, columns: &[InputColumn]) -> RecordParser {
        RecordParser {
            reader,
            rows: Rows {
                builders: columns.iter().map(|column| ColumnBuilder::new(column.sql_type)).collect(),
                names: columns.iter().map(|column| column.name.clone()).collect(),
                row_to_record: Vec::new(),
                errors: Vec::new(),
                record: 0,
            },
        }
    }

    /// Rows so far.
    pub fn row_count(&self) -> usize {
        self.rows.row_to_record.len()
    }

    /// Adds the rows of one record. Records are counted from 0 until [`RecordParser::finish`].
    pub fn parse(&mut self, record: &[u8]) {
        match std::str::from_utf8(record) {
            Ok(text) => self.parse_text(text),
            Err(error) => self.refuse_encoding(record, error),
        }
        self.rows.record += 1;
    }

    /// Adds the rows of many records that stand one after the other, each up to its end in `ends`. The same as
    /// [`RecordParser::parse`] of each; the text is checked once, as a whole, and only if that fails record by record.
    ///
    /// # Panics
    /// When `ends` go back or beyond the bytes.
    pub fn parse_all(&mut self, records: &[u8], ends: &[usize]) {
        let text = std::str::from_utf8(records).ok();
        let mut start = 0;
        for end in ends {
            // A character may begin in one record and end in the next: neither is text.
            match text.and_then(|text| text.get(start..*end)) {
                Some(text) => {
                    self.parse_text(text);
                    self.rows.record += 1;
                }
                None => self.parse(&records[start..*end]),
            }
            start = *end;
        }
    }

    #[inline]
    fn parse_text(&mut self, text: &str) {
        match &mut self.reader {
            Reader::Csv(reader) => reader.read(text, false, &mut self.rows),
            Reader::Json(reader) => reader.read(text, &mut self.rows),
        }
    }

    /// Adds many records that stand in one run of bytes: lines of JSON documents, or rows of CSV (the rows then count as
    /// records). The text is checked once, as a whole; only if that fails record by record.
    pub fn parse_bulk(&mut self, records: &[u8]) {
        let Ok(text) = std::str::from_utf8(records) else {
            for line in memchr_lines(records) {
                if !line.is_empty() {
                    self.parse(line);
                }
            }
            return;
        };
        match &mut self.reader {
            Reader::Csv(reader) => reader.read(text, true, &mut self.rows),
            Reader::Json(reader) => {
                let mut rest = text;
                while !rest.is_empty() {
                    let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
                    if end > 0 {
                        reader.read(&rest[..end], &mut self.rows);
                        self.rows.record += 1;
                    }
                    rest = rest.get(end + 1..).unwrap_or_default();
                }
            }
        }
    }

    fn refuse_encoding(&mut self, record: &[u8], error: std::str::Utf8Error) {
        let message = format!("the record is not UTF-8: byte {} is wrong", error.valid_up_to());
        self.rows.refuse(ErrorName::ParseError, message, record);
    }

    /// All rows and errors since the start or the last call; the parser is empty afterwards and counts records from
    /// 0 again.
    pub fn finish(&mut self) -> ParsedBatch {
        self.rows.record = 0;
        let cut_rows = self.rows.builders.iter_mut().map(ColumnBuilder::take_cut_rows).collect();
        ParsedBatch {
            cut_rows,
            columns: self.rows.builders.iter_mut().map(ColumnBuilder::finish).collect(),
            row_to_record: {
                let next = Vec::with_capacity(self.rows.row_to_record.len());
                std::mem::replace(&mut self.rows.row_to_record, next)
            },
            errors: std::mem::take(&mut self.rows.errors),
        }
    }
}

/// The lines of a run of bytes.
fn memchr_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]).map(move |end| {
        let line = &bytes[start.min(end)..end];
        start = end + 1;
        line
    })
}

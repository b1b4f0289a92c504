//! The rows of a reference table, read whole from an object or a file.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use millstream_columns::Batch;
use millstream_columns::formats::{ParsedBatch, RecordError, RecordFormat, RecordParser};
use millstream_engine::{ErrorRow, PartId, TableError, TableRoom};
use millstream_host::files;
use millstream_wording::agreeing;
use object_store::{ObjectStore, ObjectStoreExt};

use super::table_pieces::Pieces;
use super::wrong_shape::wrong_shape;
use crate::no_text::no_text;
use crate::pipeline::CheckedReference;

/// The largest object or file that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// The largest JSON document in it: it is read as one piece.
const LARGEST_DOCUMENT: usize = 64 << 20;
/// How the parser's word of a record begins that is no JSON from some place on.
const NOT_JSON: &str = "the record is not JSON";
/// How files that are packed with gzip begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// So many rows are compared with the schema.
const FIRST_ROWS: usize = 100;

/// A table with its rows.
#[derive(Clone)]
pub(crate) struct ReferenceTableRows {
    /// Its name.
    pub(crate) name: String,
    /// Its rows; ROWTIME means nothing in it.
    pub(crate) rows: Batch,
    /// Rows that do not fit the schema.
    pub(crate) errors: Vec<ErrorRow>,
    /// Why its first rows look as if they were written in another way than the schema says.
    pub(crate) wrong_shape: Option<String>,
    /// Tells its content apart.
    pub(crate) content: PartId,
}

impl ReferenceTableRows {
    /// What is worth a word before it is used.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let shape =
            self.wrong_shape.iter().map(|reason| format!("reference table \"{}\": {reason}", self.name));
        let refused = self.errors.first().map(|first| {
            let header = match self.errors.len() == 1 && first.message.starts_with("row 1: ") {
                true => "; if that is a header line, write header = true",
                false => "",
            };
            format!(
                "{} refused: {}{header}",
                agreeing(self.errors.len(), "row is", "rows are"),
                first.message
            )
        });
        shape.chain(refused).collect()
    }
}

/// Reads an object.
pub(crate) async fn read_object(store: &Arc<dyn ObjectStore>, key: &str) -> Result<Bytes, String> {
    let path = object_store::path::Path::parse(key).map_err(|error| error.to_string())?;
    let found = store.get(&path).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => format!("there is no object {key}"),
        error => error.to_string(),
    })?;
    check_size(found.meta.size)?;
    found.bytes().await.map_err(|error| error.to_string())
}

/// The rows of the bytes of an object or a file, which may be packed with gzip. Those that do not fit are reported at
/// `now`. Blocks for as long as it takes to read them.
///
/// # Errors
/// The bytes cannot be unpacked, have more than [`LARGEST`] bytes then, or hold more rows than there is `room` for.
pub(crate) fn table_of(
    reference: &CheckedReference,
    room: TableRoom,
    bytes: &Bytes,
    now: i64,
) -> Result<ReferenceTableRows, ReadTableError> {
    let unpacked = match bytes.starts_with(&GZIP) {
        true => Cow::Owned(unpack(bytes).map_err(ReadTableError::Unreadable)?),
        false => Cow::Borrowed(bytes.as_ref()),
    };
    if let Some(reason) = no_text(&unpacked) {
        return Err(ReadTableError::Unreadable(reason.to_owned()));
    }
    rows_of(reference, room, unpacked, PartId::of(bytes), now)
}

/// Why a table was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadTableError {
    #[error("{0}")]
    Unreadable(String),
    /// Its rows do not fit.
    #[error(transparent)]
    Table(#[from] TableError),
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(LARGEST + 1).read_to_end(&mut unpacked);
    read.map_err(|error| format!("it begins as a gzip file does, and cannot be unpacked: {error}"))?;
    check_size(unpacked.len() as u64)?;
    Ok(unpacked)
}

/// Reads a file. Blocks.
pub(crate) fn read_file(path: &Path) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if files::is_endless(path) {
        return Err(format!(
            "{} is a pipe or a device: a reference table is read from a file",
            path.display()
        ));
    }
    check_size(files::length(path).map_err(failed)?)?;
    files::read(path).map(Bytes::from).map_err(failed)
}

fn check_size(bytes: u64) -> Result<(), String> {
    if bytes <= LARGEST {
        Ok(())
    } else {
        Err(format!("it has {bytes} bytes, and a reference table has at most {LARGEST}"))
    }
}

/// The same reading as that of an input: without a mark of the byte order, lines with either line end.
fn rows_of(
    reference: &CheckedReference,
    room: TableRoom,
    mut bytes: Cow<'_, [u8]>,
    content: PartId,
    now: i64,
) -> Result<ReferenceTableRows, ReadTableError> {
    let mut start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    if matches!(&reference.schema.format, RecordFormat::Csv { row_delimiter, .. } if row_delimiter == "\n")
        && memchr::memmem::find(&bytes, b"\r\n").is_some()
    {
        leave_out_carriage_returns(bytes.to_mut());
    }
    let row_delimiter = match &reference.schema.format {
        RecordFormat::Csv { row_delimiter, .. } => row_delimiter.as_bytes(),
        RecordFormat::Json { .. } => b"\n",
    };
    if reference.header {
        let end = memchr::memmem::find(&bytes[start..], row_delimiter);
        start = end.map_or(bytes.len(), |end| start + end + row_delimiter.len());
    }
    let text = &bytes[start..];
    let first = text.split(|byte| *byte == b'\n').take(FIRST_ROWS);
    let wrong_shape =
        wrong_shape(&reference.schema, first, "write header = true in [[application.reference]]");
    let mut reading = Reading::new(reference, room, now);
    reading.take_all(text)?;
    let (rows, errors) = reading.finish()?;
    Ok(ReferenceTableRows { name: reference.name.clone(), rows, errors, wrong_shape, content })
}

/// The rows of a table, as far as they have been read.
struct Reading<'r> {
    reference: &'r CheckedReference,
    parser: RecordParser,
    room: TableRoom,
    rows: Vec<Batch>,
    errors: Vec<ErrorRow>,
    /// Records so far: the rows of a delimited text.
    records: u64,
    now: i64,
}

impl<'r> Reading<'r> {
    fn new(reference: &'r CheckedReference, room: TableRoom, now: i64) -> Reading<'r> {
        let parser = reference.schema.parser().expect("the schema was checked with the pipeline");
        Reading { reference, parser, room, rows: Vec::new(), errors: Vec::new(), records: 0, now }
    }

    fn take_all(&mut self, text: &[u8]) -> Result<(), ReadTableError> {
        let (format, is_text) = (&self.reference.schema.format, std::str::from_utf8(text).is_ok());
        match format {
            RecordFormat::Csv { .. } if is_text => {
                for piece in Pieces::new(text, format) {
                    self.parser.parse_bulk(piece);
                    let parsed = self.parser.finish();
                    // What is not empty is a row or an error.
                    let records = parsed.row_to_record.len() + parsed.errors.len();
                    self.take(parsed)?;
                    self.records += records as u64;
                }
            }
            RecordFormat::Csv { .. } => {
                for piece in Pieces::of_lines(text) {
                    let lines = piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                    let lines = lines.map(|line| self.parser.parse(line)).count();
                    let parsed = self.parser.finish();
                    self.take(parsed)?;
                    self.records += lines as u64;
                }
            }
            RecordFormat::Json { .. } if is_text => self.take_documents(text)?,
            RecordFormat::Json { .. } => {
                self.parser.parse(text);
                let parsed = self.parser.finish();
                self.take(parsed)?;
            }
        }
        Ok(())
    }

    /// A document may stand over several lines. What is not JSON ends the table.
    fn take_documents(&mut self, text: &[u8]) -> Result<(), ReadTableError> {
        let whole_room = self.room.clone();
        for piece in Pieces::new(text, &self.reference.schema.format) {
            if piece.len() > LARGEST_DOCUMENT {
                let message = format!(
                    "it has a JSON document of {} bytes, and one has at most {LARGEST_DOCUMENT}: put each row in a document \
                     of its own",
                    piece.len()
                );
                return Err(ReadTableError::Unreadable(message));
            }
            if piece.trim_ascii().is_empty() && piece.len() < text.len() {
                continue;
            }
            self.parser.parse(piece);
            let parsed = self.parser.finish();
            if parsed.errors.last().is_some_and(|error| error.message.starts_with(NOT_JSON)) {
                // Its place counts from the beginning. No more rows come than before: they fit.
                (self.room, self.rows, self.errors) = (whole_room, Vec::new(), Vec::new());
                self.parser.parse(text);
                let parsed = self.parser.finish();
                return self.take(parsed);
            }
            self.take(parsed)?;
        }
        Ok(())
    }

    fn take(&mut self, parsed: ParsedBatch) -> Result<(), ReadTableError> {
        let rowtimes = ScalarBuffer::from(vec![0; parsed.row_to_record.len()]);
        let rows = Batch::new(rowtimes, parsed.columns);
        self.room.take(&rows)?;
        self.rows.push(rows);
        for error in &parsed.errors {
            let row = self.error_row(error);
            self.room.take_refused(&row)?;
            self.errors.push(row);
        }
        Ok(())
    }

    fn error_row(&self, error: &RecordError) -> ErrorRow {
        let is_delimited = matches!(self.reference.schema.format, RecordFormat::Csv { .. });
        let number = self.records + u64::from(error.record) + 1;
        let row = if is_delimited { format!(", row {number}") } else { String::new() };
        let message = format!("reference table \"{}\"{row}: {}", self.reference.name, error.message);
        ErrorRow::of_record(error.name, &message, &error.raw, self.now, self.now)
    }

    fn finish(mut self) -> Result<(Batch, Vec<ErrorRow>), ReadTableError> {
        if self.rows.is_empty() {
            let parsed = self.parser.finish();
            self.take(parsed)?;
        }
        let rows = Batch::concat(&self.rows);
        let too_long = |error| format!("the texts of a column are too long together: {error}");
        Ok((rows.map_err(too_long).map_err(ReadTableError::Unreadable)?, self.errors))
    }
}

/// Leaves out each `\r` before a `\n`, in place.
fn leave_out_carriage_returns(bytes: &mut Vec<u8>) {
    let mut kept = 0;
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"\r\n") {
            continue;
        }
        bytes[kept] = bytes[at];
        kept += 1;
    }
    bytes.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ReferencePlace;
    use millstream_columns::formats::{InputColumn, InputSchema};
    use millstream_sql::{Column, ReferenceTable, SqlType};
    use proptest::prelude::*;

    fn reference(format: RecordFormat) -> CheckedReference {
        let columns = vec![
            InputColumn::of_member("a", SqlType::Integer),
            InputColumn::of_member("b", SqlType::Varchar { length: 9 }),
        ];
        let schema = InputSchema { format, columns };
        let place = ReferencePlace::Object { bucket: "b".to_owned(), key: "k".to_owned() };
        CheckedReference { name: "T".to_owned(), place, schema, header: false }
    }

    fn room(reference: &CheckedReference, limit: u64) -> TableRoom {
        let columns = reference.schema.columns.iter();
        let column = |column: &InputColumn| Column {
            name: column.name.clone(),
            sql_type: column.sql_type,
            not_null: false,
        };
        let table = ReferenceTable { name: "T".to_owned(), columns: columns.map(column).collect() };
        TableRoom::new(&table, limit)
    }

    fn csv(row_delimiter: &str, column_delimiter: &str, quoting: bool) -> CheckedReference {
        let (row_delimiter, column_delimiter) = (row_delimiter.to_owned(), column_delimiter.to_owned());
        reference(RecordFormat::Csv { row_delimiter, column_delimiter, quoting })
    }

    fn json() -> CheckedReference {
        reference(RecordFormat::Json { record_row_path: "$".to_owned() })
    }

    /// The rows and errors of a text that is read at once.
    fn at_once(reference: &CheckedReference, text: &[u8]) -> (Batch, Vec<ErrorRow>) {
        let mut reading = Reading::new(reference, room(reference, 0), 7);
        match &reference.schema.format {
            RecordFormat::Csv { .. } => reading.parser.parse_bulk(text),
            RecordFormat::Json { .. } => reading.parser.parse(text),
        }
        let parsed = reading.parser.finish();
        reading.take(parsed).unwrap();
        reading.finish().unwrap()
    }

    fn in_pieces(reference: &CheckedReference, text: &[u8]) -> (Batch, Vec<ErrorRow>) {
        let mut reading = Reading::new(reference, room(reference, 0), 7);
        reading.take_all(text).unwrap();
        reading.finish().unwrap()
    }

    #[track_caller]
    fn assert_same(reference: &CheckedReference, text: &[u8]) {
        let ((rows, errors), (whole_rows, whole_errors)) =
            (in_pieces(reference, text), at_once(reference, text));
        assert_eq!(rows.columns, whole_rows.columns);
        assert_eq!(errors, whole_errors);
    }

    #[test]
    fn a_table_that_is_no_text_is_refused_by_name() {
        let reference = json();
        let error =
            table_of(&reference, room(&reference, 1 << 20), &Bytes::from_static(b"PK\x03\x04rest"), 0)
                .err()
                .unwrap();
        assert!(error.to_string().starts_with("this is a zip archive"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]

        #[test]
        fn pieces_give_the_rows_and_errors_of_the_whole(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "1", "22", ",", ",", "x", "\"", "\"\"", "\n", "\n", "\r\n", "|", ";\n", "\n,", "{\"a\":1}", "[", "}", " ",
                ]),
                0..30,
            ),
            repeats in 1_usize..1_500,
            end in prop::sample::select(vec!["", "3,z", "\n", "\"", "4\n\n", "{\"a\":"]),
            row in prop::sample::select(vec!["\n", "\r\n", "|", ";\n", "\n\n", "\""]),
            column in prop::sample::select(vec![",", ",\n", "\n,", "|"]),
            quoting in any::<bool>(),
            is_text in any::<bool>(),
        ) {
            let mut text = parts.concat().repeat(repeats).into_bytes();
            text.extend_from_slice(end.as_bytes());
            if !is_text {
                text.push(0xff);
            }
            assert_same(&csv(row, column, quoting), &text);
        }

        #[test]
        fn documents_in_pieces_are_those_of_the_whole(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{\"a\":1}", "{\"a\":1,\n\"b\":\"}\\\"\"}", "\n", "\n", " ", "5", "{\"a\":\"x\"}\n", "[\n1]",
                ]),
                0..30,
            ),
            repeats in 1_usize..1_500,
            end in prop::sample::select(vec!["", "{\"a\":", "}", "\"", "{\"a\":4}", "nonsense\n{\"a\":4}\n"]),
            after in 0_usize..3_000,
        ) {
            let mut text = parts.concat().repeat(repeats);
            text += end;
            text += &"{\"a\":6}\n".repeat(after);
            assert_same(&json(), text.as_bytes());
        }
    }

    /// Reading stops long before the end.
    #[test]
    fn a_text_that_unpacks_to_more_rows_than_fit_is_refused() {
        let pack = |text: &[u8]| {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::Write::write_all(&mut packed, text).unwrap();
            Bytes::from(packed.finish().unwrap())
        };
        let refused = |reference: &CheckedReference, text: &[u8]| {
            let bytes = pack(text);
            let read = table_of(reference, room(reference, 1 << 20), &bytes, 0);
            read.err().expect("it does not fit").to_string()
        };
        let lines = csv("\n", ",", true);
        let many = refused(&lines, &b"1\n".repeat(4 << 20));
        assert!(many.contains("\"T\" take at least 10") && many.contains("1048576 bytes"), "{many}");
        let many = refused(&json(), &b"{}\n".repeat(4 << 20));
        assert!(many.contains("\"T\" take at least 10"), "{many}");
        let wrong = refused(&lines, &b"x\n".repeat(1 << 20));
        assert!(wrong.contains("refused") && wrong.contains("1048576 bytes"), "{wrong}");
        let document = refused(&json(), format!("[{}]", "1,".repeat(LARGEST_DOCUMENT)).as_bytes());
        assert!(document.contains("a document"), "{document}");
    }
}

//! The rows of a reference table, read whole from an object or a file.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use millstream_columns::Batch;
use millstream_columns::formats::{RecordError, RecordFormat};
use millstream_engine::{ErrorRow, PartId};
use millstream_host::files;
use millstream_wording::agreeing;
use object_store::{ObjectStore, ObjectStoreExt};

use super::wrong_shape::wrong_shape;
use crate::pipeline::CheckedReference;

/// The largest object or file that is read, in bytes.
const LARGEST: u64 = 1 << 30;
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
            format!("{} refused: {}", agreeing(self.errors.len(), "row is", "rows are"), first.message)
        });
        shape.chain(refused).collect()
    }
}

/// Reads an object.
pub(crate) async fn read_object(store: &Arc<dyn ObjectStore>, key: &str) -> Result<Bytes, String> {
    let path = object_store::path::Path::parse(key).map_err(|error| error.to_string())?;
    let found = store.get(&path).await.map_err(|error| error.to_string())?;
    check_size(found.meta.size)?;
    found.bytes().await.map_err(|error| error.to_string())
}

/// The rows of the bytes of an object or a file, which may be packed with gzip. Those that do not fit are reported at
/// `now`. Blocks for as long as it takes to read them.
///
/// # Errors
/// The bytes cannot be unpacked, or have more than [`LARGEST`] bytes then.
pub(crate) fn table_of(
    reference: &CheckedReference,
    bytes: &Bytes,
    now: i64,
) -> Result<ReferenceTableRows, String> {
    let unpacked = match bytes.starts_with(&GZIP) {
        true => unpack(bytes)?,
        false => bytes.to_vec(),
    };
    Ok(rows_of(reference, unpacked, PartId::of(bytes), now))
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
    mut bytes: Vec<u8>,
    content: PartId,
    now: i64,
) -> ReferenceTableRows {
    let mut start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    if matches!(&reference.schema.format, RecordFormat::Csv { row_delimiter, .. } if row_delimiter == "\n") {
        leave_out_carriage_returns(&mut bytes);
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
    let mut parser = reference.schema.parser().expect("the schema was checked with the pipeline");
    match &reference.schema.format {
        RecordFormat::Csv { .. } => parser.parse_bulk(text),
        // A document may stand over several lines.
        RecordFormat::Json { .. } => parser.parse(text),
    }
    let parsed = parser.finish();
    let is_delimited = matches!(reference.schema.format, RecordFormat::Csv { .. });
    let error_of = |error: &RecordError| {
        let row = if is_delimited { format!(", row {}", error.record + 1) } else { String::new() };
        let message = format!("reference table \"{}\"{row}: {}", reference.name, error.message);
        ErrorRow::of_record(error.name, &message, &error.raw, now, now)
    };
    let errors = parsed.errors.iter().map(error_of).collect();
    let rowtimes = ScalarBuffer::from(vec![0; parsed.row_to_record.len()]);
    let rows = Batch::new(rowtimes, parsed.columns);
    ReferenceTableRows { name: reference.name.clone(), rows, errors, wrong_shape, content }
}

/// Leaves out each `\r` before a `\n`, in place.
fn leave_out_carriage_returns(bytes: &mut Vec<u8>) {
    if memchr::memmem::find(bytes, b"\r\n").is_none() {
        return;
    }
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

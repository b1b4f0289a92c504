//! The rows of a reference table, read whole from an object or a file.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use bytes::Bytes;
use millstream_columns::Batch;
use millstream_engine::{ErrorRow, PartId};
use millstream_host::files;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::pipeline::CheckedReference;

/// The largest object or file that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// A table with its rows.
#[derive(Clone)]
pub(crate) struct ReferenceTableRows {
    /// Its name.
    pub(crate) name: String,
    /// Its rows; ROWTIME means nothing in it.
    pub(crate) rows: Batch,
    /// Rows that do not fit the schema.
    pub(crate) errors: Vec<ErrorRow>,
    /// Tells its content apart.
    pub(crate) content: PartId,
}

/// Reads an object.
pub(crate) async fn read_object(store: &Arc<dyn ObjectStore>, key: &str) -> Result<Bytes, String> {
    let path = object_store::path::Path::parse(key).map_err(|error| error.to_string())?;
    let found = store.get(&path).await.map_err(|error| error.to_string())?;
    check_size(found.meta.size)?;
    found.bytes().await.map_err(|error| error.to_string())
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

/// The rows in the bytes of an object or a file. Those that do not fit are reported at `now`.
pub(crate) fn rows_of(reference: &CheckedReference, bytes: &[u8], now: i64) -> ReferenceTableRows {
    let mut parser = reference.schema.parser().expect("the schema was checked with the pipeline");
    parser.parse(bytes);
    let parsed = parser.finish();
    let errors = parsed.errors.iter();
    let errors = errors.map(|error| ErrorRow::of_record(error.name, &error.message, &error.raw, now, now));
    let errors = errors.collect();
    let rowtimes = ScalarBuffer::from(vec![0; parsed.row_to_record.len()]);
    let rows = Batch::new(rowtimes, parsed.columns);
    ReferenceTableRows { name: reference.name.clone(), rows, errors, content: PartId::of(bytes) }
}

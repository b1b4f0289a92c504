//! What is worth a word of the reference tables of an application, before it runs.

use super::CheckedApplication;
use crate::applications::{read_file, table_of};
use crate::definition::ReferencePlace;

impl CheckedApplication {
    /// Reads its reference tables that are files. What is odd about each, in their order: rows that do not fit, a header
    /// that is read as a row, a file that cannot be read. Objects in buckets are a server's. Blocks.
    pub fn reference_remarks(&self) -> Vec<Vec<String>> {
        let tables = self.references.iter().map(|reference| {
            let ReferencePlace::File(path) = &reference.place else { return Vec::new() };
            let read = read_file(path).and_then(|bytes| {
                table_of(reference, self.table_room(reference), &bytes, 0).map_err(|error| error.to_string())
            });
            match read {
                Ok(table) => table.remarks(),
                Err(reason) => {
                    vec![format!("reference table \"{}\" cannot be read: {reason}", reference.name)]
                }
            }
        });
        tables.collect()
    }
}

//! Reference tables of an application.

use std::path::PathBuf;

use millstream_engine::formats::InputSchema;

/// A table with its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedReference {
    /// Its name, exactly as the SQL quotes it.
    pub name: String,
    /// Where its rows are.
    pub place: ReferencePlace,
    /// How they are written.
    pub schema: InputSchema,
}

/// Where the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferencePlace {
    /// An object in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// A file.
    File(PathBuf),
}

//! Reference tables of an application.

use millstream_columns::formats::InputSchema;

use crate::definition::ReferencePlace;

/// A table with its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedReference {
    /// Its name, exactly as the SQL quotes it.
    pub name: String,
    /// Where its rows are.
    pub place: ReferencePlace,
    /// How they are written.
    pub schema: InputSchema,
    /// The first line is no row.
    pub header: bool,
}

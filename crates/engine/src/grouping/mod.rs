//! Groups of rows with equal keys: encoding of keys, numbering of groups.

mod encoded_keys;
mod group_table;

pub(crate) use encoded_keys::{EncodedKeys, encode_value};
pub(crate) use group_table::GroupTable;

//! Groups of rows with equal keys: encoding of keys, numbering of groups.

mod encoded_keys;
mod group_table;
mod packed_key;

pub(crate) use encoded_keys::{EncodedKeys, encode_value};
pub(crate) use group_table::GroupTable;
pub(crate) use packed_key::PackedKey;

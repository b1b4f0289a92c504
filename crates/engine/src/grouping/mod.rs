//! Groups of rows with equal keys: encoding of keys, numbering of groups, shards of keys.

mod decode;
mod encoded_keys;
mod group_table;
mod key_table;
mod packed_key;
mod shards;

pub(crate) use decode::{decode_key, decode_keys};
pub(crate) use encoded_keys::{EncodedKeys, encode_value};
pub(crate) use group_table::GroupTable;
pub(crate) use key_table::{KeyTable, stable_hash};
pub(crate) use packed_key::PackedKey;
pub(crate) use shards::{RoutedRows, SHARDS, shard_of_hash};

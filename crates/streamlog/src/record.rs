//! A record on its way in, and as it is read back.

use bytes::Bytes;
use millstream_host::Timestamp;

use crate::sequence_number::SequenceNumber;
use crate::shard::ShardNumber;

/// The longest partition key, in characters.
pub(crate) const MAX_PARTITION_KEY_CHARS: usize = 256;

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// 1 to 256 characters; its hash picks the shard unless `explicit_hash_key` does.
    pub partition_key: String,
    /// Takes the place of the partition key's hash when given.
    pub explicit_hash_key: Option<u128>,
    /// The payload; may be empty.
    pub data: Bytes,
}

impl NewRecord {
    /// A record whose shard follows from its partition key.
    pub fn new(partition_key: impl Into<String>, data: impl Into<Bytes>) -> NewRecord {
        NewRecord { partition_key: partition_key.into(), explicit_hash_key: None, data: data.into() }
    }
}

/// Where an appended record went. It is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The shard.
    pub shard: ShardNumber,
    /// The record's number in it.
    pub sequence_number: SequenceNumber,
}

/// A record as read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub sequence_number: SequenceNumber,
    /// When the log committed it; never decreases over the whole log.
    pub arrival: Timestamp,
    /// The commit it is part of; never decreases over the whole log.
    pub commit: u64,
    /// As given by the producer.
    pub partition_key: String,
    /// As given by the producer. Shares memory with its neighbours of the same read: copy it to keep it long.
    pub data: Bytes,
}

//! Many records in one buffer.

use bytes::Bytes;

use crate::record::NewRecord;

/// What a record takes in the buffer beside its partition key and data: their lengths (2 and 4 bytes).
pub(crate) const RECORD_OVERHEAD: usize = 6;

/// Where a record lies in the buffer. Its lengths are in the [`RECORD_OVERHEAD`] bytes before `key_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) key_at: u32,
    pub(crate) data_at: u32,
    pub(crate) end: u32,
}

/// Records in one buffer, in order: appended and read without an object for each. Cheap to clone but for 12 bytes a
/// record.
///
/// The buffer is what lies in the log: for each record the length of its partition key (2 bytes) and of its data (4),
/// then both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Bytes,
    slots: Vec<Slot>,
    explicit_hash_keys: Vec<(u32, u128)>,
    /// The first record that could not be put in, with the length of its partition key or the bytes asked for.
    refused: Option<Refused>,
}

/// What a buffer cannot hold. The append of it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Key { record: usize, chars: usize },
    Bytes(usize),
}

impl RecordBatch {
    /// A batch over a buffer in stored form.
    pub(crate) fn from_parts(bytes: Bytes, slots: Vec<Slot>) -> RecordBatch {
        RecordBatch { bytes, slots, explicit_hash_keys: Vec::new(), refused: None }
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The length of the buffer: partition keys, data, and 6 bytes a record.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The partition key of record `place`, from 0.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn partition_key(&self, place: usize) -> &str {
        let slot = self.slots[place];
        // Put in as text, or checked when it was read.
        std::str::from_utf8(&self.bytes[slot.key_at as usize..slot.data_at as usize]).unwrap_or_default()
    }

    /// The data of record `place`, from 0.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn data(&self, place: usize) -> &[u8] {
        let slot = self.slots[place];
        &self.bytes[slot.data_at as usize..slot.end as usize]
    }

    /// The data of record `place`, sharing the buffer: it lives as long as any piece of it.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn data_shared(&self, place: usize) -> Bytes {
        let slot = self.slots[place];
        self.bytes.slice(slot.data_at as usize..slot.end as usize)
    }

    /// Partition key and data of each record.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        (0..self.len()).map(|place| (self.partition_key(place), self.data(place)))
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn buffer(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

/// Records to append, whatever they lie in.
pub(crate) trait Records {
    fn len(&self) -> usize;
    fn partition_key(&self, place: usize) -> &str;
    /// The length of the data.
    fn data_bytes(&self, place: usize) -> usize;
    fn explicit_hash_key(&self, place: usize) -> Option<u128>;
    /// Appends the record in stored form.
    fn store(&self, place: usize, bytes: &mut Vec<u8>);
    /// When all of them lie in one buffer in stored form.
    fn as_batch(&self) -> Option<&RecordBatch>;

    fn key_bytes(&self, place: usize) -> usize {
        self.partition_key(place).len()
    }

    fn stored_bytes(&self, place: usize) -> usize {
        RECORD_OVERHEAD + self.key_bytes(place) + self.data_bytes(place)
    }
}

impl Records for RecordBatch {
    fn len(&self) -> usize {
        self.slots.len()
    }

    fn partition_key(&self, place: usize) -> &str {
        self.partition_key(place)
    }

    fn key_bytes(&self, place: usize) -> usize {
        (self.slots[place].data_at - self.slots[place].key_at) as usize
    }

    fn data_bytes(&self, place: usize) -> usize {
        (self.slots[place].end - self.slots[place].data_at) as usize
    }

    fn explicit_hash_key(&self, place: usize) -> Option<u128> {
        let found = self.explicit_hash_keys.binary_search_by_key(&place, |(at, _)| *at as usize);
        found.ok().map(|found| self.explicit_hash_keys[found].1)
    }

    fn store(&self, place: usize, bytes: &mut Vec<u8>) {
        let slot = self.slots[place];
        bytes.extend_from_slice(&self.bytes[slot.start()..slot.end as usize]);
    }

    fn as_batch(&self) -> Option<&RecordBatch> {
        Some(self)
    }
}

impl Records for [NewRecord] {
    fn len(&self) -> usize {
        self.len()
    }

    fn partition_key(&self, place: usize) -> &str {
        &self[place].partition_key
    }

    fn data_bytes(&self, place: usize) -> usize {
        self[place].data.len()
    }

    fn explicit_hash_key(&self, place: usize) -> Option<u128> {
        self[place].explicit_hash_key
    }

    fn store(&self, place: usize, bytes: &mut Vec<u8>) {
        let record = &self[place];
        bytes.extend_from_slice(&(record.partition_key.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(record.data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record.partition_key.as_bytes());
        bytes.extend_from_slice(&record.data);
    }

    fn as_batch(&self) -> Option<&RecordBatch> {
        None
    }
}

impl Slot {
    /// Where the record begins in the buffer, its lengths included.
    pub(crate) fn start(self) -> usize {
        self.key_at as usize - RECORD_OVERHEAD
    }
}

impl From<&[NewRecord]> for RecordBatch {
    fn from(records: &[NewRecord]) -> RecordBatch {
        let bytes = records.iter().map(|record| record.partition_key.len() + record.data.len()).sum();
        let mut batch = RecordBatchBuilder::with_capacity(records.len(), bytes);
        for record in records {
            match record.explicit_hash_key {
                None => batch.push(&record.partition_key, &record.data),
                Some(hash) => batch.push_with_hash_key(&record.partition_key, hash, &record.data),
            }
        }
        batch.build()
    }
}

impl From<Vec<NewRecord>> for RecordBatch {
    fn from(records: Vec<NewRecord>) -> RecordBatch {
        RecordBatch::from(records.as_slice())
    }
}

/// Puts a [`RecordBatch`] together. Each record is copied once, straight into the form in which it is stored.
#[derive(Debug, Default)]
pub struct RecordBatchBuilder {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    explicit_hash_keys: Vec<(u32, u128)>,
    refused: Option<Refused>,
}

impl RecordBatchBuilder {
    /// An empty batch.
    pub fn new() -> RecordBatchBuilder {
        RecordBatchBuilder::default()
    }

    /// An empty batch with room for `records` records whose partition keys and data have `bytes` bytes together.
    pub fn with_capacity(records: usize, bytes: usize) -> RecordBatchBuilder {
        RecordBatchBuilder {
            bytes: Vec::with_capacity(bytes.saturating_add(records.saturating_mul(RECORD_OVERHEAD))),
            slots: Vec::with_capacity(records),
            ..RecordBatchBuilder::default()
        }
    }

    /// Adds a record. What breaks a limit of the log is found by the append.
    pub fn push(&mut self, partition_key: &str, data: &[u8]) {
        if self.refused.is_some() {
            return;
        }
        let start = self.bytes.len();
        let whole = start.saturating_add(RECORD_OVERHEAD + partition_key.len()).saturating_add(data.len());
        let (Ok(key_bytes), Ok(end)) = (u16::try_from(partition_key.len()), u32::try_from(whole)) else {
            self.refused = Some(if u32::try_from(whole).is_err() {
                Refused::Bytes(whole)
            } else {
                Refused::Key { record: self.slots.len(), chars: partition_key.chars().count() }
            });
            return;
        };
        self.bytes.extend_from_slice(&key_bytes.to_le_bytes());
        self.bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(partition_key.as_bytes());
        self.bytes.extend_from_slice(data);
        let key_at = (start + RECORD_OVERHEAD) as u32;
        self.slots.push(Slot { key_at, data_at: key_at + u32::from(key_bytes), end });
    }

    /// Adds a record whose shard follows from `hash_key` instead of its partition key.
    pub fn push_with_hash_key(&mut self, partition_key: &str, hash_key: u128, data: &[u8]) {
        let place = self.slots.len() as u32;
        self.push(partition_key, data);
        if self.refused.is_none() {
            self.explicit_hash_keys.push((place, hash_key));
        }
    }

    /// How many records are in it.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Partition keys, data, and 6 bytes a record.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch.
    pub fn build(self) -> RecordBatch {
        RecordBatch {
            bytes: self.bytes.into(),
            slots: self.slots,
            explicit_hash_keys: self.explicit_hash_keys,
            refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut builder = RecordBatchBuilder::new();
        assert!(builder.is_empty());
        builder.push("a", b"one");
        builder.push_with_hash_key("é", 7, b"");
        assert_eq!((builder.len(), builder.bytes()), (2, 2 * RECORD_OVERHEAD + 6));
        let batch = builder.build();
        assert_eq!(batch.iter().collect::<Vec<_>>(), [("a", &b"one"[..]), ("é", b"")]);
        assert_eq!(batch.data_shared(0), "one");
        assert_eq!((batch.explicit_hash_key(0), batch.explicit_hash_key(1)), (None, Some(7)));
    }

    #[test]
    fn a_key_beyond_the_stored_form_is_kept_for_the_append_to_refuse() {
        let mut builder = RecordBatchBuilder::new();
        builder.push("k", b"");
        builder.push(&"x".repeat(70_000), b"");
        builder.push("k", b"");
        assert_eq!(builder.build().refused(), Some(Refused::Key { record: 1, chars: 70_000 }));
    }
}

//! Where records come from: a trait that the outside fulfils.

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::Timestamp;

use crate::error::SourceError;
use crate::position::SourcePosition;

/// A record to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Its place: reading from here gives it first. The next record is at a larger one.
    pub position: SourcePosition,
    /// When it came in.
    pub arrival: Timestamp,
    /// The payload.
    pub data: Bytes,
    /// Where it is in the stream that users see, when the source is one.
    pub metadata: Option<SourceMetadata>,
}

/// What a function learns of a record that comes from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMetadata {
    /// The record's number in its shard, as text.
    pub sequence_number: String,
    /// Its place within an aggregated record.
    pub subsequence_number: u64,
    /// Its partition key.
    pub partition_key: String,
    /// Its shard, as text.
    pub shard_id: String,
}

/// What a read gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceBatch {
    /// In order; empty when there is nothing yet.
    pub records: Vec<SourceRecord>,
    /// Where to go on: after the last record, or further when the source holds nothing up to there.
    pub next: SourcePosition,
}

/// One ordered sequence of records that stay readable until their position was stored.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Reads acknowledged records from `from` on (or from the oldest kept one after it): at most `max_records`, and
    /// about `max_bytes`. Comes back at once, with nothing if there is nothing.
    async fn read(
        &self,
        from: SourcePosition,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<SourceBatch, SourceError>;

    /// Comes back when there may be records at `from` or later.
    async fn wait(&self, from: SourcePosition);

    /// Just after the newest acknowledged record.
    async fn end(&self) -> Result<SourcePosition, SourceError>;
}

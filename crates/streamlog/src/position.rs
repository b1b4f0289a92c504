//! Where to read from, and what a read gives.

use millstream_host::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::sequence_number::SequenceNumber;

/// A place in a shard: before the record with this index. Stays valid across restarts, trimming and growth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record a shard ever held.
    pub const START: Position = Position(0);

    /// How many records of the shard lie before it. The first one has index 1.
    pub fn records_before(self) -> u64 {
        self.0.saturating_sub(1)
    }

    /// Just after the record with this number.
    pub fn after(sequence_number: SequenceNumber) -> Position {
        Position(sequence_number.index() + 1)
    }
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The oldest record that is still kept.
    TrimHorizon,
    /// After the newest durable record.
    Latest,
    /// The record with this number, or the next one if it is gone.
    At(SequenceNumber),
    /// The record after this number.
    After(SequenceNumber),
    /// The first record that arrived at this time or later.
    AtTimestamp(Timestamp),
    /// Where an earlier read ended.
    Position(Position),
}

/// What a read gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// In order; may be empty.
    pub records: Vec<Record>,
    /// Where to go on.
    pub next: Position,
    /// By how much the newest durable record is younger than the last one given here; 0 when caught up.
    pub millis_behind_latest: u64,
    /// The shard is closed and this was its end: no record will ever follow.
    pub end_of_shard: bool,
}

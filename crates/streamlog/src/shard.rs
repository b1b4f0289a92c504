//! A shard: its place in the hash space, and the state of its records in memory.

use std::fmt;
use std::sync::OnceLock;

use millstream_host::Timestamp;
use parking_lot::Mutex;

use crate::hash_range::HashRange;
use crate::index::ShardIndex;
use crate::position::Position;
use crate::sequence_number::SequenceNumber;

/// A shard's number: counted from 0 for the life of its stream, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNumber(pub u32);

impl fmt::Display for ShardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// What can be said of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardDescription {
    /// Its number.
    pub number: ShardNumber,
    /// The hashes it takes (or took, once closed).
    pub hash_range: HashRange,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// Seconds since the epoch; `None` while the shard is open.
    pub closed_at: Option<u64>,
    /// The shard it was split or merged from.
    pub parent: Option<ShardNumber>,
    /// The second shard it was merged from.
    pub adjacent_parent: Option<ShardNumber>,
}

impl ShardDescription {
    /// The number that the shard's range starts with.
    pub fn starting_sequence_number(&self) -> SequenceNumber {
        SequenceNumber::starting(self.created_at, self.number)
    }

    /// The number that ends the range of a closed shard.
    pub fn ending_sequence_number(&self) -> Option<SequenceNumber> {
        self.closed_at.map(|closed_at| SequenceNumber::ending(self.created_at, closed_at, self.number))
    }
}

/// The number of the record with this index and arrival time.
pub(crate) fn sequence_number(
    shard: ShardNumber,
    shard_created_at: u64,
    index: u64,
    arrival: Timestamp,
) -> SequenceNumber {
    let seconds = u64::try_from(arrival.millis().div_euclid(1_000)).unwrap_or(0);
    SequenceNumber::new(shard_created_at, index, seconds, shard)
}

/// A shard in memory.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) number: ShardNumber,
    pub(crate) hash_range: HashRange,
    /// Seconds since the epoch.
    pub(crate) created_at: u64,
    pub(crate) parent: Option<ShardNumber>,
    pub(crate) adjacent_parent: Option<ShardNumber>,
    /// Seconds since the epoch; set when the shard is closed: no append is sent to it any more.
    closed_at: OnceLock<u64>,
    /// Guards the shard's counters and index. Held for a few instructions; the writer takes it once a frame.
    pub(crate) state: Mutex<ShardState>,
}

/// The counters of a shard. "Assigned" belongs to the writer; readers look only at what is durable.
#[derive(Debug)]
pub(crate) struct ShardState {
    /// The index that the next record gets. The first is 1. A commit that fails gives its own back.
    pub(crate) next_assigned_index: u64,
    /// One past the newest index that is on disk.
    pub(crate) next_durable_index: u64,
    /// The arrival of the newest durable record.
    pub(crate) last_durable_arrival: Timestamp,
    /// Records before it are no longer wanted (delivery buffers).
    pub(crate) consumed: Position,
    /// It is closed, and everything that was on its way to it is durable.
    pub(crate) is_finished: bool,
    pub(crate) index: ShardIndex,
}

impl Shard {
    /// A shard that has held `next_index - 1` records, none of which is indexed yet.
    pub(crate) fn new(description: &ShardDescription, next_index: u64, last_arrival: Timestamp) -> Shard {
        let state = ShardState {
            next_assigned_index: next_index,
            next_durable_index: next_index,
            last_durable_arrival: last_arrival,
            consumed: Position::START,
            is_finished: description.closed_at.is_some(),
            index: ShardIndex::default(),
        };
        Shard {
            number: description.number,
            hash_range: description.hash_range,
            created_at: description.created_at,
            parent: description.parent,
            adjacent_parent: description.adjacent_parent,
            closed_at: description.closed_at.map(OnceLock::from).unwrap_or_default(),
            state: Mutex::new(state),
        }
    }

    /// Durable records that were ever put into it.
    pub(crate) fn records_put(&self) -> u64 {
        Position(self.state.lock().next_durable_index).records_before()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed_at.get().is_none()
    }

    /// Closes the shard at this second since the epoch; a second time has no effect.
    pub(crate) fn close(&self, at: u64) {
        self.closed_at.get_or_init(|| at);
    }

    pub(crate) fn description(&self) -> ShardDescription {
        ShardDescription {
            number: self.number,
            hash_range: self.hash_range,
            created_at: self.created_at,
            closed_at: self.closed_at.get().copied(),
            parent: self.parent,
            adjacent_parent: self.adjacent_parent,
        }
    }

    /// The number of the record with this index and arrival time.
    pub(crate) fn sequence_number(&self, index: u64, arrival: Timestamp) -> SequenceNumber {
        sequence_number(self.number, self.created_at, index, arrival)
    }
}

//! Streams.

use serde::{Deserialize, Serialize};

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDefinition {
    /// Open shards, 1 to 10,000. `None` leaves them as splits and merges have made them.
    pub shards: Option<u32>,
    /// How long records are kept, 1 to 8,760 hours.
    pub retention_hours: u32,
}

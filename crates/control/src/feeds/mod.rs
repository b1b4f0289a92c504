//! What feeds streams and delivery streams: records from a file, standard input, a generator or another stream, at a
//! steady pace.
//!
//! | file | holds |
//! |---|---|
//! | `source_batch.rs` | records of a source, many in one buffer |
//! | `lines.rs` | lines of a file or of standard input as records |
//! | `gzip_members.rs` | unpacking gzip |
//! | `synthetic/` | made-up reviews |
//! | `review_lines.rs`, `known_ratings.rs` | files of reviews; the ratings of their authors, beside the records |
//! | `resumed.rs` | a source behind the records of an earlier run |
//! | `read_ahead.rs`, `standard_input.rs` | a thread that reads a source; the one that reads standard input |
//! | `put.rs` | a task that puts the records of a source |
//! | `copy.rs` | the records of a stream into another one |
//! | `targets.rs` | how far feeds have come, kept before the stream goes that they put into |
//! | `pace.rs` | how many records are due |

mod copy;
#[cfg(test)]
mod fed;
mod gzip_members;
mod known_ratings;
mod lines;
mod pace;
mod put;
mod read_ahead;
mod resumed;
mod review_lines;
mod source_batch;
mod standard_input;
mod synthetic;
mod targets;

pub(crate) use copy::{CopiedFrom, CopyProgress, Copying, producers_of_copy};
pub use known_ratings::KnownRatings;
pub(crate) use lines::is_endless;
pub use lines::{LineSource, LongestLine, OpenInputError};
pub(crate) use put::{FeedEnd, FeedServices, Putting, producers_of_passes, true_progress};
pub(crate) use read_ahead::{Ahead, ReadAhead};
pub use resumed::Resumed;
pub use review_lines::{REVIEW_COLUMNS, ReviewLines};
pub use source_batch::SourceBatch;
pub(crate) use standard_input::StandardInput;
pub use synthetic::SyntheticReviews;
pub(crate) use targets::keep_progress;

/// Whether a source may give more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// There may be more records.
    Open,
    /// There will be no more.
    Ended,
    /// What comes next cannot be read, and why: this is not the end, and another attempt may read it. It stays so.
    Failed(String),
}

impl SourceState {
    /// Whether there may be more records.
    pub fn is_open(&self) -> bool {
        *self == SourceState::Open
    }

    /// Why it cannot be read any further.
    pub fn failure(&self) -> Option<&String> {
        match self {
            SourceState::Failed(reason) => Some(reason),
            SourceState::Open | SourceState::Ended => None,
        }
    }
}

/// Gives records in batches; may block.
pub trait RecordSource: Send + 'static {
    /// Adds the next records to `batch`, at most `most` (more than 0): those that are at hand, or else waits for one. Of
    /// lines these are some 256 KiB, or one longer line. A source that is open may add nothing.
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState;

    /// How often it has begun again from its beginning: no read goes from one round to the next.
    fn rounds(&self) -> u64 {
        0
    }

    /// Skips up to `records` records where that takes no time, and gives how many. The others have to be read.
    fn skip(&mut self, _records: u64) -> u64 {
        0
    }
}

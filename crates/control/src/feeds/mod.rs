//! What feeds streams and delivery streams: records from a file, standard input, a generator or another stream, at a
//! steady pace.
//!
//! | file | holds |
//! |---|---|
//! | `lines.rs` | lines of a file or of standard input as records |
//! | `synthetic/` | made-up reviews |
//! | `review_lines.rs`, `known_ratings.rs` | files of reviews; the ratings of their authors, beside the records |
//! | `resumed.rs` | a source behind the records of an earlier run |
//! | `put.rs` | a thread that reads a source, a task that puts its records |
//! | `copy.rs` | the records of a stream into another one |
//! | `pace.rs` | how many records are due |

mod copy;
mod known_ratings;
mod lines;
mod pace;
mod put;
mod resumed;
mod review_lines;
mod synthetic;

pub(crate) use copy::{CopyProgress, Copying};
pub use known_ratings::KnownRatings;
pub(crate) use lines::is_endless;
pub use lines::{LineSource, LongestLine, OpenInputError};
pub(crate) use put::{FeedServices, Putting, producers_of_passes, true_progress};
pub use resumed::Resumed;
pub use review_lines::{REVIEW_COLUMNS, ReviewLines};
pub use synthetic::SyntheticReviews;

use bytes::Bytes;

/// What a source gives next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextRecord {
    /// A record.
    Record(Bytes),
    /// Something that cannot be a record, and why; the source goes on behind it.
    Unusable(String),
    /// There will be no more.
    End,
}

/// Gives records one after the other; may block.
pub trait RecordSource: Send + 'static {
    /// The next record.
    fn next_record(&mut self) -> NextRecord;
}

//! What feeds streams and delivery streams: records from a file, standard input, a generator or another stream, at a
//! steady pace.

mod copy;
mod lines;
mod pace;
mod producer;
mod resumed;
mod synthetic;

pub use lines::{LineSource, LongestLine, OpenInputError};
pub(crate) use producer::ProducerServices;
pub use producer::{Feed, FeedTarget, Producer};
pub use resumed::Resumed;
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

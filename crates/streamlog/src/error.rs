//! What can go wrong, one enum per group of calls.

use millstream_wording::counted;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hash_range::HashRange;
use crate::position::Position;
use crate::sequence_number::SequenceNumber;
use crate::settings::InvalidSettings;
use crate::shard::ShardNumber;
use crate::stream_name::StreamKey;

/// A file operation that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: Arc<io::Error>,
}

impl FileError {
    /// The operating system's kind of failure.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether what was written did not get to the disk.
    pub(crate) fn is_sync(&self) -> bool {
        self.action == "sync"
    }
}

/// Makes a [`FileError`] of an [`io::Error`], for `map_err`.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError + use<> {
    let path = path.to_owned();
    move |source| FileError { action, path, source: Arc::new(source) }
}

/// Bytes in a log file that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is damaged at byte {offset}: {reason}; the log does not drop acknowledged records by itself: restore the file \
     from a copy, or set the data directory aside and start with a new one",
    path.display()
)]
pub struct Damage {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) reason: &'static str,
}

impl Damage {
    /// The damaged file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "data directory {} is in use by {holder}: stop that process, or choose another directory",
        directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// Who holds it, as far as known.
        holder: String,
    },
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds something else than was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The catalog cannot be read.
    #[error("{} cannot be read as the list of streams: {reason}; restore it from a copy", path.display())]
    Catalog {
        /// The catalog file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A segment that should be there is not.
    #[error("{} is missing: it was not deleted by the log; restore it from a copy", path.display())]
    SegmentMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The files were written by a newer version.
    #[error("{} has format {found}, this version reads up to {known}: use a newer version", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The writer thread could not be started.
    #[error("cannot start the log's writer thread: {0}")]
    Thread(io::Error),
}

/// Why a call on the list of streams failed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The name is taken.
    #[error("stream {0} already exists")]
    Exists(StreamKey),
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    NotFound(StreamKey),
    /// There is no such shard.
    #[error("stream {stream} has no shard {shard}")]
    ShardNotFound {
        /// The stream.
        stream: StreamKey,
        /// The shard asked for.
        shard: ShardNumber,
    },
    /// Too few or too many shards.
    #[error("a stream cannot have {count} shards: choose 1 to {most}")]
    ShardCount {
        /// As asked.
        count: u32,
        /// The most allowed.
        most: u32,
    },
    /// A retention period out of range.
    #[error("a retention of {} is not possible: choose 1 to 8760", counted(*hours, "hour"))]
    Retention {
        /// As asked.
        hours: u32,
    },
    /// The shard is closed, and has been split or merged already.
    #[error("shard {shard} of stream {stream} is closed: it has been split or merged already")]
    ShardClosed {
        /// The stream.
        stream: StreamKey,
        /// The shard asked for.
        shard: ShardNumber,
    },
    /// A shard cannot be split there.
    #[error(
        "shard {shard} cannot be split at {hash_key}: choose a hash key above {} and below {}",
        range.starting.saturating_add(1), range.ending
    )]
    SplitPoint {
        /// The shard asked for.
        shard: ShardNumber,
        /// As asked.
        hash_key: u128,
        /// What the shard takes.
        range: HashRange,
    },
    /// Two shards that do not lie beside each other cannot become one.
    #[error("shards {left} and {right} are not neighbours: their hash ranges must touch")]
    NotAdjacent {
        /// The first shard asked for.
        left: ShardNumber,
        /// The second one.
        right: ShardNumber,
    },
    /// Only delivery buffers are consumed; other streams keep records by age.
    #[error("stream {0} keeps its records by age: only the buffer of a delivery stream can be consumed")]
    NotABuffer(StreamKey),
    /// The change could not be made durable; nothing changed.
    #[error("the change could not be saved: {0}")]
    File(#[from] FileError),
}

/// Why an append was refused. Nothing of it will ever be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    StreamNotFound(StreamKey),
    /// No partition key, or one of more than 256 characters.
    #[error("record {record}: the partition key has {chars} characters: it must have 1 to 256")]
    PartitionKey {
        /// Which record of the append, from 0.
        record: usize,
        /// Its length.
        chars: usize,
    },
    /// Data and partition key exceed the limit for one record.
    #[error("record {record}: data and partition key have {bytes} bytes: at most {most} are allowed")]
    RecordTooLarge {
        /// Which record of the append, from 0.
        record: usize,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The records together exceed the limit for one append.
    #[error("the records have {bytes} bytes together: at most {most} are allowed in one call; send fewer")]
    TooLarge {
        /// Their size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The disk is slower than the producers.
    #[error("{waiting} bytes are waiting to be written, at most {most} may: try again shortly")]
    Busy {
        /// Bytes in the queue.
        waiting: usize,
        /// The limit.
        most: usize,
    },
    /// The disk is full. Reads work on; appends work again once there is space.
    #[error("the disk is full, nothing was written: free space or shorten a retention period ({0})")]
    DiskFull(FileError),
    /// The disk failed otherwise.
    #[error("the records could not be made durable: {0}")]
    Disk(FileError),
    /// A producer appends several numbers as one, and the log has some of them.
    #[error(
        "producer {producer} appends the numbers {first_number} to {} as one, but the log has it up to {}: go on from \
         {position}",
        next_number.saturating_sub(1), position.saturating_sub(1)
    )]
    ProducerOverlap {
        /// The producer.
        producer: u64,
        /// The first number of the append.
        first_number: u64,
        /// One past its last number.
        next_number: u64,
        /// One past the highest number that the log has.
        position: u64,
    },
    /// The data directory was deleted, moved, or taken by another process. Nothing is appended until a log is opened
    /// again.
    #[error("the log has lost its directory: {reason}; stop, put the directory back, and start again")]
    DirectoryLost {
        /// What was found.
        reason: String,
    },
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    StreamNotFound(StreamKey),
    /// There is no such shard.
    #[error("stream {stream} has no shard {shard}")]
    ShardNotFound {
        /// The stream.
        stream: StreamKey,
        /// The shard asked for.
        shard: ShardNumber,
    },
    /// The number belongs to another shard, or to an earlier stream of the same name.
    #[error("sequence number {number} is of {}", whose(*number, *shard))]
    OtherShard {
        /// The number given.
        number: SequenceNumber,
        /// The shard read.
        shard: ShardNumber,
    },
    /// The position is after anything the shard ever held.
    #[error("position {} is beyond the end of {shard}, which is {}", position.0, end.0)]
    BeyondEnd {
        /// As given.
        position: Position,
        /// The shard's end.
        end: Position,
        /// The shard read.
        shard: ShardNumber,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The stored bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

fn whose(number: SequenceNumber, shard: ShardNumber) -> String {
    match number.shard() == shard {
        true => "an earlier stream of this name".to_owned(),
        false => format!("{}, not of {shard}", number.shard()),
    }
}

/// Why trimming failed. What it did until then stays done.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

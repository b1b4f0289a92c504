//! The durable, sharded log: records in shards, acknowledged only once they are on disk.
//!
//! One log serves every stream of a data directory. All appends of all shards go through one writer thread, which
//! gathers what is waiting, writes it at the end of the active segment, calls `fdatasync` once, and only then makes
//! the records readable and answers.
//!
//! ```text
//!  append ─ limits, MD5 → shard, encode, CRC ─▶ queue (bounded by bytes)
//!                                                 │ writer thread: number, stamp, write, one fdatasync
//!                                                 ▼
//!   DIR/lock               held while the log is open       catalog ── streams, shards, retention (replaced whole)
//!   DIR/catalog            ◀───────────────────────────────────┘
//!   DIR/segments/…01.log   │header│frame│frame│ … │index│      sealed: ends with its index, deleted as a whole
//!   DIR/segments/…02.log   │header│frame│ …                    active: written at the end
//!                             └ one shard's records of one append: header, CRC, payload
//!                                                 │ publish
//!                                                 ▼
//!   read  ◀─ sparse index per shard (one entry per 64 KiB of log) ─ pread, CRC check, decode
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`Log`] in `log.rs` | opening, closing, the calls |
//! | `streams.rs`, `append.rs`, `reading.rs`, `trim.rs` | what each group of calls does |
//! | `open.rs`, `segment/recover.rs` | recovery |
//! | `segment/` | the bytes: header, frame, index at the end |
//! | `writer.rs`, `queue.rs` | group commit |
//! | `catalog.rs` | what streams exist, durably |
//! | `stream.rs`, `shard.rs`, `index.rs` | the same in memory |
//! | `sequence_number.rs`, `hash_range.rs`, `stream_name.rs`, `record.rs`, `position.rs` | the vocabulary |
//! | `disk.rs` | writing, syncing, cutting a file: the real one and, in tests, a failing one |
//! | [`mod@bench`] | the numbers that `millstream bench log` prints |
//!
//! Invariants:
//! - A record is readable and acknowledged only after the `fdatasync` that covers it. "Assigned" and "durable" are two
//!   numbers and never mixed.
//! - In a shard, order in the log = order of sequence numbers = order of arrival timestamps; none is ever used twice.
//! - A failed write or sync is never acknowledged, and its bytes are cut off before anything is written after them.
//! - Recovery cuts only bytes that no later commit follows. Any other damage is an error that names file and offset.
//! - Nothing here knows SQL, HTTP, ARNs, or who reads.

mod append;
pub mod bench;
mod blocking;
mod catalog;
mod disk;
#[cfg(test)]
mod disk_failure_test;
mod error;
mod hash_range;
mod index;
mod lock_file;
mod log;
mod open;
mod position;
mod queue;
mod reading;
mod record;
mod segment;
mod sequence_number;
mod settings;
mod shard;
mod stream;
mod stream_name;
mod streams;
mod trim;
mod writer;

pub use error::{AppendError, Damage, FileError, OpenError, ReadError, StreamError, TrimError};
pub use hash_range::{HashRange, partition_key_hash};
pub use log::{Log, LogStatistics};
pub use open::{RecoveryReport, TornTail};
pub use position::{Position, ReadBatch, ReadFrom};
pub use record::{Appended, NewRecord, Record};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use settings::{InvalidSettings, LogSettings};
pub use shard::{ShardDescription, ShardNumber};
pub use stream_name::{InvalidStreamName, StreamKey, StreamKind, StreamName};
pub use streams::{Retention, StreamDescription, StreamId};
pub use trim::TrimReport;

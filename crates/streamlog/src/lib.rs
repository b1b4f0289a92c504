//! The durable, sharded log: records in shards, acknowledged only once they are on disk.
//!
//! One log serves every stream of a data directory. All appends of all shards go through one writer thread, which
//! gathers what is waiting, writes it at the end of the active segment, calls `fdatasync` once, and only then makes
//! the records readable and answers.
//!
//! ```text
//!  append ─ limits, MD5 → shard, encode, CRC ─▶ queue (bounded by bytes)
//!                                                 │ writer thread: drop repeats, number, stamp, write, one fdatasync
//!                                                 ▼
//!   DIR/lock               held while the log is open       catalog ── streams, shards, retention: snapshot and journal
//!   DIR/catalog            ◀───────────────────────────────────┘
//!   DIR/segments/…01.log   │header│frame│frame│ … │index│      sealed: ends with its index, deleted as a whole
//!   DIR/segments/…02.log   │header│frame│ …                    active: written at the end
//!                             └ one shard's records of one append: header, CRC, payload; or how far producers are
//!                                                 │ publish
//!                                                 ▼
//!   read  ◀─ index of a shard, exact to the frame ─ pread of what is wanted, in commit order, CRC check, views
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`Log`] in `log.rs` | opening, closing, the calls |
//! | `streams.rs`, `append.rs`, `reading.rs`, `merged.rs`, `reshard.rs`, `trim.rs`, `rewrite.rs` | what each group of calls does |
//! | `open.rs`, `segment/recover.rs` | recovery |
//! | `segment/` | the bytes: header, frame, index at the end |
//! | `writer.rs`, `plan.rs`, `queue.rs` | group commit |
//! | `fetch.rs` | reading frames of several shards in commit order |
//! | `catalog.rs`, `catalog_file.rs` | what streams exist, durably |
//! | `stream.rs`, `shard.rs`, `index.rs`, `segment_index.rs` | the same in memory |
//! | `producer.rs` | what makes a repeated append count once |
//! | `guard.rs`, `lock_file.rs` | whether the directory is still there and ours |
//! | `record_batch.rs` | many records in one buffer |
//! | `sequence_number.rs`, `hash_range.rs`, `stream_name.rs`, `record.rs`, `position.rs` | the vocabulary |
//!
//! Invariants:
//! - A record is readable and acknowledged only after the `fdatasync` that covers it. "Assigned" and "durable" are two
//!   numbers and never mixed.
//! - In a shard, order in the log = order of sequence numbers; over all shards, order in the log = order of commits =
//!   order of arrivals. The clock of arrivals never goes back and never stands, not even from one run to the next.
//! - How far a producer has come becomes durable in the commit that holds its records, never before or after.
//! - A shard's records come before those of the shards it was split or merged into. No number of a shard or stream is
//!   used twice.
//! - Memory for indexes is bounded: exact for the segment that is written, 32 bytes for each shard in a sealed one.
//! - A failed write or sync is never acknowledged, and its bytes are cut off before anything is written after them.
//! - Recovery cuts only bytes that no later commit follows. Any other damage is an error that names file and offset.
//! - Nothing here knows SQL, HTTP, ARNs, or who reads.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod append;
mod blocking;
mod catalog;
mod catalog_file;
#[cfg(test)]
mod disk_failure_test;
mod error;
mod fetch;
mod guard;
mod hash_range;
mod index;
mod lock_file;
mod log;
mod merged;
mod open;
mod plan;
mod position;
mod producer;
mod queue;
mod reading;
mod record;
mod record_batch;
mod reshard;
mod rewrite;
mod segment;
mod segment_index;
mod sequence_number;
mod settings;
mod shard;
mod stream;
mod stream_name;
mod streams;
mod trim;
mod varint;
mod writer;

pub use append::AppendedBatch;
pub use error::{AppendError, Damage, FileError, OpenError, ReadError, StreamError, TrimError};
pub use guard::LogHealth;
pub use hash_range::{HashRange, partition_key_hash};
pub use log::{Log, LogStatistics};
pub use merged::{MergedBatch, Positions, RecordView};
pub use open::{RecoveryReport, TornTail};
pub use position::{Position, ReadBatch, ReadFrom};
pub use producer::Producer;
pub use record::{Appended, NewRecord, Record};
pub use record_batch::{RecordBatch, RecordBatchBuilder};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use settings::{InvalidSettings, LogSettings};
pub use shard::{ShardDescription, ShardNumber};
pub use stream_name::{InvalidStreamName, StreamKey, StreamKind, StreamName};
pub use streams::{Retention, ShardExtent, StreamDescription, StreamExtent, StreamId};
pub use trim::TrimReport;

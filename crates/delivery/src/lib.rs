//! Delivery: records are buffered, transformed, and written as objects; every raw record can be kept beside them.
//!
//! ```text
//!                       ┌── backup lane ───────────────────────────────────▶ backup objects   every record, untouched
//!  Source ─▶ Pipeline ──┤
//!   read     (pure)     └── transform buffer ─▶ Transform ─▶ main lane ────▶ objects          what it answered "Ok"
//!                              by size, age     in order   └▶ failed lane ─▶ failed objects    JSON lines, with why
//!                                                                                │
//!  PositionStore ◀─ which object is next, and how far each kind has come ◀───────┘
//! ```
//!
//! The pipeline is a plain state machine: records, answers and the time go in, actions come out. The
//! shell in `worker.rs` reads the source, calls the transform, writes objects and stores positions.
//!
//! | file | holds |
//! |---|---|
//! | [`DeliveryWorker`], [`DeliveryHandle`] in `worker.rs` | the loop, and what others may ask of it |
//! | `pipeline.rs`, `lane.rs` | the state machine: what is buffered, what is due, how far everything has come |
//! | `writing.rs` | compressing, writing and retrying an object |
//! | `leftovers.rs` | what a crash leaves in a local folder of objects |
//! | [`transform`] | the contract with the function: its event, its answer, what each record comes to |
//! | [`naming`] | the keys of objects: prefixes, time patterns |
//! | `source.rs`, `position.rs` | the traits that the outside fulfils |
//! | `settings.rs`, `status.rs`, `error.rs` | buffering hints and limits; counters; what can go wrong |
//!
//! Invariants:
//! - An object is written only after its intent (key, first and last position) is durable, and a position is stored only
//!   after its object. So after a crash the same object is written again under the same key: every record is in one
//!   object of each kind that it belongs to. A function that answers differently the second time is its author's.
//! - Only a fault of a record fails it: what is busy, not ready or not there is waited for, without a limit of tries.
//! - Objects hold records in the order of the source, whatever the batching and however the function orders them.
//! - No error ends the loop: sources, functions, stores and positions are tried again, for ever where giving up would
//!   lose records. While the destination is down, reading stops at a fixed number of bytes.
//! - Nothing here knows who stores the records or runs the function.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod error;
mod lane;
mod leftovers;
pub mod naming;
mod pipeline;
#[cfg(test)]
mod pipeline_test;
mod position;
mod settings;
mod source;
mod status;
pub mod transform;
mod trying;
mod worker;
mod writing;

pub use error::{InvalidDelivery, Setting, SourceError, StoreError};
pub use leftovers::remove_unfinished_objects;
pub use naming::{Compression, InvalidPrefix, ObjectNaming};
pub use position::{Intent, PositionStore, Positions, Progress, SourcePosition};
pub use settings::{BackupSettings, BufferingHints, DeliverySettings, RetrySettings, TransformSettings};
pub use source::{Source, SourceBatch, SourceMetadata, SourceRecord};
pub use status::{DeliveredObject, DeliveryStatus, ObjectKind, Observer, Retrying, Stage};
pub use transform::{
    FailureClass, Outcome, Transform, TransformError, TransformErrorKind, TransformedRecord,
};
pub use worker::{Components, DeliveryHandle, DeliveryStopped, DeliveryWorker, Resting};

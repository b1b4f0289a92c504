//! Decides what exists, what runs, and what connects to what.
//!
//! ```text
//!   aws face, console ─┐
//!   pipeline file ─▶ apply ─▶ registry ─▶ catalog (rows) ─▶ reconciler ─▶ resources ─▶ workers, owned by the supervisor
//!                                ▲                              │
//!                                └──────── states ◀─────────────┘            view ◀─ what people see
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`definition`] | what each resource is: plain, checked data, one file a noun |
//! | [`pipeline`] | a pipeline file: declarations, checks, mistakes with line, column and hint; lowered to definitions |
//! | [`catalog`] | what exists and how far it has come, in SQLite |
//! | [`registry`] | the only writer of what exists; the invariants of all this |
//! | `reconcile/` | what is to be done (a pure function), and the loop that does it |
//! | `resources/` | what it takes to run each kind, one file a kind |
//! | `supervise.rs` | owns every task and thread |
//! | `slots.rs` | functions and endpoints as their users hold them |
//! | `apply/` | a file against what exists |
//! | `server/` | [`Server`]: open, apply, start, put, tail, drain, stop |
//! | `applications/` | running applications: input, preprocessing, engine, outputs, checkpoints |
//! | [`feeds`] | what brings records: files, standard input, streams, made-up reviews |
//! | [`replay`] | an application over recorded data, on a virtual clock |
//! | `connect/` | one small adapter for each pair of workers |
//! | [`view`] | what people can see, as plain data; `live.rs`: where it is gathered |
//! | `compatibility_page.rs` | what of the service runs, as a document |
//! | `shard_positions.rs` | how far a reader has come in each shard of a stream |
//! | `consumers.rs`, `producers.rs` | who reads from the log and who appends to it, and forgetting those that were deleted |
//! | `data_directory.rs` | the files and folders of a data directory |
//! | `identifier.rs`, `resource_name.rs` | ids of calls and objects; names of resources as the services write them |
//! | `world.rs` | what every part of a server needs: log, catalog, monitor, clock, slots |
//! | `error.rs` | why a server does not start |
//!
//! Invariants (more in [`registry`]):
//! - Workers do not know each other: what passes between two of them passes through `connect/`.
//! - A record's position is stored only after what came of it is durable somewhere else.
//! - Nothing here knows HTTP, HTML or command lines.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod applications;
mod apply;
pub mod catalog;
mod compatibility_page;
mod connect;
mod consumers;
mod data_directory;
pub mod definition;
mod error;
pub mod feeds;
mod graph;
mod header_order;
mod identifier;
mod live;
mod no_text;
pub mod pipeline;
mod producers;
mod reconcile;
pub mod registry;
pub mod replay;
mod resource_name;
mod resources;
mod server;
mod shard_positions;
mod slots;
mod supervise;
pub mod view;
mod warned;
mod world;

pub use applications::{ApplicationStatus, FailedRow, RowTail, SourceRecord, TailedRow, TailedRows};
pub use apply::{Action, ApplyError, ApplyOptions, ApplyReport, FromScratch, ResourceChange, TakenOver};
pub use compatibility_page::compatibility_page;
pub use data_directory::{DataDirectory, DirectoryError};
pub use error::StartError;
pub use header_order::headers_in_other_order;
pub use server::{
    Deleted, PutError, RecordTail, ResetOutlook, Server, ServerSettings, StopReport, TailError, TailFilter,
    TailFrom, TailedRecord, TailedRecords, Tailing,
};

//! Decides what exists, what runs, and what connects to what.
//!
//! ```text
//!   file ─▶ pipeline (checked whole) ─▶ Server ─▶ log, catalog, monitor, endpoints, functions, deliveries, applications
//!                                         ▲  └──▶ view (what people see)
//!   inputs, generators ─▶ producers ──────┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`pipeline`] | a pipeline file: declarations, checks, mistakes with line, column and hint |
//! | `server/` | [`Server`]: start, feed, drain, stop; one file for each group of resources |
//! | `applications/` | running applications: input, preprocessing, engine, outputs, checkpoints |
//! | [`replay`] | an application over recorded data, on a virtual clock |
//! | [`producers`] | what feeds streams: files, standard input, streams, made-up reviews |
//! | `connect/` | one small adapter for each pair of workers |
//! | [`catalog`] | what exists and how far it has come, in SQLite |
//! | [`view`] | what people may look at, as plain data |
//! | `compatibility_page.rs` | what of the service runs, as a document |
//! | `live.rs` | where it is gathered |
//! | `deliveries.rs`, `consumers.rs`, `data_directory.rs`, `identifier.rs`, `resource_name.rs` | smaller matters |
//!
//! Invariants:
//! - Workers do not know each other: what passes between two of them passes through `connect/`.
//! - A record's position is stored only after what came of it is durable somewhere else.
//! - Nothing here knows HTTP, HTML or command lines.

mod applications;
pub mod catalog;
mod compatibility_page;
mod connect;
mod consumers;
mod data_directory;
mod deliveries;
mod error;
mod identifier;
mod live;
pub mod pipeline;
pub mod producers;
pub mod replay;
mod resource_name;
mod server;
pub mod view;

pub use applications::ApplicationStatus;
pub use compatibility_page::compatibility_page;
pub use data_directory::{DataDirectory, DirectoryError};
pub use error::StartError;
pub use server::{Server, ServerSettings, UpdateError, UpdateReport, UpdatedApplication};

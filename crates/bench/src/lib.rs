//! Throughput of the crates, each figure beside a yardstick that is measured in the same run.
//!
//! ```text
//!   work ─▶ figure ─┐
//!                   ├─▶ Measurement: the ratio compares across machines, the budget is what the design asks
//!   yardstick ──────┘
//! ```
//!
//! | module | what it measures |
//! |---|---|
//! | [`sql`] | formats, expressions, operators, pumps, checkpoints of the engine |
//! | [`log`] | durable appends, reading, opening of the log |
//! | [`forest`] | scores of the random cut forest |
//! | [`model`] | answers of the model in the program |
//! | [`pipeline`] | whole commands over a file |
//! | [`Measurement`] | one figure with its yardstick and budget |
//!
//! A crate is measured as its users see it. Only the model's own loops, the kernel's registers and one linear layer, are
//! inside: they are measured in [`millstream_inference::bench`], and reported here.

pub mod forest;
pub mod log;
mod measurement;
pub mod model;
pub mod pipeline;
pub mod sql;

pub use measurement::{Budget, Measurement};

//! The engine: runs the typed plan of streaming SQL over columns of rows.
//!
//! ```text
//!   Batch ─▶ pumps: operators and expressions ─▶ Batch + RowErrors
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`expression`] | [`CompiledExpression`]: a plan's expression, ready to run column by column |
//! | `datum`, `evaluation_context`, `compile_error`, `error_row` | what expressions and operators share |
//! | `fingerprint` | what a pump computes, as a hash that stays from build to build |
//! | `cast` | CAST and the implied conversions |
//! | [`functions`] | the scalar functions, one file each, and their catalog |
//! | `log_parsers` | functions that take a text apart into a record, one file each |
//! | `operators`, `windows`, `aggregates`, `grouping` | the operators of a plan and what they are made of |
//! | [`application`] | [`Application`]: streams, pumps, errors, checkpoints |
//! | `state`, `codec` | how operators write their state into the parts of a checkpoint |
//!
//! Invariants:
//! - No I/O, no clock, no randomness: what time it is comes in an [`EvaluationContext`].
//! - A bad row or record never stops its neighbours and never panics: it becomes a [`RowError`](millstream_columns::RowError).
//! - Any slicing of the same rows gives the same values.

mod aggregates;
pub mod application;
mod cast;
mod codec;
mod compatibility;
mod compile_error;
mod datum;
mod error_row;
mod evaluation_context;
pub mod expression;
mod fingerprint;
pub mod functions;
mod grouping;
mod log_parsers;
mod operators;
mod state;
mod windows;

pub use application::{
    Application, ApplicationSettings, CheckpointError, CutTexts, ErrorRow, Manifest, ManifestError,
    MemoryShortage, PART_BYTES, PartError, PartId, PartIdError, PartRef, PushError, RestoreReport, SWITCHES,
    ScratchReason, Snapshot, SnapshotError, Switch, SwitchError, Switches, TableError, TableRoom,
    check_memory, fixed_memory, plan_restore, read_saved_checkpoint,
};
pub use compatibility::{Compatibility, compatibility};
pub use expression::{CompileError, CompiledExpression, Evaluated, EvaluationContext};
pub use functions::catalog;
pub use state::StateError;

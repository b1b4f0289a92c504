//! Golden files: SQL, the rows that reach it, the passage of time, and the rows that must come out.
//!
//! ```text
//!   text ─▶ file (parse) ─▶ run on a virtual clock ─▶ GoldenOutcome: passed, or what differs and where
//!                                                └──▶ completed text, with what came out in place of what was expected
//! ```
//!
//! The format is described in `docs/golden-files.md`. Running a file needs no network, wall clock or threads.

mod compare;
mod file;
mod literal;
mod run;

pub use file::{FileError, GoldenFile};
pub use run::{GoldenFailure, GoldenOutcome, complete, run, run_in_single_rows};

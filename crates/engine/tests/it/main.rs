//! The engine as its callers use it.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod checkpoints;
mod cut_texts;
mod diagnostics;
mod drain;
mod error_rows;
mod memory;
mod monotonicity;
mod nesting;
mod restore;

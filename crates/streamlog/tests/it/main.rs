//! The log as its callers use it.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod crash;
mod log;
mod merged;
mod power_cut;
mod producers;
mod recovery;
mod rewrite;

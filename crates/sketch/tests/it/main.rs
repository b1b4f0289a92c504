//! The sketches against facts and exact answers.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]

mod distinct_counts;
mod forest_facts;
mod forest_statistics;
mod hotspots;
mod streams;

//! The world outside, behind traits: the clock and randomness that every other crate is handed.
//!
//! ```text
//!   Clock ── SystemClock   the machine's time, the only place that asks for it
//!        └── ManualClock   a clock that moves when told: tests, replay, simulation
//!   Random                 a seeded generator; the same seed gives the same numbers
//! ```
//!
//! Invariant: nothing here knows a noun of the domain (record, stream, row, service).

mod clock;
mod random;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use random::Random;

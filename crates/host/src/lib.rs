//! The world outside, behind traits: what every other crate is handed instead of asking the machine.
//!
//! ```text
//!   Clock ── SystemClock   the machine's time, the only place that asks for it
//!        ├── ManualClock   a clock that moves when it is set: tests, replay, simulation
//!        └── SteadyClock   over another one: never goes back, never stands still
//!   Random                 a seeded generator; the same seed gives the same numbers
//!   Spawn                  tasks, threads and blocking calls; how each ended is a value
//!   Backoff                waits between attempts
//!   folder                 folders whose names survive a power cut
//! ```
//!
//! Invariant: nothing here knows a noun of the domain (record, stream, row, service).

mod backoff;
mod clock;
mod folder;
mod random;
mod spawn;
mod steady_clock;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, Sleep, SystemClock, Timestamp};
pub use folder::{create_folder, sync_folder};
pub use random::Random;
pub use spawn::{End, Spawn, Started, panic_message};
pub use steady_clock::SteadyClock;

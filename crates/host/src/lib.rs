//! The world outside, behind traits: what every other crate is handed instead of asking the machine.
//!
//! ```text
//!   Clock ── SystemClock   the machine's time, the only place that asks for it
//!        ├── ManualClock   a clock that moves when it is set: tests, replay, simulation
//!        └── SteadyClock   over another one: never goes back, never stands still
//!   Random                 a seeded generator; the same seed gives the same numbers
//!   Spawn                  tasks, threads and blocking calls; how each ended is a value
//!   together               work shared with helpers, threads of the whole process
//!   Backoff                waits between attempts
//!   Disk ─── RealDisk      files and the entries of folders
//!        └── SimulatedDisk in memory: fails when told to, forgets what was not synced
//!   folder, files          folders whose names survive a power cut; files that somebody named
//!   sqlite_log             whether SQLite would take back what it has committed
//!   real_time              waits for the world outside, whatever the clock
//! ```
//!
//! Invariant: nothing here knows a noun of the domain (record, stream, row, service).

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod backoff;
mod clock;
mod disk;
pub mod files;
mod folder;
mod random;
pub mod real_time;
mod spawn;
mod sqlite_log;
mod steady_clock;
mod together;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, Sleep, SystemClock, Timestamp};
pub use disk::{Disk, DiskFile, FileId, Open, RealDisk, SimulatedDisk};
pub use folder::{create_folder, remove_folder, sync_folder};
pub use random::Random;
pub use spawn::{End, Spawn, Started, panic_message, spawn_thread};
pub use sqlite_log::{SqliteLogDamage, sqlite_log_damage, sqlite_log_of};
pub use steady_clock::SteadyClock;
pub use together::together;

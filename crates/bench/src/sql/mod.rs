//! Throughput of the engine, each figure beside a yardstick of the same run: a plain copy of memory.
//!
//! ```text
//!   bytes ─▶ formats ─▶ rows in columns ─▶ expressions, operators ─▶ rows ─▶ formats ─▶ bytes
//!   └──────────────────────────────── end_to_end ────────────────────────────────────────┘
//! ```
//!
//! Start at [`run`]. Time is the processor time of this thread, so other work of the machine hardly counts; only where
//! several threads work together it is that of the clock on the wall.

pub mod end_to_end;
pub mod expressions;
pub mod formats;
pub mod joins;
pub mod operators;
pub mod pumps;
pub mod single_rows;
pub mod state;

use crate::{Budget, Measurement};
use std::hint::black_box;
use std::time::Duration;

/// Bytes of the copy that is the yardstick: far more than any cache holds.
const COPIED_BYTES: usize = 128 << 20;

/// All measurements, about `duration` for each.
pub fn run(duration: Duration) -> Vec<Measurement> {
    run_named("", duration)
}

/// The measurements whose name holds `part`, about `duration` for each.
pub fn run_named(part: &str, duration: Duration) -> Vec<Measurement> {
    let bench = Bench::new(part, duration);
    [
        expressions::run(&bench),
        operators::run(&bench),
        joins::run(&bench),
        single_rows::run(&bench),
        pumps::run(&bench),
        state::run(&bench),
        formats::run(&bench),
        end_to_end::run(&bench),
    ]
    .concat()
}

/// The frame of all measurements of one run.
pub struct Bench {
    part: String,
    duration: Duration,
    copied_bytes_per_second: f64,
}

impl Bench {
    /// Measures the yardstick. Only measurements whose name holds `part` will be taken.
    pub fn new(part: &str, duration: Duration) -> Bench {
        let source = vec![1_u8; COPIED_BYTES];
        let mut target = vec![0_u8; COPIED_BYTES];
        let seconds = seconds_per_run(duration, || {
            target.copy_from_slice(black_box(&source));
            black_box(&target);
        });
        Bench { part: part.to_owned(), duration, copied_bytes_per_second: COPIED_BYTES as f64 / seconds }
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.part)
    }

    /// Measures `work` over `rows` rows in `bytes` bytes. `least` is the budget in rows a second.
    fn measure(
        &self,
        name: &'static str,
        least: Option<f64>,
        (rows, bytes): (usize, usize),
        work: impl FnMut(),
    ) -> Measurement {
        let seconds = seconds_per_run(self.duration, work);
        Measurement {
            name: name.into(),
            figure: rows as f64 / seconds,
            unit: "rows/s",
            yardstick: "a copy of memory on one core".into(),
            yardstick_figure: self.copied_bytes_per_second,
            yardstick_unit: "bytes/s",
            ratio: bytes as f64 / seconds / self.copied_bytes_per_second,
            ratio_unit: "of a copy",
            budget: least.map(Budget::AtLeast),
        }
    }
}

impl Bench {
    /// Seconds of one run of each of two works by the clock on the wall: the fastest runs of about twice the duration, for on
    /// a busy machine the others wait for cores. They take turns, so that a slow minute of the machine is one for both.
    fn wall_seconds(&self, mut works: [&mut dyn FnMut(); 2]) -> [f64; 2] {
        let (began, mut fastest) = (wall_seconds(), [f64::INFINITY; 2]);
        while wall_seconds() - began < 2.0 * self.duration.as_secs_f64() {
            for (work, fastest) in works.iter_mut().zip(&mut fastest) {
                let started = wall_seconds();
                work();
                *fastest = fastest.min(wall_seconds() - started);
            }
        }
        fastest
    }
}

/// Runs `work` over and over for about `duration` and gives the seconds of one run, the fastest of five stretches.
fn seconds_per_run(duration: Duration, mut work: impl FnMut()) -> f64 {
    const STRETCHES: u32 = 5;
    work();
    (0..STRETCHES)
        .map(|_| {
            let mut runs = 0_u32;
            let started = thread_seconds();
            loop {
                work();
                runs += 1;
                let seconds = thread_seconds() - started;
                if seconds >= duration.as_secs_f64() / f64::from(STRETCHES) {
                    break seconds / f64::from(runs);
                }
            }
        })
        .fold(f64::INFINITY, f64::min)
}

/// Processor time of this thread so far.
fn thread_seconds() -> f64 {
    seconds_of(rustix::time::ClockId::ThreadCPUTime)
}

fn wall_seconds() -> f64 {
    seconds_of(rustix::time::ClockId::Monotonic)
}

fn seconds_of(clock: rustix::time::ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

//! Throughput of expressions and formats, each with a yardstick of the same run: what a copy of the same bytes costs.

pub mod expressions;
pub mod formats;
pub mod operators;

use std::hint::black_box;
use std::time::Duration;

/// What a bench found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// What was done.
    pub name: &'static str,
    /// Rows handled in each second of processor time.
    pub rows_per_second: f64,
    /// Bytes of input handled in each second.
    pub bytes_per_second: f64,
    /// Bytes that a plain copy moves in each second, measured just before.
    pub copied_bytes_per_second: f64,
}

impl Measurement {
    /// The share of the speed of a plain copy, 0 to 1 and above.
    pub fn share_of_copy(&self) -> f64 {
        self.bytes_per_second / self.copied_bytes_per_second
    }
}

/// Runs `work` over and over for about `duration` and gives the seconds of one run, the fastest of five stretches.
fn seconds_per_run(duration: Duration, mut work: impl FnMut()) -> f64 {
    const STRETCHES: u32 = 5;
    work();
    (0..STRETCHES)
        .map(|_| {
            let mut runs = 0u32;
            let watch = Watch::start();
            loop {
                work();
                runs += 1;
                let seconds = watch.seconds();
                if seconds >= duration.as_secs_f64() / f64::from(STRETCHES) {
                    break seconds / f64::from(runs);
                }
            }
        })
        .fold(f64::INFINITY, f64::min)
}

/// Measures the processor time of this thread: other work of the machine does not count.
struct Watch(f64);

impl Watch {
    fn start() -> Watch {
        Watch(thread_seconds())
    }

    fn seconds(&self) -> f64 {
        thread_seconds() - self.0
    }
}

fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Measures `work` over `rows` rows in `bytes` bytes.
fn measure(
    name: &'static str,
    duration: Duration,
    rows: usize,
    bytes: usize,
    work: impl FnMut(),
) -> Measurement {
    let source = vec![1u8; bytes.max(1 << 20)];
    let mut target = vec![0u8; source.len()];
    let copy_seconds = seconds_per_run(duration / 4, || {
        target.copy_from_slice(black_box(&source));
        black_box(&target);
    });
    let seconds = seconds_per_run(duration, work);
    Measurement {
        name,
        rows_per_second: rows as f64 / seconds,
        bytes_per_second: bytes as f64 / seconds,
        copied_bytes_per_second: source.len() as f64 / copy_seconds,
    }
}

//! Checkpoints and memory of a large state: `cargo run --release --example state -- MEBIBYTES` (1024 when omitted).

#![allow(clippy::disallowed_methods, reason = "a tool works on the machine itself")]

use millstream_bench::sql::state::measure;
use std::alloc::System;

/// Figures of memory are those of the system's allocator.
#[global_allocator]
static ALLOCATOR: System = System;

/// Resident memory of this process in MiB; 0 where the system does not say.
fn resident_mebibytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    (pages * 4_096) >> 20
}

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() {
    let mebibytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_024);
    let before = resident_mebibytes();
    let figures = measure(mebibytes << 20, |step| {
        println!("{step}: {} MiB resident", resident_mebibytes() - before);
    });
    let mebibytes = |bytes: u64| bytes >> 20;
    println!("{} keys, {} MiB counted as held", figures.keys, figures.held_bytes >> 20);
    println!("the first checkpoint: {} MiB of parts", mebibytes(figures.first_bytes));
    println!(
        "40 later ones, 3 % of the keys changed before each: {} MiB of parts; pauses of {:.0} ms in all, at most {:.0} ms: \
         {:.2} % of the time at one every 3 s; {:.0} ms on other threads",
        mebibytes(figures.written_bytes),
        1e3 * figures.pauses,
        1e3 * figures.longest_pause,
        100.0 * figures.share_lost,
        1e3 * figures.background
    );
    println!("restored in {:.2} s", figures.restore);
}

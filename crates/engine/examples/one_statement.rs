//! Runs one benched statement for a while, for a profiler: `one_statement NAME SECONDS`.

use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    for found in millstream_engine::bench::operators::run_named(&name, Duration::from_secs_f64(seconds)) {
        println!("{:28} {:8.1} M rows/s", found.name, found.rows_per_second / 1e6);
    }
}

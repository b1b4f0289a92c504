//! Prints the throughput of expressions and formats: `cargo run --release -p millstream-engine --example throughput`.

use millstream_engine::bench;
use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn main() {
    let duration = Duration::from_millis(500);
    for found in
        [bench::expressions::run(duration), bench::formats::run(duration), bench::operators::run(duration)]
            .concat()
    {
        println!(
            "{:28} {:8.1} M rows/s {:6.2} GB/s ({:.1} % of a copy)",
            found.name,
            found.rows_per_second / 1e6,
            found.bytes_per_second / 1e9,
            found.share_of_copy() * 100.0
        );
    }
}

//! Prints the throughput of the random cut forest: `cargo run --release -p millstream-bench --example forest`.

use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn main() {
    for found in millstream_bench::forest::run(Duration::from_secs(2)) {
        println!(
            "{:45} {:9.0} {} {:7.0} {} {:?}",
            found.name, found.figure, found.unit, found.ratio, found.ratio_unit, found.budget
        );
    }
}

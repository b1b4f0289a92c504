//! Prints the throughput of the engine: `cargo run --release -p millstream-engine --example throughput [PART [SECONDS]]`.

use millstream_engine::bench::{Budget, run_named};
use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    for found in run_named(&part, Duration::from_secs_f64(seconds)) {
        let budget = match found.budget {
            Some(Budget::AtLeast(least)) => format!("budget {:9.3} M", least / 1e6),
            Some(Budget::AtMost(most)) => format!("budget at most {:9.3} M", most / 1e6),
            None => String::new(),
        };
        println!(
            "{:38} {:9.3} M {} {:8.4} {} {budget}",
            found.name,
            found.figure / 1e6,
            found.unit,
            found.ratio,
            found.ratio_unit
        );
    }
}

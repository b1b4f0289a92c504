//! Prints the throughput of the engine: `cargo run --release -p millstream-bench --example sql [PART [SECONDS]]`.

use millstream_bench::Budget;
use millstream_bench::sql::run_named;
use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    for found in run_named(&part, Duration::from_secs_f64(seconds)) {
        // Throughput counts in millions, what a single batch costs does not.
        let (scale, mark) = if found.unit.starts_with("rows") { (1e6, "M") } else { (1.0, " ") };
        let budget = match found.budget {
            Some(Budget::AtLeast(least)) => format!("budget at least {:.3} {mark}", least / scale),
            Some(Budget::RatioAtLeast(least)) => format!("budget at least {least:.3} {}", found.ratio_unit),
            Some(Budget::AtMost(most)) => format!("budget at most {:.3} {mark}", most / scale),
            None => String::new(),
        };
        println!(
            "{:54} {:9.3} {mark} {} {:8.4} {} {budget}",
            found.name,
            found.figure / scale,
            found.unit,
            found.ratio,
            found.ratio_unit
        );
    }
}

//! Prints what durable appends cost here: `cargo run --release -p millstream-bench --example log [DIR [SECONDS]]`.

#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::path::PathBuf;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    for found in millstream_bench::log::run(&directory, Duration::from_secs(seconds))? {
        println!(
            "{:45} {:12.2} {:10} {:8.2} {} {:?}",
            found.name, found.figure, found.unit, found.ratio, found.ratio_unit, found.budget
        );
    }
    Ok(())
}

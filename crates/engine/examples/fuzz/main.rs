//! Feeds the engine what nobody meant to feed it, and looks whether it keeps its temper:
//! `cargo run -p millstream-engine --example fuzz -- [--seconds N] [--seed S] [--case N]`.
//!
//! ```text
//!   watcher ─ starts ─▶ runner: case 0, 1, 2, … each on a thread with a small stack
//!      │                   └─ writes the case to a file before it runs it
//!      └─ looks whether the runner lives and goes on; else shows the case of the file
//! ```
//!
//! | file | cases |
//! |---|---|
//! | `texts.rs` | SQL: random bytes, random words, deep nesting, golden files with damage |
//! | `records.rs` | records of CSV and JSON, samples for the discovery of schemas |
//! | `programs.rs` | random programs over random rows: batches, checkpoints, threads and memory limits change nothing |
//!
//! A case fails when it panics, overflows its stack, takes longer than the deadline, or finds a difference. Case `N` of
//! seed `S` is always the same: `--seed S --case N` runs it alone. Failing texts are made shorter before they are shown.

#![allow(clippy::disallowed_methods, reason = "a tool works on the machine itself")]

#[allow(dead_code, reason = "the fuzzer uses a part of what the property tests use")]
#[path = "../../tests/properties/aggregates.rs"]
mod aggregates;
#[allow(dead_code, reason = "the fuzzer uses a part of what the property tests use")]
#[path = "../../tests/properties/program.rs"]
mod program;
mod programs;
mod random;
mod records;
#[allow(dead_code, reason = "the fuzzer uses a part of what the property tests use")]
#[path = "../../tests/properties/rows.rs"]
mod rows;
mod runner;
#[allow(dead_code, reason = "the fuzzer uses a part of what the property tests use")]
#[path = "../../tests/properties/running.rs"]
mod running;
#[path = "../../tests/properties/snapshots.rs"]
mod snapshots;
mod texts;
mod watcher;

use std::path::PathBuf;
use std::process::ExitCode;

/// What to run.
#[derive(Clone, Debug)]
struct Settings {
    seconds: u64,
    seed: u64,
    /// This case only.
    case: Option<u64>,
    /// Set for the runner: where it writes what it does.
    journal: Option<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "the output of the program")]
fn main() -> ExitCode {
    match settings() {
        Ok(settings) if settings.journal.is_some() => runner::run(&settings),
        Ok(settings) => watcher::run(&settings),
        Err(message) => {
            eprintln!("{message}\nusage: fuzz [--seconds N] [--seed S] [--case N]");
            ExitCode::from(2)
        }
    }
}

fn settings() -> Result<Settings, String> {
    let mut settings = Settings { seconds: 60, seed: 1, case: None, journal: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} takes a number, not \"{value}\""));
        match name.as_str() {
            "--seconds" => settings.seconds = number()?,
            "--seed" => settings.seed = number()?,
            "--case" => settings.case = Some(number()?),
            "--journal" => settings.journal = Some(PathBuf::from(value)),
            other => return Err(format!("there is no option {other}")),
        }
    }
    Ok(settings)
}

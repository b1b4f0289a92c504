//! Developer commands, the same here and in CI.
//!
//! | file | holds |
//! |---|---|
//! | `check.rs` | formatting, lints, layers, licences: what needs no test run |
//! | `layers.rs`, `licences.rs` | who may depend on whom; which licences may come in |
//! | `test.rs` | everything that CI runs |
//! | `docs.rs` | the commands that the documents name, run as they stand there |
//! | `tools.rs` | what tests need besides Rust and the checkout: a browser, a mail server, data beside it |
//! | `run.rs` | running programs |

#![expect(clippy::disallowed_methods, reason = "developer commands work on the checkout itself")]

mod check;
mod docs;
mod layers;
mod licences;
mod run;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, lints, layers and licences.
    Check,
    /// Every check that CI runs. Takes about ten minutes on two cores the first time.
    Test {
        /// Fail when a browser, Python or data beside the checkout is missing, instead of leaving their tests out.
        #[arg(long)]
        strict: bool,
    },
    /// Kill the log again and again, and look whether it kept its promises.
    Crash {
        /// How often.
        #[arg(long, default_value_t = 200)]
        rounds: u64,
        /// Where the random points begin.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The whole program under load instead of the log alone: about a second a round, and the output is compared with
        /// that of a run without kills.
        #[arg(long)]
        whole: bool,
        /// With --whole: what happens in the rounds, each as often as it is named: kill, terminate, torn, catalog, disk.
        #[arg(long, requires = "whole")]
        faults: Option<String>,
    },
    /// Feed the engine damaged SQL, damaged records and random programs.
    Fuzz {
        /// How long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Where the random cases begin.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// This case of the seed only.
        #[arg(long)]
        case: Option<u64>,
    },
    /// Run the golden files.
    Golden {
        /// Write what came out into the files.
        #[arg(long)]
        complete: bool,
    },
    /// Run the commands of the documents.
    Docs,
    /// Write docs/compatibility.md from the tables of the program.
    Compatibility,
    /// Make the pictures of the documents again.
    Screenshots,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check => check::run(),
        Command::Test { strict } => test::run(strict),
        Command::Crash { rounds, seed, whole: false, .. } => test::crash(rounds, seed),
        Command::Crash { rounds, seed, whole: true, faults } => {
            test::crash_whole(rounds, seed, faults.as_deref(), test::Build::Release)
        }
        Command::Fuzz { seconds, seed, case } => test::fuzz(seconds, seed, case),
        Command::Golden { complete } => test::golden(complete),
        Command::Docs => docs::run(),
        Command::Compatibility => test::compatibility(),
        Command::Screenshots => test::screenshots(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("FAILED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

//! The crash test of the log: kills a process under load with SIGKILL again and again, and after each kill finds every
//! acknowledged record, in order, once; of producers that repeat themselves each row once; and shards that were being
//! split and merged whole, parents before children.
//!
//! `streamlog-crash --rounds N [--seed S] [--directory DIR]` prints one final line and exits with 0, or says what was
//! lost and exits with 1. It starts itself as the process that is killed (`--child`).

#![expect(clippy::disallowed_methods, reason = "a test works on the machine itself")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output is the interface")]

mod child;
mod once;
mod parent;

use std::path::PathBuf;
use std::process::ExitCode;

/// The stream that the test writes to.
const STREAM: &str = "crash";
/// The stream that producers write to, and repeat themselves.
const ONCE: &str = "once";
/// How many threads write to each.
const WRITERS: u64 = 4;

struct Arguments {
    rounds: u64,
    seed: u64,
    directory: Option<PathBuf>,
    child: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { rounds: 200, seed: 1, directory: None, child: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("\"{text}\" is not a number"));
        match word.as_str() {
            "--rounds" => arguments.rounds = number(value()?)?,
            "--seed" => arguments.seed = number(value()?)?,
            "--directory" => arguments.directory = Some(value()?.into()),
            "--child" => arguments.child = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\nusage: streamlog-crash --rounds N [--seed S] [--directory DIR]");
            return ExitCode::from(2);
        }
    };
    let done = match &arguments.directory {
        Some(directory) if arguments.child => child::run(directory, arguments.seed),
        None if arguments.child => Err("--child needs --directory".to_owned()),
        directory => parent::run(arguments.rounds, arguments.seed, directory.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash test failed: {error}");
            ExitCode::FAILURE
        }
    }
}

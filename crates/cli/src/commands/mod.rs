//! One file a command.

mod bench;
mod check;
mod completions;
mod demo;
mod discover;
mod doctor;
mod files;
mod lint;
mod replay;
mod run;
mod test;

use std::process::ExitCode;

use crate::arguments::Command;

/// Does what was asked for. An error is shown by the caller and ends with code 1.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

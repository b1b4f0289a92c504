//! One file a command.

mod apply;
mod bench;
mod check;
mod completions;
mod delete;
mod demo;
mod describe;
mod discover;
mod doctor;
mod failed_row;
pub(crate) mod files;
mod lint;
mod list;
mod put;
mod replay;
mod reset;
mod run;
mod serve;
mod tail;
mod test;

use std::process::ExitCode;

use anyhow::Context;

use crate::arguments::Command;
use crate::session::Starting;

/// Does what was asked for. An error is shown by the caller and ends with code 1.
pub(crate) fn run(command: Command, starting: Option<Starting>) -> anyhow::Result<ExitCode> {
    let starting = || starting.map_or_else(Starting::new, Ok);
    match command {
        Command::Demo(arguments) => demo::run(arguments, starting()?),
        Command::Run(arguments) => run::run(arguments, starting()?),
        Command::Serve(arguments) => serve::run(arguments, starting()?),
        Command::Apply(arguments) => asking(apply::run(arguments)),
        Command::List(arguments) => asking(list::run(arguments)),
        Command::Describe(arguments) => asking(describe::run(arguments)),
        Command::Delete(arguments) => asking(delete::run(arguments)),
        Command::Put(arguments) => asking(put::run(arguments)),
        Command::Tail(arguments) => asking(tail::run(arguments)),
        Command::Reset(arguments) => asking(reset::run(arguments)),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Runs a command that asks a server.
fn asking(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    let done = runtime.block_on(command);
    // Reading standard input cannot be broken off: whoever ends by a signal does not wait for it.
    runtime.shutdown_background();
    done
}

/// A line of results.
///
/// # Errors
/// It cannot be written. Whether somebody has merely closed standard output is told apart where the command ends.
pub(crate) fn print(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush())
}

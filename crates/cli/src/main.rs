//! Millstream: streaming analytics and machine learning applications in one binary.
//!
//! ```text
//!   main ─▶ arguments ─▶ commands/<command>.rs ─▶ control (start, feed, drain, stop)
//!                                 │                  └─▶ view ─▶ live terminal, JSON lines, page (console)
//!                                 └─▶ exit code: 0 done, 1 failed, 2 usage, 3 stopped early, 4 done but for what was named
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `arguments/` | every command and flag with its help, one file a command |
//! | `commands/` | one file a command |
//! | `serving.rs` | connections: limits, and an orderly end |
//! | `session.rs` | running a server until it is to end: ticks, signals, stopping |
//! | `socket/` | how commands reach a running server |
//! | `loading.rs`, `report.rs` | a pipeline file on its way into a server, and what it changed |
//! | `retrying.rs` | what fails and is tried again, in words |
//! | `display.rs` | what the terminal shows meanwhile |
//! | `logging.rs`, `version.rs` | the logs on standard error; version and commit |
//!
//! Invariant: results go to standard output, everything else to standard error.

mod arguments;
mod commands;
mod display;
mod loading;
mod logging;
mod report;
mod retrying;
mod serving;
mod session;
mod socket;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything that takes time: a server that starts ends by a signal as one that runs does.
    let starting = session::Starting::of(std::env::args_os().nth(1).as_deref());
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return ended(shown(&answer)),
    };
    if let Err(error) = logging::start(arguments.command.logging()) {
        say(format_args!("error: {error}"));
        return ExitCode::from(2);
    }
    ended(commands::run(arguments.command, starting))
}

/// Help, the version, or what is wrong with the arguments.
fn shown(answer: &clap::Error) -> anyhow::Result<ExitCode> {
    let printed = answer.print().and_then(|()| std::io::stdout().flush());
    if answer.use_stderr() {
        return Ok(ExitCode::from(2));
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

/// The exit code of a command; says why it failed.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        // Whoever reads standard output has seen enough.
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let what = if is_output_failure(&error) { "standard output cannot be written: " } else { "" };
            let text = format!("{what}{}", explained(&error));
            // The mistakes of a file say by themselves what they are.
            let start = if text.starts_with("error: ") { "" } else { "error: " };
            say(format_args!("{start}{}", text.trim_end()));
            ExitCode::FAILURE
        }
    }
}

/// A line on standard error, whether somebody reads it or not.
fn say(text: std::fmt::Arguments<'_>) {
    // Whoever closed standard error does not want it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether what failed is a write to standard output: all other input and output has a context.
fn is_output_failure(error: &anyhow::Error) -> bool {
    error.is::<std::io::Error>() && error.chain().len() == 1
}

/// Whether standard output was closed.
fn is_closed_output(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>().filter(|_| is_output_failure(error));
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// An error with its causes, each said once: some errors say their cause already.
fn explained(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "cannot read it: {}; fix it", self.0)
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let failed = Err::<(), _>(Outer(std::io::Error::other("no disk")));
        let error = failed.context("--input x").unwrap_err();
        assert_eq!(explained(&error), "--input x: cannot read it: no disk; fix it");
        assert_eq!(explained(&anyhow::anyhow!("alone")), "alone");
    }
}

//! Millstream: streaming analytics and machine learning applications in one binary.
//!
//! ```text
//!   main ─▶ arguments ─▶ commands/<command>.rs ─▶ control (start, feed, drain, stop)
//!                                 │                  └─▶ view ─▶ live terminal, JSON lines, page (console)
//!                                 └─▶ exit code: 0 done, 1 failed, 2 usage
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `arguments.rs` | every command and flag with its help |
//! | `commands/` | one file a command |
//! | `serving.rs` | the port: the page, and an orderly end |
//! | `session.rs` | running a pipeline until it shall end: ticks, signals, draining |
//! | `display.rs` | what the terminal shows meanwhile |
//! | `logging.rs`, `version.rs` | the logs on standard error; version and commit |
//!
//! Invariant: results go to standard output, everything else to standard error.

mod arguments;
mod commands;
mod display;
mod logging;
mod serving;
mod session;
mod version;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    logging::start(arguments.command.has_live_display());
    match commands::run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a failed command")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

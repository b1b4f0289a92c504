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
//! | `row_line.rs` | a row as a line of JSON |
//! | `display.rs` | what the terminal shows meanwhile |
//! | `failure.rs` | what is said of a command that failed, and its exit code |
//! | `output.rs`, `messages.rs` | what threads of their own write to standard output and standard error |
//! | `signals.rs` | Ctrl-C, SIGTERM and SIGHUP |
//! | `logging.rs`, `version.rs` | the logs on standard error; version and commit |
//!
//! Invariant: results go to standard output, everything else to standard error.

mod arguments;
mod commands;
mod display;
mod failed_records;
mod failure;
mod loading;
mod logging;
mod messages;
mod output;
mod report;
mod retrying;
mod row_line;
mod serving;
mod session;
mod signals;
mod socket;
mod version;

use std::process::ExitCode;
use std::time::Duration;

use crate::failure::Place;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long messages of a server that ends may take to be read.
const LAST_MESSAGES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let code = run();
    messages::finish(LAST_MESSAGES);
    code
}

fn run() -> ExitCode {
    // Before anything that takes time: a server that starts ends by a signal as one that runs does.
    let starting = session::Starting::of(std::env::args_os().nth(1).as_deref());
    let asks_for_json = failure::asks_for_json(std::env::args_os());
    let arguments = match arguments::Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(answer) => {
            let place = Place::of(asks_for_json, false);
            return failure::ended(failure::answered(&answer, place), place);
        }
    };
    let logging = arguments.command.logging();
    let place = Place::of(asks_for_json, logging.is_server);
    if let Err(error) = logging::start(logging) {
        failure::say(format_args!("error: {error}"));
        return ExitCode::from(failure::USAGE);
    }
    failure::ended(commands::run(arguments.command, starting), place)
}

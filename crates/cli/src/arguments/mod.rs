//! Every command and flag, with its help: one file a command, and one for each thing that several commands take.
//!
//! | file | holds |
//! |---|---|
//! | this one | the commands |
//! | `<command>.rs` | the arguments of a command |
//! | `data_directory.rs`, `session.rs`, `take_over.rs`, `place_kind.rs`, `format.rs` | arguments of several commands |
//! | `address.rs`, `kind.rs`, `number.rs`, `time.rs` | values, as people write them |

mod address;
mod apply;
mod bench;
mod check;
mod completions;
mod data_directory;
mod delete;
mod demo;
mod describe;
mod discover;
mod doctor;
mod format;
mod kind;
mod list;
mod number;
mod place_kind;
mod put;
mod replay;
mod reset;
mod run;
mod serve;
mod session;
mod tail;
mod take_over;
mod test;
mod time;

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use apply::ApplyArguments;
pub(crate) use bench::{Bench, BenchArguments};
pub(crate) use check::CheckArguments;
pub(crate) use completions::CompletionsArguments;
pub(crate) use data_directory::{DATA_DIRECTORY, DATA_DIRECTORY_VARIABLE, DEMO_DATA_DIRECTORY};
pub(crate) use delete::DeleteArguments;
pub(crate) use demo::DemoArguments;
pub(crate) use describe::DescribeArguments;
pub(crate) use discover::DiscoverArguments;
pub(crate) use doctor::DoctorArguments;
pub(crate) use format::Format;
pub(crate) use list::ListArguments;
pub(crate) use place_kind::PlaceKind;
pub(crate) use put::PutArguments;
pub(crate) use replay::ReplayArguments;
pub(crate) use reset::ResetArguments;
pub(crate) use run::RunArguments;
pub(crate) use serve::ServeArguments;
pub(crate) use session::SessionArguments;
pub(crate) use tail::TailArguments;
pub(crate) use test::TestArguments;

use crate::logging::Logging;
use crate::version::VERSION;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Streaming analytics and machine learning applications in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "millstream",
    version = VERSION,
    styles = STYLES,
    arg_required_else_help = true,
    after_help = "Examples:
  millstream demo                           the review pipeline, made-up reviews
  millstream demo --input reviews.tsv.gz    the same with real ones
  millstream serve --apply reviews.toml     a server that runs this file
  millstream apply reviews.toml --dry-run   what a changed file would change
  millstream tail my-app/MY_STREAM          rows as they come out
  millstream check reviews.toml             every mistake of a file, with a hint
  millstream test tests/golden              SQL tests on a virtual clock
  millstream doctor                         what is missing on this machine"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads a command line, the name of the program first.
    ///
    /// # Errors
    /// What to print instead: help, the version, or what is wrong. Its usage line shows no flag as needed for the reason
    /// that a variable gives its value.
    pub(crate) fn read(given: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
        let mut given: Vec<OsString> = given.into_iter().collect();
        if given.get(1).is_some_and(|command| command == "help") {
            // `help --help` asks for what `help` says.
            given.retain(|argument| argument != "--help" && argument != "-h");
        }
        let answer = match Arguments::try_parse_from(&given) {
            Ok(arguments) => return Ok(arguments),
            Err(answer) => answer,
        };
        let without_variables = Arguments::command().mut_subcommands(|command| {
            command.mut_args(|argument| argument.env(clap::builder::Resettable::Reset))
        });
        match without_variables.try_get_matches_from(&given) {
            Err(plain) if answer.use_stderr() && plain.kind() == answer.kind() => Err(plain),
            _ => Err(answer),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the review pipeline: reviews in, ratings, windows, anomalies, mails and objects out.
    Demo(DemoArguments),
    /// Run a pipeline that a TOML file describes, in the foreground.
    Run(RunArguments),
    /// Run everything that a data directory holds, until SIGTERM or Ctrl-C.
    Serve(ServeArguments),
    /// Make a running server hold what a file says; says first what changes and which state is kept.
    Apply(ApplyArguments),
    /// List the resources of a running server.
    List(ListArguments),
    /// Describe one resource: its definition, its state, what it has done.
    Describe(DescribeArguments),
    /// Delete a resource with everything that is kept of it.
    Delete(DeleteArguments),
    /// Put records into a stream or delivery stream.
    Put(PutArguments),
    /// Show records of a stream, or rows of an application, as they come.
    Tail(TailArguments),
    /// Let resources start from scratch: their records, positions and windows are deleted.
    Reset(ResetArguments),
    /// Say every mistake of a pipeline file (.toml) or of SQL (.sql); nothing is run or written.
    Check(CheckArguments),
    /// Run golden files: streaming SQL with its rows and what must come out, on a virtual clock.
    Test(TestArguments),
    /// Run an application over recorded data on a virtual clock, as fast as it goes.
    Replay(ReplayArguments),
    /// Find an input schema for records of which only a sample is known.
    Discover(DiscoverArguments),
    /// Say what is missing on this machine, and the line that fixes it.
    Doctor(DoctorArguments),
    /// Measure one part, as a ratio to a yardstick measured in the same run.
    Bench(BenchArguments),
    /// Print completions for a shell.
    Completions(CompletionsArguments),
}

impl Command {
    /// How the command logs.
    pub(crate) fn logging(&self) -> Logging {
        let session = match self {
            Command::Demo(demo) => &demo.session,
            Command::Run(run) => &run.session,
            Command::Serve(_) => return Logging { has_live_display: false, is_server: true },
            Command::Apply(_)
            | Command::List(_)
            | Command::Describe(_)
            | Command::Delete(_)
            | Command::Put(_)
            | Command::Tail(_)
            | Command::Reset(_)
            | Command::Check(_)
            | Command::Test(_)
            | Command::Replay(_)
            | Command::Discover(_)
            | Command::Doctor(_)
            | Command::Bench(_)
            | Command::Completions(_) => return Logging { has_live_display: false, is_server: false },
        };
        // Where nothing is drawn again, problems are lines.
        Logging { has_live_display: !session.json && std::io::stdout().is_terminal(), is_server: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::definition::Kind;

    /// Examples keep their lines, paragraphs are broken where the terminal ends: each is one line here.
    #[test]
    fn help_is_broken_into_lines_once() {
        let main = Arguments::command();
        let commands = std::iter::once(&main).chain(main.get_subcommands());
        for command in commands {
            let Some(text) = command.get_after_help().map(ToString::to_string) else { continue };
            let is_example = |line: &str| line.starts_with("  ");
            for line in text.lines().filter(|line| is_example(line)) {
                assert!(
                    line.chars().count() <= 80,
                    "{}: too wide for a terminal: {line}",
                    command.get_name()
                );
            }
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let is_broken = !pair[0].is_empty() && !pair[0].ends_with(':');
                let goes_on = !pair[1].is_empty() && !is_example(pair[1]);
                assert!(!(is_broken && goes_on), "{}: a line break in {pair:?}", command.get_name());
            }
        }
    }

    #[test]
    fn help_lists_the_kinds_of_resources() {
        for name in ["list", "describe", "delete", "reset"] {
            let mut main = Arguments::command();
            let command = main.find_subcommand_mut(name).expect("it is a command");
            let help = command.render_long_help().to_string();
            for kind in Kind::ALL {
                assert!(help.contains(kind.as_str()), "{name} does not list {}:\n{help}", kind.as_str());
            }
        }
        // Also their plurals, and as pipeline files call them.
        for text in ["stream", "streams", "delivery_stream", "mail-servers", "input", "smtp"] {
            assert!(Arguments::try_parse_from(["millstream", "list", text]).is_ok(), "{text}");
        }
        let refused = Arguments::try_parse_from(["millstream", "list", "zz"]).unwrap_err().to_string();
        assert!(refused.contains("there is no kind \"zz\"; there are: mail-server,"), "{refused}");
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}

//! `millstream completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::arguments::{Arguments, CompletionsArguments};

pub(super) fn run(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "millstream", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

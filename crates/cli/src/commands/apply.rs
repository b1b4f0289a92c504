//! `millstream apply`: a file against a running server.

use std::process::ExitCode;

use serde_json::Value;

use super::print;
use crate::arguments::ApplyArguments;
use crate::failure::say;
use crate::loading::absolute;
use crate::report;
use crate::socket::{ApplyRequest, Client};

pub(super) async fn run(arguments: ApplyArguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(arguments.file.exists(), "{}: there is no such file", arguments.file.display());
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let request = ApplyRequest {
        file: absolute(&arguments.file),
        dry_run: arguments.dry_run,
        take_over: arguments.take_over.take_over,
    };
    let answer: Value = client.call_with("/v1/apply", &request).await?;
    if let Some(mistakes) = answer["mistakes"].as_str() {
        anyhow::bail!("{mistakes}");
    }
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        say(format_args!("{}", warning.trim_end()));
    }
    let applied = &answer["report"];
    if arguments.json {
        print(&applied.to_string())?;
    } else {
        for line in report::lines(applied) {
            print(&line)?;
        }
    }
    Ok(report::exit_code(applied))
}

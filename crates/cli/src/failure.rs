//! How a command ends: its exit code, and what it says when it failed.
//!
//! On standard error, as people read it; with `--json` as one object where the results would be. Servers, whose standard
//! error is their log, say it in both places.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::commands::print;
use crate::messages;

/// Exit code of wrong usage.
pub(crate) const USAGE: u8 = 2;

/// Where a failure is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On standard error.
    Error,
    /// On standard output, as JSON.
    Json,
    /// In both.
    Both,
}

impl Place {
    /// That of a command.
    pub(crate) fn of(is_json: bool, is_server: bool) -> Place {
        match (is_json, is_server) {
            (false, _) => Place::Error,
            (true, false) => Place::Json,
            (true, true) => Place::Both,
        }
    }
}

/// Whether a command line asks for JSON, whatever else is wrong with it.
pub(crate) fn asks_for_json(mut arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    let mut before_the_end = arguments.by_ref().take_while(|argument| argument.as_ref() != "--");
    before_the_end.any(|argument| argument.as_ref() == "--json")
}

/// Shows help, the version, or what is wrong with the arguments.
pub(crate) fn answered(answer: &clap::Error, place: Place) -> anyhow::Result<ExitCode> {
    if answer.use_stderr() && place != Place::Error {
        print(&json_of(usage_of(&answer.to_string())))?;
        return Ok(ExitCode::from(USAGE));
    }
    let printed = answer.print().and_then(|()| io::stdout().flush());
    if answer.use_stderr() {
        return Ok(ExitCode::from(USAGE));
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

/// The exit code of a command; says why it failed.
pub(crate) fn ended(done: anyhow::Result<ExitCode>, place: Place) -> ExitCode {
    let error = match done {
        Ok(code) => return code,
        // Whoever reads standard output has seen enough.
        Err(error) if is_closed_output(&error) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    let (place, what) = match is_output_failure(&error) {
        true => (Place::Error, "standard output cannot be written: "),
        false => (place, ""),
    };
    let text = format!("{what}{}", explained(&error));
    if place != Place::Json {
        // The mistakes of a file say by themselves what they are.
        let start = if text.starts_with("error: ") { "" } else { "error: " };
        say(format_args!("{start}{}", text.trim_end()));
    }
    if place != Place::Error
        && let Err(unwritten) = print(&json_of(&text))
    {
        return ended(Err(unwritten.into()), Place::Error);
    }
    ExitCode::FAILURE
}

/// A line on standard error, whether somebody reads it or not.
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    messages::say(format!("{text}\n"));
}

/// A failure as an object.
fn json_of(text: &str) -> String {
    // Mistakes of a file bring the word with them.
    let text = text.trim_end();
    serde_json::json!({ "error": text.strip_prefix("error: ").unwrap_or(text) }).to_string()
}

/// What is wrong, without where to read more.
fn usage_of(text: &str) -> &str {
    let ends = ["\n\nUsage: ", "\n\nFor more information"];
    ends.iter().filter_map(|end| text.find(end)).min().map_or(text, |end| &text[..end])
}

/// Whether what failed is a write to standard output: all other input and output has a context.
fn is_output_failure(error: &anyhow::Error) -> bool {
    error.is::<io::Error>() && error.chain().len() == 1
}

/// Whether standard output was closed.
fn is_closed_output(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>().filter(|_| is_output_failure(error));
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
        struct Outer(io::Error);
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
        let failed = Err::<(), _>(Outer(io::Error::other("no disk")));
        let error = failed.context("--input x").unwrap_err();
        assert_eq!(explained(&error), "--input x: cannot read it: no disk; fix it");
        assert_eq!(explained(&anyhow::anyhow!("alone")), "alone");
    }

    #[test]
    fn json_is_asked_for_by_an_argument_of_that_name() {
        assert!(asks_for_json(["millstream", "list", "zz", "--json"].iter()));
        assert!(!asks_for_json(["millstream", "list", "--jsonl"].iter()));
        assert!(!asks_for_json(["millstream", "put", "--", "--json"].iter()));
    }

    #[test]
    fn usage_is_no_part_of_a_failure() {
        let text = "error: unexpected argument '--x' found\n\nUsage: millstream list [KIND]\n\nFor more …\n";
        assert_eq!(json_of(usage_of(text)), r#"{"error":"unexpected argument '--x' found"}"#);
        let text = "error: invalid value 'zz'\n\nFor more information, try '--help'.\n";
        assert_eq!(json_of(usage_of(text)), r#"{"error":"invalid value 'zz'"}"#);
        assert_eq!(usage_of("alone"), "alone");
    }
}

//! Everything that CI runs.

use std::process::Command;

use crate::run::{cargo, root, run as run_program, say, target};
use crate::{check, docs, tools};

/// Golden files of the project, and those beside the checkout where there are some.
const GOLDEN: [&str; 2] = ["tests/golden", "../shared/golden"];

pub(crate) fn run(strict: bool) -> anyhow::Result<()> {
    check::run()?;
    let tools = tools::find();
    let mut skipped = Vec::new();
    let mut tests = cargo(&["test", "--workspace", "--quiet"]);
    for tool in &tools {
        match (&tool.found, tool.variable) {
            (Ok(path), Some(variable)) => drop(tests.env(variable, path)),
            (Ok(_), None) => {}
            (Err(fix), _) => skipped.push((tool.name, fix)),
        }
    }
    let names: Vec<&str> = skipped.iter().map(|(name, _)| *name).collect();
    if strict && let Some((name, fix)) = skipped.first() {
        anyhow::bail!("the {name} tests cannot run; this brings what is missing: {fix}");
    }
    run_program(tests.env("MILLSTREAM_TEST_LEAVE_OUT", names.join(",")))?;
    fuzz(60, 1, None)?;
    crash_whole(100, 1, None, Build::Debug)?;
    crash_whole(12, 2, Some("catalog,kill"), Build::Debug)?;
    docs::run()?;
    if skipped.is_empty() {
        say("\nall checks passed");
    } else {
        say("\nall checks that can run here passed");
        for (name, fix) in &skipped {
            say(&format!("NOT RUN: the {name} tests; this brings what is missing: {fix}"));
        }
    }
    Ok(())
}

/// The fuzzer of the engine. Built as the tests are, so that overflowing arithmetic is found, too.
pub(crate) fn fuzz(seconds: u64, seed: u64, case: Option<u64>) -> anyhow::Result<()> {
    let (seconds, seed) = (seconds.to_string(), seed.to_string());
    let mut arguments = vec!["run", "--quiet", "-p", "millstream-engine", "--example", "fuzz", "--"];
    arguments.extend(["--seconds", &seconds, "--seed", &seed]);
    let case = case.map(|case| case.to_string());
    if let Some(case) = &case {
        arguments.extend(["--case", case]);
    }
    run_program(&mut cargo(&arguments))
}

/// The crash test of the log with its own number of rounds.
pub(crate) fn crash(rounds: u64, seed: u64) -> anyhow::Result<()> {
    run_program(&mut cargo(&[
        "build",
        "--release",
        "--quiet",
        "-p",
        "millstream-streamlog",
        "--bin",
        "streamlog-crash",
    ]))?;
    let program = target().join("release").join("streamlog-crash");
    let (rounds, seed) = (rounds.to_string(), seed.to_string());
    run_program(Command::new(program).args(["--rounds", &rounds, "--seed", &seed]))
}

/// How the program is built that is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As the tests are.
    Debug,
    Release,
}

/// The crash test of the whole program.
pub(crate) fn crash_whole(rounds: u64, seed: u64, faults: Option<&str>, build: Build) -> anyhow::Result<()> {
    let mut building =
        vec!["build", "--quiet", "-p", "millstream", "--bin", "millstream", "--example", "crash"];
    let folder = match build {
        Build::Debug => target().join("debug"),
        Build::Release => {
            building.push("--release");
            target().join("release")
        }
    };
    run_program(&mut cargo(&building))?;
    let mut test = Command::new(folder.join("examples").join("crash"));
    test.arg("--program").arg(folder.join("millstream"));
    test.args(["--rounds", &rounds.to_string(), "--seed", &seed.to_string()]);
    if let Some(faults) = faults {
        test.args(["--faults", faults]);
    }
    run_program(&mut test)
}

pub(crate) fn golden(complete: bool) -> anyhow::Result<()> {
    let mut arguments = vec!["run", "--quiet", "--release", "--", "test"];
    arguments.extend(GOLDEN.iter().filter(|folder| root().join(folder).is_dir()));
    if complete {
        arguments.push("--complete");
    }
    run_program(&mut cargo(&arguments))
}

/// The test of the page writes it.
pub(crate) fn compatibility() -> anyhow::Result<()> {
    let mut test =
        cargo(&["test", "--quiet", "-p", "millstream-control", "--test", "it", "compatibility_page"]);
    run_program(test.env("MILLSTREAM_COMPLETE", "1"))
}

/// The browser tests store what they see into the documents.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    let folder = root().join("docs").join("images");
    run_program(
        cargo(&["test", "--quiet", "-p", "millstream", "--test", "it", "browser"])
            .env("MILLSTREAM_SCREENSHOTS", folder),
    )
}

//! `millstream test`: golden files on a virtual clock.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use millstream_golden::{GoldenFile, complete, run as run_golden};
use millstream_host::files;
use serde_json::json;

use super::files::{has_extension, read_text};
use crate::arguments::TestArguments;

/// Folders in folders, at most.
const DEEPEST: usize = 64;

pub(super) fn run(arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        let before = files.len();
        gather(path, DEEPEST, &mut files)?;
        anyhow::ensure!(
            files.len() > before,
            "{} holds no golden files: their names end in .test",
            path.display()
        );
    }
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for path in &files {
        let failures = test(path, arguments.complete)?;
        if failures.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
        let name = path.display();
        if arguments.json {
            let failures: Vec<_> =
                failures.iter().map(|(line, message)| json!({"line": line, "message": message})).collect();
            let line = json!({"file": name.to_string(), "passed": failures.is_empty(), "failures": failures});
            writeln!(out, "{line}")?;
        } else {
            for (line, message) in &failures {
                writeln!(out, "FAILED {name}:{line}: {message}")?;
            }
        }
    }
    match arguments.json {
        true => writeln!(out, "{}", json!({"summary": {"passed": passed, "failed": failed}}))?,
        false => writeln!(out, "{passed} passed, {failed} failed")?,
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one file; what differed, with the line.
fn test(path: &Path, completes: bool) -> anyhow::Result<Vec<(usize, String)>> {
    let text = read_text(path)?;
    let file = match GoldenFile::parse(&text) {
        Ok(file) => file,
        Err(error) => return Ok(vec![(error.line, error.message)]),
    };
    let outcome = run_golden(&file);
    if completes && !outcome.passed() {
        let completed = complete(&text, &outcome);
        if completed != text {
            files::write(path, &completed).with_context(|| format!("cannot write {}", path.display()))?;
            // What could not be completed still fails.
            let file = GoldenFile::parse(&completed);
            let again = file.map(|file| run_golden(&file).failures).unwrap_or_default();
            return Ok(again.into_iter().map(|failure| (failure.line, failure.message)).collect());
        }
    }
    Ok(outcome.failures.into_iter().map(|failure| (failure.line, failure.message)).collect())
}

/// The golden files of a path, sorted by name.
fn gather(path: &Path, deepest: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    anyhow::ensure!(deepest > 0, "{}: folders are nested too deeply", path.display());
    let mut entries = files::entries(path).with_context(|| format!("cannot read {}", path.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() || has_extension(&path, "test") {
            gather(&path, deepest - 1, files)?;
        }
    }
    Ok(())
}

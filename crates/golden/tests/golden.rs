//! Runs the golden files: the project's own in `tests/golden`, and a conformance suite beside the checkout.

#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

use millstream_golden::{GoldenFile, run, run_in_single_rows};
use std::path::{Path, PathBuf};

/// Expectations of the conformance suite that deployed applications have proved wrong, by file and line.
const OVERRULED: &[(&str, usize, &str)] = &[
    ("datetime/unix_time", 7, "TSDIFF is how far two times lie apart; the sign comes with the switch"),
    ("validation/join_without_window", 11, "streams without windows join by equal ROWTIME"),
    ("validation/two_rowtime_keys", 11, "a second expression of ROWTIME is a plain key"),
];

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            files.push(path);
        }
    }
    files.sort();
}

/// What went wrong with a file.
struct Failure {
    /// The file's path below its folder, without the extension.
    name: String,
    message: String,
}

/// Runs all files below a folder twice, in batches and row by row; gives their number and what failed.
fn failures_below(folder: &Path) -> (usize, Vec<Failure>) {
    let mut files = Vec::new();
    files_below(folder, &mut files);
    let mut failures = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).expect("a golden file can be read");
        let name = path.strip_prefix(folder).unwrap_or(path).with_extension("").display().to_string();
        let mut fail = |message| failures.push(Failure { name: name.clone(), message });
        match GoldenFile::parse(&text) {
            Err(error) => fail(error.to_string()),
            Ok(file) => {
                for (how, outcome) in [("", run(&file)), (" (row by row)", run_in_single_rows(&file))] {
                    let overruled =
                        |line: usize| OVERRULED.iter().any(|(file, at, _)| name == *file && line == *at);
                    for failure in outcome.failures.into_iter().filter(|it| !overruled(it.line)) {
                        fail(format!("line {}{how}: {}", failure.line, failure.message));
                    }
                }
            }
        }
    }
    (files.len(), failures)
}

fn shown<'f>(failures: impl Iterator<Item = &'f Failure>) -> String {
    failures.map(|failure| format!("{}: {}\n", failure.name, failure.message)).collect()
}

#[test]
fn own_golden_files_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let (count, failures) = failures_below(&folder);
    assert!(count > 100, "only {count} golden files were found");
    assert!(failures.is_empty(), "{}", shown(failures.iter()));
}

/// Whether whoever runs the tests has said that there is no conformance suite beside the checkout.
fn is_left_out() -> bool {
    std::env::var("MILLSTREAM_TEST_LEAVE_OUT")
        .is_ok_and(|names| names.split(',').any(|name| name == "conformance"))
}

#[test]
fn the_conformance_suite_passes() {
    if is_left_out() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    assert!(
        folder.is_dir(),
        "{} is not there: cargo xtask test leaves this test out, as does MILLSTREAM_TEST_LEAVE_OUT=conformance",
        folder.display()
    );
    let (count, failures) = failures_below(&folder);
    assert!(count > 200, "only {count} golden files were found");
    assert!(failures.is_empty(), "{}", shown(failures.iter()));
}

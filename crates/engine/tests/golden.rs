//! Runs the golden files: the project's own in `tests/golden`, and a conformance suite beside the checkout when there is one.

use millstream_engine::golden::{GoldenFile, run, run_in_single_rows};
use std::path::{Path, PathBuf};

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
                    for failure in outcome.failures {
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

/// Files that use what the front end still refuses with "not supported yet"; the list only ever gets shorter.
const NOT_SUPPORTED_YET: [&str; 20] = [
    "ordering/distinct_per_day",
    "ordering/sort_by_aggregate",
    "ordering/sort_by_ordinal",
    "ordering/sort_inside_a_second",
    "ordering/sort_nulls",
    "ordering/t_sort",
    "ordering/t_sort_checkpoint",
    "table_functions/group_rank",
    "table_functions/group_rank_none",
    "table_functions/group_rank_output_max",
    "table_functions/hotspots_shape",
    "table_functions/top_k",
    "table_functions/top_k_by_position",
    "validation/accepted_distinct_rowtime",
    "validation/distinct_not_monotonic",
    "validation/hotspots_minimum",
    "validation/hotspots_window",
    "validation/order_by_not_monotonic",
    "validation/t_sort_without_rowtime",
    "validation/top_k_column",
];

#[test]
fn own_golden_files_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let (count, failures) = failures_below(&folder);
    assert!(count > 100, "only {count} golden files were found");
    assert!(failures.is_empty(), "{}", shown(failures.iter()));
}

#[test]
fn the_conformance_suite_passes_or_is_refused_as_not_supported_yet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    if !folder.is_dir() {
        return;
    }
    let (count, failures) = failures_below(&folder);
    assert!(count > 200, "only {count} golden files were found");
    let expected = |failure: &&Failure| {
        NOT_SUPPORTED_YET.contains(&failure.name.as_str()) && failure.message.contains("not supported yet")
    };
    let unexpected = shown(failures.iter().filter(|failure| !expected(failure)));
    assert!(unexpected.is_empty(), "{unexpected}");
    for name in NOT_SUPPORTED_YET {
        let fails = failures.iter().any(|failure| failure.name == name);
        assert!(fails, "{name} passes now: take it off the list");
    }
}

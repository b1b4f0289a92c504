//! The demo: made-up reviews through the whole pipeline, on a data directory that goes on.

use std::path::Path;

use crate::support::objects::{BACKUP, DELIVERY_STREAM, FAILED, MAIN, assert_dated, delivered, joined};
use crate::support::reviews::made_up_numbers;
use crate::support::{Program, objects_of};
use serde_json::Value;

/// What every line of `--json` has.
const FIELDS: [&str; 18] = [
    "at",
    "phase",
    "page",
    "source",
    "is_synthetic",
    "records_in",
    "records_classified",
    "objects_written",
    "backup_objects_written",
    "windows",
    "newest_average",
    "newest_distinct_count",
    "max_anomaly_score",
    "mails",
    "errors",
    "rating_distribution",
    "resources",
    "problems",
];

fn demo(data_directory: &Path) -> Program {
    let data_directory = data_directory.to_str().unwrap();
    Program::start(&[
        "demo",
        "--speed",
        "5",
        "--duration",
        "8s",
        "--json",
        "--no-console",
        "--data-dir",
        data_directory,
    ])
}

fn number(line: &Value, field: &str) -> usize {
    line[field].as_u64().unwrap_or_else(|| panic!("{field} is no count: {line}")) as usize
}

/// What the summary says and what lies in the data directory agree, for the records from `first` on.
fn assert_delivered(summary: &Value, data_directory: &Path, first: usize) -> usize {
    let records = number(summary, "records_in");
    let next = first + records;
    let reviews = delivered(data_directory);
    assert_eq!(number(summary, "records_classified"), records);
    assert_eq!(number(summary, "errors"), 0, "{summary}");
    let ids: Vec<String> = reviews.iter().map(|review| review.review_id.clone()).collect();
    let expected: Vec<String> = (0..next).map(|number| format!("S00000001{number:06}")).collect();
    assert_eq!(ids, expected, "every review once and in order in the main objects");
    let backup = joined(&objects_of(data_directory, BACKUP));
    assert_eq!(made_up_numbers(&backup, 1), (0..next).collect::<Vec<_>>(), "and in the backup objects");
    assert!(objects_of(data_directory, FAILED).is_empty());
    let mut distribution = [0_u64; 5];
    for review in &reviews[first..] {
        distribution[usize::from(review.star_rating) - 1] += 1;
    }
    assert_eq!(summary["rating_distribution"], serde_json::json!(distribution));
    next
}

#[test]
fn made_up_reviews_go_through_and_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = demo(folder.path());
    program.json_until(|line| number(line, "records_classified") > 0);
    let windows = program.json_until(|line| number(line, "windows") > 0);
    assert_eq!(windows["phase"], "running", "a window closes while reviews come");
    let finished = program.finish();
    let summary = finished.summary_of_success();

    let phases: Vec<String> = finished
        .lines
        .iter()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
            let phase = line["phase"].as_str().unwrap().to_owned();
            let mut expected = FIELDS.to_vec();
            if phase == "summary" {
                expected.extend(["is_delivered", "is_stored"]);
            }
            expected.sort_unstable();
            assert_eq!(names, expected);
            phase
        })
        .collect();
    let mut order = phases.clone();
    order.dedup();
    assert!(order == ["running", "draining", "summary"] || order == ["running", "summary"], "{order:?}");
    assert!(phases.iter().filter(|phase| *phase == "running").count() >= 7, "a line a second: {phases:?}");

    // Eight seconds at 10 reviews a second, five times as fast, on a machine that may be busy.
    let records = number(&summary, "records_in");
    assert!((300..=420).contains(&records), "{summary}");
    let next = assert_delivered(&summary, folder.path(), 0);
    assert_eq!(next, records);
    let (main, backup) = (objects_of(folder.path(), MAIN), objects_of(folder.path(), BACKUP));
    assert_eq!(main.len(), number(&summary, "objects_written"));
    assert_eq!(backup.len(), number(&summary, "backup_objects_written"));
    assert!(!main.is_empty() && !backup.is_empty());
    main.iter().for_each(|object| assert_dated(object, MAIN, DELIVERY_STREAM));
    backup.iter().for_each(|object| assert_dated(object, BACKUP, DELIVERY_STREAM));
    assert_eq!(objects_of(folder.path(), "").len(), main.len() + backup.len(), "there are no other objects");
    // Of eight seconds; the window that is open at the end is kept for the next run.
    assert!((1..=2).contains(&number(&summary, "windows")), "{summary}");
    let average = summary["newest_average"].as_f64().unwrap();
    assert!((3.0..=5.0).contains(&average), "{summary}");
    assert!(summary["max_anomaly_score"].as_f64().unwrap() > 0.0, "more records than the forest's first 256");
    let distinct = number(&summary, "newest_distinct_count");
    assert!((1..=records).contains(&distinct), "the newest window's reviews: {summary}");
    assert_eq!(number(&summary, "mails"), 0, "the burst comes later");

    // A second run goes on: not one review is repeated, and none is missing.
    let summary = demo(folder.path()).finish().summary_of_success();
    assert!(number(&summary, "records_in") >= 300, "{summary}");
    assert_delivered(&summary, folder.path(), next);
}

#[test]
fn without_json_the_lines_say_where_things_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&[
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--rate",
        "40",
        "--seed",
        "7",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ]);
    // Figures are results; where things are is said on standard error.
    assert!(program.next_line().unwrap().starts_with("records in "));
    let data = folder.path().to_str().unwrap();
    let status =
        crate::support::wait_for("the server says where its page is", || crate::support::status(data));
    let page = status["page"].as_str().unwrap().to_owned();
    let overview = crate::support::wait_for("a rated review on the page", || {
        let overview = crate::support::page::overview(&page);
        overview["reviews"][0]["review_id"].is_string().then_some(overview)
    });
    assert_eq!(overview["is_synthetic"], true, "made-up reviews are said to be");
    assert!(overview["reviews"][0]["review_id"].as_str().unwrap().starts_with("S00000007"));
    program.signal(rustix::process::Signal::INT);
    let finished = program.finish();
    assert!(matches!(finished.code, Some(0 | 3)), "{finished:#?}");
    let totals = finished.lines.last().unwrap();
    assert!(totals.starts_with("records in "), "{totals}");
    for said in
        ["Millstream: synthetic reviews (seed 7)", &page, data, "buckets", "stopping; the next signal ends"]
    {
        assert!(finished.stderr.contains(said), "{said}: {finished:#?}");
    }
    assert!(!totals.contains("reviews rated 0,"), "{totals}");
}

#[test]
fn the_demo_has_a_data_directory_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"));
    command
        .args(["demo", "--duration", "1s", "--no-console"])
        .current_dir(folder.path())
        .env("MILLSTREAM_DATA_DIR", "of-the-user");
    let finished = Program::start_command(command).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let made: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, ["millstream-demo"], "MILLSTREAM_DATA_DIR is for the user's own pipelines");
    assert!(finished.stderr.contains("millstream list --data-dir millstream-demo"), "{}", finished.stderr);
}

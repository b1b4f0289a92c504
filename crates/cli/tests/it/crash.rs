//! `kill -9` at different moments, then a run that drains: what was acknowledged has arrived, and applications went on.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::objects::{BACKUP, FAILED, MAIN, delivered, joined, lines};
use crate::support::reviews::{first_occurrences, made_up_numbers};
use crate::support::{Program, objects_of, run};
use serde_json::Value;

/// How many reviews of a demo were acknowledged at least, as far as was seen before it was killed.
fn demo_until_killed(data_directory: &Path, moment: impl Fn(&Value) -> bool) -> u64 {
    let data_directory = data_directory.to_str().unwrap();
    let mut program =
        Program::start(&["demo", "--speed", "30", "--json", "--no-console", "--data-dir", data_directory]);
    let line = program.json_until(moment);
    program.kill();
    line["records_in"].as_u64().unwrap()
}

#[test]
fn no_acknowledged_review_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let above_zero = |field: &'static str| move |line: &Value| line[field].as_u64().unwrap() > 0;
    let mut acknowledged = 0;
    for moment in ["records_in", "records_classified", "windows", "objects_written"] {
        acknowledged += demo_until_killed(folder.path(), above_zero(moment));
    }
    let data_directory = folder.path().to_str().unwrap();
    let arguments = ["demo", "--speed", "30", "--duration", "2s", "--json", "--no-console"];
    let summary = run(&[arguments.as_slice(), &["--data-dir", data_directory]].concat()).summary_of_success();
    assert_eq!(summary["errors"], 0, "{summary}");
    acknowledged += summary["records_in"].as_u64().unwrap();

    let backup = made_up_numbers(&joined(&objects_of(folder.path(), BACKUP)), 1);
    let main: Vec<usize> = delivered(folder.path())
        .iter()
        .map(|review| review.review_id.strip_prefix("S00000001").unwrap().parse().unwrap())
        .collect();
    for (kind, numbers) in [("backup", backup), ("main", main)] {
        let once = first_occurrences(&numbers);
        assert_eq!(once, (0..once.len()).collect::<Vec<_>>(), "{kind}: nothing missing, and in order");
        let records = numbers.len() as u64;
        assert!(records >= acknowledged, "{kind}: {records} records of {acknowledged} acknowledged ones");
    }
    assert!(objects_of(folder.path(), FAILED).is_empty());
    // Both kinds begin and end with the same review.
    let last = |prefix| made_up_numbers(&joined(&objects_of(folder.path(), prefix)), 1).last().copied();
    assert_eq!(last(MAIN), last(BACKUP));
}

/// Counts every record since the first: each row's number shows whether the state has seen every record once.
const NUMBERING: &str = r#"
[[delivery_stream]]
name = "raw"
bucket = "raw"
buffer_interval = "1s"

[[delivery_stream]]
name = "numbered"
bucket = "numbered"
buffer_interval = "1s"

[[application]]
name = "numbering"
sql = '''
CREATE OR REPLACE STREAM "NUMBERED" ("number" BIGINT, "id" VARCHAR(16));
CREATE OR REPLACE PUMP "NUMBERED_PUMP" AS INSERT INTO "NUMBERED"
  SELECT STREAM COUNT(*) OVER (RANGE INTERVAL '1' DAY PRECEDING) AS "number", "id" FROM "SOURCE_SQL_STREAM_001";
'''

[application.input]
delivery_stream = "raw"
format = "tsv"
columns = "id VARCHAR(16)"

[[application.output]]
from = "NUMBERED"
delivery_stream = "numbered"
format = "csv"

[[input]]
name = "ids"
path = "ids.txt"
rate = 500
delivery_stream = "raw"
"#;

#[test]
fn h3_an_application_has_seen_every_record_once_after_any_crash() {
    const RECORDS: usize = 4_000;
    const CRASHES: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("numbering.toml"), NUMBERING).unwrap();
    let ids: String = (0..RECORDS).map(|number| format!("ID{number:06}\n")).collect();
    std::fs::write(path("ids.txt"), ids).unwrap();
    let (file, data_directory) = (path("numbering.toml"), path("data"));
    let arguments = ["run", &file, "--until-end", "--json", "--no-console", "--data-dir", &data_directory];

    // Killed in mid-air: when it has just taken records, and when it has just written objects.
    let mut crashes = 0;
    while crashes < CRASHES {
        let mut program = Program::start(&arguments);
        let is_taking = crashes % 2 == 0;
        let field = if is_taking { "records_in" } else { "objects_written" };
        let line = program.json_until(|line| line[field].as_u64().unwrap() > 0 || line["phase"] != "running");
        assert_eq!(line["phase"], "running", "all is read before the last crash: {line}");
        program.kill();
        crashes += 1;
    }
    let summary = run(&arguments).summary_of_success();
    assert_eq!(summary["errors"], 0, "{summary}");

    let raw = String::from_utf8(joined(&objects_of(Path::new(&data_directory), "raw/"))).unwrap();
    let raw: Vec<usize> = raw.split("ID").skip(1).map(|number| number.trim_end().parse().unwrap()).collect();
    assert_eq!(first_occurrences(&raw), (0..RECORDS).collect::<Vec<_>>());

    // A row may come twice, but always the same: restored state gives the same rows as no crash.
    let mut by_number = BTreeMap::new();
    for line in lines(&objects_of(Path::new(&data_directory), "numbered/")) {
        let (number, id) = line.split_once(',').unwrap();
        let number: usize = number.parse().unwrap();
        let id: usize = id.trim_start_matches("ID").parse().unwrap();
        let before = by_number.insert(number, id).unwrap_or(id);
        assert_eq!(before, id, "row {number} came out twice and differs");
    }
    let numbers: Vec<usize> = by_number.keys().copied().collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "no record is skipped or counted twice");
    // The rows in their order are the log: the records in order, and after each crash again what was not noted as read.
    let log: Vec<usize> = by_number.into_values().collect();
    assert_eq!(first_occurrences(&log), (0..RECORDS).collect::<Vec<_>>());
    let steps_back = log.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(steps_back <= CRASHES, "{steps_back} steps back after {CRASHES} crashes");
}

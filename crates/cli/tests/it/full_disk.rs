//! A disk that is full for a while: nothing is lost, and work goes on once there is room.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::objects::{joined, lines};
use crate::support::{Program, objects_of};

const RECORDS: usize = 30_000;

const PIPELINE: &str = r#"
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
  SELECT STREAM COUNT(*) OVER (ROWS 2 PRECEDING) AS "number", "id" FROM "SOURCE_SQL_STREAM_001";
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
path = "ids.tsv"
rate = 10000
delivery_stream = "raw"
"#;

/// Runs the program on a small disk of its own, most of which something else takes; a copy of what it leaves is kept. The
/// disk is seen by this process only and vanishes with it; the program ends with its shell.
const ON_A_SMALL_DISK: &str = "set -e
mount -t tmpfs -o size=32m tmpfs disk
head -c 30000000 /dev/zero > disk/something-else
setpriv --pdeathsig KILL \"$0\" run pipeline.toml --until-end --json --no-console --data-dir disk/data
cp -r disk/data data";

/// Whether this system lets a user mount a disk that only a process of its own sees.
fn can_mount(folder: &std::path::Path) -> bool {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "disk"]).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Results and a log that are written to a disk that is full: the work is done, and the lost results are a failure.
#[test]
fn an_output_that_takes_nothing_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.toml"), PIPELINE.replace("VARCHAR(16)", "BIGINT")).unwrap();
    let lines: Vec<String> = (0..2_000).map(|number| format!("{number}\nno number\n")).collect();
    fs::write(folder.path().join("ids.tsv"), lines.concat()).unwrap();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(["run", "pipeline.toml", "--until-end", "--json", "--no-console", "--data-dir", "data"]);
    let status = command.current_dir(folder.path()).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    let raw = joined(&objects_of(&folder.path().join("data"), "raw/"));
    assert!(raw == lines.concat().into_bytes(), "records are lines");
    let numbered = crate::support::objects::lines(&objects_of(&folder.path().join("data"), "numbered/"));
    assert_eq!(numbered.len(), 2_000);

    // With a log that somebody reads, what is lost is said once.
    for arguments in [["run", "pipeline.toml"].as_slice(), &["serve", "--apply", "pipeline.toml"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(arguments).args([
            "--duration",
            "1500ms",
            "--json",
            "--no-console",
            "--data-dir",
            "again",
        ]);
        let output = command.current_dir(folder.path()).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let said = stderr.matches("standard output cannot be written: No space left").count();
        assert_eq!(said, 1, "{arguments:?}: {stderr}");
    }
    for arguments in [["completions", "bash"].as_slice(), &["--help"], &["--version"], &["run", "--help"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        let output = command.args(arguments).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: standard output cannot be written: No space left"), "{stderr}");
    }

    let mut refused = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let status = refused.args(["run", "no-such-file"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1), "it fails as it would with somebody to tell");
}

#[test]
fn a_full_disk_holds_things_up_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("disk")).unwrap();
    if !can_mount(folder.path()) {
        eprintln!("skipped: no disk can be mounted here (unshare --map-root-user --mount)");
        return;
    }
    fs::write(folder.path().join("pipeline.toml"), PIPELINE).unwrap();
    let text = "some text that takes room ".repeat(4);
    let ids: Vec<String> = (0..RECORDS).map(|number| format!("ID{number:06}\t{text}")).collect();
    fs::write(folder.path().join("ids.tsv"), ids.join("\n")).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, env!("CARGO_BIN_EXE_millstream")])
        .current_dir(folder.path());
    let mut program = Program::start_command(command);
    let line = program.json_until(|line| line["errors"].as_u64().unwrap() > 0 || line["phase"] != "running");
    assert_eq!(line["phase"], "running", "it waits for room: {line}");
    let taken = line["records_in"].as_u64().unwrap();
    assert!(taken < RECORDS as u64, "it takes no more records than it can keep: {line}");

    // The shell sees its disk, so do we through it.
    let something_else = format!("/proc/{}/cwd/disk/something-else", program.process_id());
    fs::remove_file(&something_else).unwrap_or_else(|error| panic!("{something_else}: {error}"));
    let finished = program.finish();
    let summary = finished.summary_of_success();
    assert_eq!(summary["records_in"], RECORDS, "{summary}");
    assert!(finished.stderr.contains("No space left on device"), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("the disk is full, nothing was written: free space"),
        "{}",
        finished.stderr
    );

    let data = folder.path().join("data");
    let raw = String::from_utf8(joined(&objects_of(&data, "raw/"))).unwrap();
    assert!(raw == format!("{}\n", ids.join("\n")), "every record once and in order");
    let numbered = lines(&objects_of(&data, "numbered/"));
    let numbered: Vec<&str> = numbered.iter().map(|line| line.split_once(',').unwrap().1).collect();
    let expected: Vec<&str> = ids.iter().map(|id| id.split_once('\t').unwrap().0).collect();
    assert!(numbered == expected, "{} rows of {RECORDS}", numbered.len());
}

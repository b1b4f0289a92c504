//! What is refused, in which words, with which exit code; and what a crash may leave behind that is not refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::objects::{BACKUP, joined};
use crate::support::reviews::{first_occurrences, made_up_numbers};
use crate::support::server::Server;
use crate::support::{Program, objects_of, page, repository, run, run_in};
use serde_json::Value;
use tempfile::TempDir;

/// The example with something in it replaced, in a file of its own.
fn example_with(folder: &TempDir, wrong: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(repository("examples/reviews.toml")).unwrap();
    for (right, wrong) in wrong {
        assert!(text.contains(right), "the example has no {right:?}");
        text = text.replacen(right, wrong, 1);
    }
    let path = folder.path().join("pipeline.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Line and column of a text in a file, from 1.
fn place(path: &str, text: &str) -> String {
    let content = fs::read_to_string(path).unwrap();
    let at = content.find(text).unwrap();
    let line = content[..at].matches('\n').count() + 1;
    let column = at - content[..at].rfind('\n').map_or(0, |newline| newline + 1) + 1;
    format!("{line}:{column}")
}

/// `check` and `run` refuse the file in the same words, and `run` leaves nothing behind.
#[track_caller]
fn assert_refused(file: &str, mistakes: &[(&str, &str, &str)]) {
    let mut expected = String::new();
    for (message, marked, hint) in mistakes {
        let at = place(file, marked);
        let number = at.split(':').next().unwrap();
        let line = fs::read_to_string(file)
            .unwrap()
            .lines()
            .nth(number.parse::<usize>().unwrap() - 1)
            .unwrap()
            .to_owned();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(line.find(marked).unwrap());
        let marks = "^".repeat(marked.len());
        if !expected.is_empty() {
            expected.push('\n');
        }
        expected.push_str(&format!(
            "error: {message}\n{gutter} --> {file}:{at}\n{gutter}  |\n{number}  | {line}\n{gutter}  | {indent}{marks}\n"
        ));
        if !hint.is_empty() {
            expected.push_str(&format!("{gutter}  hint: {hint}\n"));
        }
    }
    let count =
        if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    let checked = run(&["check", file]);
    assert_eq!(checked.stdout(), format!("{expected}\n{file}: {count}\n"));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""));

    let data_directory = format!("{file}.data");
    let started = run(&["run", file, "--no-console", "--data-dir", &data_directory]);
    assert_eq!(started.stderr, expected);
    assert_eq!(started.code, Some(1));
    assert!(!Path::new(&data_directory).exists());
}

#[test]
fn mistakes_of_a_pipeline_are_shown_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    // A key with a typo.
    let file = example_with(&folder, &[("buffer_interval = \"10s\"", "bufer_interval = \"10s\"")]);
    let message = "unknown key `bufer_interval`";
    assert_refused(&file, &[(message, "bufer_interval", "did you mean \"buffer_interval\"?")]);

    // Names that nothing has; all mistakes at once.
    let file = example_with(
        &folder,
        &[
            ("function = \"score-reviews\"", "function = \"score-review\""),
            ("metric = \"AVGStarRating\"", "metric = \"AvgStars\""),
            ("preprocessor = \"score-reviews\"", "preprocessor = \"rate\""),
        ],
    );
    assert_refused(
        &file,
        &[
            ("there is no function \"score-review\"", "\"score-review\"", "did you mean \"score-reviews\"?"),
            ("there is no metric \"AvgStars\"", "\"AvgStars\"", "there are: AVGStarRating"),
            (
                "there is no function \"rate\"",
                "\"rate\"",
                "there are: score-reviews, metric-from-average, notify-on-anomaly",
            ),
        ],
    );

    // A value that cannot be.
    let file = example_with(&folder, &[("buffer_interval = \"10s\"", "buffer_interval = \"soon\"")]);
    let finished = run(&["check", &file]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stdout().contains(&format!("{file}:{}\n", place(&file, "\"soon\""))),
        "{}",
        finished.stdout()
    );
    assert!(finished.stdout().contains("write 250ms, 5s, 2m or 1h"), "{}", finished.stdout());

    // What is no TOML.
    let file = example_with(&folder, &[("[[metric]]", "[[metric]")]);
    let finished = run(&["check", &file]);
    assert_eq!(finished.code, Some(1));
    let line = place(&file, "[[metric]").split(':').next().unwrap().to_owned();
    assert!(finished.stdout().contains(&format!("{file}:{line}:")), "{}", finished.stdout());
}

#[test]
fn mistakes_of_sql_are_shown_at_their_place_in_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let file = example_with(&folder, &[("CAST(\"star_rating\"", "CAST(\"star_ratin\"")]);
    assert_refused(
        &file,
        &[("column \"star_ratin\" does not exist", "\"star_ratin\"", "did you mean \"star_rating\"?")],
    );

    // In a file of its own, the place is in that file.
    let sql = "CREATE OR REPLACE STREAM \"A\" (x INTEGER);\nCREATE OR REPLACE PUMP \"P\" AS INSERT INTO \"A\"\n  \
               SELECT STREAM \"star_ratin\" FROM \"SOURCE_SQL_STREAM_001\";\n";
    fs::write(folder.path().join("stars.sql"), sql).unwrap();
    let text = fs::read_to_string(repository("examples/reviews.toml")).unwrap();
    let (before, rest) = text.split_once("sql = '''").unwrap();
    let (_, after) = rest.split_once("'''").unwrap();
    let path = folder.path().join("by-file.toml");
    let end = after.find("[[application.output]]").unwrap();
    fs::write(&path, format!("{before}sql_file = \"stars.sql\"{}", &after[..end])).unwrap();
    let finished = run(&["check", path.to_str().unwrap()]);
    assert_eq!(finished.code, Some(1));
    let shown = finished.stdout();
    assert!(shown.starts_with("error: column \"star_ratin\" does not exist"), "{shown}");
    assert!(shown.contains("stars.sql:3:17\n"), "{shown}");
    assert!(shown.contains("  |                 ^^^^^^^^^^^^\n"), "{shown}");
}

#[test]
fn sql_that_does_not_run_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subquery.sql");
    let file = path.to_str().unwrap();
    let check = |query: &str| {
        let sql =
            format!("CREATE STREAM \"T\" (x INTEGER);\nCREATE PUMP \"P\" AS INSERT INTO \"T\"\n  {query};\n");
        fs::write(&path, sql).unwrap();
        let finished = run(&["check", file, "--stream", "A (x INTEGER)"]);
        assert_eq!(finished.code, Some(1));
        finished.stdout()
    };
    // What cannot work on streams.
    let shown = check("SELECT STREAM \"x\" FROM \"A\" WHERE \"x\" IN (SELECT STREAM \"x\" FROM \"A\")");
    let expected = format!(
        "error: a query in an expression needs reference tables or VALUES: a stream never ends\n  --> {file}:3:44\n   |\n"
    );
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains('^') && shown.contains("hint: join the streams instead"), "{shown}");
    assert!(shown.ends_with(&format!("{file}: 1 mistake\n")), "{shown}");
    // What does not run yet says so.
    let shown = check(
        "SELECT STREAM A1.\"x\" FROM \"A\" OVER (ROWS 1 PRECEDING) AS A1 LEFT JOIN \"A\" AS A2 \
         ON A1.\"x\" = A2.\"x\" AND A1.\"x\" IN (SELECT N FROM (VALUES (1)) AS V (N))",
    );
    assert!(shown.contains("not supported yet") && shown.contains(&format!("{file}:3:")), "{shown}");
}

#[test]
fn wrong_usage_ends_with_2_and_failure_with_1() {
    let usage: [(&[&str], &str); 17] = [
        (&[], "Usage: millstream <COMMAND>"),
        (&["serve-all"], "unrecognized subcommand 'serve-all'"),
        (&["dem"], "demo"),
        (&["demo", "--rate", "0"], "invalid value '0' for '--rate <NUMBER>': must be above 0"),
        (&["demo", "--rate", "-1"], "'-1'"),
        (&["demo", "--rate", "many"], "\"many\" is not a number"),
        (&["demo", "--rate", "inf"], "must be above 0"),
        (&["demo", "--speed", "0"], "must be above 0"),
        (&["demo", "--duration", "5parsecs"], "is not a period: write 250ms, 5s, 2m or 1h"),
        (&["demo", "--listen", "nowhere"], "invalid value 'nowhere' for '--listen <ADDRESS>'"),
        (
            &["demo", "--seed", "one"],
            "invalid value 'one' for '--seed <NUMBER>': \"one\" is not a whole number: write digits, such as 42",
        ),
        (&["serve", "p.toml"], "a file is applied with a flag: millstream serve --apply p.toml"),
        (&["run"], "<FILE>"),
        (&["run", "a.toml", "--header"], "--input <FILE>"),
        (&["replay", "a.sql", "--input", "x", "--rate", "1", "--rowtime", "at"], "cannot be used with"),
        (&["bench", "luck"], "[possible values: sql, log, pipeline, rcf, model]"),
        (&["completions", "tcsh"], "possible values"),
    ];
    for (arguments, words) in usage {
        run(arguments).assert_failed(2, &[words]);
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let stock = repository("examples/stock-ticker.toml").to_str().unwrap().to_owned();
    let sql = folder.path().join("app.sql").to_str().unwrap().to_owned();
    fs::write(&sql, "CREATE STREAM T (N INTEGER);").unwrap();
    let failures: [(&[&str], &str); 12] = [
        (
            &["replay", &stock, "--input", &missing, "--stream", "S (N INTEGER)"],
            "--stream is for SQL, in a file whose name ends in .sql: ",
        ),
        (&["replay", &stock, "--input", &missing, "--preprocessed"], "has no preprocessing function"),
        (
            &["replay", &sql, "--input", &missing, "--stream", "S (N INTEGER)", "--application", "a"],
            "--application is for pipeline files: ",
        ),
        (
            &["replay", &sql, "--input", &missing, "--stream", "S (N INTEGER)", "--preprocessed"],
            "--preprocessed is for pipeline files: ",
        ),
        (&["check", &missing], "missing: there is no such file"),
        (&["check", folder.path().to_str().unwrap()], "it is a directory"),
        (&["run", &missing], "missing: there is no such file"),
        (&["test", &missing], "missing: there is no such file"),
        (&["test", folder.path().to_str().unwrap()], "holds no golden files: their names end in .test"),
        (&["replay", &missing, "--input", &missing], "cannot read"),
        (
            &["replay", &stock, "--input", &missing, "--format", "tsv"],
            "--format is for SQL, in a file whose name ends in .sql: ",
        ),
        (&["demo", "--input", &missing], "cannot read"),
    ];
    for (arguments, words) in failures {
        let finished = run(arguments);
        finished.assert_failed(1, &[words]);
        assert!(
            finished.stderr.starts_with("error: ") && finished.stderr.lines().count() == 1,
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn usage_shows_no_flag_as_needed_whose_value_a_variable_gives() {
    let program = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"));
        let output = command.args(arguments).env("MILLSTREAM_DATA_DIR", "elsewhere").output().unwrap();
        let (out, error) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code(), out, error)
    };
    let (code, _, error) = program(&["describe", "stream"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("Usage: millstream describe <KIND> <NAME>") && !error.contains("--data-dir"),
        "{error}"
    );
    let (_, _, error) = program(&["reset", "app", "--yes"]);
    assert!(error.contains("; a name stands behind its kind, such as reset application app"), "{error}");
    // The variable is used, and help tells of it.
    let (code, _, error) = program(&["list"]);
    assert!(code == Some(1) && error.contains("elsewhere"), "{error}");
    assert!(program(&["list", "--help"]).1.contains("[env: MILLSTREAM_DATA_DIR=elsewhere]"));
    for ask in [["help"].as_slice(), &["help", "--help"], &["help", "-h"]] {
        let (code, out, _) = program(ask);
        assert!(code == Some(0) && out.contains("Usage: millstream <COMMAND>"), "{ask:?}: {out}");
    }
}

#[test]
fn every_failure_is_json_where_json_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let failures: [(i32, &[&str], &str); 16] = [
        (
            2,
            &["list", "zz"],
            "invalid value 'zz' for '[KIND]': there is no kind \"zz\"; there are: mail-server",
        ),
        (2, &["describe", "stream"], "the following required arguments were not provided:\n  <NAME>"),
        (2, &["delete", "zz", "a"], "there is no kind \"zz\""),
        (2, &["reset"], "required arguments were not provided"),
        (2, &["tail", "a", "--limit", "0"], "invalid value '0' for '--limit <NUMBER>'"),
        (2, &["put"], "<STREAM>"),
        (2, &["replay", "a.sql", "--input", "x", "--rate", "0"], "must be above 0"),
        (2, &["run"], "<FILE>"),
        (2, &["serve", "--listen", "nowhere"], "is not an address"),
        (2, &["bench", "luck"], "[possible values: sql, log, pipeline, rcf, model]"),
        (2, &["nonsense"], "unrecognized subcommand 'nonsense'"),
        (1, &["list"], "no server runs on data directory"),
        (1, &["check", "missing"], "cannot read"),
        (1, &["replay", "missing", "--input", "missing"], "cannot read"),
        (1, &["run", "missing"], "cannot read"),
        (1, &["discover", "missing"], "cannot read"),
    ];
    for (code, arguments, words) in failures {
        let finished = run_in(folder.path(), &[arguments, &["--json"]].concat());
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        let [line] = finished.lines.as_slice() else { panic!("{arguments:?}: {finished:#?}") };
        let error = serde_json::from_str::<Value>(line).unwrap()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words) && !error.starts_with("error: "), "{arguments:?}: {error}");
        assert!(!error.contains("--help"), "{error}");
        // Standard error of servers is their log.
        let log =
            if code == 1 && arguments[0] == "run" { format!("error: {error}\n") } else { String::new() };
        assert_eq!(finished.stderr, log, "{arguments:?}");
    }
    // Without it people read it.
    run(&["list", "zz"]).assert_failed(2, &["error: invalid value 'zz'", "try '--help'"]);
}

/// A demo that has put reviews, with its page and its data directory.
fn running_demo(data_directory: &str) -> (Program, String) {
    let mut program = Program::start(&[
        "demo",
        "--rate",
        "200",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data_directory,
    ]);
    let line = program.json_until(|line| line["records_in"].as_u64().unwrap() > 0);
    (program, line["page"].as_str().unwrap().to_owned())
}

#[test]
fn a_directory_and_a_port_in_use_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data_directory = folder.path().join("data").to_str().unwrap().to_owned();
    let (mut first, url) = running_demo(&data_directory);
    let second = run(&["demo", "--no-console", "--data-dir", &data_directory]);
    let holder = format!(
        "is in use by process {}: stop that process, or choose another directory",
        first.process_id()
    );
    second.assert_failed(1, &[&data_directory, &holder]);

    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let other = folder.path().join("other");
    let second = run(&["demo", "--listen", address, "--data-dir", other.to_str().unwrap()]);
    let port = address.rsplit(':').next().unwrap();
    let words = format!(
        "error: port {port} is in use by another program (perhaps another millstream); choose another"
    );
    second.assert_failed(1, &[&words, "--listen 127.0.0.1:0", "--no-console"]);
    assert!(!other.exists(), "a wrong port leaves no data directory behind");

    // The first one has not noticed.
    let before = first.next_json()["records_in"].as_u64().unwrap();
    first.json_until(|line| line["records_in"].as_u64().unwrap() > before);
    assert_eq!(page::get(&url, "/health").unwrap().0, 200);
}

#[test]
fn only_this_machine_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    for address in ["0.0.0.0:0", "192.0.2.1:4566", "[::]:0"] {
        let finished = run(&["demo", "--listen", address, "--data-dir", other.to_str().unwrap()]);
        finished.assert_failed(1, &[address, "can be reached from other machines", "listen on 127.0.0.1"]);
        assert!(!other.exists());
    }
    // A page of another site whose name was made to lead here reads nothing.
    let (_program, url) = running_demo(folder.path().join("data").to_str().unwrap());
    for path in ["/", "/api/overview", "/_console/live"] {
        assert_eq!(page::get_as(&url, path, "example.com").unwrap().0, 421, "{path}");
    }
    assert_eq!(page::get_as(&url, "/health", "localhost").unwrap().0, 200);
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "in the way").unwrap();
    fs::create_dir(path("log-in-the-way")).unwrap();
    fs::write(path("log-in-the-way/log"), "in the way").unwrap();
    fs::create_dir(path("buckets-in-the-way")).unwrap();
    fs::write(path("buckets-in-the-way/buckets"), "in the way").unwrap();
    fs::create_dir(path("no-catalog")).unwrap();
    fs::write(path("no-catalog/catalog.sqlite"), "this was never a database, whatever its name says")
        .unwrap();
    fs::create_dir(path("no-monitor")).unwrap();
    fs::write(path("no-monitor/monitor.sqlite"), "this was never a database, whatever its name says")
        .unwrap();
    let cases: [(&str, &[&str]); 6] = [
        ("file", &["error: cannot make ", "; choose another with --data-dir\n"]),
        (
            "file/deeper",
            &["error: cannot make ", "Not a directory (os error 20); choose another with --data-dir\n"],
        ),
        ("log-in-the-way", &["log-in-the-way/log", "Not a directory (os error 20)\n"]),
        (
            "buckets-in-the-way",
            &["cannot make ", "buckets/reviews: Not a directory (os error 20); choose another"],
        ),
        ("no-catalog", &["catalog.sqlite: file is not a database", "restore a damaged file from a copy"]),
        ("no-monitor", &["monitor.sqlite: file is not a database", "check the path and its permissions"]),
    ];
    for (name, words) in cases {
        let data_directory = path(name).to_str().unwrap().to_owned();
        let finished = run(&["demo", "--no-console", "--duration", "1s", "--data-dir", &data_directory]);
        finished.assert_failed(1, words);
        finished.assert_failed(1, &[&data_directory]);
    }
}

/// A data directory whose process was killed while it wrote, and its only segment.
fn killed_demo(folder: &TempDir) -> (String, PathBuf) {
    let data_directory = folder.path().join("data").to_str().unwrap().to_owned();
    let (mut program, _) = running_demo(&data_directory);
    program.json_until(|line| line["records_in"].as_u64().unwrap() >= 300);
    program.kill();
    let segments: Vec<PathBuf> = fs::read_dir(Path::new(&data_directory).join("log/segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [segment] = segments.as_slice() else { panic!("one segment: {segments:?}") };
    (data_directory, segment.clone())
}

#[test]
fn a_half_written_segment_is_cut_and_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data_directory, segment) = killed_demo(&folder);
    let sound = fs::metadata(&segment).unwrap().len();
    // What a write that nobody was promised may leave: some bytes, and a segment without its header.
    let mut file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(&[0x5a; 777]).unwrap();
    fs::write(segment.with_file_name("00000000000000000002.log"), b"MI").unwrap();

    let finished = run(&[
        "demo",
        "--rate",
        "200",
        "--duration",
        "2s",
        "--json",
        "--no-console",
        "--data-dir",
        &data_directory,
    ]);
    let summary = finished.summary_of_success();
    assert_eq!(summary["errors"], 0, "{summary}");
    assert!(finished.stderr.contains("that part was cut off"), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("offset: {sound}, bytes: 777")), "{}", finished.stderr);
    let backup = made_up_numbers(&joined(&objects_of(Path::new(&data_directory), BACKUP)), 1);
    let once = first_occurrences(&backup);
    assert_eq!(once, (0..once.len()).collect::<Vec<_>>());
    assert!(once.len() as u64 >= 300, "what came before is there: {}", once.len());
    assert!(backup.len() as u64 >= 300 + summary["records_in"].as_u64().unwrap(), "and what came after");
}

#[test]
fn a_damaged_log_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (data_directory, segment) = killed_demo(&folder);
    let sound = fs::read(&segment).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    fs::write(&segment, &damaged).unwrap();
    let arguments = ["demo", "--no-console", "--json", "--duration", "1s", "--data-dir", &data_directory];
    let refused = run(&arguments);
    refused.assert_failed(
        1,
        &[segment.to_str().unwrap(), "is damaged at byte ", "restore the file from a copy"],
    );
    let offset = refused.stderr.split("is damaged at byte ").nth(1).unwrap().split(':').next().unwrap();
    let offset: usize = offset.parse().unwrap();
    assert!(
        offset <= middle && middle - offset < 64 << 10,
        "{offset} is where the damaged frame of {middle} begins"
    );
    assert_eq!(fs::read(&segment).unwrap(), damaged, "nothing was changed");

    // The file from a copy: everything is there again.
    fs::write(&segment, sound).unwrap();
    let summary = run(&arguments).summary_of_success();
    assert_eq!(summary["errors"], 0, "{summary}");
}

#[test]
fn a_password_that_is_not_set_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mail.toml");
    let text = "[smtp]\nhost = \"localhost\"\nport = 2525\nfrom = \"a@example.com\"\nuser = \"a\"\n\
                password_variable = \"NO_SUCH_PASSWORD\"\n";
    fs::write(&file, text).unwrap();
    let said =
        ["environment variable NO_SUCH_PASSWORD, which is not set", "mail.toml:6:", "where run or serve"];
    let finished = run(&["check", file.to_str().unwrap()]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    for words in said {
        assert!(finished.stdout().contains(words), "{finished:#?}");
    }
    // Whoever is to run it makes nothing.
    for command in [["run", "mail.toml"].as_slice(), &["serve", "--apply", "mail.toml"]] {
        let more = ["--no-console", "--data-dir", "data"].as_slice();
        run_in(folder.path(), &[command, more].concat()).assert_failed(1, &said);
        assert!(!folder.path().join("data").exists(), "{command:?}");
    }
    let server = Server::start_in(folder, &[]);
    server.refuse(&["apply", "mail.toml"], &said);
    assert_eq!(server.ask(&["list", "--json"]), [""; 0]);
    server.stop();
}

#[test]
fn an_input_without_an_end_is_not_waited_for_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let endless = "reading ends at line 1: it has no end within 64 MiB; each line is a record, of at most 1048512 bytes";
    run(&["discover", "/dev/zero"]).assert_failed(1, &[&format!("/dev/zero: {endless}")]);
    let average = repository("examples/average.sql").to_str().unwrap().to_owned();
    let stream = "SOURCE_SQL_STREAM_001 (star_rating INTEGER)";
    run(&["replay", &average, "--stream", stream, "--input", "/dev/zero"])
        .assert_failed(4, &[endless, "0 records, "]);
    let file = folder.path().join("zero.toml");
    let text =
        "[[stream]]\nname = \"s\"\n[[input]]\nname = \"i\"\npath = \"/dev/zero\"\ninto_stream = \"s\"\n";
    fs::write(&file, text).unwrap();
    let data = folder.path().join("data");
    let arguments =
        ["run", file.to_str().unwrap(), "--until-end", "--no-console", "--data-dir", data.to_str().unwrap()];
    run(&arguments).assert_failed(4, &[endless]);
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    run(&["discover", pipe]).assert_failed(1, &["no whole line came within 10 s"]);
    // What is there in time is taken.
    let mut program = Program::start(&["discover", "-", "--json"]);
    program.write(b"{\"a\":1}\n{\"a\":2}\n");
    let found = program.next_json();
    assert_eq!(found["columns"][0]["name"], "a", "{found}");
    // A file that names a pipe can be checked without a writer.
    let file = folder.path().join("piped.toml");
    let text =
        format!("[[stream]]\nname = \"s\"\n[[input]]\nname = \"i\"\npath = {pipe:?}\ninto_stream = \"s\"\n");
    fs::write(&file, text).unwrap();
    assert_eq!(run(&["check", file.to_str().unwrap()]).code, Some(0));
}

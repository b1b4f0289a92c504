//! Pipelines from files: their inputs, chains of applications over streams, and an orderly end.

use std::collections::HashMap;
use std::fs;
use std::io::Read;

use crate::support::objects::{delivered, joined, lines};
use crate::support::reviews::{AMAZON_HEADER, amazon_line, id, short_line, write_file};
use crate::support::{Program, objects_of, page, repository, run_in, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Two applications, one behind the other, with a stream between them that both sides see.
const CHAIN: &str = r#"
[[stream]]
name = "trades"
shards = 2

[[stream]]
name = "large-trades"

[[delivery_stream]]
name = "large"
bucket = "large"
buffer_interval = "1s"
compression = "gzip"

[[delivery_stream]]
name = "counts"
bucket = "counts"
prefix = "by-ticker/"

[[application]]
name = "filter"
sql_file = "sql/filter.sql"

[application.input]
stream = "trades"
format = "json"
columns = "ticker VARCHAR(8) $.t, price DOUBLE $.p.amount"

[[application.output]]
from = "LARGE"
stream = "large-trades"

[[application.output]]
from = "LARGE"
delivery_stream = "large"
format = "csv"

[[application]]
name = "count"
sql = '''
CREATE OR REPLACE STREAM "COUNTS" ("ticker" VARCHAR(8), "trades" BIGINT);
CREATE OR REPLACE PUMP "COUNT_PUMP" AS INSERT INTO "COUNTS"
  SELECT STREAM "TICKER", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
  GROUP BY "TICKER", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND);
'''

[application.input]
stream = "large-trades"
format = "json"
columns = "TICKER VARCHAR(8) $.TICKER"

[[application.output]]
from = "COUNTS"
delivery_stream = "counts"
format = "csv"
"#;

const FILTER: &str = "CREATE OR REPLACE STREAM \"LARGE\" (ticker VARCHAR(8), price DOUBLE);\n\
    CREATE OR REPLACE PUMP \"LARGE_PUMP\" AS INSERT INTO \"LARGE\"\n  \
    SELECT STREAM \"ticker\", \"price\" FROM \"SOURCE_SQL_STREAM_001\" WHERE \"price\" > 50;\n";

/// The pipeline in a folder; what it writes goes to `data` in it.
fn chain(inputs: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sql")).unwrap();
    fs::write(folder.path().join("chain.toml"), format!("{CHAIN}{inputs}")).unwrap();
    fs::write(folder.path().join("sql/filter.sql"), FILTER).unwrap();
    folder
}

fn trade(number: usize) -> String {
    let ticker = ["AAA", "BBB", "CCC"][number % 3];
    format!("{{\"t\":\"{ticker}\",\"p\":{{\"amount\":{}.5}}}}", number % 100)
}

/// What must come out of the first so many trades: lines of large ones, and the count of each ticker.
fn expected(trades: usize) -> (Vec<String>, HashMap<String, u64>) {
    let mut large = Vec::new();
    let mut counts = HashMap::new();
    for number in (0..trades).filter(|number| number % 100 >= 50) {
        let ticker = ["AAA", "BBB", "CCC"][number % 3];
        large.push(format!("{ticker},{}.5", number % 100));
        *counts.entry(ticker.to_owned()).or_insert(0) += 1;
    }
    large.sort();
    (large, counts)
}

#[track_caller]
fn assert_chain_delivered(folder: &TempDir, trades: usize) {
    let data_directory = folder.path().join("data");
    let (expected_large, expected_counts) = expected(trades);
    let mut large = Vec::new();
    for object in objects_of(&data_directory, "large/") {
        assert!(object.path.ends_with(".gz"), "{}", object.path);
        let mut text = String::new();
        flate2::read::GzDecoder::new(object.bytes.as_slice()).read_to_string(&mut text).unwrap();
        large.extend(text.lines().map(str::to_owned));
    }
    large.sort();
    assert_eq!(large, expected_large);
    let mut counts: HashMap<String, u64> = HashMap::new();
    for line in lines(&objects_of(&data_directory, "counts/by-ticker/")) {
        let (ticker, count) = line.split_once(',').unwrap();
        *counts.entry(ticker.to_owned()).or_default() += count.parse::<u64>().unwrap();
    }
    assert_eq!(
        counts, expected_counts,
        "the second application has counted what the first one has let through"
    );
}

const RUN: [&str; 6] = ["run", "chain.toml", "--json", "--no-console", "--data-dir", "data"];

#[test]
fn from_standard_input_through_two_applications() {
    let folder = chain("");
    let input = ["--input", "-", "--into", "trades", "--until-end"];
    let mut program = Program::start_in(folder.path(), &[RUN.as_slice(), &input].concat());
    for number in 0..3_000 {
        program.write(format!("{}\n", trade(number)).as_bytes());
        if number == 1_000 {
            // What is written early is taken before standard input ends.
            program.json_until(|line| line["records_in"] == 1_001);
        }
    }
    let summary = program.finish().summary_of_success();
    assert_eq!((&summary["records_in"], &summary["errors"]), (&json!(3_000), &json!(0)), "{summary}");
    assert_chain_delivered(&folder, 3_000);

    // Another run takes other trades and repeats none of what is done.
    let mut program = Program::start_in(folder.path(), &[RUN.as_slice(), &input].concat());
    for number in 3_000..3_200 {
        program.write(format!("{}\r\n", trade(number)).as_bytes());
    }
    assert_eq!(program.finish().summary_of_success()["records_in"], 200);
    assert_chain_delivered(&folder, 3_200);
}

#[test]
fn a_declared_file_is_read_and_the_next_run_goes_on() {
    let folder = chain(
        "[[input]]\nname = \"day\"\npath = \"trades.json.gz\"\nheader = true\nrate = 100\nspeed = 4\ninto_stream = \"trades\"\n",
    );
    let trades: Vec<String> = (0..1_200).map(trade).collect();
    write_file(
        &folder.path().join("trades.json.gz"),
        format!("# a header\n{}\n", trades.join("\n")).as_bytes(),
    );
    // From another directory: paths in a file are relative to it.
    let file = folder.path().join("chain.toml");
    let data = folder.path().join("data");
    let arguments = [
        "run",
        file.to_str().unwrap(),
        "--until-end",
        "--json",
        "--no-console",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let mut program = Program::start(&arguments);
    program.json_until(|line| line["records_in"].as_u64().unwrap() >= 300);
    program.signal(Signal::TERM);
    let first = program.finish().summary_of_stop()["records_in"].as_u64().unwrap();
    assert!((300..1_200).contains(&first), "SIGTERM ends it in the middle: {first}");
    let summary = Program::start(&arguments).finish().summary_of_success();
    assert_eq!(summary["records_in"], 1_200 - first);
    assert_chain_delivered(&folder, 1_200);
}

#[test]
fn a_stream_is_copied_into_a_delivery_stream() {
    let folder = chain(
        "[[delivery_stream]]\nname = \"copies\"\nbucket = \"copies\"\n\
         [[input]]\nname = \"copy\"\nstream = \"large-trades\"\ndelivery_stream = \"copies\"\n",
    );
    let mut program =
        Program::start_in(folder.path(), &[RUN.as_slice(), &["--input", "-", "--into", "trades"]].concat());
    let (large, _) = expected(1_000);
    for number in 0..1_000 {
        program.write(format!("{}\n", trade(number)).as_bytes());
    }
    program.close_stdin();
    let copied = |line: &Value| {
        let resources = line["resources"].as_array().unwrap();
        let copy = resources.iter().find(|one| one["name"] == "copy").unwrap();
        copy["figures"]["records_in"].as_u64().unwrap()
    };
    program.json_until(|line| copied(line) == large.len() as u64);
    program.signal(Signal::TERM);
    let summary = program.finish().summary_of_stop();
    // What is copied has come in already.
    assert_eq!((&summary["records_in"], &summary["errors"]), (&json!(1_000), &json!(0)));
    // What is left comes with the next run.
    let rest = ["--input", "-", "--into", "trades", "--until-end"];
    run_in(folder.path(), &[RUN.as_slice(), &rest].concat()).summary_of_success();
    let copies = joined(&objects_of(&folder.path().join("data"), "copies/"));
    let mut copies: Vec<String> = serde_json::Deserializer::from_slice(&copies)
        .into_iter::<Value>()
        .map(|copy| copy.unwrap())
        .map(|copy| format!("{},{}", copy["TICKER"].as_str().unwrap(), copy["PRICE"]))
        .collect();
    copies.sort();
    assert_eq!(copies, large);
}

#[test]
fn a_copy_passes_on_what_comes_while_the_run_ends() {
    // Each window closes while the pipeline drains, so its row comes after the last input.
    let pipeline = "[[stream]]\nname = \"ids\"\n[[stream]]\nname = \"counts\"\nshards = 3\n\
        [[delivery_stream]]\nname = \"copies\"\nbucket = \"copies\"\n\
        [[application]]\nname = \"count\"\nsql = '''\n\
        CREATE STREAM \"COUNTS\" (\"n\" BIGINT);\n\
        CREATE PUMP \"P\" AS INSERT INTO \"COUNTS\" SELECT STREAM COUNT(*) FROM \"SOURCE_SQL_STREAM_001\"\n\
        GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '2' SECOND);\n'''\n\
        [application.input]\nstream = \"ids\"\ncolumns = \"id VARCHAR(8)\"\n\
        [[application.output]]\nfrom = \"COUNTS\"\nstream = \"counts\"\nformat = \"csv\"\n\
        [[input]]\nname = \"copy\"\nstream = \"counts\"\ndelivery_stream = \"copies\"\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("copy.toml"), pipeline).unwrap();
    let counted = || -> usize {
        let copies = lines(&objects_of(&folder.path().join("data"), "copies/"));
        copies.iter().map(|count| count.parse::<usize>().unwrap()).sum()
    };
    let arguments =
        ["run", "copy.toml", "--input", "-", "--into", "ids", "--json", "--no-console", "--data-dir", "data"];
    // The end of standard input, though a copy has no end.
    let mut program = Program::start_in(folder.path(), &[arguments.as_slice(), &["--until-end"]].concat());
    program.write(b"a\nb\nc\n");
    let summary = program.finish().summary_of_success();
    assert_eq!(counted(), 3, "{summary}");
    // A signal, and the windows that are open.
    let mut program =
        Program::start_in(folder.path(), &[arguments.as_slice(), &["--close-windows"]].concat());
    program.write(b"d\ne\n");
    program.json_until(|line| line["records_in"].as_u64().unwrap() >= 2);
    program.signal(Signal::TERM);
    program.finish().summary_of_success();
    assert_eq!(counted(), 5, "and nothing is copied twice");
    // A crash: what the copy had not passed on, the next run does.
    let mut program = Program::start_in(folder.path(), &arguments);
    program.write(b"f\ng\nh\ni\n");
    program.json_until(|line| line["records_in"].as_u64().unwrap() >= 4);
    program.kill();
    Program::start_in(folder.path(), &[arguments.as_slice(), &["--until-end"]].concat())
        .finish()
        .summary_of_success();
    assert!(counted() >= 9, "{}", counted());
}

#[test]
fn a_window_that_was_open_at_a_stop_closes_in_the_next_run() {
    let pipeline = "[[stream]]\nname = \"ids\"\n[[delivery_stream]]\nname = \"counts\"\nbucket = \"counts\"\n\
        [[application]]\nname = \"count\"\nsql = '''\n\
        CREATE STREAM \"COUNTS\" (\"n\" BIGINT);\n\
        CREATE PUMP \"P\" AS INSERT INTO \"COUNTS\" SELECT STREAM COUNT(*) FROM \"SOURCE_SQL_STREAM_001\"\n\
        GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '6' SECOND);\n'''\n\
        [application.input]\nstream = \"ids\"\ncolumns = \"id VARCHAR(8)\"\n\
        [[application.output]]\nfrom = \"COUNTS\"\ndelivery_stream = \"counts\"\nformat = \"csv\"\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("count.toml"), pipeline).unwrap();
    let arguments =
        ["run", "count.toml", "--input", "-", "--until-end", "--json", "--no-console", "--data-dir", "data"];
    let arguments = [arguments.as_slice(), &["--into", "ids"]].concat();
    // A stop does not wait for the window: it is in the state that is kept.
    let rows = 3;
    let mut program = Program::start_in(folder.path(), &arguments);
    program.write(b"a\nb\nc\n");
    program.json_until(|line| line["records_in"] == 3);
    program.signal(Signal::TERM);
    program.finish().summary_of_stop();
    // The next run has no input at all, and closes it.
    run_in(folder.path(), &arguments).summary_of_success();
    let counts = lines(&objects_of(&folder.path().join("data"), "counts/"));
    assert_eq!(counts.iter().map(|count| count.parse::<u64>().unwrap()).sum::<u64>(), rows, "{counts:?}");
}

#[test]
fn the_example_runs_over_lines_of_standard_input() {
    // The columns are told record by record, so both layouts may come.
    let folder = tempfile::tempdir().unwrap();
    let example = repository("examples/reviews.toml");
    let mut program = Program::start_in(
        folder.path(),
        &[
            "run",
            example.to_str().unwrap(),
            "--input",
            "-",
            "--header",
            "--until-end",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            "data",
        ],
    );
    program.write(format!("{AMAZON_HEADER}\n").as_bytes());
    for number in 0..20 {
        let line = if number % 2 == 0 { amazon_line(number) } else { short_line(number) };
        program.write(format!("{line}\n").as_bytes());
    }
    let url = program.next_json()["page"].as_str().unwrap().to_owned();
    let overview = wait_for("the page knows all reviews", || {
        let overview = page::overview(&url);
        (overview["summary"]["records_classified"] == 20).then_some(overview)
    });
    assert_eq!(overview["is_synthetic"], false);
    assert_eq!(overview["agreement"]["known"], 10, "the authors' ratings of the Amazon lines");
    assert_eq!(overview["reviews"][0]["review_id"], id(19));
    let summary = program.finish().summary_of_success();
    assert_eq!((&summary["records_in"], &summary["errors"]), (&json!(20), &json!(0)));
    let ids: Vec<String> =
        delivered(&folder.path().join("data")).into_iter().map(|one| one.review_id).collect();
    assert_eq!(ids, (0..20).map(id).collect::<Vec<_>>());
}

#[test]
fn a_second_signal_ends_the_waiting_and_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // A window of a day keeps a drain waiting.
    let pipeline = "[[delivery_stream]]\nname = \"raw\"\nbucket = \"raw\"\n\
        [[application]]\nname = \"slow\"\nsql = '''\n\
        CREATE STREAM \"T\" (\"n\" BIGINT);\n\
        CREATE PUMP \"P\" AS INSERT INTO \"T\" SELECT STREAM COUNT(*) FROM \"SOURCE_SQL_STREAM_001\"\n\
        GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' DAY);\n'''\n\
        [application.input]\ndelivery_stream = \"raw\"\ncolumns = \"id VARCHAR(8)\"\n";
    fs::write(folder.path().join("slow.toml"), pipeline).unwrap();
    let data = folder.path().join("data");
    let arguments = [
        "run",
        "slow.toml",
        "--input",
        "-",
        "--json",
        "--no-console",
        "--data-dir",
        "data",
        "--close-windows",
    ];
    let mut delivered = String::new();
    for (lines, records) in [("a\nb\nc\n", 3), ("d\n", 1)] {
        let mut program = Program::start_in(folder.path(), &arguments);
        program.write(lines.as_bytes());
        program.json_until(|line| line["records_in"] == records);
        program.signal(Signal::INT);
        program.json_until(|line| line["phase"] == "draining");
        // What came in is delivered at once, not when the window closes.
        delivered.push_str(lines);
        wait_for("the records are in objects", || {
            let raw = joined(&objects_of(&data, "raw/"));
            (raw == delivered.as_bytes()).then_some(())
        });
        let line = program.next_json();
        assert_eq!(line["phase"], "draining", "it waits for the window: {line}");
        program.signal(Signal::TERM);
        let finished = program.finish();
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        finished.summary_of_stop();
    }
}

#[test]
fn what_an_input_needs_is_said() {
    let folder = chain("");
    let fails = |more: &[&str], words: &[&str]| {
        run_in(folder.path(), &[RUN.as_slice(), more].concat()).assert_failed(1, words);
    };
    fails(
        &["--input", "-", "--into", "trade"],
        &["--into trade: the file declares no such delivery stream or stream"],
    );
    fails(
        &["--input", "missing.json", "--into", "trades"],
        &["feed \"input missing.json\": cannot read ", "missing.json: there is no such file"],
    );
    fs::write(
        folder.path().join("chain.toml"),
        format!("{CHAIN}[[input]]\nname = \"day\"\npath = \"missing.json\"\ninto_stream = \"trades\"\n"),
    )
    .unwrap();
    fails(&[], &["feed \"day\": cannot read ", "missing.json: there is no such file"]);
    fs::remove_file(folder.path().join("sql/filter.sql")).unwrap();
    fails(&[], &["filter.sql", "there is no such file"]);
}

#[test]
fn a_hang_up_takes_over_new_sql_and_keeps_the_state_of_what_did_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counting.toml");
    let pipeline = |expression: &str| {
        format!(
            "[[stream]]\nname = \"raw\"\n[[stream]]\nname = \"counts\"\n\
             [[application]]\nname = \"counting\"\nsql = '''\n\
             CREATE STREAM \"C\" (\"n\" BIGINT);\n\
             CREATE PUMP \"KEPT\" AS INSERT INTO \"C\"\n\
               SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM \"SOURCE_SQL_STREAM_001\";\n\
             CREATE STREAM \"D\" (\"n\" BIGINT);\n\
             CREATE PUMP \"CHANGED\" AS INSERT INTO \"D\" SELECT STREAM {expression} FROM \"SOURCE_SQL_STREAM_001\";\n'''\n\
             [application.input]\nstream = \"raw\"\ncolumns = \"id BIGINT\"\n\
             [[application.output]]\nfrom = \"C\"\nstream = \"counts\"\nshow = \"count\"\n"
        )
    };
    fs::write(&file, pipeline("\"id\"")).unwrap();
    let arguments = [
        "run",
        "counting.toml",
        "--input",
        "-",
        "--into",
        "raw",
        "--json",
        "--no-console",
        "--data-dir",
        "data",
    ];
    let mut program = Program::start_in(folder.path(), &arguments);
    program.write(b"1\n2\n");
    program.json_until(|line| line["newest_distinct_count"] == 2);

    fs::write(&file, pipeline("\"id\" +")).unwrap();
    program.signal(Signal::HUP);
    let line = program.json_until(|line| line["phase"] == "not applied");
    assert!(line["message"].as_str().unwrap().contains("counting.toml:"), "{line}");

    fs::write(&file, pipeline("\"id\" + 1")).unwrap();
    program.signal(Signal::HUP);
    let line = program.json_until(|line| line["phase"] == "applied");
    let changes = line["report"]["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["name"] == "counting").unwrap();
    assert_eq!(change["keeps_state"], json!(["KEPT", "CHANGED"]), "a projection has no state: {line}");
    program.write(b"3\n");
    program.json_until(|line| line["newest_distinct_count"] == 3);

    // Another process that applies the file knows nothing of this command line.
    fs::write(&file, pipeline("\"id\" + 2")).unwrap();
    let applied = run_in(folder.path(), &["apply", "counting.toml", "--data-dir", "data"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert!(!applied.stdout().contains("deleted"), "{applied:#?}");
    program.write(b"4\n");
    program.json_until(|line| line["newest_distinct_count"] == 4);
    program.signal(Signal::TERM);
    program.finish().summary_of_stop();
}

#[test]
fn a_run_of_another_file_reads_nothing_of_the_first_again() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("numbers", "1\n2\n3\n");
    write("more", "4\n5\n");
    write(
        "a.toml",
        "[[stream]]\nname = \"a\"\n[[input]]\nname = \"file\"\npath = \"more\"\ninto_stream = \"a\"\n",
    );
    write("b.toml", "[[stream]]\nname = \"b\"\n");
    let run = |file: &str, more: &[&str]| {
        let arguments = ["run", file, "--json", "--no-console", "--until-end", "--data-dir", "data"];
        let finished = run_in(folder.path(), &[&arguments, more].concat());
        finished.summary_of_success()["records_in"].as_u64().unwrap()
    };
    assert_eq!(run("a.toml", &["--input", "numbers", "--into", "a"]), 5);
    assert_eq!(run("b.toml", &[]), 0);
    assert_eq!(run("b.toml", &["--input", "numbers", "--into", "b"]), 3, "for another stream");
    assert_eq!(run("a.toml", &[]), 2, "its own, and nothing of a command line before");
    assert_eq!(run("a.toml", &["--input", "numbers", "--into", "a"]), 5);
}

#[test]
fn files_may_build_on_each_other_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("first.toml", "[[stream]]\nname = \"counts\"\n");
    write(
        "second.toml",
        "[[application]]\nname = \"reader\"\nsql = 'CREATE STREAM T (N INTEGER);'\n\
         input = {stream = \"counts\", columns = \"N INTEGER\"}\n",
    );
    let once = ["--no-console", "--json", "--duration", "1ms", "--data-dir"];
    for (data, files) in [("one", ["first.toml", "second.toml"]), ("two", ["second.toml", "first.toml"])] {
        let serve = ["serve", "--apply", files[0], "--apply", files[1]];
        let finished = run_in(folder.path(), &[&serve, once.as_slice(), &[data]].concat());
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let finished = run_in(folder.path(), &[&["run", "second.toml"], once.as_slice(), &[data]].concat());
        assert_eq!(finished.code, Some(0), "what is in the directory counts: {finished:#?}");
    }
    let finished = run_in(folder.path(), &[&["run", "second.toml"], once.as_slice(), &["three"]].concat());
    finished.assert_failed(1, &["there is no stream \"counts\""]);
    assert!(!folder.path().join("three").exists());
    let twice = ["serve", "--apply", "second.toml", "--apply", "second.toml"];
    let finished = run_in(folder.path(), &[&twice, once.as_slice(), &["three"]].concat());
    finished.assert_failed(1, &["there is no stream \"counts\""]);
}

#[test]
fn what_is_odd_in_a_file_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[stream]]\nname = \"in\"\n[[application]]\nname = \"a\"\nsql = 'CREATE STREAM T (K VARCHAR);'\n\
                input = {stream = \"in\", columns = \"N INTEGER\"}\n";
    fs::write(folder.path().join("odd.toml"), text).unwrap();
    let once = ["--no-console", "--json", "--duration", "1ms", "--data-dir", "data"];
    let commands = [["run", "odd.toml"].as_slice(), &["serve", "--apply", "odd.toml"]];
    for command in [commands[0], commands[0], commands[1]] {
        let finished = run_in(folder.path(), &[command, once.as_slice()].concat());
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(finished.stderr.matches("does not say how long").count(), 1, "{finished:#?}");
    }
}

#[test]
fn a_start_waits_for_a_process_that_is_about_to_let_go_of_the_directory() {
    let folder = chain("");
    let mut first = Program::start_in(folder.path(), &RUN);
    first.json_until(|line| line["phase"] == "running");
    first.signal(Signal::TERM);
    let mut second = Program::start_in(folder.path(), &RUN);
    second.json_until(|line| line["phase"] == "running");
    second.signal(Signal::TERM);
    for program in [first, second] {
        program.finish().summary_of_stop();
    }
}

#[test]
fn signals_that_come_together_are_one() {
    let folder = chain("");
    let mut program = Program::start_in(folder.path(), &RUN);
    program.json_until(|line| line["phase"] == "running");
    // As `timeout` does: to the process, then to its group.
    program.signal(Signal::TERM);
    program.signal(Signal::TERM);
    program.finish().summary_of_stop();
}

#[test]
fn an_input_that_is_deleted_before_its_end_is_named_at_the_end() {
    let folder = chain("");
    let arguments = [RUN.as_slice(), &["--until-end", "--input", "-", "--into", "trades"]].concat();
    let mut program = Program::start_in(folder.path(), &arguments);
    program.write(format!("{}\n", trade(1)).as_bytes());
    program.json_until(|line| line["records_in"].as_u64() > Some(0));
    let deleted = run_in(folder.path(), &["delete", "input", "input -", "--data-dir", "data"]);
    assert_eq!(deleted.code, Some(0), "{deleted:#?}");
    program.finish().assert_failed(4, &["it was deleted before all of it was read"]);
}

#[test]
fn a_file_that_is_cut_is_named_at_the_end_and_its_rest_comes_with_the_next_run() {
    let folder = chain(
        "[[input]]\nname = \"day\"\npath = \"trades.json.gz\"\nheader = true\ninto_stream = \"trades\"\n",
    );
    let file = folder.path().join("trades.json.gz");
    let trades: Vec<String> = (0..1_200).map(trade).collect();
    write_file(&file, format!("# a header\n{}\n", trades.join("\n")).as_bytes());
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let arguments = [RUN.as_slice(), &["--until-end"]].concat();
    let mut first = 0;
    // Also when it is cut still.
    for _ in 0..2 {
        let finished = run_in(folder.path(), &arguments);
        finished.assert_failed(4, &["feed \"day\": reading ends at line", "a part of the file is missing"]);
        assert_eq!(finished.summary()["errors"], 1, "one failure, however often it is tried again");
        let said = finished.stderr.matches("a part of the file is missing").count();
        assert_eq!(said, 2, "when it happens and at the end: {finished:#?}");
        first += finished.summary()["records_in"].as_u64().unwrap();
    }
    assert!(first < 1_200, "{first}");
    fs::write(&file, &whole).unwrap();
    let summary = run_in(folder.path(), &arguments).summary_of_success();
    assert_eq!(summary["records_in"], 1_200 - first);
    assert_chain_delivered(&folder, 1_200);
}

/// Without a terminal nothing is drawn again: what goes wrong is on standard error all the same.
#[test]
fn problems_are_said_where_nothing_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = "[[stream]]\nname = \"readings\"\n[[application]]\nname = \"sensors\"\nsql = '''\n\
        CREATE STREAM \"T\" (\"n\" BIGINT);\n\
        CREATE PUMP \"P\" AS INSERT INTO \"T\" SELECT STREAM COUNT(*) FROM \"SOURCE_SQL_STREAM_001\"\n\
        GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' SECOND);\n'''\n\
        [application.input]\nstream = \"readings\"\nformat = \"csv\"\n\
        columns = \"sensor VARCHAR(64), at BIGINT, temperature DOUBLE\"\n";
    fs::write(folder.path().join("sensors.toml"), pipeline).unwrap();
    fs::write(folder.path().join("semicolons.csv"), "a;1;2.5\nb;2;3.5\nc;3;4.5\n").unwrap();
    fs::write(folder.path().join("words.csv"), "a,1,warm\nb,2,3.5\nc,3,4.5\n").unwrap();
    for (file, said) in [
        ("semicolons.csv", "every row has 1 of 3 columns: is the delimiter `;`?"),
        ("words.csv", "'warm' is not a valid DOUBLE"),
    ] {
        let data = format!("data-{file}");
        let arguments =
            ["run", "sensors.toml", "--input", file, "--until-end", "--no-console", "--data-dir", &data];
        let finished = run_in(folder.path(), &arguments);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let line = finished.stderr.lines().find(|line| line.contains(said));
        let line = line.unwrap_or_else(|| panic!("{finished:#?}"));
        assert!(line.contains("Z warning: ") && !line.contains("millstream_"), "{line}");
    }
}

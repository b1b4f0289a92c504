//! Commands against a running server when something is in their way: a full disk, a signal, a server that goes, many others.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::server::{PRICES, Server, price};
use crate::support::{Program, run_in, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Exit code and standard error of a command whose standard output takes nothing.
fn into_full_disk(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments).args(["--data-dir", "data"]).current_dir(folder);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 1)]);
    let tail = ["tail", "prices", "--from", "trim-horizon", "--limit", "1"];
    let describe = ["describe", "application", "watch"];
    let rest = [["list"].as_slice(), &["list", "--json"], &["apply", "p.toml"], &describe, &tail];
    for arguments in rest {
        let (code, stderr) = into_full_disk(server.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("standard output cannot be written: No space left"),
            "{arguments:?}: {stderr}"
        );
    }
    server.stop();
}

#[test]
fn with_json_a_failure_is_json_too() {
    let server = Server::start(PRICES, &[]);
    fs::write(server.path().join("wrong.toml"), "[[stream]]\nname = 1\n").unwrap();
    for (arguments, words) in [
        (["describe", "stream", "nobody"].as_slice(), "does not exist"),
        (&["put", "nobody", "--input", "p.toml"], "there is no stream"),
        (&["apply", "wrong.toml"], "wrong.toml:2"),
        (&["tail", "nobody"], "there is no stream"),
        (&["delete", "stream", "prices"], "watch"),
    ] {
        let finished = run_in(server.path(), &[arguments, &["--json", "--data-dir", "data"]].concat());
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        let answer: Value = serde_json::from_str(&finished.stdout()).unwrap();
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
    }
    let nobody = run_in(server.path(), &["list", "--json", "--data-dir", "elsewhere"]);
    assert!(nobody.stdout().starts_with("{\"error\":\"no server runs"), "{nobody:#?}");
    server.stop();
}

#[test]
fn a_put_that_is_stopped_says_what_is_stored() {
    let server = Server::start(PRICES, &[]);
    let putting = |more: &[&str]| {
        let arguments = [&["put", "prices", "--data-dir", "data"], more].concat();
        Program::start_in(server.path(), &arguments)
    };
    let mut put = putting(&[]);
    put.write(format!("{}\n{}\n", price("A", 1), price("B", 2)).as_bytes());
    assert_eq!(server.records("prices", 2).len(), 2);
    // Nothing more comes; it waits for standard input. The answer to what it has sent may be on its way.
    put.signal(Signal::INT);
    while put.next_line().is_some() {}
    let finished = put.finish();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert!(finished.stderr.contains("stopped before the end of the input"), "{finished:#?}");
    let said = finished.stdout();
    assert!(said == "2 records put\n" || finished.stderr.contains("may be put, too"), "{finished:#?}");

    let mut put = putting(&["--json"]);
    put.write(format!("{}\n", price("C", 3)).as_bytes());
    assert_eq!(server.records("prices", 3).len(), 3);
    put.signal(Signal::TERM);
    while put.next_line().is_some() {}
    let finished = put.finish();
    let answer: Value = serde_json::from_str(&finished.stdout()).unwrap();
    assert_eq!((finished.code, &answer["stopped"]), (Some(3), &json!(true)), "{finished:#?}");
    assert_eq!(answer["records"].as_u64().unwrap() + answer["under_way"].as_u64().unwrap(), 1, "{answer}");

    // The server goes in the middle.
    let mut put = putting(&[]);
    put.write(format!("{}\n", price("D", 4)).as_bytes());
    assert_eq!(server.records("prices", 4).len(), 4);
    let (folder, _) = server.stop();
    put.write(format!("{}\n", price("E", 5)).as_bytes());
    put.close_stdin();
    put.finish().assert_failed(1, &["1 record put", "then it failed: the connection to the server was lost"]);
    drop(folder);
}

#[test]
fn low_many_who_follow_leave_room_for_commands() {
    let server = Server::start(PRICES, &[]);
    let socket = server.path().join("data/control.sock");
    let request = "GET /v1/tail?what=prices HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut followers: Vec<UnixStream> = Vec::new();
    for _ in 0..1_100 {
        let mut follower = UnixStream::connect(&socket).unwrap();
        follower.write_all(request.as_bytes()).unwrap();
        followers.push(follower);
        if followers.len().is_multiple_of(100) {
            // The backlog of a socket is short.
            assert_eq!(server.ask_json(&["list", "stream"])["kind"], "stream");
        }
    }
    server.refuse(&["tail", "prices"], &["256 others follow something already"]);
    drop(followers);
    server.put("prices", &[price("A", 1)]);
    wait_for("there is room again", || {
        server.try_ask(&["tail", "prices", "--from", "trim-horizon", "--limit", "1"])
    });
    server.stop();
}

#[test]
fn what_is_followed_keeps_its_columns_in_order_and_what_cannot_be_decided_is_said() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &["no JSON".to_owned(), price("A", 1), price("B", 200)]);
    let tail = ["tail", "prices", "--from", "trim-horizon", "--where", "\"price\" > 100", "--limit", "1"];
    let finished = run_in(server.path(), &[&tail, ["--data-dir", "data"].as_slice()].concat());
    assert!(finished.lines.len() == 1 && finished.lines[0].ends_with(&price("B", 200)), "{finished:#?}");
    let mut rows = Program::start_in(server.path(), &["tail", "watch/HIGH", "--json", "--data-dir", "data"]);
    let row = wait_for("a row", || {
        // The first may come before it looks.
        server.put("prices", &[price("C", 300)]);
        rows.try_next_line(Duration::from_millis(500))
    });
    assert!(row.ends_with("\"stream\":\"HIGH\",\"row\":{\"ticker\":\"C\",\"price\":300.0}}"), "{row}");
    let tail = ["tail", "prices", "--from", "trim-horizon", "--where", "\"price\" > 1e9", "--json"];
    let mut none = Program::start_in(server.path(), &[&tail, ["--data-dir", "data"].as_slice()].concat());
    assert_eq!(none.next_json(), json!({"undecided": {"records": 1}}));
    server.stop();
}

#[test]
fn a_record_that_failed_is_readable_and_can_be_found() {
    let server = Server::start(PRICES, &[]);
    let tail = |more: &[&str]| {
        let arguments = ["tail", "watch/error_stream", "--data-dir", "data", "--limit", "1"];
        Program::start_in(server.path(), &[&arguments, more].concat())
    };
    let (mut shown, mut json) = (tail(&[]), tail(&["--json"]));
    let shown = wait_for("a line", || {
        server.put("prices", &["no JSON".to_owned()]);
        shown.try_next_line(Duration::from_millis(300))
    });
    assert!(
        shown.contains(" in the input: ") && shown.contains("\trow: no JSON\tfrom: stream \"prices\", "),
        "{shown}"
    );
    let line = wait_for("an object", || {
        server.put("prices", &["no JSON".to_owned()]);
        json.try_next_line(Duration::from_millis(300))
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["stream"], &line["data"]), (&json!("error_stream"), &json!("no JSON\n")), "{line}");
    // The columns of the service are as they were.
    assert_eq!(line["row"]["DATA_ROW"], "6E6F204A534F4E0A", "{line}");
    let source = &line["source"];
    assert_eq!((&source["kind"], &source["name"]), (&json!("stream"), &json!("prices")), "{line}");
    assert_eq!(source["shard"], "shardId-000000000000", "{line}");
    let number = source["sequence_number"].as_str().unwrap();
    let found = server.ask(&["tail", "prices", "--from", number, "--limit", "1"]);
    assert!(found[0].ends_with("\tno JSON"), "{found:?}");
    server.stop();
}

/// Status and error of a request that the socket of a server refuses.
fn refusal(server: &Server, request: &str, body: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(server.path().join("data/control.sock")).unwrap();
    let head = format!(
        "{request}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // What is refused by its length is not read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let error: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    (status, error["error"].as_str().unwrap().to_owned())
}

#[test]
fn every_error_of_the_socket_is_json_with_its_status() {
    let server = Server::start(PRICES, &[]);
    let long_key = format!("POST /v1/records/prices?key={} HTTP/1.1", "k".repeat(300));
    let json = "\r\ncontent-type: application/json";
    for (request, body, status, words) in [
        ("GET /v1/tail HTTP/1.1", "", 400, "what"),
        ("DELETE /v1/resources/stream/x?force=maybe HTTP/1.1", "", 400, "force"),
        (&format!("POST /v1/apply HTTP/1.1{json}"), "{", 400, "JSON"),
        (&format!("POST /v1/apply HTTP/1.1{json}"), "{}", 422, "file"),
        ("POST /v1/apply HTTP/1.1", "{}", 415, "application/json"),
        ("GET /v1/apply HTTP/1.1", "", 405, "method not allowed"),
        ("GET /v2 HTTP/1.1", "", 404, "no such path"),
        (&long_key, "x", 400, "the partition key has 300 characters"),
        ("POST /v1/records/prices?kind=thing HTTP/1.1", "x", 400, "there is no kind"),
        ("POST /v1/records/prices?kind=delivery-stream HTTP/1.1", "x", 404, "there is no"),
        ("GET /v1/tail?what=nobody&where=x HTTP/1.1", "", 404, "there is no stream"),
        ("GET /v1/tail?what=prices&where=x HTTP/1.1", "", 400, "--where"),
        ("GET /v1/tail?what=prices&from=9 HTTP/1.1", "", 400, "not a place to begin"),
    ] {
        let (answered, error) = refusal(&server, request, body.as_bytes());
        assert_eq!(answered, status, "{request}: {error}");
        assert!(error.contains(words), "{request}: {error}");
    }
    let line = vec![b'x'; 2 << 20];
    let (status, error) = refusal(&server, "POST /v1/records/prices HTTP/1.1", &line);
    assert!(status == 413 && error.contains("at most"), "{status}: {error}");
    let (status, error) = refusal(&server, "POST /v1/records/prices HTTP/1.1", &vec![b'x'; (16 << 20) + 1]);
    assert_eq!(status, 413, "{error}");
    server.stop();
}

#[test]
fn a_report_says_what_goes_and_what_a_new_application_begins_with() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 1), price("B", 200)]);
    server.records("high", 1);
    let renamed = PRICES.replace("\"watch\"", "\"watcher\"").replace("\"high\"", "\"higher\"");
    fs::write(server.path().join("p.toml"), renamed).unwrap();
    let report = server.ask(&["apply", "p.toml", "--dry-run"]).join("\n");
    for part in [
        "+ created  application watcher\n    begins with what stream \"prices\" already holds: 2 records",
        "- deleted  stream high\n    1 record goes with it",
        "- deleted  application watch\n    its state (pumps P, Q) goes with it",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    server.stop();
}

#[test]
fn a_delete_says_what_goes_with_it() {
    let server =
        Server::start(&format!("{PRICES}\n[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n"), &[]);
    server.put("prices", &[price("A", 1)]);
    server.put("d", &[price("A", 1), price("B", 200)]);
    let buffer = "its buffer goes with it, with 2 records not delivered yet; objects stay";
    let deleted = server.ask(&["delete", "delivery-stream", "d"]);
    assert_eq!(deleted, ["deleted delivery stream \"d\"; its name is free", &format!("    {buffer}")]);
    let deleted = server.ask_json(&["delete", "application", "watch"]);
    assert_eq!(deleted["details"], json!(["its state (pumps P, Q) goes with it"]), "{deleted}");
    let deleted = server.ask_json(&["delete", "stream", "prices"]);
    assert_eq!(deleted["details"], json!(["1 record goes with it"]), "{deleted}");
    let deleted = server.ask_json(&["delete", "stream", "high"]);
    assert_eq!(deleted["details"], json!([]), "{deleted}");
    server.stop();
}

#[test]
fn what_waits_for_a_deleted_resource_is_not_called_active() {
    let server = Server::start(PRICES, &[]);
    server.ask(&["delete", "stream", "high", "--force"]);
    let described = wait_for("it is noticed", || {
        let described = server.ask_json(&["describe", "application", "watch"]);
        (described["state"] != "active").then_some(described)
    });
    assert_eq!(described["state"], "retrying", "{described}");
    assert!(described["reason"].as_str().unwrap().contains("stream \"high\" does not exist"), "{described}");
    server.ask(&["apply", "p.toml"]);
    assert_eq!(server.ask_json(&["describe", "application", "watch"])["state"], "active");
    server.stop();
}

#[test]
fn a_hint_names_what_an_application_reads() {
    let folder = tempfile::tempdir().unwrap();
    let two = format!("{PRICES}\n[[delivery_stream]]\nname = \"apart\"\nbucket = \"apart\"\n");
    fs::write(folder.path().join("p.toml"), two).unwrap();
    let arguments = ["run", "p.toml", "--no-console", "--data-dir", "data", "--duration", "1s"];
    let finished = run_in(folder.path(), &arguments);
    let hint = "nothing feeds it: put records with  millstream put prices --input FILE --data-dir data";
    assert!(finished.stderr.contains(hint), "{finished:#?}");
}

/// Counts over an hour, of a file.
fn hour_of_file(folder: &Path) {
    fs::write(folder.join("trades.csv"), "A,1\nB,2\n").unwrap();
    let pipeline = "[[stream]]\nname = \"trades\"\n[[input]]\nname = \"file\"\npath = \"trades.csv\"\n\
        into_stream = \"trades\"\n[[application]]\nname = \"counts\"\nsql = '''\n\
        CREATE STREAM \"HOURS\" (\"n\" BIGINT);\n\
        CREATE PUMP \"Q\" AS INSERT INTO \"HOURS\" SELECT STREAM COUNT(*) FROM \"SOURCE_SQL_STREAM_001\"\n\
        GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' HOUR);\n'''\n\
        [application.input]\nstream = \"trades\"\ncolumns = \"ticker VARCHAR(8), price DOUBLE\"\n";
    fs::write(folder.join("p.toml"), pipeline).unwrap();
}

#[test]
fn whoever_waits_for_a_window_sees_which_and_until_when() {
    let folder = tempfile::tempdir().unwrap();
    hour_of_file(folder.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(["run", "p.toml", "--until-end", "--no-console", "--data-dir", "data"]);
    let errors = folder.path().join("errors");
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut run = command.stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&errors).unwrap();
    wait_for("it says what it waits for", || {
        said().contains("waiting for open windows to close: counts until 2").then_some(())
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&run), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", said());
    let last = "open windows and what is not delivered yet go on with the next run on this directory";
    assert!(said().contains(last), "{}", said());
}

#[test]
fn an_input_that_was_stopped_has_not_ended() {
    let folder = tempfile::tempdir().unwrap();
    hour_of_file(folder.path());
    let pipeline = fs::read_to_string(folder.path().join("p.toml")).unwrap();
    let slow = pipeline.replace("into_stream = \"trades\"\n", "into_stream = \"trades\"\nrate = 0.01\n");
    fs::write(folder.path().join("p.toml"), slow).unwrap();
    let arguments = ["run", "p.toml", "--json", "--duration", "1s", "--no-console", "--data-dir", "data"];
    let summary = run_in(folder.path(), &arguments).summary();
    let resources = summary["resources"].as_array().unwrap();
    let feed = resources.iter().find(|one| one["kind"] == "feed").unwrap();
    assert_eq!(feed["figures"], json!({"records_in": 1, "ended": false}), "{summary}");
}

#[test]
fn a_golden_file_that_expects_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("empty.test"), "").unwrap();
    let finished = run_in(folder.path(), &["test", "empty.test"]);
    assert_eq!((finished.code, finished.lines.last().unwrap().as_str()), (Some(1), "0 passed, 1 failed"));
    assert!(finished.lines[0].contains("empty.test:1: the file expects nothing"), "{finished:#?}");
}

#[test]
fn a_function_must_find_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = format!(
        "{PRICES}\n[[application.output]]\nfrom = \"HIGH\"\nfunction = \"average\"\n\
         [[function]]\nname = \"average\"\nbuiltin = \"metric-from-average\"\nmetric = \"Price\"\ncolumn = \"PRICE\"\n\
         [[metric]]\nname = \"Price\"\n"
    );
    fs::write(folder.path().join("p.toml"), &pipeline).unwrap();
    let finished = run_in(folder.path(), &["check", "p.toml"]);
    let message = "function \"average\" reads column \"PRICE\", which HIGH does not have (names are case-sensitive); it has \
                   \"ticker\", \"price\"";
    assert!(finished.code == Some(1) && finished.stdout().contains(message), "{finished:#?}");
    fs::write(folder.path().join("p.toml"), pipeline.replace("\"PRICE\"", "\"price\"")).unwrap();
    let finished = run_in(folder.path(), &["check", "p.toml"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn lint_tells_of_reference_rows_that_do_not_fit_at_the_columns_of_their_table() {
    let table = "\n[[application.reference]]\nname = \"Tiers\"\npath = \"tiers.csv\"\ncolumns = \"id INTEGER, tier VARCHAR(8)\"\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("p.toml"),
        PRICES.replace("\n[[application.output]]", &format!("{table}\n[[application.output]]")),
    )
    .unwrap();
    fs::write(folder.path().join("prices.jsonl"), price("A", 1) + "\n").unwrap();
    let place = " --> p.toml:26:12\n";
    for (rows, told) in [
        ("1,gold\ntwo,silver\n3,\"lead\n", "warning: 2 rows are refused: reference table \"Tiers\", row 2: "),
        (
            "id,tier\n1,gold\n",
            "warning: reference table \"Tiers\": the first record holds the names of the columns: if it is a header, write header = \
             true in [[application.reference]]",
        ),
        ("1,gold\n", ""),
    ] {
        fs::write(folder.path().join("tiers.csv"), rows).unwrap();
        for more in [[].as_slice(), &["--sample", "prices.jsonl"]] {
            let finished = run_in(folder.path(), &[["check", "p.toml", "--lint"].as_slice(), more].concat());
            let said = finished.stdout();
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert!(said.starts_with(told), "{more:?}: {said}");
            assert_eq!(said.contains(place), !told.is_empty(), "{more:?}: {said}");
            assert!(!said.contains("of the sample"), "{more:?}: {said}");
        }
    }
}

#[test]
fn samples_of_another_shape_are_named_by_lint_and_replay() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), PRICES.replace("price DOUBLE", "price DOUBLE $.cost")).unwrap();
    let lines: String = (1..5).map(|number| price("A", number) + "\n").collect();
    fs::write(folder.path().join("prices.jsonl"), lines).unwrap();
    let lint = ["check", "p.toml", "--lint", "--sample", "prices.jsonl"];
    let finished = run_in(folder.path(), &lint);
    let empty = "column \"price\" ($.cost) is NULL in every row of the sample";
    assert!(finished.code == Some(0) && finished.stdout().contains(empty), "{finished:#?}");
    let finished = run_in(folder.path(), &["replay", "p.toml", "--input", "prices.jsonl"]);
    assert!(finished.stderr.contains("column \"price\" ($.cost) was NULL in every row"), "{finished:#?}");
    fs::write(folder.path().join("prices.csv"), "ticker,price\nA,1\nB,2\n").unwrap();
    fs::write(folder.path().join("p.toml"), PRICES.replace("format = \"json\"", "")).unwrap();
    let finished = run_in(folder.path(), &["check", "p.toml", "--lint", "--sample", "prices.csv"]);
    assert!(finished.stdout().contains("the first record holds the names of the columns"), "{finished:#?}");
}

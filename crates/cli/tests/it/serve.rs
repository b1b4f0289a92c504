//! A server whose resources are created, changed, watched and deleted while it runs, and how it stops.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::support::server::{PRICES, Server, price};
use crate::support::{Program, now, run_in, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A stop that was asked for ends within about a second. A machine with other things to do, such as other tests, gets another.
const STOP_BOUND: Duration = Duration::from_secs(2);

#[test]
fn resources_are_seen_fed_watched_changed_and_deleted() {
    let server = Server::start(PRICES, &[]);
    let socket = server.path().join("data/control.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its user reaches it");
    assert_eq!(fs::metadata(server.path().join("data")).unwrap().permissions().mode() & 0o777, 0o700);

    let described = server.ask_json(&["describe", "application", "watch"]);
    assert_eq!((&described["state"], &described["generation"]), (&json!("active"), &json!(1)));
    server.refuse(
        &["describe", "application", "wach"],
        &["application \"wach\" does not exist; there are: watch"],
    );
    server.refuse(
        &["put", "prizes"],
        &["there is no stream or delivery stream \"prizes\"; there are: prices, high"],
    );

    server.refuse(
        &["tail", "watch"],
        &["\"watch\" is an application: name one of its streams; there are: ", "watch/HIGH"],
    );

    // Somebody looks at the rows of the application while they come.
    let watching = Program::start_in(
        server.path(),
        &[
            "tail",
            "watch/HIGH",
            "--where",
            "\"ticker\" = 'B'",
            "--limit",
            "1",
            "--json",
            "--data-dir",
            "data",
        ],
    );
    let row = {
        let mut watching = watching;
        let mut number = 0;
        // Rows from before it looks are not shown: it is given some until it has seen one.
        loop {
            server.put("prices", &[price("A", 150), price("B", 90), price("B", 200 + number)]);
            number += 1;
            if let Some(line) = watching.try_next_line(Duration::from_millis(300)) {
                break serde_json::from_str::<Value>(&line).unwrap();
            }
        }
    };
    assert_eq!(row["row"]["ticker"], "B", "{row}");
    assert!(server.records("high", 2)[0].contains("\"A\""));
    assert_eq!(row["stream"], "HIGH", "{row}");
    assert!(row["rowtime"].as_str().unwrap().len() == "2024-01-01 00:00:00.000".len(), "{row}");
    let conditioned = server.ask(&[
        "tail",
        "prices",
        "--from",
        "trim-horizon",
        "--where",
        "\"price\" < 100",
        "--limit",
        "1",
    ]);
    assert!(conditioned[0].ends_with(&price("B", 90)), "{conditioned:?}");

    // A changed file, first only looked at.
    let changed =
        PRICES.replace("> 100", "> 1000").replace("name = \"high\"", "name = \"high\"\nretention_hours = 48");
    fs::write(server.path().join("p.toml"), changed).unwrap();
    let dry = server.ask(&["apply", "p.toml", "--dry-run"]);
    let dry = dry.join("\n");
    assert!(dry.contains("~ changed  application watch") && dry.contains("keeps its state: P, Q"), "{dry}");
    assert!(dry.contains("retention_hours: 24 -> 48") && dry.contains("nothing was changed"), "{dry}");
    assert_eq!(server.ask_json(&["describe", "application", "watch"])["generation"], 1);
    server.ask(&["apply", "p.toml"]);
    assert_eq!(server.ask_json(&["describe", "application", "watch"])["generation"], 2);
    assert_eq!(server.ask_json(&["describe", "stream", "high"])["definition"]["retention_hours"], 48);

    server.refuse(&["delete", "stream", "prices"], &["stream \"prices\" is used by application \"watch\""]);
    server.ask(&["delete", "application", "watch"]);
    server.ask(&["delete", "stream", "prices"]);
    // It is gone when its data is.
    wait_for("one stream is left", || (server.ask(&["list", "--json"]).len() == 1).then_some(()));
    let (_, took) = server.stop();
    assert!(took < STOP_BOUND, "{took:?}");
}

#[test]
fn apply_says_what_is_odd_in_a_file_to_who_applies_it() {
    let server = Server::start(PRICES, &[]);
    let spread = PRICES.replace("format = \"json\"", "format = \"json\"\nparallelism = 2");
    fs::write(server.path().join("p.toml"), spread).unwrap();
    for more in [[].as_slice(), &["--dry-run"], &["--json"]] {
        let arguments = [["apply", "p.toml", "--data-dir", "data"].as_slice(), more].concat();
        let applied = run_in(server.path(), &arguments);
        assert_eq!(applied.code, Some(0), "{}", applied.stderr);
        let told =
            "warning: SOURCE_SQL_STREAM_002 is read by no pump: what goes to it (records are spread over 2)";
        assert!(applied.stderr.starts_with(told), "{more:?}: {}", applied.stderr);
        assert!(applied.stderr.contains(":21:15\n"), "{more:?}: {}", applied.stderr);
    }
    server.stop();
}

#[test]
fn a_socket_that_is_deleted_is_put_back() {
    let server = Server::start(PRICES, &[]);
    let socket = server.path().join("data/control.sock");
    for _ in 0..2 {
        fs::remove_file(&socket).unwrap();
        wait_for("the socket is back", || socket.exists().then_some(()));
        wait_for("the server is reached", || server.try_ask(&["list"]));
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (folder, _) = server.stop();
    assert!(!socket.exists(), "it goes with the server");
    drop(folder);
}

#[test]
fn shards_that_are_no_longer_declared_stay() {
    let three = PRICES.replace("shards = 1", "shards = 3");
    let server = Server::start(&three, &[]);
    fs::write(server.path().join("p.toml"), PRICES.replace("shards = 1", "")).unwrap();
    let report = server.ask(&["apply", "p.toml"]).join("\n");
    assert!(report.contains("    shards: no longer declared; the stream keeps its 3 shards"), "{report}");
    assert_eq!(server.ask_json(&["describe", "stream", "prices"])["figures"]["open_shards"], 3);
    server.stop();
}

#[test]
fn a_reset_says_what_exists_and_what_starts_again() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 1), price("B", 200)]);
    for more in [[].as_slice(), &["--yes"]] {
        let reset = |what: &[&str], words: &[&str]| server.refuse(&[&["reset"], what, more].concat(), words);
        reset(&["stream", "nope"], &["stream \"nope\" does not exist; there are: prices, high"]);
        reset(&["alarm", "nope"], &["alarm \"nope\" does not exist; there is no alarm at all"]);
        reset(&["alarm"], &["there is no alarm"]);
    }
    let would = server.ask(&["reset", "application", "watch"]).join("\n");
    let again = "application \"watch\" would start from scratch: its state (pumps P, Q) goes with it; it reads stream \"prices\" \
                 again from its oldest record (2 records), and writes its rows once more\n";
    assert!(would.contains(again), "{would}");
    let would = server.ask(&["reset", "stream", "prices"]).join("\n");
    assert!(would.contains("stream \"prices\" would start from scratch: 2 records go with it\n"), "{would}");
    // Together the application finds nothing to read again.
    let would = server.ask_json(&["reset", "--all"])["would_reset"].clone();
    let prices = json!({"kind": "stream", "name": "prices", "consequences": ["2 records go with it"]});
    assert!(would.as_array().unwrap().contains(&prices), "{would}");
    let watch = would.as_array().unwrap().iter().find(|one| one["name"] == "watch").unwrap();
    assert_eq!(watch["consequences"], json!(["its state (pumps P, Q) goes with it"]), "{would}");
    server.stop();
}

#[test]
fn r19_a_stream_changes_its_shards_while_an_application_reads_it() {
    let server = Server::start(PRICES, &[]);
    let mut put = 0;
    for shards in [3, 2, 4, 1] {
        let batch: Vec<String> = (put..put + 200).map(|number| price("A", 1_000 + number)).collect();
        put += 200;
        server.put("prices", &batch);
        let changed = PRICES.replace("shards = 1", &format!("shards = {shards}"));
        fs::write(server.path().join("p.toml"), changed).unwrap();
        server.ask(&["apply", "p.toml"]);
        let figures = server.ask_json(&["describe", "stream", "prices"])["figures"].clone();
        assert_eq!(figures["open_shards"], shards, "{figures}");
    }
    let records = server.records("high", put as usize);
    let mut prices: Vec<u32> = records
        .iter()
        .map(|record| serde_json::from_str::<Value>(record).unwrap()["price"].as_f64().unwrap() as u32)
        .collect();
    prices.sort_unstable();
    assert_eq!(prices, (1_000..1_000 + put).collect::<Vec<_>>(), "every record once");
    server.stop();
}

#[test]
fn a_directory_is_served_again_without_its_file() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 101), price("B", 102)]);
    assert_eq!(server.records("high", 2).len(), 2);
    let (folder, _) = server.stop();
    let server = Server::start_in(folder, &[]);
    server.put("prices", &[price("C", 103)]);
    let records = server.records("high", 3);
    assert!(records[2].contains("\"C\""), "{records:?}");
    // Without a server, reset works on the directory; the stream is read again from its oldest record.
    let (folder, _) = server.stop();
    let reset = run_in(folder.path(), &["reset", "application", "watch", "--data-dir", "data"]);
    assert!(reset.stdout().contains("nothing was deleted: add --yes"), "{reset:?}");
    let reset = run_in(folder.path(), &["reset", "application", "watch", "--yes", "--data-dir", "data"]);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    run_in(folder.path(), &["list", "--data-dir", "data"])
        .assert_failed(1, &["no server runs on data directory data"]);
    let server = Server::start_in(folder, &[]);
    assert_eq!(server.records("high", 6).len(), 6);
    server.stop();
}

#[test]
fn h1_a_stop_is_bounded_whatever_clients_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), PRICES).unwrap();
    let arguments =
        ["run", "p.toml", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data", "--input", "-"];
    let mut program = Program::start_in(folder.path(), &arguments);
    let page = program.next_json()["page"].as_str().unwrap().to_owned();
    let address = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
    // Half a head, and a client that asks again and again and never reads.
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"GET / HT").unwrap();
    let mut deaf = TcpStream::connect(&address).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n");
    for _ in 0..2_000 {
        if deaf.write_all(request.as_bytes()).is_err() {
            break;
        }
    }
    let began = now();
    program.signal(Signal::TERM);
    let finished = program.finish();
    assert!(began.elapsed() < STOP_BOUND, "{:?}", began.elapsed());
    finished.summary_of_stop();
}

#[test]
fn a_stop_keeps_a_window_of_an_hour_and_ends_at_once() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 1), price("B", 2)]);
    wait_for("the records are read", || {
        let figures = server.ask_json(&["describe", "application", "watch"])["figures"].clone();
        (figures["records_in"] == 2).then_some(())
    });
    let (folder, took) = server.stop();
    assert!(took < STOP_BOUND, "it does not wait for the window: {took:?}");
    let server = Server::start_in(folder, &[]);
    let described = server.ask_json(&["describe", "application", "watch"]);
    assert_eq!(described["state"], "active");
    assert_eq!(described["figures"]["records_in"], 0, "nothing is read again");
    server.stop();
}

#[test]
fn m7_a_data_directory_that_goes_ends_the_server_with_a_message() {
    let server = Server::start(PRICES, &[]);
    fs::rename(server.path().join("data"), server.path().join("elsewhere")).unwrap();
    let finished = server.program.finish();
    finished.assert_failed(1, &["data directory data", "deleted or moved"]);
}

#[test]
fn a_file_that_moved_takes_its_resources_along() {
    let server = Server::start(PRICES, &[]);
    server.put("prices", &[price("A", 1), price("B", 200), price("C", 3)]);

    // The other file is still there: one message, with the way to take over.
    fs::copy(server.path().join("p.toml"), server.path().join("copy.toml")).unwrap();
    let refused = run_in(server.path(), &["apply", "copy.toml", "--data-dir", "data"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let [names, reason, total] = refused.lines.as_slice() else { panic!("one message: {refused:#?}") };
    assert_eq!(names, r#"! refused  stream "prices", stream "high", application "watch""#);
    assert!(reason.contains("/p.toml: ") && reason.contains("--take-over"), "{reason}");
    assert_eq!(total, "nothing was changed: 3 refused");

    // It is gone: the one that declares the same now owns it. A dry run says so and changes nothing.
    fs::rename(server.path().join("p.toml"), server.path().join("moved.toml")).unwrap();
    let line = |verb: &str| {
        let old = fs::canonicalize(server.path()).unwrap().join("p.toml");
        let names = r#"stream "prices", stream "high", application "watch""#;
        format!("< {verb} from {}, which is no longer there: {names}", old.display())
    };
    for _ in 0..2 {
        let lines = server.ask(&["apply", "moved.toml", "--dry-run"]);
        assert_eq!(lines[0], line("would be taken over"), "{lines:?}");
    }
    let lines = server.ask(&["apply", "moved.toml"]);
    assert_eq!(lines, [line("taken over"), "3 unchanged".to_owned()]);
    assert_eq!(server.ask(&["apply", "moved.toml"]), ["3 unchanged"]);
    assert_eq!(server.records("prices", 3).len(), 3, "everything is kept");

    // A file that declares a part takes over this part; the rest keeps its owner, and is not deleted by either.
    let one = "[[stream]]\nname = \"high\"\n";
    fs::write(server.path().join("one.toml"), one).unwrap();
    server.refuse(&["apply", "one.toml"], &[]);
    let report = server.ask_json(&["apply", "one.toml", "--take-over"]);
    let taken = &report["taken_over"][0];
    assert_eq!(
        (&taken["is_gone"], taken["resources"].as_array().unwrap().len()),
        (&json!(false), 1),
        "{report}"
    );
    assert_eq!(server.ask(&["list", "--json"]).len(), 3);
    server.refuse(&["apply", "moved.toml"], &[]);

    // The same at a start, by serve and run.
    let (folder, _) = server.stop();
    let start = |command: &[&str]| {
        let more = ["--duration", "1s", "--no-console", "--data-dir", "data"].as_slice();
        run_in(folder.path(), &[command, more].concat())
    };
    start(&["serve", "--apply", "moved.toml"])
        .assert_failed(1, &["stream \"high\": owned by ", "--take-over"]);
    let served = start(&["serve", "--apply", "moved.toml", "--take-over"]);
    assert_eq!(served.code, Some(0), "{served:#?}");
    assert!(
        served.stderr.contains("< taken over from ") && served.stderr.contains("one.toml: stream \"high\""),
        "{served:#?}"
    );
    fs::rename(folder.path().join("moved.toml"), folder.path().join("again.toml")).unwrap();
    let ran = start(&["run", "again.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("moved.toml, which is no longer there: stream \"prices\""), "{ran:#?}");
}

#[test]
fn m3_what_is_tried_again_is_seen_with_its_reason() {
    let delivery = "\n[[delivery_stream]]\nname = \"kept\"\nbucket = \"kept\"\nprefix = \"in/\"\nbuffer_interval = \"1s\"\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), format!("{PRICES}{delivery}")).unwrap();
    // A file where objects want a folder: the destination takes nothing.
    let bucket = folder.path().join("data/buckets/kept");
    fs::create_dir_all(&bucket).unwrap();
    fs::write(bucket.join("in"), "in the way").unwrap();
    let server = Server::start_in(folder, &["--apply", "p.toml", "--json"]);
    server.put("kept", &["a".to_owned()]);
    server.put("prices", &[price("A", 200)]);
    let retrying = |kind: &str, name: &str| {
        let found = server.ask_json(&["describe", kind, name]);
        found["retrying"].as_array().cloned().unwrap_or_default()
    };
    let parts = wait_for("the delivery fails twice", || {
        let parts = retrying("delivery-stream", "kept");
        parts.first().is_some_and(|part| part["attempts"].as_u64() >= Some(2)).then_some(parts)
    });
    let [part] = parts.as_slice() else { panic!("{parts:?}") };
    assert!(part["what"] == "main objects" && part["since"].as_i64().unwrap() > 0, "{part}");
    assert!(!part["reason"].as_str().unwrap().is_empty(), "{part}");
    for lines in
        [server.ask(&["list", "delivery-streams"]), server.ask(&["describe", "delivery-stream", "kept"])]
    {
        let line =
            lines.iter().find(|line| line.contains("retrying")).unwrap_or_else(|| panic!("{lines:#?}"));
        assert!(line.contains("objects since 2") && line.contains("failed attempts: "), "{line}");
    }

    // The output of an application whose stream is gone.
    server.ask(&["delete", "stream", "high", "--force"]);
    server.put("prices", &[price("B", 300)]);
    let parts = wait_for("the output fails", || {
        let parts = retrying("application", "watch");
        (!parts.is_empty()).then_some(parts)
    });
    assert_eq!(parts[0]["what"], "output HIGH to stream \"high\"", "{parts:?}");
    let mut server = server;
    let line = server.program.json_until(|line| {
        let resources = line["resources"].as_array().into_iter().flatten();
        let retrying = resources.filter(|one| !one["retrying"].as_array().unwrap().is_empty());
        retrying.count() == 2
    });
    assert_eq!(line["phase"], "running");

    // Once they work, nothing is tried again.
    fs::remove_file(bucket.join("in")).unwrap();
    server.ask(&["apply", "p.toml"]);
    wait_for("everything works", || {
        let found = server.ask(&["list", "--json"]);
        found.iter().all(|line| !line.contains("\"retrying\"")).then_some(())
    });
    server.stop();
}

#[test]
fn low_a_signal_during_the_start_ends_it_as_documented() {
    for command in [["run", "p.toml"].as_slice(), &["serve", "--apply", "p.toml"]] {
        let folder = tempfile::tempdir().unwrap();
        // A file that can be read only once somebody writes it: the program is in its start as long as the test wants.
        let file = folder.path().join("p.toml");
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        fs::create_dir(folder.path().join("data")).unwrap();
        let arguments = [command, &["--no-console", "--data-dir", "data"]].concat();
        let program = Program::start_in(folder.path(), &arguments);
        let mut writer = fs::OpenOptions::new().write(true).open(&file).unwrap();
        program.signal(Signal::TERM);
        // The program may have ended already.
        let _ = writer.write_all(PRICES.as_bytes());
        drop(writer);
        let finished = program.finish();
        assert_eq!(finished.code, Some(3), "{command:?}: {finished:#?}");
    }
}

/// Puts a pipe in the place of the pipeline file: whoever reads it waits until the test writes it.
fn hold_file(folder: &Path) -> std::path::PathBuf {
    let (file, pipe) = (folder.join("p.toml"), folder.join("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(pipe, &file).unwrap();
    file
}

#[test]
fn a_stop_is_heard_while_a_file_is_applied() {
    for command in [["run", "p.toml", "--input", "-"].as_slice(), &["serve", "--apply", "p.toml"]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.toml"), PRICES).unwrap();
        let arguments = [command, &["--json", "--no-console", "--data-dir", "data"]].concat();
        let mut program = Program::start_in(folder.path(), &arguments);
        program.next_json();
        let file = hold_file(folder.path());
        program.signal(Signal::HUP);
        // Comes back when the program reads the file, which has no end before this is dropped.
        let writer = fs::OpenOptions::new().write(true).open(&file).unwrap();
        let began = now();
        program.signal(Signal::TERM);
        let finished = program.finish();
        assert!(began.elapsed() < STOP_BOUND, "{command:?}: {:?}", began.elapsed());
        finished.summary_of_stop();
        drop(writer);
    }
}

#[test]
fn a_file_that_changes_while_it_is_applied_is_applied_again() {
    let mut server = Server::start(PRICES, &["--json"]);
    let file = hold_file(server.path());
    let applied = |server: &mut Server| {
        let line = server.program.json_until(|line| line["phase"] == "applied");
        let changes = line["report"]["changes"].as_array().unwrap().clone();
        changes.into_iter().find(|change| change["name"] == "high").unwrap()["action"].clone()
    };
    server.program.signal(Signal::HUP);
    let mut first = fs::OpenOptions::new().write(true).open(&file).unwrap();
    server.program.signal(Signal::HUP);
    first.write_all(PRICES.as_bytes()).unwrap();
    drop(first);
    assert_eq!(applied(&mut server), "unchanged");
    let mut second = fs::OpenOptions::new().write(true).open(&file).unwrap();
    let changed = PRICES.replace("name = \"high\"", "name = \"high\"\nretention_hours = 48");
    second.write_all(changed.as_bytes()).unwrap();
    drop(second);
    assert_eq!(applied(&mut server), "changed");
    server.stop();
}

#[test]
fn a_reload_reads_the_files_together_as_the_start_does() {
    let folder = tempfile::tempdir().unwrap();
    let write = |folder: &Path, name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let reading = |stream: &str, length: &str| {
        format!(
            "[[stream]]\nname = \"a\"\n[[application]]\nname = \"reader\"\nsql = 'CREATE STREAM T (K VARCHAR{length});'\n\
             input = {{stream = \"{stream}\", columns = \"N INTEGER\"}}\n"
        )
    };
    write(folder.path(), "a.toml", &reading("a", ""));
    write(folder.path(), "b.toml", "[[stream]]\nname = \"other\"\n");
    let files = ["--apply", "a.toml", "--apply", "b.toml", "--json"];
    let mut server = Server::start_in(folder, &files);
    // The first file takes a stream that the second one brings.
    write(server.path(), "a.toml", &reading("b", ""));
    write(server.path(), "b.toml", "[[stream]]\nname = \"b\"\n[[stream]]\nname = \"other\"\n");
    server.program.signal(Signal::HUP);
    for (name, action) in [("b", "created"), ("reader", "changed")] {
        let line =
            server.program.json_until(|line| line["phase"] == "applied" || line["phase"] == "not applied");
        let changes = line["report"]["changes"].as_array().unwrap_or_else(|| panic!("{line}"));
        assert!(changes.iter().any(|one| one["name"] == name && one["action"] == action), "{line}");
    }
    // One that is wrong keeps nothing else back, and its hint knows the streams of the others.
    write(server.path(), "a.toml", &reading("missing", "(4)"));
    write(
        server.path(),
        "b.toml",
        "[[stream]]\nname = \"b\"\n[[stream]]\nname = \"new\"\n[[stream]]\nname = \"other\"\n",
    );
    server.program.signal(Signal::HUP);
    let line = server.program.json_until(|line| line["phase"] == "applied");
    assert!(line["report"].to_string().contains("\"new\""), "{line}");
    let line = server.program.json_until(|line| line["phase"] == "not applied");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("there is no stream \"missing\"") && message.contains("there are: a, b, new, other"),
        "{message}"
    );
    server.program.signal(Signal::TERM);
    let finished = server.program.finish();
    // Once at the start, and once for the reload that applied it.
    assert_eq!(finished.stderr.matches("does not say how long").count(), 2, "{finished:#?}");
}

#[test]
fn what_moves_from_one_file_of_a_server_to_another_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let stream = |name: &str| format!("[[stream]]\nname = \"{name}\"\n");
    let moving = format!(
        "{}[[delivery_stream]]\nname = \"d\"\nbucket = \"objects\"\nbuffer_interval = \"900s\"\n",
        stream("s")
    );
    let (first, second) = (stream("first"), stream("second"));
    let is_in = |place: &str| {
        let (a, b) = if place == "a" { (moving.as_str(), "") } else { ("", moving.as_str()) };
        write("a.toml", &format!("{first}{a}"));
        write("b.toml", &format!("{second}{b}"));
    };
    let start = || {
        let arguments = ["serve", "--apply", "a.toml", "--apply", "b.toml", "--json", "--no-console"];
        let mut program =
            Program::start_in(folder.path(), &[&arguments[..], &["--data-dir", "data"]].concat());
        program.json_until(|line| line["phase"] == "running");
        program
    };
    let ids = || {
        let id = |kind: &str, name: &str| {
            let arguments = ["describe", kind, name, "--json", "--data-dir", "data"];
            let described = run_in(folder.path(), &arguments);
            let described: serde_json::Value = serde_json::from_str(&described.stdout()).unwrap();
            described["id"].clone()
        };
        [id("stream", "s"), id("delivery-stream", "d")]
    };
    is_in("a");
    let mut program = start();
    let before = ids();
    assert!(before.iter().all(|id| !id.is_null()), "{before:?}");
    for place in ["b", "a"] {
        is_in(place);
        program.signal(Signal::HUP);
        for _ in 0..2 {
            program.json_until(|line| line["phase"] == "applied");
        }
        assert_eq!(ids(), before, "read again");
    }
    for place in ["b", "a"] {
        program.signal(Signal::TERM);
        program.finish();
        is_in(place);
        program = start();
        assert_eq!(ids(), before, "started again");
    }
    program.signal(Signal::TERM);
    program.finish();
}

/// All folders in a folder, those below it included.
fn folders_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    for entry in entries.filter(|entry| entry.file_type().unwrap().is_dir()) {
        found.push(entry.file_name().into_string().unwrap());
        found.append(&mut folders_in(&entry.path()));
    }
    found
}

/// What the services take as a name is one here, can be named on every command line, and leads nowhere.
#[test]
fn names_that_look_like_flags_or_hidden_files_are_names() {
    let pipeline = r#"
[[stream]]
name = "-x"

[[stream]]
name = ".hidden"

[[stream]]
name = "--"

[[delivery_stream]]
name = "..objects"
bucket = "bucket"
buffer_interval = "1s"

[[application]]
name = "-app"
sql = '''
CREATE STREAM "T" ("n" INTEGER);
CREATE PUMP "P" AS INSERT INTO "T" SELECT STREAM "n" FROM "SOURCE_SQL_STREAM_001";
'''
[application.input]
stream = "-x"
columns = "n INTEGER"

[[application.output]]
from = "T"
stream = ".hidden"

[[application.output]]
from = "T"
delivery_stream = "..objects"
"#;
    let server = Server::start(pipeline, &[]);
    fs::write(server.path().join("numbers.csv"), "7\n").unwrap();
    assert_eq!(server.ask_of(&["put", "--input", "numbers.csv"], &["-x"]), ["1 record put"]);
    let tail = ["tail", "--from", "trim-horizon", "--limit", "1", "--json"];
    for (stream, expected) in [("-x", "7"), (".hidden", "\"n\":7")] {
        let lines = server.ask_of(&tail, &[stream]);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert!(line["record"]["data"].as_str().unwrap().contains(expected), "{stream}: {line}");
    }
    for [kind, name] in [
        ["stream", "-x"],
        ["stream", ".hidden"],
        ["stream", "--"],
        ["delivery-stream", "..objects"],
        ["application", "-app"],
    ] {
        let described: Value =
            serde_json::from_str(&server.ask_of(&["describe", "--json"], &[kind, name])[0]).unwrap();
        assert_eq!(described["name"], name, "{described}");
    }
    // The one without says what to write.
    run_in(server.path(), &["put", "-x"]).assert_failed(2, &["use '-- -x'"]);

    let bucket = server.path().join("data/buckets/bucket");
    wait_for("the object is written", || folders_in(&bucket).get(3).map(drop));
    let inside = folders_in(server.path());
    assert!(inside.iter().all(|folder| !folder.starts_with(['.', '-'])), "{inside:?}");
    assert_eq!(inside.iter().filter(|folder| *folder == "data").count(), 1);

    server.ask_of(&["reset", "--yes"], &["application", "-app"]);
    server.ask_of(&["delete", "--force"], &["stream", "--"]);
    let names = || -> Vec<String> {
        let streams = server.ask(&["list", "streams", "--json"]);
        let name =
            |line: &String| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
        streams.iter().map(name).collect()
    };
    wait_for("it is deleted", || (!names().contains(&"--".to_owned())).then_some(()));
    let replay = ["replay", "p.toml", "--input", "numbers.csv", "--application=-app", "--only=T"];
    let finished = run_in(server.path(), &replay);
    assert_eq!((finished.code, finished.lines.len()), (Some(0), 1), "{finished:#?}");
    let run = [
        "run",
        "p.toml",
        "--input",
        "numbers.csv",
        "--into=-x",
        "--until-end",
        "--no-console",
        "--data-dir",
        "other",
    ];
    let finished = run_in(server.path(), &run);
    assert_eq!(finished.code, Some(0), "{finished:#?}");

    // Dots alone would be a folder above.
    for dots in [".", ".."] {
        let text = format!(
            "[[stream]]\nname = \"{dots}\"\n[[delivery_stream]]\nname = \"d\"\nbucket = \"{dots}.\"\n"
        );
        fs::write(server.path().join("dots.toml"), text).unwrap();
        server.refuse(&["apply", "dots.toml"], &["not dots alone", "cannot name a bucket"]);
    }
}

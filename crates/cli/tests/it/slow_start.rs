//! A server in whose start something hangs: it can be looked at, and what hangs can be deleted.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::server::{PRICES, Server};
use crate::support::{Program, has_started, run_in, status, wait_for};

const TABLE: &str = r#"
[[application.reference]]
name = "names"
bucket = "reference"
key = "names.csv"
columns = "ticker VARCHAR(8)"
"#;

/// A directory whose application reads a table that hangs.
fn stopped() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("data/buckets/reference/names.csv");
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, "A\n").unwrap();
    let output = "[[application.output]]";
    fs::write(folder.path().join("p.toml"), PRICES.replace(output, &format!("{TABLE}{output}"))).unwrap();
    let (folder, _) = Server::start_in(folder, &["--apply", "p.toml"]).stop();
    fs::remove_file(&object).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&object).status().unwrap().success());
    (folder, object)
}

#[test]
fn a_server_whose_start_hangs_says_so_and_hears_signals() {
    let (folder, _object) = stopped();
    let data = folder.path().join("data");
    let run = Program::start_in(folder.path(), &["run", "p.toml", "--no-console", "--data-dir", "data"]);
    let status = wait_for("the server answers", || status(data.to_str().unwrap()));
    assert_eq!(status["is_starting"], true);
    let listed = run_in(folder.path(), &["list", "applications", "--data-dir", "data"]);
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    assert!(listed.stdout().contains("watch"), "{listed:#?}");
    assert!(listed.stderr.contains("the server is still starting"), "{listed:#?}");
    run.signal(Signal::TERM);
    assert_eq!(run.finish().code, Some(3));
    assert!(!data.join("control.sock").exists(), "it goes with the server");
}

#[test]
fn what_hangs_in_a_start_can_be_deleted() {
    let (folder, _object) = stopped();
    let data = folder.path().join("data");
    let serve = Program::start_in(folder.path(), &["serve", "--no-console", "--data-dir", "data"]);
    wait_for("the server answers", || status(data.to_str().unwrap()));
    let ask = |arguments: &[&str]| run_in(folder.path(), &[arguments, &["--data-dir", "data"]].concat());
    let deleted = ask(&["delete", "application", "watch"]);
    assert_eq!(deleted.code, Some(0), "{deleted:#?}");
    wait_for("it is gone", || (!ask(&["list"]).stdout().contains("watch")).then_some(()));
    wait_for("the server has started", || has_started(&data).then_some(()));
    serve.signal(Signal::TERM);
    assert_eq!(serve.finish().code, Some(0));
}

#[test]
fn a_server_goes_on_without_what_hangs_and_ends_in_order() {
    let (folder, _object) = stopped();
    let server = Server::start_in(folder, &[]);
    let listed = server.ask(&["list", "applications"]);
    assert!(listed[0].contains("takes more than 3 s to prepare"), "{listed:?}");
    server.put("prices", &[crate::support::server::price("A", 1)]);
    assert_eq!(server.records("prices", 1).len(), 1);
    server.stop();
}

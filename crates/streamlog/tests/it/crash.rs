//! Kills a writing process with SIGKILL at random points and finds every acknowledged record, in order, once.
//!
//! 200 rounds; `MILLSTREAM_CRASH_ROUNDS` and `MILLSTREAM_CRASH_SEED` say otherwise.

use std::env;
use std::process::Command;

#[test]
fn every_acknowledged_record_survives_a_kill() {
    let rounds = env::var("MILLSTREAM_CRASH_ROUNDS").unwrap_or_else(|_| "200".to_owned());
    let seed = env::var("MILLSTREAM_CRASH_SEED").unwrap_or_else(|_| "1".to_owned());
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_streamlog-crash"))
        .args(["--rounds", &rounds, "--seed", &seed, "--directory"])
        .arg(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    println!("{said}");
}

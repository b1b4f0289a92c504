//! What the tests of the whole program share.
//!
//! ```text
//!   test ─▶ Program: the real binary as a child ─▶ lines of standard output, one JSON document a second
//!                                               ─▶ standard error
//!                                               ─▶ its page, by a small HTTP client
//!        ─▶ objects: everything below DATA_DIR/buckets/, in the order of writing
//! ```
//!
//! Nothing here waits a fixed time: lines and conditions are awaited, each for a bounded time. A program that a test
//! leaves behind is killed by its own handle.

#![allow(dead_code, unused_imports, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "for tests only")]

pub mod objects;
pub mod page;
pub mod program;
pub mod reviews;
pub mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use objects::{Object, objects_of};
pub use program::{Finished, Program, run, run_in};

/// How long anything may take that is not measured. A busy machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is an answer.
///
/// # Panics
/// There is none within [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The time here and now.
#[expect(clippy::disallowed_methods, reason = "tests of the program wait in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// What the server of a data directory says of itself, once there is one.
pub fn status(data_directory: &str) -> Option<serde_json::Value> {
    use std::io::{Read, Write};
    let socket = std::path::Path::new(data_directory).join("control.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).ok()?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Whether the server of a data directory has started.
pub fn has_started(data_directory: &std::path::Path) -> bool {
    let status = status(data_directory.to_str().unwrap());
    status.is_some_and(|status| status["is_starting"] == false)
}

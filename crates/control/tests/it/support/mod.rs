//! A server in a folder, fed and checked by tests.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use millstream_control::definition::Owner;
use millstream_control::pipeline::Pipeline;
use millstream_control::{ApplyOptions, ApplyReport, Server, ServerSettings, StartError};
use millstream_host::{Random, SimulatedDisk, SystemClock};
use millstream_streamlog::{Position, ReadFrom, ShardNumber, StreamKey};

/// A file without mistakes.
#[track_caller]
pub fn parse(text: &str) -> Pipeline {
    Pipeline::parse("test.toml", text, &|_| Err("no files".to_owned()))
        .unwrap_or_else(|error| panic!("{error}"))
}

pub fn settings(folder: &Path) -> ServerSettings {
    ServerSettings {
        data_directory: folder.to_owned(),
        version: "test".to_owned(),
        source: "test".to_owned(),
        is_synthetic: false,
        has_standard_input: false,
        repeats_ended_feeds_of: None,
    }
}

pub fn owner() -> Owner {
    Owner::File("test.toml".to_owned())
}

/// Opened, not started.
pub async fn open(folder: &Path) -> Result<Arc<Server>, StartError> {
    // Two servers never give their objects the same names.
    static OPENED: AtomicU64 = AtomicU64::new(1);
    let random = Random::from_seed(OPENED.fetch_add(1, Ordering::Relaxed));
    Server::open(settings(folder), Arc::new(SystemClock), random).await
}

/// With the resources of a file.
pub async fn start(pipeline: &Pipeline, folder: &Path) -> Arc<Server> {
    let server = open(folder).await.unwrap();
    let report = apply(&server, pipeline).await;
    assert!(!report.is_refused(), "{report:#?}");
    server.start(true).await.unwrap();
    server
}

pub async fn apply(server: &Server, pipeline: &Pipeline) -> ApplyReport {
    server.apply(pipeline.desired.clone(), owner(), ApplyOptions::default()).await.unwrap()
}

/// The same, and everything of it runs.
#[track_caller]
pub fn assert_applied(report: &ApplyReport) {
    assert!(!report.is_refused() && report.not_settled.is_empty(), "{report:#?}");
}

/// Puts records and waits until what came of them has arrived.
pub async fn feed(server: &Server, stream: &str, records: impl IntoIterator<Item = impl ToString>) {
    put(server, stream, records).await;
    server.drain(false).await;
}

pub async fn put(server: &Server, stream: &str, records: impl IntoIterator<Item = impl ToString>) {
    let records = records.into_iter().map(|record| Bytes::from(record.to_string()));
    server.put(stream, None, None, records.collect()).await.unwrap();
}

/// Stops it, and waits until its directory can be opened again.
pub async fn stop(server: Arc<Server>) {
    let report = server.stop(Duration::from_secs(10)).await;
    assert!(report.is_clean(), "{report:?}");
    assert!(server.close(Duration::from_secs(20)).await, "somebody has the server still");
}

/// Everything in a stream of one shard, as text.
pub fn records(server: &Server, stream: &str) -> Vec<String> {
    let key = StreamKey::data(stream.parse().unwrap());
    let from = ReadFrom::Position(Position::START);
    let batch = server.log().read(&key, ShardNumber(0), from, 1_000_000, 1 << 26).unwrap();
    batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

/// An object that nobody has read to its end before this is dropped.
pub struct Hanging {
    pub object: PathBuf,
}

impl Hanging {
    pub fn in_place_of(object: PathBuf) -> Hanging {
        std::fs::remove_file(&object).unwrap();
        Hanging::at(object)
    }

    pub fn at(object: PathBuf) -> Hanging {
        assert!(std::process::Command::new("mkfifo").arg(&object).status().unwrap().success());
        Hanging { object }
    }

    /// Lets one reader read it; comes back when it has opened it.
    pub async fn let_one_read(&self) {
        let object = self.object.clone();
        let opening =
            tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(object));
        drop(opening.await.unwrap().unwrap());
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Whoever opens it for both waits for nobody, and lets go of those who wait.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&self.object));
    }
}

/// A disk of a log that stores nothing before this is dropped.
pub struct HangingDisk(SimulatedDisk);

impl HangingDisk {
    pub fn begin(disk: &SimulatedDisk) -> HangingDisk {
        disk.hang_syncs(true);
        HangingDisk(disk.clone())
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        self.0.hang_syncs(false);
    }
}

/// A copy of a directory, such as a crash would leave it: regular files alone.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Comes back when something that happens beside this test has happened.
pub async fn until(is_so: impl Fn() -> bool) {
    let happened = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    millstream_host::real_time::within(Duration::from_secs(60), happened).await.expect("it happens");
}

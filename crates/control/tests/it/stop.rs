//! A stop keeps to its limit, whatever hangs.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{apply, assert_applied, parse, put, settings, stop};
use bytes::Bytes;
use millstream_control::Server;
use millstream_control::view::OverviewSource;
use millstream_host::{ManualClock, Random, SimulatedDisk, SystemClock, Timestamp, real_time};

/// Four feeds, which hang one as the other, and an application whose output does.
fn pipeline(file: &std::path::Path) -> String {
    let feed = |number: u32| {
        let file = file.display();
        format!(
            "[[input]]\nname = \"feed {number}\"\npath = \"{file}\"\nloop = true\nrate = 1000\ninto_stream = \"in\"\n"
        )
    };
    let application = "[[application]]\nname = \"app\"\nsql = '''\n\
        CREATE STREAM \"OUT\" (\"n\" INTEGER);\n\
        CREATE PUMP \"P\" AS INSERT INTO \"OUT\" SELECT STREAM \"n\" FROM \"SOURCE_SQL_STREAM_001\";\n'''\n\
        [application.input]\nstream = \"in\"\nformat = \"csv\"\ncolumns = \"n INTEGER\"\n\
        [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\n";
    let feeds: String = (0..4).map(feed).collect();
    format!("[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n{application}{feeds}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_bounded_when_the_disk_of_the_log_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers");
    std::fs::write(&file, "1\n2\n3\n").unwrap();
    let disk = SimulatedDisk::new();
    let data = settings(&folder.path().join("data"));
    let server = Server::open_on(data, Arc::new(SystemClock), Random::from_seed(1), Arc::new(disk.clone()));
    let server = server.await.unwrap();
    apply(&server, &parse(&pipeline(&file))).await;
    server.start(true).await.unwrap();
    while server.application_status("app").is_none_or(|status| status.rows_delivered == 0) {
        real_time::sleep(Duration::from_millis(5)).await;
    }

    let hang = Hang::begin(&disk);
    let put = server.put("in", None, None, vec![Bytes::from("4")]);
    assert!(real_time::within(Duration::from_millis(100), put).await.is_none(), "nothing is kept any more");
    // Nothing ends by itself before the disk goes on: what comes back at all has kept to its limit. One after the other
    // the four feeds would take at least 8 s.
    let fed = real_time::within(Duration::from_secs(7), server.stop_feeds(Duration::from_secs(2))).await;
    fed.expect("the feeds are stopped together");
    let bounded = async {
        server.stop(Duration::from_millis(700)).await;
        server.close(Duration::from_millis(50)).await
    };
    let closed = real_time::within(Duration::from_secs(30), bounded).await;
    assert!(!closed.expect("each keeps to its limit"), "the log cannot be closed");
    drop(hang);
}

/// Ends with its test, however that ends: nobody waits for a disk that hangs for ever.
struct Hang(SimulatedDisk);

impl Hang {
    fn begin(disk: &SimulatedDisk) -> Hang {
        disk.hang_syncs(true);
        Hang(disk.clone())
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        self.0.hang_syncs(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sleeps_through_a_stop_when_the_clock_stands() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
    let server = Server::open(settings(folder.path()), clock, Random::from_seed(1)).await.unwrap();
    assert_applied(&apply(&server, &parse("[[stream]]\nname = \"s\"\n")).await);
    server.start(true).await.unwrap();
    let mut shown = server.changes();
    put(&server, "s", 0..3).await;
    let seen = real_time::within(Duration::from_secs(30), shown.changed()).await;
    seen.expect("what was put is shown").unwrap();
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_given_back_when_nobody_has_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::open(settings(folder.path()), Arc::new(SystemClock), Random::from_seed(1)).await.unwrap();
    server.start(true).await.unwrap();
    let log = Arc::clone(server.log());
    assert!(server.stop(Duration::from_secs(10)).await.is_clean());
    assert!(!server.close(Duration::from_millis(20)).await, "somebody has the log");
    drop(log);
    let server =
        Server::open(settings(folder.path()), Arc::new(SystemClock), Random::from_seed(1)).await.unwrap();
    server.start(true).await.unwrap();
    assert!(server.stop(Duration::from_secs(10)).await.is_clean());
    assert!(server.close(Duration::from_secs(10)).await);
}

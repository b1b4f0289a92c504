//! Data directories of earlier versions open and go on.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{feed, open, parse, put, records, start, stop};
use millstream_control::definition::{Definition, Kind, Owner, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::{Action, ApplyOptions};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-directory-0.1").join(name)
}

/// The fixture in a folder of its own.
fn unpacked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar")
        .arg("xzf")
        .arg(fixture("data.tgz"))
        .arg("-C")
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_version_0_1_opens_and_goes_on() {
    let folder = unpacked();
    let data = folder.path().join("data");
    let server = open(&data).await.unwrap();
    let known: Vec<String> =
        server.list(None).iter().map(|one| format!("{} {}", one.kind, one.name)).collect();
    assert_eq!(
        known,
        [
            "topic alerts",
            "metric Price",
            "alarm low",
            "stream trades",
            "stream totals",
            "delivery stream archive",
            "application prices",
        ]
    );
    // Its file takes over what it declared, and declares what the catalog did not keep: the subscription and the input.
    let text = std::fs::read_to_string(fixture("pipeline.toml")).unwrap();
    let mut pipeline = Pipeline::parse("pipeline.toml", &text, &|_| Err("no files".to_owned())).unwrap();
    pipeline.resolve_paths(&fixture(""));
    let owner = Owner::File("pipeline.toml".to_owned());
    let report = server.apply(pipeline.desired.clone(), owner, ApplyOptions::default()).await.unwrap();
    let created = report.changes.iter().filter(|change| change.action == Action::Created);
    let created: Vec<&str> = created.map(|change| change.name.as_str()).collect();
    assert_eq!(created, ["alerts a@example.com", "file"], "{report:#?}");
    // Version 0.1 did not keep whether a number of shards was declared.
    assert_eq!(report.count(Action::Unchanged), 6, "{report:#?}");
    server.start(true).await.unwrap();
    let (resumed, scratch) = server.application_restored("prices").unwrap();
    assert_eq!(resumed, ["TOTALS_PUMP", "COPY_PUMP"], "the open window goes on");
    assert!(scratch.is_empty());
    server.feeds_ended().await;
    server.drain(false).await;
    // Lines 303 to 324 were put before the kill, and their position was not: only versions before this one repeat them.
    let records = server.describe(&Reference::new(Kind::Stream, "trades")).unwrap().figures;
    assert_eq!(records["records_put"], 324 + (400 - 302), "{records:?}");
    put(&server, "trades", ["NEW,1.5"]).await;
    server.drain(false).await;
    let status = server.application_status("prices").unwrap();
    assert!(status.records_in > 98 && status.error_rows == 0, "{status:?}");
    stop(server).await;

    // And again, now that it is a directory of this version.
    let server = open(&data).await.unwrap();
    server.start(true).await.unwrap();
    assert_eq!(server.application_restored("prices").unwrap().0, ["TOTALS_PUMP", "COPY_PUMP"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_a_log_without_its_catalog_is_refused() {
    let folder = unpacked();
    let data = folder.path().join("data");
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        // The write-ahead log is there only after a kill.
        let _ = std::fs::remove_file(data.join(name));
    }
    let error = open(&data).await.err().unwrap().to_string();
    assert!(error.contains("catalog.sqlite") && error.contains("is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_log_without_its_tail_is_refused_and_both_numbers_are_named() {
    let folder = unpacked();
    let data = folder.path().join("data");
    std::fs::remove_dir_all(data.join("log")).unwrap();
    let server = open(&data).await.unwrap();
    let error = server.start(false).await.unwrap_err().to_string();
    assert!(error.contains("records are missing from the log"), "{error}");
    assert!(error.contains("application \"prices\"") && error.contains("millstream reset"), "{error}");
}

/// Files may no longer say so; what earlier versions took goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_with_two_outputs_to_one_destination_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = parse(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[stream]]\nname = \"other\"\n\
         [[application]]\nname = \"app\"\nsql = '''CREATE STREAM \"OUT\" (N INTEGER);\n\
         CREATE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM N FROM SOURCE_SQL_STREAM_001;'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"other\"\n",
    );
    for desired in &mut pipeline.desired {
        if let Definition::Application(application) = &mut desired.definition {
            application.outputs[1].target = application.outputs[0].target.clone();
        }
    }
    stop(start(&pipeline, folder.path()).await).await;
    let server = open(folder.path()).await.unwrap();
    server.start(true).await.unwrap();
    feed(&server, "in", 0..3).await;
    assert_eq!(records(&server, "out").len(), 3);
    stop(server).await;
}

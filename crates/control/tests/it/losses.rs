//! What an application cannot read any more, or not now, is seen: it is not taken as read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Hanging, apply, feed, open, parse, put, records, settings, start, stop};
use bytes::Bytes;
use millstream_control::Server;
use millstream_control::catalog::{Catalog, ResourceRow};
use millstream_control::definition::{Kind, Reference};
use millstream_control::registry::Status;
use millstream_control::view::OverviewSource;
use millstream_delivery::{Compression, Intent, ObjectKind, SourcePosition};
use millstream_host::{Clock, Random, SimulatedDisk, SystemClock, Timestamp, real_time};

const TEXT: &str = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\n\
    sql = '''CREATE STREAM \"OUT\" (N INTEGER);\n\
    CREATE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM CHAR_LENGTH(\"s\") FROM SOURCE_SQL_STREAM_001;'''\n\
    [application.input]\nstream = \"in\"\nformat = \"tsv\"\ncolumns = \"s VARCHAR(8)\"\n\
    [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn r13_records_past_retention_are_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let server = Server::open_on(
        settings(folder.path()),
        Arc::new(SystemClock),
        Random::from_seed(1),
        Arc::new(disk.clone()),
    );
    let server = server.await.unwrap();
    apply(&server, &parse(TEXT)).await;
    server.start(true).await.unwrap();
    feed(&server, "in", ["read"]).await;
    stop(server).await;

    // While it does not run, so much comes that the log begins new files, and the retention period of the old ones passes.
    let server =
        Server::open_on(settings(folder.path()), Arc::new(SystemClock), Random::from_seed(1), Arc::new(disk));
    let server = server.await.unwrap();
    let large = Bytes::from(vec![b'x'; 400_000]);
    for _ in 0..50 {
        server.put("in", None, Some("key"), vec![large.clone(); 4]).await.unwrap();
    }
    let later = SystemClock.now().plus(Duration::from_secs(25 * 3_600));
    server.log().trim(later).unwrap();
    server.start(true).await.unwrap();
    feed(&server, "in", ["kept"]).await;

    let lost = server.application_status("app").unwrap().lost_records;
    let out = records(&server, "out");
    assert!(lost > 0, "{out:?}");
    // What came of the first record has been deleted as well.
    assert_eq!(lost as usize + out.len(), 200 + 1, "each record is read or counted: {lost} {out:?}");
    let problems = server.overview().problems;
    let problem = problems.iter().find(|one| one.message.contains("retention period"));
    let problem = problem.unwrap_or_else(|| panic!("{problems:#?}"));
    assert!(problem.message.starts_with(&format!("{lost} records were")), "{problem:?}");
    stop(server).await;
}

/// The file below a folder that holds a text, and where.
fn file_with(folder: &Path, text: &[u8]) -> Option<(PathBuf, usize)> {
    std::fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return file_with(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(text.len()).position(|part| part == text)?;
        Some((path, place))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_a_drain_does_not_take_what_cannot_be_read_as_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let streams = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n";
    let server = start(&parse(streams), folder.path()).await;
    put(&server, "in", ["needle"]).await;
    let (file, place) = file_with(&folder.path().join("log"), b"needle").unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[place] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    assert!(!apply(&server, &parse(TEXT)).await.is_refused());
    let draining = Arc::clone(&server);
    let mut drain = Box::pin(async move { draining.drain(false).await });
    let application = Reference::new(Kind::Application, "app");
    // m3: it is seen that it stands still, and why.
    let seen = async {
        loop {
            let described = server.describe(&application).unwrap();
            match described.retrying.iter().find(|part| part.attempts >= 2) {
                Some(part) => return part.clone(),
                None => real_time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let part = tokio::select! {
        () = &mut drain => panic!("nothing has been read"),
        part = real_time::within(Duration::from_secs(60), seen) => part.expect("it is tried again"),
    };
    assert!(part.what == "source" && !part.reason.is_empty(), "{part:?}");
    // It goes on once the file is whole.
    std::fs::write(&file, &whole).unwrap();
    real_time::within(Duration::from_secs(60), drain).await.expect("all is read");
    assert_eq!(records(&server, "out"), ["6\n"]);
    stop(server).await;
}

/// Counts records in windows of an hour; reads a table when it is prepared.
const COUNTS: &str = r#"
[[stream]]
name = "in"
[[stream]]
name = "out"
[[application]]
name = "counts"
sql = '''
CREATE STREAM C (N INTEGER);
CREATE PUMP P AS INSERT INTO C SELECT STREAM COUNT(*) FROM "SOURCE_SQL_STREAM_001"
  GROUP BY STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' HOUR);
'''
[application.input]
stream = "in"
columns = "ticker VARCHAR(8)"
[[application.reference]]
name = "names"
bucket = "reference"
key = "names.csv"
columns = "ticker VARCHAR(8)"
[[application.output]]
from = "C"
stream = "out"
format = "csv"
"#;

/// Writes other bytes into every part of every checkpoint.
fn damage_checkpoints(folder: &Path) {
    let mut damaged = 0;
    for application in std::fs::read_dir(folder.join("checkpoints")).unwrap() {
        for part in std::fs::read_dir(application.unwrap().path()).unwrap() {
            let part = part.unwrap().path();
            let bytes = std::fs::read(&part).unwrap();
            std::fs::write(&part, vec![0; bytes.len()]).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "it has state");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_is_found_to_be_lost_while_the_server_runs_is_named_with_the_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("buckets/reference/names.csv");
    std::fs::create_dir_all(table.parent().unwrap()).unwrap();
    std::fs::write(&table, "A\n").unwrap();
    let server = start(&parse(COUNTS), folder.path()).await;
    feed(&server, "in", ["A", "B"]).await;
    stop(server).await;
    damage_checkpoints(folder.path());

    let application = Reference::new(Kind::Application, "counts");
    let check = |server: &Server| {
        let row = server.registry().find(&application).unwrap();
        let Status::Failed { reason } = row.status else { panic!("it is not tried again: {row:?}") };
        assert_eq!(reason.matches("cannot go on").count(), 1, "it is said once: {reason}");
        assert!(reason.starts_with("it cannot go on from its checkpoint: "), "{reason}");
        assert!(reason.ends_with("let it start from scratch with millstream reset application"), "{reason}");
        assert!(server.application_status("counts").is_none(), "it does not run");
    };
    // It is found at the start: that is refused.
    let server = open(folder.path()).await.unwrap();
    let refused = server.start(false).await.err().unwrap().to_string();
    assert!(refused.contains("counts") && refused.contains("millstream reset application"), "{refused}");
    stop(server).await;

    // It is found later, for the table hangs.
    let hanging = Hanging::in_place_of(table.clone());
    let server = open(folder.path()).await.unwrap();
    server.start(false).await.unwrap();
    drop(hanging);
    let mut changes = server.registry().changes();
    let has_failed = |row: ResourceRow| matches!(row.status, Status::Failed { .. });
    let failed = changes.wait_for(|_| server.registry().find(&application).is_some_and(has_failed));
    drop(real_time::within(Duration::from_secs(60), failed).await.expect("it has failed").unwrap());
    check(&server);
    // Applying its file tries again, and it is still lost.
    std::fs::remove_file(&table).unwrap();
    std::fs::write(&table, "A\n").unwrap();
    let report = apply(&server, &parse(COUNTS)).await;
    assert!(report.not_settled.iter().any(|text| text.contains("cannot go on")), "{report:#?}");
    check(&server);
    // The way out.
    server.reset(Some(Kind::Application), Some("counts")).await.unwrap();
    server.drain(false).await;
    assert_eq!(server.application_status("counts").unwrap().rows_in, 2, "it begins with the oldest record");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_object_whose_records_are_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = parse("[[delivery_stream]]\nname = \"d\"\nbucket = \"objects\"\n");
    let server = start(&pipeline, folder.path()).await;
    put(&server, "d", 0..3).await;
    let id = server.registry().find(&Reference::new(Kind::DeliveryStream, "d")).unwrap().id;
    stop(server).await;
    let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
    let mut stored = catalog.delivery_progress(id).unwrap().unwrap();
    let first = stored.progress.positions.delivered;
    stored.progress.intents = vec![Intent {
        kind: ObjectKind::Main,
        key: "announced".to_owned(),
        compression: Compression::Uncompressed,
        first,
        last: SourcePosition(first.0 + 100),
        records: 101,
        bytes: 101,
        oldest_arrival: Timestamp(0),
    }];
    catalog.put_delivery_progress(id, &stored).unwrap();
    drop(catalog);
    let server = open(folder.path()).await.unwrap();
    let refused = server.start(false).await.err().unwrap().to_string();
    assert!(refused.contains("records are missing from the log"), "{refused}");
    stop(server).await;
    assert!(!folder.path().join("buckets/objects/announced").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_beside_an_empty_catalog_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&parse("[[stream]]\nname = \"s\"\n"), folder.path()).await;
    put(&server, "s", 0..3).await;
    stop(server).await;
    let catalog = folder.path().join("catalog.sqlite");
    let kept = std::fs::read(&catalog).unwrap();
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("catalog.sqlite{ending}")));
    }
    std::fs::write(&catalog, "").unwrap();
    let refused = open(folder.path()).await.err().unwrap().to_string();
    assert!(refused.contains("is missing or empty"), "{refused}");
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("catalog.sqlite{ending}")));
    }
    std::fs::write(&catalog, kept).unwrap();
    let server = open(folder.path()).await.unwrap();
    server.start(true).await.unwrap();
    stop(server).await;
}

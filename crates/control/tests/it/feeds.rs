//! From where feeds read, and what becomes of one whose source cannot be read.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::support::{apply, assert_applied, feed, parse, records, start, stop};
use millstream_control::Server;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::registry::Status;
use millstream_host::real_time;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_has_no_end_and_its_rest_is_read_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.gz");
    let expected: Vec<String> =
        (0..20_000_u64).map(|number| format!("{number} {}\n", number * 7_919 % 10_007)).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(expected.concat().as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let pipeline = parse(&format!(
        "[[stream]]\nname = \"numbers\"\n[[input]]\nname = \"file\"\npath = \"{}\"\ninto_stream = \"numbers\"\n",
        path.display()
    ));
    let server = start(&pipeline, &folder.path().join("data")).await;
    let feed = Reference::new(Kind::Feed, "file");
    let mut changes = server.registry().changes();
    let failed = changes.wait_for(|rows| {
        let reason = rows.iter().find(|row| row.reference() == feed).and_then(|row| row.status.reason());
        reason.is_some_and(|reason| reason.contains("a part of the file is missing"))
    });
    real_time::within(Duration::from_secs(20), failed).await.expect("it says why").unwrap();
    let before = records(&server, "numbers").len();
    assert!(before > 0 && before < expected.len(), "{before}");
    std::fs::write(&path, &whole).unwrap();
    let all = async {
        while records(&server, "numbers").len() < expected.len() {
            real_time::sleep(Duration::from_millis(20)).await;
        }
    };
    real_time::within(Duration::from_secs(20), all).await.expect("it is tried again");
    assert_eq!(records(&server, "numbers"), expected, "nothing twice");
    let row = server.registry().find(&feed).unwrap();
    assert_eq!(row.status, Status::Active);
    stop(server).await;
}

/// A file that goes into a stream.
fn file_into_stream(file: &Path, rate: Option<f64>) -> Pipeline {
    let rate = rate.map(|rate| format!("rate = {rate:?}\n")).unwrap_or_default();
    parse(&format!(
        "[[stream]]\nname = \"in\"\n[[input]]\nname = \"f\"\ninto_stream = \"in\"\n{rate}path = \"{}\"\n",
        file.display()
    ))
}

/// What the stream holds once it holds so much.
async fn records_of(server: &Server, count: usize) -> Vec<String> {
    let enough = async {
        while records(server, "in").len() < count {
            real_time::sleep(Duration::from_millis(5)).await;
        }
    };
    real_time::within(Duration::from_secs(60), enough).await.expect("the records come");
    records(server, "in").iter().map(|record| record.trim_end().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_another_file_of_an_input_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&a, "a1\na2\na3\n").unwrap();
    std::fs::write(&b, "b1\nb2\nb3\nb4\nb5\n").unwrap();
    let server = start(&file_into_stream(&a, None), &folder.path().join("data")).await;
    assert_eq!(records_of(&server, 3).await.len(), 3);
    let report = apply(&server, &file_into_stream(&b, None)).await;
    assert_applied(&report);
    let said = report.changes.iter().flat_map(|change| &change.details);
    assert!(
        said.into_iter().any(|detail| detail == "reads its new source from the beginning"),
        "{report:#?}"
    );
    assert_eq!(records_of(&server, 8).await[3..], ["b1", "b2", "b3", "b4", "b5"]);
    // Another pace is no other source.
    assert_applied(&apply(&server, &file_into_stream(&b, Some(1_000.0))).await);
    server.drain(false).await;
    assert_eq!(records_of(&server, 8).await.len(), 8);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_reset_or_made_again_starts_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    std::fs::write(&file, (0..1_000).map(|number| format!("{number}\n")).collect::<String>()).unwrap();
    let pipeline = file_into_stream(&file, Some(100.0));
    let server = start(&pipeline, &folder.path().join("data")).await;
    let firsts = |records: &[String]| records.iter().filter(|record| *record == "0").count();
    let so_far = records_of(&server, 10).await.len();
    server.reset(Some(Kind::Feed), Some("f")).await.unwrap();
    let so_far = records_of(&server, so_far + 10).await;
    assert_eq!(firsts(&so_far), 2, "{so_far:?}");
    server.registry().delete(&Reference::new(Kind::Feed, "f"), false).await.unwrap();
    assert_applied(&apply(&server, &pipeline).await);
    let so_far = records_of(&server, so_far.len() + 20).await;
    assert_eq!(firsts(&so_far), 3, "{so_far:?}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_copy_that_is_deleted_or_stopped_lets_the_log_go() {
    let folder = tempfile::tempdir().unwrap();
    let streams = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"copied\"\n[[stream]]\nname = \"again\"\n";
    let copy =
        |into: &str| format!("[[input]]\nname = \"{into}\"\nstream = \"in\"\ninto_stream = \"{into}\"\n");
    let both = parse(&format!("{streams}{}{}", copy("copied"), copy("again")));
    let server = start(&both, folder.path()).await;
    feed(&server, "in", ["1"]).await;
    assert_applied(&apply(&server, &parse(&format!("{streams}{}", copy("copied")))).await);
    feed(&server, "in", ["2"]).await;
    assert_eq!(
        (records(&server, "copied"), records(&server, "again")),
        (vec!["1".into(), "2".into()], vec!["1".into()])
    );
    server.stop(Duration::from_secs(10)).await;
    assert!(server.close(Duration::from_secs(10)).await, "nobody holds the log");
}

/// Streams, and a copy from one into another.
fn copy(streams: &[&str], from: &str, into: &str) -> Pipeline {
    let streams: String = streams.iter().map(|name| format!("[[stream]]\nname = \"{name}\"\n")).collect();
    parse(&format!("{streams}[[input]]\nname = \"copy\"\nstream = \"{from}\"\ninto_stream = \"{into}\"\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_another_stream_goes_on_behind_what_it_has_copied() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&copy(&["in", "a"], "in", "a"), folder.path()).await;
    feed(&server, "in", ["1", "2"]).await;
    let report = apply(&server, &copy(&["in", "a", "b"], "in", "b")).await;
    assert_applied(&report);
    let said: Vec<_> = report.changes.iter().flat_map(|change| &change.details).collect();
    let expected = "goes on in stream \"in\" behind the last record that it has copied; what stream \"a\" has stays there";
    assert!(said.iter().any(|detail| *detail == expected), "{said:?}");
    feed(&server, "in", ["3"]).await;
    assert_eq!(records(&server, "a"), ["1", "2"]);
    assert_eq!(records(&server, "b"), ["3"]);
    assert_applied(&apply(&server, &copy(&["in", "a", "b"], "in", "a")).await);
    feed(&server, "in", ["4"]).await;
    assert_eq!(records(&server, "a"), ["1", "2", "4"]);
    // The target goes, and with it what the log knows of the copy.
    assert_applied(&apply(&server, &copy(&["in", "c"], "in", "c")).await);
    feed(&server, "in", ["5"]).await;
    assert_eq!(records(&server, "c"), ["5"]);
    stop(server).await;
    let server = start(&copy(&["in", "c"], "in", "c"), folder.path()).await;
    feed(&server, "in", ["6"]).await;
    assert_eq!(records(&server, "c"), ["5", "6"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_another_stream_takes_all_that_comes_to_it_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let streams = ["long", "short", "copied"];
    let server = start(&copy(&streams, "long", "copied"), folder.path()).await;
    feed(&server, "long", (0..9).map(|number| format!("long {number}"))).await;
    feed(&server, "short", ["short 0"]).await;
    assert_applied(&apply(&server, &copy(&streams, "short", "copied")).await);
    feed(&server, "short", ["short 1", "short 2"]).await;
    assert_eq!(records(&server, "copied")[9..], ["short 1", "short 2"]);
    feed(&server, "long", ["long 9"]).await;
    assert_applied(&apply(&server, &copy(&streams, "long", "copied")).await);
    feed(&server, "long", ["long 10"]).await;
    assert_eq!(records(&server, "copied")[9..], ["short 1", "short 2", "long 10"]);
    stop(server).await;
}

//! From where feeds read, and what becomes of one whose source cannot be read.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    HangingDisk, apply, assert_applied, copy as copy_directory, feed, open, owner, parse, put, records,
    settings, start, stop, until,
};
use millstream_control::Server;
use millstream_control::catalog::ResourceRow;
use millstream_control::definition::{
    Definition, Desired, FeedDefinition, FeedSource, FeedTarget, Kind, Owner, Reference,
};
use millstream_control::pipeline::Pipeline;
use millstream_control::registry::Status;
use millstream_host::{Random, SimulatedDisk, SystemClock, real_time};
use millstream_streamlog::StreamKey;

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

/// The same as a command line brings it.
fn from_command_line(file: &Path, rate: f64) -> Pipeline {
    let mut pipeline = file_into_stream(file, Some(rate));
    for one in &mut pipeline.desired {
        if let Definition::Feed(feed) = &mut one.definition {
            feed.from_command_line = true;
        }
    }
    pipeline
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_command_line_come_once_though_a_kill_and_a_start_without_it_come_between() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let file = folder.path().join("a");
    std::fs::write(&file, (0..2_000).map(|number| format!("{number}\n")).collect::<String>()).unwrap();
    let with_feed = |rate| from_command_line(&file, rate);
    let server = start(&with_feed(200.0), &data).await;
    records_of(&server, 20).await;
    // A kill, before the next time that its progress is noted.
    copy_directory(&data, &image);
    stop(server).await;
    let server = open(&image).await.unwrap();
    server.end_command_line_feeds(None, &owner()).await.unwrap();
    assert!(!apply(&server, &parse("[[stream]]\nname = \"in\"\n")).await.is_refused());
    server.start(true).await.unwrap();
    until(|| server.registry().rows().len() == 1).await;
    stop(server).await;
    let server = start(&with_feed(1e6), &image).await;
    let lines = records_of(&server, 2_000).await;
    server.drain(false).await;
    assert_eq!(records_of(&server, 2_000).await.len(), 2_000);
    assert!(lines.into_iter().eq((0..2_000).map(|number| number.to_string())));
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_meanwhile_is_not_read_from_its_middle() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("a"));
    let lines = |first: u32| (first..first + 1_000).map(|number| format!("{number}\n")).collect::<String>();
    std::fs::write(&file, lines(0)).unwrap();
    let pipeline = file_into_stream(&file, Some(100.0));
    let server = start(&pipeline, &data).await;
    let before = records_of(&server, 10).await.len();
    stop(server).await;
    std::fs::write(&file, lines(7)).unwrap();
    let server = open(&data).await.unwrap();
    server.start(false).await.unwrap();
    let feed = Reference::new(Kind::Feed, "f");
    let reason = || server.registry().find(&feed).unwrap().status.reason().map(str::to_owned);
    until(|| reason().is_some()).await;
    assert!(reason().unwrap().contains("it was replaced or changed"), "{:?}", reason());
    let so_far = records_of(&server, before).await.len();
    // The way out.
    server.reset(Some(Kind::Feed), Some("f")).await.unwrap();
    assert_eq!(records_of(&server, so_far + 2).await[so_far..so_far + 2], ["7", "8"]);
    stop(server).await;
}

/// Starts without the feed that a command line has brought; comes back when that is gone.
async fn start_without_it(data: &Path) -> Arc<Server> {
    let server = open(data).await.unwrap();
    server.end_command_line_feeds(None, &owner()).await.unwrap();
    assert!(!apply(&server, &parse("[[stream]]\nname = \"in\"\n")).await.is_refused());
    server.start(true).await.unwrap();
    until(|| server.registry().rows().len() == 1).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_line_has_put_is_read_again_once_its_stream_or_its_progress_is_reset() {
    let stream = || Reference::new(Kind::Stream, "in");
    type Reset = (Option<Kind>, Option<&'static str>);
    let resets: [(Option<Reset>, usize); 6] = [
        (Some((None, None)), 2_000),
        (Some((Some(Kind::Stream), None)), 2_000),
        // The stream keeps what it has.
        (Some((Some(Kind::Feed), None)), 2_020),
        (Some((Some(Kind::Feed), Some("f"))), 2_020),
        (Some((Some(Kind::Feed), Some("g"))), 2_000),
        // It is deleted and made again.
        (None, 2_000),
    ];
    for (reset, expected) in resets {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path().join("data"), folder.path().join("a"));
        std::fs::write(&file, (0..20).map(|number| format!("{number}\n")).collect::<String>()).unwrap();
        let server = start(&from_command_line(&file, 1e6), &data).await;
        records_of(&server, 20).await;
        stop(server).await;
        // It has not read all there is.
        let lines: String = (0..2_000).map(|number| format!("{number}\n")).collect();
        std::fs::write(&file, lines).unwrap();
        let catalog = rusqlite::Connection::open(data.join("catalog.sqlite")).unwrap();
        catalog.execute("UPDATE feed_position SET ended = 0", []).unwrap();
        drop(catalog);
        stop(start_without_it(&data).await).await;
        let server = open(&data).await.unwrap();
        match reset {
            Some((kind, name)) => {
                let would = server.would_reset(kind, name).await;
                let said = would.iter().flat_map(|one| &one.consequences);
                let is_said =
                    said.into_iter().any(|said| said.contains("reads its source again when it comes back"));
                assert_eq!(is_said, name != Some("g"), "{would:?}");
                let is_fed = |one: &Reference| *one == Reference::new(Kind::Feed, "f");
                let is_reset = server.reset(kind, name).await.unwrap().iter().any(is_fed);
                assert_eq!(is_reset, kind != Some(Kind::Stream) && name != Some("g"));
                assert!(
                    server.would_reset(Some(Kind::Feed), Some("f")).await.is_empty() || name == Some("g")
                );
            }
            None => {
                server.delete(&stream(), false).await.unwrap();
            }
        }
        assert!(!apply(&server, &from_command_line(&file, 1e6)).await.is_refused());
        server.start(true).await.unwrap();
        records_of(&server, expected).await;
        server.drain(false).await;
        assert_eq!(records(&server, "in").len(), expected, "{reset:?}");
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_still_stops_leaves_nothing_to_a_stream_that_was_reset() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("a"));
    std::fs::write(&file, (0..2_000).map(|number| format!("{number}\n")).collect::<String>()).unwrap();
    let pipeline = from_command_line(&file, 200.0);
    let server = start(&pipeline, &data).await;
    records_of(&server, 20).await;
    stop(server).await;
    // Its row is there still, as a start without it leaves it when it is killed.
    let server = open(&data).await.unwrap();
    server.end_command_line_feeds(None, &owner()).await.unwrap();
    server.reset(Some(Kind::Stream), Some("in")).await.unwrap();
    server.start(true).await.unwrap();
    until(|| server.registry().rows().len() == 1).await;
    assert!(server.would_reset(Some(Kind::Feed), None).await.is_empty());
    assert_applied(&apply(&server, &from_command_line(&file, 1e6)).await);
    assert!(records_of(&server, 2_000).await.into_iter().eq((0..2_000).map(|number| number.to_string())));
    // What is there is said to go on.
    let would = server.would_reset(Some(Kind::Stream), Some("in")).await;
    let goes_on = "feed \"f\" goes on where it is: reset it, too, to have its records again";
    assert!(would[0].consequences.iter().any(|one| one == goes_on), "{would:?}");
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
    server.delete(&Reference::new(Kind::Feed, "f"), false).await.unwrap();
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
async fn a_copy_whose_target_goes_before_a_kill_copies_no_record_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let pipeline = copy(&["in", "a"], "in", "a");
    let server = start(&pipeline, &data).await;
    feed(&server, "in", ["1", "2"]).await;
    server.delete(&Reference::new(Kind::Stream, "a"), true).await.unwrap();
    let copying = Reference::new(Kind::Feed, "copy");
    until(|| server.registry().find(&copying).unwrap().status != Status::Active).await;
    put(&server, "in", ["3"]).await;
    copy_directory(&data, &image);
    stop(server).await;
    let server = start(&pipeline, &image).await;
    feed(&server, "in", ["4"]).await;
    assert_eq!(records(&server, "a"), ["3", "4"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_target_goes_before_a_kill_is_not_read_again_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let [data, image, lines] = ["data", "image", "lines"].map(|name| folder.path().join(name));
    std::fs::write(&lines, (0..100_000).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let pipeline = parse(&format!(
        "[[stream]]\nname = \"a\"\n[[input]]\nname = \"file\"\ninto_stream = \"a\"\nrate = 1000\npath = \"{}\"\n",
        lines.display()
    ));
    let server = start(&pipeline, &data).await;
    until(|| !records(&server, "a").is_empty()).await;
    let seen = records(&server, "a").len();
    server.delete(&Reference::new(Kind::Stream, "a"), true).await.unwrap();
    let reading = Reference::new(Kind::Feed, "file");
    until(|| server.registry().find(&reading).unwrap().status != Status::Active).await;
    copy_directory(&data, &image);
    stop(server).await;
    let server = start(&pipeline, &image).await;
    until(|| !records(&server, "a").is_empty()).await;
    let first: usize = records(&server, "a")[0].trim().parse().unwrap();
    assert!(first >= seen, "line {first} came again, {seen} had come");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_an_answer_is_put_once_though_the_feed_has_another_stream_by_then() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let (clock, on) = (Arc::new(SystemClock), Arc::new(disk.clone()));
    let server = Server::open_on(settings(folder.path()), clock, Random::from_seed(1), on).await.unwrap();
    let report = apply(&server, &parse("[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\n")).await;
    assert!(!report.is_refused(), "{report:#?}");
    server.start(true).await.unwrap();
    let input = folder.path().join("input");
    // Far more than one append takes.
    let lines: Vec<String> = (0..200_000).map(|number| format!("{number:06}\n")).collect();
    std::fs::write(&input, lines.concat()).unwrap();
    let feed_into = |stream: &str| Desired {
        name: "feed".to_owned(),
        definition: Definition::Feed(FeedDefinition {
            source: FeedSource::File {
                path: input.clone(),
                header: false,
                repeat: false,
                review_columns: None,
            },
            target: FeedTarget::Stream(stream.to_owned()),
            rate: None,
            from_command_line: false,
        }),
    };
    let mut arrivals = server.log().changes(&StreamKey::data("a".parse().unwrap())).unwrap();
    let mut changes = server.registry().changes();
    let mut until = async |is_reached: fn(&ResourceRow) -> bool| {
        let reached = changes.wait_for(|rows| rows.iter().any(|row| row.name == "feed" && is_reached(row)));
        drop(real_time::within(Duration::from_secs(60), reached).await.expect("it is reached").unwrap());
    };
    server.create(feed_into("a"), Owner::Api).await.unwrap();
    real_time::within(Duration::from_secs(60), arrivals.changed()).await.expect("it puts").unwrap();
    let hanging = HangingDisk::begin(&disk);
    until(|row| row.status == Status::Active).await;
    let going_on = async {
        // Its predecessor has stopped; it waits for what that had on its way.
        until(|row| row.generation.0 == 2 && row.status != Status::Pending).await;
        drop(hanging);
    };
    let (updated, ()) = tokio::join!(server.update(feed_into("b")), going_on);
    updated.unwrap();
    until(|row| row.observed.0 == 2 && row.status == Status::Active).await;
    let feed = Reference::new(Kind::Feed, "feed");
    let ended = async {
        while server.describe(&feed).unwrap().figures["ended"] != true {
            real_time::sleep(Duration::from_millis(5)).await;
        }
    };
    real_time::within(Duration::from_secs(60), ended).await.expect("all is put");
    let put =
        ["a", "b"].map(|stream| server.log().stream_describe(&StreamKey::data(stream.parse().unwrap())));
    let put: u64 = put.into_iter().map(|stream| stream.unwrap().records_put).sum();
    assert_eq!(put, lines.len() as u64, "each line once");
    stop(server).await;
}

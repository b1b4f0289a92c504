//! New SQL for an application that runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use millstream_control::pipeline::Pipeline;
use millstream_control::producers::{Feed, FeedTarget, NextRecord, RecordSource};
use millstream_control::{Server, ServerSettings, UpdateError};
use millstream_host::{Random, SystemClock};
use millstream_streamlog::{Position, ReadFrom, ShardNumber, StreamKey};

struct Records(std::vec::IntoIter<String>);

impl RecordSource for Records {
    fn next_record(&mut self) -> NextRecord {
        self.0.next().map_or(NextRecord::End, |record| NextRecord::Record(Bytes::from(record)))
    }
}

/// A counter of all rows so far, and a pump whose text is given.
fn pipeline(other: &str, retention: u32) -> Pipeline {
    let text = format!(
        "[[stream]]\nname = \"in\"\nretention_hours = {retention}\n[[stream]]\nname = \"counts\"\n[[stream]]\nname = \"others\"\n\
         [[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM COUNTS (N BIGINT);\n\
         CREATE OR REPLACE STREAM OTHERS (N BIGINT);\n\
         CREATE OR REPLACE PUMP COUNTER AS INSERT INTO COUNTS SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM SOURCE_SQL_STREAM_001;\n\
         {other}'''\n[application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
         [[application.output]]\nfrom = \"COUNTS\"\nstream = \"counts\"\n\
         [[application.output]]\nfrom = \"OTHERS\"\nstream = \"others\"\n"
    );
    Pipeline::parse("test.toml", &text, &|_| Err("no files".to_owned()))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn other(expression: &str) -> String {
    format!(
        "CREATE OR REPLACE PUMP OTHER AS INSERT INTO OTHERS SELECT STREAM {expression} OVER (ROWS UNBOUNDED PRECEDING) \
         FROM SOURCE_SQL_STREAM_001;"
    )
}

async fn feed(server: &Server, name: &str, records: std::ops::Range<u32>) {
    let records: Vec<String> = records.map(|number| number.to_string()).collect();
    let target = FeedTarget::Stream("in".to_owned());
    let feed = Feed { name: name.to_owned(), target, rate: None, keeps_position: false };
    server.feed(feed, Box::new(Records(records.into_iter()))).unwrap();
    server.producers_ended().await;
    server.drain().await;
}

fn last(server: &Server, stream: &str) -> String {
    let key = StreamKey::data(stream.parse().unwrap());
    let batch = server
        .log()
        .read(&key, ShardNumber(0), ReadFrom::Position(Position::START), 10_000, 1 << 24)
        .unwrap();
    String::from_utf8(batch.records.last().unwrap().data.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pumps_that_did_not_change_keep_their_state() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ServerSettings {
        data_directory: folder.path().to_owned(),
        version: "test".to_owned(),
        source: "test".to_owned(),
        is_synthetic: false,
        smtp_password: None,
    };
    let first = pipeline(&other("COUNT(*)"), 24);
    let server =
        Server::start(first.clone(), settings, Arc::new(SystemClock), Random::from_seed(1)).await.unwrap();
    feed(&server, "first", 0..10).await;
    assert_eq!(last(&server, "counts"), "{\"N\":10}");

    // The same again changes nothing.
    assert!(server.update(first).await.unwrap().applications.is_empty());

    let report = server.update(pipeline(&other("SUM(\"n\")"), 24)).await.unwrap();
    assert_eq!(report.applications.len(), 1);
    assert_eq!(report.applications[0].resumed, ["COUNTER"]);
    assert_eq!(report.applications[0].started_afresh, ["OTHER"]);
    feed(&server, "second", 10..12).await;
    assert_eq!(last(&server, "counts"), "{\"N\":12}", "the counter went on");
    assert_eq!(last(&server, "others"), "{\"N\":21}", "the other began afresh: 10 + 11");

    // Anything but SQL is refused by name, and all goes on.
    let error = server.update(pipeline(&other("SUM(\"n\")"), 48)).await.unwrap_err();
    assert!(matches!(&error, UpdateError::NotOnlySql(what) if what == &["stream \"in\""]), "{error}");
    feed(&server, "third", 12..13).await;
    assert_eq!(last(&server, "counts"), "{\"N\":13}");
    server.stop().await;
}

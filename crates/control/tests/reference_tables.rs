//! Rows looked up in reference tables that come from objects and files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use millstream_control::pipeline::Pipeline;
use millstream_control::producers::{Feed, FeedTarget, NextRecord, RecordSource};
use millstream_control::{Server, ServerSettings};
use millstream_host::{Random, SystemClock};
use millstream_streamlog::{Position, ReadFrom, ShardNumber, StreamKey};

struct Records(std::vec::IntoIter<&'static str>);

impl RecordSource for Records {
    fn next_record(&mut self) -> NextRecord {
        self.0.next().map_or(NextRecord::End, |record| NextRecord::Record(Bytes::from(record)))
    }
}

fn pipeline(place: &str) -> Pipeline {
    let text = format!(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"named\"\n[[stream]]\nname = \"errors\"\n\
         [[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM NAMED (TICKER VARCHAR(8), COMPANY VARCHAR(32));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO NAMED SELECT STREAM \"s\".\"ticker\", \"c\".\"Company\"\n\
           FROM \"SOURCE_SQL_STREAM_001\" AS \"s\" LEFT JOIN \"CompanyName\" AS \"c\" ON \"s\".\"ticker\" = \"c\".\"Ticker\";\n\
         '''\n[application.input]\nstream = \"in\"\ncolumns = \"ticker VARCHAR(8)\"\n\
         [[application.reference]]\nname = \"CompanyName\"\n{place}\n\
         columns = \"Ticker VARCHAR(8), Company VARCHAR(32), Founded INTEGER\"\n\
         [[application.output]]\nfrom = \"NAMED\"\nstream = \"named\"\nformat = \"csv\"\n\
         [[application.output]]\nfrom = \"error_stream\"\nstream = \"errors\"\nformat = \"json\"\n"
    );
    Pipeline::parse("test.toml", &text, &|_| Err("no files".to_owned()))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn settings(folder: &Path) -> ServerSettings {
    ServerSettings {
        data_directory: folder.to_owned(),
        version: "test".to_owned(),
        source: "test".to_owned(),
        is_synthetic: false,
        smtp_password: None,
    }
}

async fn feed(server: &Server, name: &str, records: Vec<&'static str>) {
    let target = FeedTarget::Stream("in".to_owned());
    let feed = Feed { name: name.to_owned(), target, rate: None, keeps_position: false };
    server.feed(feed, Box::new(Records(records.into_iter()))).unwrap();
    server.producers_ended().await;
    server.drain().await;
}

fn records(server: &Server, stream: &str) -> Vec<String> {
    let key = StreamKey::data(stream.parse().unwrap());
    let from = ReadFrom::Position(Position::START);
    let batch = server.log().read(&key, ShardNumber(0), from, 10_000, 1 << 24).unwrap();
    batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

const TABLE: &str = "AMZN,Amazon,1994\nIBM,\"IBM, the company\",1911\nBAD,No year,never\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_from_an_object_is_looked_up_and_read_again_by_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("buckets/reference/companies/names.csv");
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, TABLE).unwrap();
    let pipeline = pipeline("bucket = \"reference\"\nkey = \"companies/names.csv\"");
    let clock = Arc::new(SystemClock);
    let server =
        Server::start(pipeline.clone(), settings(folder.path()), clock, Random::from_seed(1)).await.unwrap();
    feed(&server, "first", vec!["IBM", "XYZ"]).await;
    assert_eq!(records(&server, "named"), ["IBM,\"IBM, the company\"\n", "XYZ,\n"]);
    let errors = records(&server, "errors");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("\"ERROR_NAME\":\"COERCION_ERROR\"") && errors[0].contains("never"),
        "{errors:?}"
    );

    std::fs::write(&object, "XYZ,Xylophones,2001\n").unwrap();
    let report = server.update(pipeline).await.unwrap();
    assert_eq!(report.applications[0].resumed, ["P"]);
    feed(&server, "second", vec!["IBM", "XYZ"]).await;
    assert_eq!(records(&server, "named")[2..], ["IBM,\n", "XYZ,Xylophones\n"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_from_a_file_and_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    std::fs::write(&file, TABLE).unwrap();
    let found = pipeline(&format!("path = \"{}\"", file.display()));
    let clock = Arc::new(SystemClock);
    let data = folder.path().join("data");
    let server = Server::start(found, settings(&data), clock.clone(), Random::from_seed(1)).await.unwrap();
    feed(&server, "first", vec!["AMZN"]).await;
    assert_eq!(records(&server, "named"), ["AMZN,Amazon\n"]);
    server.stop().await;
    drop(server);

    let missing = pipeline("bucket = \"reference\"\nkey = \"none.csv\"");
    let Err(error) = Server::start(missing, settings(&data), clock, Random::from_seed(1)).await else {
        panic!("a table that is missing was taken");
    };
    let error = error.to_string();
    assert!(
        error.contains("reference table \"CompanyName\" cannot be read") && error.contains("none.csv"),
        "{error}"
    );
}

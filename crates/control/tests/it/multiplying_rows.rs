//! An application that makes many and large rows of few: it stops reading while a destination has enough.

use std::path::Path;
use std::time::Duration;

use crate::support::{feed, parse, put, records, start, stop, until};
use millstream_control::definition::{Kind, Reference};
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_control::pipeline::Pipeline;
use millstream_control::replay::{Replay, Rowtimes};
use millstream_host::real_time;

/// Copies of each record, of 60,000 characters.
const COPIES: usize = 8;

fn pipeline(target: &str) -> Pipeline {
    let mut sql = String::new();
    let mut source = "SOURCE_SQL_STREAM_001";
    for (stream, sql_type) in [("A", "VARCHAR(9)"), ("B", "VARCHAR(9)"), ("C", "CHAR(60000)")] {
        sql += &format!("CREATE OR REPLACE STREAM {stream} (N {sql_type});\n");
        for pump in ["ONE", "TWO"] {
            sql += &format!(
                "CREATE OR REPLACE PUMP {stream}_{pump} AS INSERT INTO {stream} SELECT STREAM N FROM {source};\n"
            );
        }
        source = stream;
    }
    parse(&format!(
        "[[endpoint]]\nname = \"model\"\nmodel = \"builtin:star-rating\"\nthreads = 1\n\
         [[function]]\nname = \"f\"\nbuiltin = \"classify\"\nendpoint = \"model\"\noutput = [\"text\", \"label\"]\n\
         [[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = '''\n{sql}'''\n\
         [application.input]\nstream = \"in\"\nformat = \"csv\"\ncolumns = \"N VARCHAR(9)\"\n\
         [[application.output]]\nfrom = \"C\"\n{target}\nformat = \"csv\"\n"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_between_records_while_its_destination_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline("function = \"f\""), folder.path()).await;
    server.delete(&Reference::new(Kind::Function, "f"), true).await.unwrap();
    let status = || server.application_status("app").unwrap();
    put(&server, "in", 0..500).await;
    until(|| status().rows_out > 300).await;
    real_time::sleep(Duration::from_millis(500)).await;
    assert!(status().records_in < 200 && status().rows_out < 1_600, "{:?}", status());
    // The figures of a slice come one after the other.
    until(|| status().rows_out == status().records_in * COPIES as u64).await;
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_repeated_where_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline("stream = \"out\""), Path::new(folder.path())).await;
    feed(&server, "in", 0..100).await;
    let numbers: Vec<usize> =
        records(&server, "out").iter().map(|record| record.trim().parse().unwrap()).collect();
    assert_eq!(numbers, (0..100 * COPIES).map(|place| place / COPIES).collect::<Vec<_>>());
    stop(server).await;
}

#[tokio::test]
async fn a_replay_gives_its_rows_before_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.csv");
    std::fs::write(&file, (0..500).map(|number| format!("{number}\n")).collect::<String>()).unwrap();
    let pipeline = pipeline("stream = \"out\"");
    let rowtimes = Rowtimes::rate(1_700_000_000_000, 100.0).unwrap();
    let mut replay = Replay::new(&pipeline.applications[0], 0, rowtimes).unwrap();
    let mut records = SourceBatch::default();
    LineSource::file(&file, false, false).unwrap().read(&mut records, 1_000);
    replay.push(&records).await.unwrap();
    let (mut rows, mut most) = (0, 0);
    while replay.advance().unwrap() {
        let given = replay.take_rows().iter().filter(|row| row.stream == "C").count();
        (rows, most) = (rows + given, most.max(given));
    }
    assert_eq!(rows, 500 * COPIES);
    assert!(most < 2_000, "{most}");
}

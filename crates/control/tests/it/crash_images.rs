//! What comes out after a crash when a second reading gives other rows than the first: none of them is taken for a repetition.
//!
//! A crash image is a copy of the data directory between two checkpoints of an application.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Hanging, apply, copy, feed, open, parse, put, records, start, stop};
use millstream_control::Server;
use millstream_control::definition::Kind;
use millstream_control::pipeline::Pipeline;
use millstream_control::view::OverviewSource;
use millstream_host::real_time::within;

/// Numbers and the names that a table gives them, as far as they are above `least`.
fn pipeline(least: u32, table: &Path, more: &str) -> Pipeline {
    parse(&format!(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM \"OUT\" (N INTEGER, NAME VARCHAR(8));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM S.N, T.NAME FROM SOURCE_SQL_STREAM_001 AS S \
         JOIN T ON S.N >= T.N WHERE S.N >= {least};\n'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n\
         [[application.reference]]\nname = \"T\"\npath = \"{}\"\ncolumns = \"N INTEGER, NAME VARCHAR(8)\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n{more}",
        table.display()
    ))
}

/// The image of a server that has put out twenty rows since its newest checkpoint.
struct Crashed {
    folder: tempfile::TempDir,
    table: PathBuf,
    image: PathBuf,
}

impl Crashed {
    async fn new() -> Crashed {
        let folder = tempfile::tempdir().unwrap();
        let (table, data) = (folder.path().join("table.csv"), folder.path().join("data"));
        std::fs::write(&table, "0,a\n0,b\n").unwrap();
        let server = start(&pipeline(0, &table, ""), &data).await;
        feed(&server, "in", 0..10).await;
        assert_eq!(records(&server, "out").len(), 20);
        let image = folder.path().join("image");
        copy(&data, &image);
        stop(server).await;
        Crashed { folder, table, image }
    }

    /// Goes on, reads what waits, and puts out the rows of three more records: gives their names.
    async fn new_rows(&self, server: &Server) -> Vec<String> {
        server.drain(false).await;
        let before = records(server, "out").len();
        feed(server, "in", 100..103).await;
        records(server, "out")[before..].iter().map(|row| row.trim_end().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_or_lost_when_nothing_has_changed() {
    let crashed = Crashed::new().await;
    let server = start(&pipeline(0, &crashed.table, ""), &crashed.image).await;
    assert_eq!(crashed.new_rows(&server).await, ["100,a", "100,b", "101,a", "101,b", "102,a", "102,b"]);
    assert_eq!(records(&server, "out").len(), 26);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sql_after_a_crash_repeats_no_row_of_the_sql_before() {
    let crashed = Crashed::new().await;
    let server = start(&pipeline(1, &crashed.table, ""), &crashed.image).await;
    assert_eq!(crashed.new_rows(&server).await.len(), 6);
    assert_eq!(records(&server, "out").len(), 20 + 6);
    assert!(server.overview().problems.is_empty());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_of_other_sql_arrive() {
    let crashed = Crashed::new().await;
    let server = start(&pipeline(100, &crashed.table, ""), &crashed.image).await;
    assert_eq!(crashed.new_rows(&server).await.len(), 6);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_of_another_table_arrive() {
    let crashed = Crashed::new().await;
    std::fs::write(&crashed.table, "100,c\n").unwrap();
    let server = start(&pipeline(0, &crashed.table, ""), &crashed.image).await;
    assert_eq!(crashed.new_rows(&server).await, ["100,c", "101,c", "102,c"]);
    stop(server).await;
    // From then on a crash repeats nothing, and loses nothing.
    let again = crashed.folder.path().join("again");
    let server = start(&pipeline(0, &crashed.table, ""), &crashed.image).await;
    feed(&server, "in", 200..210).await;
    let rows = records(&server, "out").len();
    copy(&crashed.image, &again);
    stop(server).await;
    let server = start(&pipeline(0, &crashed.table, ""), &again).await;
    server.drain(false).await;
    assert_eq!(records(&server, "out").len(), rows);
    assert_eq!(crashed.new_rows(&server).await.len(), 3);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_behind_a_damaged_checkpoint_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let (table, data) = (folder.path().join("table.csv"), folder.path().join("data"));
    let image = folder.path().join("image");
    std::fs::write(&table, "0,a\n").unwrap();
    let server = start(&pipeline(0, &table, ""), &data).await;
    feed(&server, "in", 0..10).await;
    stop(server).await;
    std::fs::write(&table, "0,b\n0,b\n").unwrap();
    let server = start(&pipeline(0, &table, ""), &data).await;
    // A crash before its next checkpoint.
    copy(&data, &image);
    feed(&server, "in", 10..20).await;
    assert_eq!(records(&server, "out").len(), 10 + 20);
    copy(&data.join("log"), &image.join("log"));
    stop(server).await;
    let catalog = rusqlite::Connection::open(image.join("catalog.sqlite")).unwrap();
    let sql =
        "UPDATE checkpoint SET checksum = checksum + 1 WHERE number = (SELECT MAX(number) FROM checkpoint)";
    assert_eq!(catalog.execute(sql, []).unwrap(), 1);
    drop(catalog);
    std::fs::write(&table, "0,c\n").unwrap();
    let server = start(&pipeline(0, &table, ""), &image).await;
    feed(&server, "in", 100..103).await;
    let rows = records(&server, "out");
    assert_eq!(rows.iter().filter(|row| row.contains('c')).count(), 10 + 3, "{rows:?}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_of_a_stream_that_was_reset_arrive() {
    let crashed = Crashed::new().await;
    let server = open(&crashed.image).await.unwrap();
    server.reset(Some(Kind::Stream), Some("in")).await.unwrap();
    apply(&server, &pipeline(0, &crashed.table, "")).await;
    server.start(true).await.unwrap();
    assert_eq!(crashed.new_rows(&server).await.len(), 6);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_of_the_time_of_processing_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let counts = |extra: &str| {
        parse(&format!(
            "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = '''\n\
             CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);\n\
             CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM N FROM SOURCE_SQL_STREAM_001;\n'''\n\
             [application.switches]\nrowtime = \"processing\"\n{extra}\
             [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n\
             [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n"
        ))
    };
    let server = start(&counts(""), &data).await;
    feed(&server, "in", 0..10).await;
    copy(&data, &image);
    stop(server).await;
    let server = start(&counts(""), &image).await;
    server.drain(false).await;
    // How many windows a second reading gives nobody knows: what it gives is new.
    assert_eq!(records(&server, "out").len(), 20);
    stop(server).await;
}

/// Numbers, written by an expression into a stream.
fn numbers(expression: &str, into: &str) -> Pipeline {
    parse(&format!(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[stream]]\nname = \"other\"\n\
         [[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM \"OUT\" (N INTEGER, NAME VARCHAR(8));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM {expression}, T.NAME \
         FROM SOURCE_SQL_STREAM_001 AS S LEFT JOIN T ON S.N = T.N;\n'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n\
         [[application.reference]]\nname = \"T\"\nbucket = \"tables\"\nkey = \"t.csv\"\n\
         columns = \"N INTEGER, NAME VARCHAR(8)\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"{into}\"\nformat = \"csv\"\n"
    ))
}

/// Comes back when a stream holds so many records, which arrive beside this test.
async fn until_records(server: &Server, stream: &str, count: usize) {
    let arrived = async {
        while records(server, stream).len() < count {
            tokio::task::yield_now().await;
        }
    };
    within(Duration::from_secs(60), arrived).await.expect("the rows arrive");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_hangs_and_a_crash_repeat_no_row_and_lose_none() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let table = data.join("buckets/tables/t.csv");
    std::fs::create_dir_all(table.parent().unwrap()).unwrap();
    std::fs::write(&table, "").unwrap();
    let server = start(&numbers("S.N", "out"), &data).await;
    feed(&server, "in", 0..10).await;
    // The successor, which writes elsewhere, is looked at and committed, but not ready.
    let successor = numbers("S.N + 0", "other");
    let hanging = Hanging::in_place_of(table);
    let (report, ()) = tokio::join!(apply(&server, &successor), hanging.let_one_read());
    assert!(!report.is_refused() && report.not_settled.len() == 1, "{report:#?}");
    put(&server, "in", 10..20).await;
    until_records(&server, "out", 20).await;
    // A kill at this moment: the successor reads on behind what has come out.
    copy(&data, &image);
    std::fs::write(image.join("buckets/tables/t.csv"), "").unwrap();
    let crashed = start(&successor, &image).await;
    feed(&crashed, "in", 20..25).await;
    assert_eq!([records(&crashed, "out").len(), records(&crashed, "other").len()], [20, 5]);
    stop(crashed).await;
    // Without one: what has been made for the old destination arrives there before the successor takes over.
    let mut end = 20;
    let mut hanging = Some(hanging);
    while records(&server, "other").is_empty() {
        put(&server, "in", end..end + 1_000).await;
        end += 1_000;
        drop(hanging.take_if(|_| end > 20_000));
        assert!(end < 10_000_000, "the successor starts");
    }
    server.drain(false).await;
    let rows = [records(&server, "out"), records(&server, "other")].concat();
    let mut numbers: Vec<u32> =
        rows.iter().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers == (0..end).collect::<Vec<_>>(), "{} rows of {end} records", numbers.len());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_output_after_a_crash_loses_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    for data in [&data, &image] {
        let table = data.join("buckets/tables/t.csv");
        std::fs::create_dir_all(table.parent().unwrap()).unwrap();
        std::fs::write(&table, "").unwrap();
    }
    let server = start(&numbers("S.N", "out"), &data).await;
    feed(&server, "in", 0..10).await;
    copy(&data, &image);
    stop(server).await;
    // What came since the checkpoint comes again, and more that nobody has read.
    let reader = open(&image).await.unwrap();
    put(&reader, "in", 10..5_000).await;
    stop(reader).await;
    let server = start(&numbers("S.N + 0", "other"), &image).await;
    server.drain(false).await;
    let rows = [records(&server, "out"), records(&server, "other")].concat();
    let mut numbers: Vec<u32> =
        rows.iter().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers == (0..5_000).collect::<Vec<_>>(), "{} rows", numbers.len());
    stop(server).await;
}

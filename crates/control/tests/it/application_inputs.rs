//! What applications see of their source: several input streams, columns about records, where reading begins.

use std::time::Duration;

use crate::support::{parse, put, start, stop};
use millstream_control::Server;
use millstream_control::catalog::ResourceRow;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::registry::Status;
use millstream_control::view::OverviewSource;
use millstream_host::real_time;

/// An application that copies its input streams to the stream "out".
fn pipeline(input: &str, sql: &str) -> Pipeline {
    parse(&text_of(input, sql, "OUT"))
}

fn text_of(input: &str, sql: &str, from: &str) -> String {
    format!(
        "[[stream]]\nname = \"in\"\nshards = 4\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\n\
         sql = '''{sql}'''\n[application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n{input}\n\
         [[application.output]]\nfrom = \"{from}\"\nstream = \"out\"\n"
    )
}

/// Everything in "out", as text.
fn out(server: &Server) -> Vec<String> {
    crate::support::records(server, "out")
}

fn numbers(rows: &[String]) -> Vec<u32> {
    let number = |row: &String| {
        let digits: String =
            row.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let mut numbers: Vec<u32> = rows.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

const COPY: &str = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);
    CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;";

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_spread_over_input_streams_and_records_say_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER, STREAM_NUMBER INTEGER, SHARD VARCHAR(64), AGE INTEGER, SEQ VARCHAR(128), PK VARCHAR(512));
        CREATE OR REPLACE PUMP P1 AS INSERT INTO \"OUT\" SELECT STREAM \"n\", 1, SHARD_ID, TSDIFF(ROWTIME, APPROXIMATE_ARRIVAL_TIME), SEQUENCE_NUMBER, PARTITION_KEY FROM SOURCE_SQL_STREAM_001;
        CREATE OR REPLACE PUMP P2 AS INSERT INTO \"OUT\" SELECT STREAM \"n\", 2, SHARD_ID, TSDIFF(ROWTIME, APPROXIMATE_ARRIVAL_TIME), SEQUENCE_NUMBER, PARTITION_KEY FROM SOURCE_SQL_STREAM_002;";
    let server = start(&pipeline("parallelism = 2", sql), folder.path()).await;
    crate::support::feed(&server, "in", 0..400).await;
    let rows = out(&server);
    assert_eq!(numbers(&rows), (0..400).collect::<Vec<_>>());
    for (shard, stream) in [(0, 1), (1, 2), (2, 1), (3, 2)] {
        let shard = format!("\"SHARD\":\"shardId-{shard:012}\"");
        let of_shard: Vec<&String> = rows.iter().filter(|row| row.contains(&shard)).collect();
        assert!(of_shard.len() > 50, "{} rows of {shard}", of_shard.len());
        let stream = format!("\"STREAM_NUMBER\":{stream}");
        assert!(of_shard.iter().all(|row| row.contains(&stream)), "{shard} feeds {stream}");
    }
    assert!(rows.iter().all(|row| !row.contains("null")), "{}", rows[0]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn error_rows_that_are_delivered_hold_the_whole_row() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);
        CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM 1 / \"n\" FROM SOURCE_SQL_STREAM_001;";
    let server = start(&parse(&text_of("", sql, "error_stream")), folder.path()).await;
    crate::support::feed(&server, "in", [0]).await;
    let rows = out(&server);
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    let (_, hex) = row.split_once("\"DATA_ROW\":\"").unwrap();
    let digits: Vec<u8> = hex.bytes().take_while(u8::is_ascii_hexdigit).collect();
    let bytes =
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    let data_row = String::from_utf8(bytes.collect()).unwrap();
    let fields: Vec<&str> = data_row.split(',').collect();
    let [n, arrival, key, number, shard] = fields.as_slice() else { panic!("{data_row}") };
    assert!(*n == "0" && !arrival.is_empty() && !key.is_empty() && !number.is_empty(), "{data_row}");
    assert!(shard.starts_with("shardId-"), "the SQL names none of them: {data_row}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_where_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    // (starting_position, what comes out in this run beside what was there)
    let runs = [
        ("starting_position = \"last-stopped-point\"", 0..10, 0..10),
        ("starting_position = \"last-stopped-point\"", 10..20, 10..20),
        ("starting_position = \"now\"", 20..30, 20..30),
        ("starting_position = \"now\"", 30..40, 30..40),
        // Once, not at each start.
        ("starting_position = \"trim-horizon\"", 40..50, 0..50),
        ("starting_position = \"trim-horizon\"", 50..60, 50..60),
        ("", 60..70, 60..70),
    ];
    let mut seen = 0;
    for (position, fed, expected) in runs {
        let server = start(&pipeline(position, COPY), folder.path()).await;
        crate::support::feed(&server, "in", fed).await;
        let rows = out(&server);
        assert_eq!(numbers(&rows[seen..]), expected.collect::<Vec<_>>(), "{position}");
        seen = rows.len();
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_it_was_stopped_is_passed_over_only_by_now() {
    let folder = tempfile::tempdir().unwrap();
    let without_application = parse("[[stream]]\nname = \"in\"\nshards = 4\n[[stream]]\nname = \"out\"\n");
    let server = start(&without_application, folder.path()).await;
    put(&server, "in", 0..10).await;
    stop(server).await;
    let server = start(&pipeline("starting_position = \"now\"", COPY), folder.path()).await;
    crate::support::feed(&server, "in", 10..12).await;
    assert_eq!(numbers(&out(&server)), [10, 11]);
    stop(server).await;
    let server = start(&pipeline("starting_position = \"last-stopped-point\"", COPY), folder.path()).await;
    server.drain(false).await;
    assert_eq!(numbers(&out(&server)), [10, 11]);
    stop(server).await;
}

/// Time alone does not end the wait for stragglers: a drain that closes windows does.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_closes_windows_lets_sorted_rows_go() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);
        CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM N, ETS AS ROWTIME FROM
            (SELECT STREAM \"n\" AS N, APPROXIMATE_ARRIVAL_TIME AS ETS FROM SOURCE_SQL_STREAM_001)
            ORDER BY ETS WITHIN INTERVAL '1' SECOND;";
    let server = start(&pipeline("", sql), folder.path()).await;
    crate::support::feed(&server, "in", 0..5).await;
    assert_eq!(numbers(&out(&server)), [] as [u32; 0]);
    server.drain(true).await;
    assert_eq!(numbers(&out(&server)), [0, 1, 2, 3, 4]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_where_the_file_says_also_after_an_attempt_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    std::fs::write(&table, "1\n").unwrap();
    let pipeline = |position: &str| {
        let text = text_of(position, COPY, "OUT");
        let table = table.display();
        parse(&format!(
            "{text}[[application.reference]]\nname = \"T\"\npath = \"{table}\"\ncolumns = \"A INTEGER\"\n"
        ))
    };
    let data = folder.path().join("data");
    let server = start(&pipeline(""), &data).await;
    crate::support::feed(&server, "in", 0..10).await;
    assert_eq!(out(&server).len(), 10);
    stop(server).await;

    let server = crate::support::open(&data).await.unwrap();
    let report = crate::support::apply(&server, &pipeline("starting_position = \"trim-horizon\"")).await;
    let change = report.changes.iter().find(|change| change.name == "app").unwrap();
    let [pump] = change.starts_from_scratch.as_slice() else { panic!("{change:?}") };
    assert_eq!((pump.name.as_str(), pump.reason.as_str()), ("P", "starting_position has changed"));
    assert!(change.details.iter().any(|detail| detail.contains("already holds: 10 records")), "{change:?}");
    std::fs::remove_file(&table).unwrap();
    server.start(false).await.unwrap();
    let application = Reference::new(Kind::Application, "app");
    let row = server.registry().find(&application).unwrap();
    assert!(row.status.reason().unwrap().contains("table.csv"), "{:?}", row.status);
    std::fs::write(&table, "1\n").unwrap();
    let mut changes = server.registry().changes();
    let is_active = |row: &ResourceRow| row.reference() == application && row.status == Status::Active;
    let started = changes.wait_for(|rows| rows.iter().any(is_active));
    real_time::within(Duration::from_secs(20), started).await.expect("it is tried again").unwrap();
    server.drain(false).await;
    let expected: Vec<u32> = (0..10).collect();
    assert_eq!(numbers(&out(&server)[10..]), expected, "from the oldest record on");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_with_another_source_says_what_it_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{}[[stream]]\nname = \"other\"\n", text_of("", COPY, "OUT"));
    let server = start(&parse(&text), folder.path()).await;
    crate::support::feed(&server, "in", 0..10).await;
    crate::support::feed(&server, "other", 100..103).await;
    for (from, to, records) in [("in", "other", 3), ("other", "in", 10)] {
        let changed = text.replace("stream = \"in\"\ncolumns", &format!("stream = \"{to}\"\ncolumns"));
        let report = crate::support::apply(&server, &parse(&changed)).await;
        crate::support::assert_applied(&report);
        let change = report.changes.iter().find(|change| change.name == "app").unwrap();
        let begins = format!("begins with what stream \"{to}\" already holds: {records} records");
        assert!(change.details.contains(&begins), "{from}: {change:?}");
        assert_eq!(change.keeps_state, ["P"]);
        server.drain(false).await;
    }
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_counts_once_however_many_outputs_take_it_and_the_flow_leads_to_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);
        CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM 6 / \"n\" FROM SOURCE_SQL_STREAM_001;
        CREATE OR REPLACE STREAM \"INNER\" (N INTEGER);
        CREATE OR REPLACE PUMP Q AS INSERT INTO \"INNER\" SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;";
    let more = "[[application.output]]\nfrom = \"OUT\"\nstream = \"copies\"\n\
        [[application.output]]\nfrom = \"error_stream\"\nstream = \"errors\"\n\
        [[stream]]\nname = \"copies\"\n[[stream]]\nname = \"errors\"\n";
    let server = start(&parse(&format!("{}{more}", text_of("", sql, "OUT"))), folder.path()).await;
    crate::support::feed(&server, "in", 0..3).await;
    let figures = server.describe(&Reference::new(Kind::Application, "app")).unwrap().figures;
    assert_eq!((&figures["rows_in"], &figures["error_rows"]), (&3.into(), &1.into()));
    assert_eq!((&figures["rows_out"], &figures["rows_by_stream"]["OUT"]), (&2.into(), &2.into()));
    assert_eq!(figures["rows_by_stream"]["INNER"], 3, "though it has no output");
    assert_eq!(figures["rows_delivered"], 2 + 2 + 1, "once for each destination");
    let flow = server.overview().flow;
    let stage = |kind: &str| flow.iter().find(|stage| stage.kind == kind).unwrap();
    let counted = |what: &str, count| (what.to_owned(), count);
    assert_eq!(stage("application").counters, [counted("rows in", 3), counted("error rows", 1)]);
    assert_eq!(stage("application").feeds, ["P", "Q", "errors"]);
    assert_eq!(stage("pump").counters, [counted("rows out", 2)]);
    assert_eq!(stage("pump").feeds, ["out", "copies"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_input_stream_that_is_an_output_count() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);
        CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;";
    let server = start(&parse(&text_of("", sql, "SOURCE_SQL_STREAM_001")), folder.path()).await;
    crate::support::feed(&server, "in", 0..3).await;
    let figures = server.describe(&Reference::new(Kind::Application, "app")).unwrap().figures;
    assert_eq!((&figures["rows_out"], &figures["rows_delivered"]), (&3.into(), &3.into()));
    stop(server).await;
}

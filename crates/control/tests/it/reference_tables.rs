//! Rows looked up in reference tables that come from objects and files.

use std::io::Write;
use std::sync::Arc;

use crate::support::{apply, assert_applied, feed, open, parse, records, settings, start, stop};
use flate2::Compression;
use flate2::write::GzEncoder;
use millstream_control::definition::Definition;
use millstream_control::pipeline::Pipeline;
use millstream_control::view::OverviewSource;
use millstream_control::{ApplyReport, Server};
use millstream_host::{ManualClock, Random, Timestamp};

fn pipeline(place: &str) -> Pipeline {
    parse(&format!(
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
    ))
}

/// The same with a memory limit in bytes.
fn limited_to(bytes: u64, place: &str) -> Pipeline {
    let mut pipeline = pipeline(place);
    for one in &mut pipeline.desired {
        if let Definition::Application(application) = &mut one.definition {
            application.memory_limit = Some(bytes);
        }
    }
    pipeline
}

const TABLE: &str = "AMZN,Amazon,1994\nIBM,\"IBM, the company\",1911\nBAD,No year,never\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_from_an_object_is_looked_up_and_read_again_by_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("buckets/reference/companies/names.csv");
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, TABLE).unwrap();
    let pipeline = pipeline("bucket = \"reference\"\nkey = \"companies/names.csv\"");
    let server = start(&pipeline, folder.path()).await;
    feed(&server, "in", vec!["IBM", "XYZ"]).await;
    assert_eq!(records(&server, "named"), ["IBM,\"IBM, the company\"\n", "XYZ,\n"]);
    let errors = records(&server, "errors");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("\"ERROR_NAME\":\"COERCION_ERROR\"") && errors[0].contains("never"),
        "{errors:?}"
    );

    std::fs::write(&object, "XYZ,Xylophones,2001\n").unwrap();
    let report = apply(&server, &pipeline).await;
    assert_applied(&report);
    let change = report.changes.iter().find(|change| change.name == "app").unwrap();
    assert_eq!(change.details, ["its reference tables are read again"]);
    assert_eq!(change.keeps_state, ["P"]);
    feed(&server, "in", vec!["IBM", "XYZ"]).await;
    assert_eq!(records(&server, "named")[2..], ["IBM,\n", "XYZ,Xylophones\n"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_table_from_a_file_and_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    std::fs::write(&file, TABLE).unwrap();
    let found = pipeline(&format!("path = \"{}\"", file.display()));
    let data = folder.path().join("data");
    let server = start(&found, &data).await;
    feed(&server, "in", vec!["AMZN"]).await;
    assert_eq!(records(&server, "named"), ["AMZN,Amazon\n"]);
    stop(server).await;

    let missing = pipeline("bucket = \"reference\"\nkey = \"none.csv\"");
    let server = open(&data).await.unwrap();
    let report = apply(&server, &missing).await;
    assert!(report.is_refused());
    let error = format!("{report:?}");
    assert!(
        error.contains("CompanyName") && error.contains("reference") && error.contains("does not exist"),
        "{error}"
    );
    assert!(!data.join("buckets/reference").exists(), "looking makes nothing");
    std::fs::create_dir_all(data.join("buckets/reference")).unwrap();
    let error = format!("{:?}", apply(&server, &missing).await);
    assert!(error.contains("CompanyName") && error.contains("none.csv"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = server.start(true).await.unwrap_err().to_string();
    assert!(error.contains("application \"app\"") && error.contains("names.csv"), "{error}");
}

/// What runs goes on as it was: nothing is stopped for a table that is too large.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_fit_the_memory_limit_is_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    std::fs::write(&file, TABLE).unwrap();
    let pipeline = limited_to(1 << 16, &format!("path = \"{}\"", file.display()));
    let server = start(&pipeline, &folder.path().join("data")).await;
    feed(&server, "in", ["AMZN"]).await;
    std::fs::write(&file, TABLE.repeat(1_000)).unwrap();
    let report = apply(&server, &pipeline).await;
    let error = format!("{report:?}");
    assert!(report.is_refused(), "{error}");
    assert!(error.contains("CompanyName") && error.contains("memory limit"), "{error}");
    feed(&server, "in", ["IBM"]).await;
    assert_eq!(records(&server, "named"), ["AMZN,Amazon\n", "IBM,\"IBM, the company\"\n"]);
    stop(server).await;
}

/// The clock stands: what waits for its next attempt would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_at_once_when_its_file_is_applied_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    let pipeline = pipeline(&format!("path = \"{}\"", file.display()));
    std::fs::write(&file, TABLE).unwrap();
    let data = folder.path().join("data");
    stop(start(&pipeline, &data).await).await;
    std::fs::remove_file(&file).unwrap();
    let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
    let server = Server::open(settings(&data), clock, Random::from_seed(1)).await.unwrap();
    server.start(false).await.unwrap();
    assert!(server.application_status("app").is_none());
    std::fs::write(&file, TABLE).unwrap();
    let report = apply(&server, &pipeline).await;
    let change = report.changes.iter().find(|change| change.name == "app").unwrap();
    assert_eq!(change.details[0], "it is tried again now");
    assert_applied(&report);
    assert!(server.application_status("app").is_some());
    stop(server).await;
}

/// As other programs write them: a mark of the byte order, line ends of Windows, a header, gzip.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_as_inputs_are() {
    let table = |bytes: &[u8], more: &str| (bytes.to_vec(), more.to_owned());
    let gzip = |text: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    };
    let tables = [
        table(b"\xef\xbb\xbfAMZN,Amazon,1994\r\nIBM,Big Blue\r\n", ""),
        table(&gzip(b"AMZN,Amazon,1994\nIBM,Big Blue,1911\n"), ""),
        table(b"ticker,company,founded\r\nAMZN,Amazon,1994\r\nIBM,Big Blue,1911", "header = true\n"),
        table(b"\xef\xbb\xbfticker,company\nAMZN,Amazon\nIBM,Big Blue\n", "header = true\n"),
    ];
    for (bytes, more) in tables {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("names.csv");
        std::fs::write(&file, &bytes).unwrap();
        let pipeline = pipeline(&format!("path = \"{}\"\n{more}", file.display()));
        let server = start(&pipeline, &folder.path().join("data")).await;
        feed(&server, "in", ["AMZN", "IBM"]).await;
        assert_eq!(records(&server, "named"), ["AMZN,Amazon\n", "IBM,Big Blue\n"], "{more}");
        assert_eq!(records(&server, "errors"), Vec::<String>::new());
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_in_a_table_is_said_when_it_is_applied_and_where_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    let pipeline = pipeline(&format!("path = \"{}\"", file.display()));
    std::fs::write(&file, b"IBM,Big Blue,1911\nBAD,No year,never\n\xff\n").unwrap();
    let server = open(&folder.path().join("data")).await.unwrap();
    let details = |report: &ApplyReport| {
        let change = report.changes.iter().find(|change| change.name == "app").unwrap();
        change.details.join("; ")
    };
    let row_2 = "reference table \"CompanyName\", row 2: column \"Founded\": 'never' is not a valid INTEGER";
    let report = apply(&server, &pipeline).await;
    assert!(details(&report).contains(&format!("2 rows are refused: {row_2}")), "{report:?}");
    server.start(true).await.unwrap();
    let problems = server.overview().problems;
    let message = "2 rows went to error_stream; the newest from a reference table: ";
    assert!(problems.iter().any(|problem| problem.message.starts_with(message)), "{problems:?}");
    for (text, remark) in [
        ("IBM;Big Blue;1911\n", "is the delimiter `;`?"),
        ("ticker,company,founded\n", "if it is a header, write header = true in [[application.reference]]"),
    ] {
        std::fs::write(&file, text).unwrap();
        let report = apply(&server, &pipeline).await;
        assert!(details(&report).contains(remark), "{report:?}");
    }
    stop(server).await;
}

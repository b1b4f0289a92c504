//! Rows looked up in reference tables that come from objects and files.

use std::sync::Arc;

use crate::support::{apply, assert_applied, feed, open, parse, records, settings, start, stop};
use millstream_control::Server;
use millstream_control::pipeline::Pipeline;
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
    assert_eq!(change.details, ["it is tried again now"]);
    assert_applied(&report);
    assert!(server.application_status("app").is_some());
    stop(server).await;
}

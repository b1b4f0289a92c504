//! An application whose preprocessing function is away: what it has made before goes on, and changes find it awake.

use std::time::Duration;

use crate::support::{apply, assert_applied, feed, open, parse, put, records, start, stop};
use millstream_control::Server;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_host::real_time::within;

fn pipeline() -> Pipeline {
    parse(
        "[[endpoint]]\nname = \"model\"\nmodel = \"builtin:star-rating\"\nthreads = 1\n\
         [[function]]\nname = \"f\"\nbuiltin = \"classify\"\nendpoint = \"model\"\noutput = [\"text\", \"label\"]\n\
         [[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM \"OUT\" (T VARCHAR(32));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM T FROM SOURCE_SQL_STREAM_001;\n\
         CREATE OR REPLACE STREAM COUNTED (N BIGINT);\n\
         CREATE OR REPLACE PUMP Q AS INSERT INTO COUNTED \
         SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM SOURCE_SQL_STREAM_001;\n'''\n\
         [application.input]\nstream = \"in\"\nformat = \"tsv\"\ncolumns = \"T VARCHAR(32), L VARCHAR(16)\"\n\
         preprocessor = \"f\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n",
    )
}

fn function() -> Reference {
    Reference::new(Kind::Function, "f")
}

/// Comes back when something that happens beside this test has happened.
async fn until(is_so: impl Fn() -> bool) {
    let happened = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    within(Duration::from_secs(60), happened).await.expect("it happens");
}

fn rows_in(server: &Server) -> u64 {
    server.application_status("app").unwrap().rows_in
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_made_before_it_went_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(), folder.path()).await;
    // Records come before, while and after the function goes.
    let feeding = async {
        for number in 0..200 {
            put(&server, "in", [format!("good {number}")]).await;
        }
    };
    let deleting = async {
        until(|| rows_in(&server) > 20).await;
        server.delete(&function(), true).await.unwrap();
    };
    tokio::join!(feeding, deleting);
    put(&server, "in", ["nobody takes it"]).await;
    until(|| records(&server, "out").len() as u64 == rows_in(&server)).await;
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_that_is_made_again_are_in_a_checkpoint_before_they_leave() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(), folder.path()).await;
    feed(&server, "in", (0..10).map(|number| format!("good {number}"))).await;
    server.delete(&function(), true).await.unwrap();
    stop(server).await;
    let server = open(folder.path()).await.unwrap();
    server.start(true).await.unwrap();
    put(&server, "in", (10..20).map(|number| format!("good {number}"))).await;
    // No checkpoint can be stored from here on.
    let parts = std::fs::read_dir(folder.path().join("checkpoints")).unwrap().next().unwrap().unwrap().path();
    let away = folder.path().join("away");
    std::fs::rename(&parts, &away).unwrap();
    std::fs::write(&parts, "").unwrap();
    assert_applied(&apply(&server, &pipeline()).await);
    until(|| rows_in(&server) == 10).await;
    assert_eq!(records(&server, "out").len(), 10, "they wait");
    std::fs::remove_file(&parts).unwrap();
    std::fs::rename(&away, &parts).unwrap();
    until(|| records(&server, "out").len() == 20).await;
    stop(server).await;
}

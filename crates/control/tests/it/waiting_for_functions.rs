//! An application whose preprocessing function is away: what it has made before goes on, and changes find it awake.

use std::path::Path;
use std::time::Duration;

use crate::support::{apply, assert_applied, copy, feed, open, parse, put, records, start, stop, until};
use bytes::Bytes;
use millstream_control::Server;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::view::OverviewSource;
use millstream_host::{Clock, SystemClock};

fn pipeline() -> Pipeline {
    with("T", "builtin:star-rating")
}

/// With this expression in its SQL, and this model in its function.
fn with(expression: &str, model: &str) -> Pipeline {
    parse(&format!(
        "[[endpoint]]\nname = \"model\"\nmodel = \"{model}\"\nthreads = 1\n\
         [[function]]\nname = \"f\"\nbuiltin = \"classify\"\nendpoint = \"model\"\noutput = [\"text\", \"label\"]\n\
         [[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[stream]]\nname = \"other\"\n\
         [[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM \"OUT\" (T VARCHAR(32));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM {expression} FROM SOURCE_SQL_STREAM_001;\n\
         CREATE OR REPLACE STREAM COUNTED (N BIGINT);\n\
         CREATE OR REPLACE PUMP Q AS INSERT INTO COUNTED \
         SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM SOURCE_SQL_STREAM_001;\n'''\n\
         [application.input]\nstream = \"in\"\nformat = \"tsv\"\ncolumns = \"T VARCHAR(32), L VARCHAR(16)\"\n\
         preprocessor = \"f\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n",
    ))
}

fn function() -> Reference {
    Reference::new(Kind::Function, "f")
}

/// What loads no more stands in the place of the model.
fn take_away(model: &Path, away: &Path) {
    std::fs::rename(model, away).unwrap();
    std::fs::create_dir(model).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::write(model.join(file), "").unwrap();
    }
}

fn give_back(model: &Path, away: &Path) {
    std::fs::remove_dir_all(model).unwrap();
    std::fs::rename(away, model).unwrap();
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
        for number in 0..500 {
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
async fn one_that_is_made_again_and_a_crash_repeat_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let text = |number: u32| format!("good {number}");
    let server = start(&pipeline(), &data).await;
    feed(&server, "in", (0..10).map(text)).await;
    server.delete(&function(), true).await.unwrap();
    stop(server).await;
    let server = open(&data).await.unwrap();
    server.start(true).await.unwrap();
    put(&server, "in", (10..20).map(text)).await;
    // No state can be stored from here on.
    let id = std::fs::read_dir(data.join("checkpoints")).unwrap().next().unwrap().unwrap().file_name();
    let [parts, away] = [data.join("checkpoints").join(&id), data.join("away")];
    std::fs::rename(&parts, &away).unwrap();
    std::fs::write(&parts, "").unwrap();
    assert_applied(&apply(&server, &pipeline()).await);
    for number in 20..30 {
        put(&server, "in", [text(number)]).await;
    }
    until(|| rows_in(&server) == 20).await;
    // A kill at this moment.
    copy(&data, &image);
    std::fs::remove_file(&parts).unwrap();
    std::fs::rename(&away, &parts).unwrap();
    until(|| records(&server, "out").len() == 30).await;
    stop(server).await;
    std::fs::remove_file(image.join("checkpoints").join(&id)).unwrap();
    std::fs::rename(image.join("away"), image.join("checkpoints").join(&id)).unwrap();
    let crashed = start(&pipeline(), &image).await;
    crashed.drain(false).await;
    assert_eq!(records(&crashed, "out").len(), 30);
    stop(crashed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sql_while_what_left_before_a_crash_waits_for_its_function_repeats_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let [model, away] = ["model", "away"].map(|name| folder.path().join(name));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/star-rating"), &model);
    let text = |number: u32| format!("good {number}");
    let pipeline = |expression| with(expression, model.to_str().unwrap());
    let server = start(&pipeline("T"), &data).await;
    feed(&server, "in", (10..20).map(text)).await;
    // The newest checkpoint knows nothing of what came out, and what makes it again does not load.
    copy(&data, &image);
    stop(server).await;
    take_away(&model, &away);
    let crashed = open(&image).await.unwrap();
    crashed.start(false).await.unwrap();
    let (other, function_comes) = (pipeline("T || '!'"), async {
        until(|| crashed.application_status("app").is_none()).await;
        give_back(&model, &away);
    });
    let (report, ()) = tokio::join!(apply(&crashed, &other), function_comes);
    assert_applied(&report);
    feed(&crashed, "in", (20..30).map(text)).await;
    let expected = (10..30).map(|number| format!("good {number}{}\n", if number < 20 { "" } else { "!" }));
    assert_eq!(records(&crashed, "out"), expected.collect::<Vec<_>>());
    stop(crashed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_arrive_when_records_go_while_what_left_before_a_crash_waits_for_its_function() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let [model, away] = ["model", "away"].map(|name| folder.path().join(name));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/star-rating"), &model);
    let server = start(&with("T", model.to_str().unwrap()), &data).await;
    // More than the function has at once.
    feed(&server, "in", (0..520).map(|number| format!("good {number}"))).await;
    // The newest checkpoint knows nothing of what came out, and what makes it again does not load.
    copy(&data, &image);
    stop(server).await;
    take_away(&model, &away);
    let crashed = open(&image).await.unwrap();
    crashed.start(false).await.unwrap();
    let app = Reference::new(Kind::Application, "app");
    until(|| crashed.describe(&app).is_some_and(|view| !view.retrying.is_empty())).await;
    // All records are in segments that others follow, and older than the retention.
    for _ in 0..20 {
        crashed.put("other", None, Some("key"), vec![Bytes::from(vec![b'x'; 1_000_000]); 4]).await.unwrap();
    }
    let later = SystemClock.now().plus(Duration::from_secs(25 * 3_600));
    crashed.log().trim(later).unwrap();
    give_back(&model, &away);
    put(&crashed, "in", (0..15).map(|number| format!("new {number}"))).await;
    crashed.drain(false).await;
    let arrived = records(&crashed, "out");
    assert_eq!(arrived.iter().filter(|row| row.starts_with("new")).count(), 15);
    let problems = crashed.overview().problems;
    assert!(problems.iter().any(|one| one.message.contains("retention")), "{problems:?}");
    stop(crashed).await;
}

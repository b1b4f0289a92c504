//! Functions in a server: models of any labels, models that are busy, rows that are rejected.

use std::path::{Path, PathBuf};

use crate::support::{apply, feed, open, parse, put, records, start, stop};
use millstream_control::Action;
use millstream_control::definition::{Kind, Reference};
use serde_json::{Value, json};

/// The folder of the model in the program.
fn star_rating() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/star-rating")
}

/// The same network with labels that are no stars.
fn emotions(folder: &Path) -> PathBuf {
    let model = folder.join("emotions");
    std::fs::create_dir(&model).unwrap();
    for file in ["tokenizer.json", "model.safetensors"] {
        std::os::unix::fs::symlink(star_rating().join(file), model.join(file)).unwrap();
    }
    let config = std::fs::read_to_string(star_rating().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["id2label"] = json!({"0": "anger", "1": "sadness", "2": "neutral", "3": "hope", "4": "joy"});
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
    model
}

/// Everything below a folder of the buckets whose name begins so, one behind the other.
fn objects(data: &Path, prefix: &str) -> String {
    let mut folders = vec![data.join("buckets")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(data.join("buckets")).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if below.starts_with(prefix) {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

fn delivery(endpoint: &str, function: &str) -> String {
    format!(
        "[[endpoint]]\nname = \"model\"\n{endpoint}\n[[function]]\nname = \"f\"\nendpoint = \"model\"\n{function}\n\
         [[delivery_stream]]\nname = \"in\"\nbucket = \"bucket\"\nprefix = \"main/\"\nerror_prefix = \"failed/\"\n\
         buffer_interval = \"1s\"\n[delivery_stream.transform]\nfunction = \"f\"\nbuffer_interval = \"1s\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_a_tiny_queue_fails_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = delivery(
        "model = \"builtin:star-rating\"\nthreads = 1\nqueue_texts = 4",
        "builtin = \"score-reviews\"",
    );
    let server = start(&parse(&file), folder.path()).await;
    feed(&server, "in", (0..5_000).map(|number| format!("R{number}\tToys\tgood {}", number % 700))).await;
    let lines = objects(folder.path(), "bucket/main/");
    assert_eq!(lines.lines().count(), 5_000);
    assert!(lines.contains("R4999\t"));
    assert_eq!(objects(folder.path(), "bucket/failed"), "");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_any_labels_classifies_json() {
    let folder = tempfile::tempdir().unwrap();
    let model = format!("model = {:?}", emotions(folder.path()).to_str().unwrap());
    let file = delivery(&model, "builtin = \"classify\"\ntext = \"$.mail.body\"");
    let data = folder.path().join("data");
    let server = start(&parse(&file), &data).await;
    let good = "{\"id\": 7, \"mail\": {\"body\": \"I love this, it is perfect! Five stars.\"}}\n";
    feed(&server, "in", [good, "{\"id\": 8}\n", "no JSON\n"]).await;
    let line = objects(&data, "bucket/main/");
    assert!(
        line.starts_with("{\"id\": 7, \"mail\": {\"body\": \"I love this, it is perfect! Five stars.\"},"),
        "{line}"
    );
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&answer["label"], &answer["label_index"]), (&json!("joy"), &json!(4)));
    assert!((0.5..=1.0).contains(&answer["probability"].as_f64().unwrap()), "{line}");
    let failed = objects(&data, "bucket/failed");
    let failed: Vec<Value> = failed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons: Vec<&str> = failed.iter().map(|failed| failed["errorMessage"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_eq!(reasons[0], "the record has nothing at $.mail.body");
    assert!(reasons[1].starts_with("the record is not JSON: "), "{reasons:?}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_7_score_reviews_refuses_labels_that_are_no_stars() {
    let folder = tempfile::tempdir().unwrap();
    let model = format!("model = {:?}", emotions(folder.path()).to_str().unwrap());
    let server = open(&folder.path().join("data")).await.unwrap();
    server.start(true).await.unwrap();
    let file = delivery(&model, "builtin = \"score-reviews\"");
    let report = apply(&server, &parse(&file)).await;
    let refused = format!("{report:?}");
    assert!(
        refused.contains("score-reviews cannot use the model of endpoint \\\"model\\\": its labels are not 1 to 5 stars but anger, \
                          sadness, neutral, hope, joy; use builtin = \\\"classify\\\""),
        "{refused}"
    );
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_with_other_labels_does_not_take_the_place_of_one_that_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let scores = "builtin = \"score-reviews\"";
    let server = start(&parse(&delivery("model = \"builtin:star-rating\"", scores)), &data).await;
    let other = format!("model = {:?}", emotions(folder.path()).to_str().unwrap());
    let report = apply(&server, &parse(&delivery(&other, scores))).await;
    let refused: Vec<_> = report.changes.iter().filter(|change| change.action == Action::Refused).collect();
    let [change] = refused.as_slice() else { panic!("{report:#?}") };
    assert_eq!(change.kind, Kind::Endpoint);
    assert!(
        change.details[0].contains("function \"f\" uses it") && change.details[0].contains("anger"),
        "{change:?}"
    );
    // What runs goes on.
    feed(&server, "in", ["R1\tToys\tgood"]).await;
    assert!(objects(&data, "bucket/main/").starts_with("R1\t"));
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_rejected_rows_are_in_the_dead_letter_stream() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"dead\"\n[[metric]]\nname = \"m\"\n\
        [[function]]\nname = \"f\"\nbuiltin = \"metric-from-average\"\nmetric = \"m\"\ncolumn = \"N\"\ndead_letter = \"dead\"\n\
        [[application]]\nname = \"app\"\nsql = '''\n\
        CREATE OR REPLACE STREAM NUMBERS (N VARCHAR(8));\n\
        CREATE OR REPLACE PUMP P AS INSERT INTO NUMBERS SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;\n'''\n\
        [application.input]\nstream = \"in\"\ncolumns = \"n VARCHAR(8)\"\n\
        [[application.output]]\nfrom = \"NUMBERS\"\nfunction = \"f\"\n";
    let server = start(&parse(file), folder.path()).await;
    feed(&server, "in", ["1.5", "none", "2.5", "many"]).await;
    let dead: Vec<Value> =
        records(&server, "dead").iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert_eq!(dead[0]["function"], "f");
    assert_eq!(dead[0]["reason"], "the value \"none\" is not a finite number");
    assert!(dead[0]["at"].as_i64().unwrap() > 1_000_000_000_000, "{dead:?}");
    let row: Value = serde_json::from_str(dead[1]["data"].as_str().unwrap()).unwrap();
    assert_eq!(row, json!({"N": "many"}));
    let described = server.describe(&Reference::new(Kind::Function, "f")).unwrap();
    assert_eq!(described.figures["rejected_rows"], 2);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_without_a_stream_rejected_rows_are_counted_and_shown() {
    use millstream_control::view::OverviewSource;
    let folder = tempfile::tempdir().unwrap();
    let file = "[[stream]]\nname = \"in\"\n[[metric]]\nname = \"m\"\n\
        [[function]]\nname = \"f\"\nbuiltin = \"metric-from-average\"\nmetric = \"m\"\ncolumn = \"N\"\n\
        [[application]]\nname = \"app\"\nsql = '''\n\
        CREATE OR REPLACE STREAM NUMBERS (N VARCHAR(8));\n\
        CREATE OR REPLACE PUMP P AS INSERT INTO NUMBERS SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;\n'''\n\
        [application.input]\nstream = \"in\"\ncolumns = \"n VARCHAR(8)\"\n\
        [[application.output]]\nfrom = \"NUMBERS\"\nfunction = \"f\"\n";
    let server = start(&parse(file), folder.path()).await;
    put(&server, "in", ["none"]).await;
    server.drain(false).await;
    let overview = server.overview();
    let problem = overview.problems.iter().find(|problem| problem.place == "f").unwrap();
    assert!(
        problem.message.contains("1 row was rejected") && problem.message.contains("dead_letter"),
        "{problem:?}"
    );
    stop(server).await;
}

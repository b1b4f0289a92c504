//! What is said of an input whose rows are other than its records.

use millstream_control::Server;
use millstream_control::view::OverviewSource;
use serde_json::{Value, json};

use crate::support::{feed, parse, start, stop};

/// An application that copies two columns, of JSON or CSV.
fn text_of(input: &str, columns: &str) -> String {
    let sql = "CREATE OR REPLACE STREAM \"OUT\" (sym VARCHAR(2), price INTEGER);
        CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM \"sym\", \"price\" FROM SOURCE_SQL_STREAM_001;";
    format!(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = \'\'\'{sql}\'\'\'\n\
         [application.input]\nstream = \"in\"\n{input}\ncolumns = \"\"\"{columns}\"\"\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\n"
    )
}

/// The problems of the application, oldest first.
fn problems(server: &Server) -> Vec<String> {
    let problems = server.overview().problems;
    problems
        .into_iter()
        .rev()
        .filter(|problem| problem.place == "app")
        .map(|problem| problem.message)
        .collect()
}

fn figure(server: &Server, name: &str) -> Value {
    let resources = server.overview().resources;
    let application = resources.into_iter().find(|resource| resource.name == "app").unwrap();
    application.figures[name].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_cut_are_counted_by_column_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = text_of("format = \"csv\"", "\"sym\" VARCHAR(4), \"price\" INTEGER");
    let server = start(&parse(&text), folder.path()).await;
    feed(&server, "in", ["AB,1", "CD,2"]).await;
    assert_eq!(figure(&server, "cut_texts"), json!({}));
    assert_eq!(problems(&server), [""; 0]);
    feed(&server, "in", ["AB,1", "GOOGL,2", "AMZNX,3"]).await;
    feed(&server, "in", ["GOOGL,4"]).await;
    assert_eq!(figure(&server, "cut_texts"), json!({"OUT.SYM": 3, "SOURCE_SQL_STREAM_001.sym": 3}));
    let problems = problems(&server);
    let [of_input, of_pump] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(
        of_input.starts_with("column \"sym\" VARCHAR(4) of \"SOURCE_SQL_STREAM_001\" cut "),
        "{of_input}"
    );
    assert!(
        of_input.contains("the first in record 4") && of_input.contains(" of shardId-000000000000"),
        "{of_input}"
    );
    assert!(of_pump.starts_with("column \"SYM\" VARCHAR(2) of \"OUT\" cut "), "{of_pump}");
    assert_eq!(server.overview().summary.errors, 0, "the rows are there");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_null_in_every_row_is_said_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let columns = "\"sym\" VARCHAR(4), \"price\" INTEGER, \"other\" INTEGER";
    let server = start(&parse(&text_of("format = \"json\"", columns)), folder.path()).await;
    let record = r#"{"SYM": "A", "price": 1}"#;
    feed(&server, "in", [record]).await;
    feed(&server, "in", [record; 30]).await;
    feed(&server, "in", [record; 30]).await;
    assert_eq!(
        problems(&server),
        [
            "column \"sym\" ($.sym) was NULL in every row so far: a member \"SYM\" is there: names of JSON members are \
             compared letter by letter, with their case",
            "column \"other\" ($.other) was NULL in every row so far: is that what the records have?",
        ]
    );
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_names_the_record_of_the_newest_error() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        start(&parse(&text_of("format = \"csv\"", "\"sym\" VARCHAR(4), \"price\" INTEGER")), folder.path())
            .await;
    feed(&server, "in", ["A,none"]).await;
    assert_eq!(figure(&server, "failed_records"), 1);
    let problems = problems(&server);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(
        problem.starts_with("1 row went to error_stream; the newest from the input, record 4"),
        "{problem}"
    );
    assert!(problem.contains(" of shardId-000000000000: COERCION_ERROR: column \"price\""), "{problem}");
    stop(server).await;
}

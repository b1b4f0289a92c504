//! People who follow records and rows.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::{apply, assert_applied, feed, parse, put, start, stop};
use millstream_control::definition::{Kind, Reference};
use millstream_control::{RowTail, Server, TailFrom, Tailing};
use millstream_host::{Spawn, Timestamp, real_time};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

const TEXT: &str = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\n\
    sql = '''CREATE OR REPLACE STREAM \"OUT\" (N INTEGER);\n\
    CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;'''\n\
    [application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
    [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\n";

#[test]
fn conditions_are_compiled_off_the_threads_of_the_runtime() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let server = start(&parse(TEXT), folder.path()).await;
        for (what, condition) in
            [("app/OUT", "N > 1"), ("in", "\"n\" > 1"), ("app/error_stream", "ERROR_NAME = 'x'")]
        {
            // The one thread for it is taken.
            let (release, released) = mpsc::channel::<()>();
            Spawn::current().detached(move || {
                let _ = released.recv();
            });
            let mut filter = std::pin::pin!(server.tail_filter(what, None, condition));
            assert!(futures::poll!(&mut filter).is_pending(), "{what}");
            drop(release);
            filter.await.unwrap();
        }
        stop(server).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_over_declared_or_discovered_columns() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&parse(TEXT), folder.path()).await;
    let mut filter = server.tail_filter("app/OUT", None, "N > 1").await.unwrap();
    assert!(filter.passes(b"{\"N\":2}", NOW) && !filter.passes(b"{\"N\":1}", NOW));
    let mut of_writer = server.tail_filter("out", None, "N > 1").await.unwrap();
    assert!(of_writer.passes(b"{\"N\":2}", NOW) && !of_writer.passes(b"{\"N\":1}", NOW));
    let more = format!("{TEXT}[[stream]]\nname = \"other\"\n");
    assert_applied(&apply(&server, &parse(&more)).await);
    let refused = server.tail_filter("other", None, "N > 1").await.err().unwrap();
    assert!(refused.to_string().contains("has no records yet"), "{refused}");
    put(&server, "other", ["{\"N\":5}"]).await;
    let mut discovered = server.tail_filter("other", None, "N > 1").await.unwrap();
    assert!(discovered.passes(b"{\"N\":2}", NOW) && !discovered.passes(b"{\"N\":1}", NOW));
    let refused = server.tail_filter("in", None, "price > 1").await.err().unwrap();
    assert!(refused.to_string().contains("PRICE"), "{refused}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_condition_is_described_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&parse(TEXT), folder.path()).await;
    for (condition, message) in [
        ("N >", "expected an expression, found the end of the text"),
        ("N > 1;", "expected the end of the expression, found \";\""),
        ("N > 1; DROP STREAM S", "expected the end of the expression, found \";\""),
        ("N > 1 ORDER BY N", "expected the end of the expression, found ORDER"),
        ("(N > 1", "expected \")\", found the end of the text"),
        ("N == 1", "== is not part of the language; write ="),
        ("N = \"x\"", "column \"x\" does not exist; a text stands in single quotes: 'x'"),
        ("N", "needs a BOOLEAN"),
        ("", "expected an expression, found the end of the text"),
    ] {
        let refused = server.tail_filter("app/OUT", None, condition).await.err().unwrap().to_string();
        assert!(refused.contains(message) && refused.ends_with("(columns: N)"), "{condition}: {refused}");
    }
    // A comment ends with its line.
    let mut filter = server.tail_filter("app/OUT", None, "N > 1 -- more than one").await.unwrap();
    assert!(filter.passes(b"{\"N\":2}", NOW) && !filter.passes(b"{\"N\":1}", NOW));
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_chosen_by_columns_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = TEXT.replace("(N INTEGER)", "(\"a.b [c]\" INTEGER)");
    let text = text.replace("columns = \"n INTEGER\"", "format = \"json\"\ncolumns = '\"n.m\" INTEGER'");
    let server = start(&parse(&text.replace("\"n\"", "\"n.m\"")), folder.path()).await;
    let mut tail = row_tail(&server, "app/OUT").await;
    put(&server, "in", ["{\"n.m\":20}"]).await;
    let row = rows(&mut tail).await.unwrap().remove(0);
    for (condition, is_met) in [("\"a.b [c]\" > 10", true), ("\"a.b [c]\" > 20", false)] {
        let mut filter = server.tail_filter("app/OUT", None, condition).await.unwrap();
        assert_eq!(
            (filter.passes(row.as_bytes(), NOW), filter.take_undecided()),
            (is_met, 0),
            "{row} {condition}"
        );
    }
    let mut filter = server.tail_filter("in", None, "\"n.m\" > 10").await.unwrap();
    assert!(filter.passes(b"{\"n.m\":20}", NOW) && !filter.passes(b"{\"n.m\":2}", NOW));
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_two_is_refused_until_its_kind_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let equal =
        "[[delivery_stream]]\nname = \"in\"\nbucket = \"bucket\"\n[[stream]]\nname = \"error_stream\"\n";
    let server = start(&parse(&format!("{TEXT}{equal}")), folder.path()).await;
    let (both, latest) = ("a stream and of a delivery stream: say which with --kind", TailFrom::Latest);
    let refused = server.put("in", None, None, vec!["1".into()]).await.unwrap_err().to_string();
    assert!(refused.contains(both), "{refused}");
    let refused = server.put("none", None, None, vec!["1".into()]).await.unwrap_err().to_string();
    assert!(refused.contains("stream \"in\"") && refused.contains("delivery stream \"in\""), "{refused}");
    let refused = server.tail("in", None, &latest).await.err().unwrap().to_string();
    assert!(refused.contains(both), "{refused}");
    let refused = server.tail_filter("in", None, "\"n\" > 1").await.err().unwrap().to_string();
    assert!(refused.contains(both), "{refused}");
    let delivery = Some(Kind::DeliveryStream);
    let Tailing::Records(mut tail) = server.tail("in", delivery, &latest).await.unwrap() else { panic!() };
    server.put("in", Some(Kind::Stream), None, vec!["1".into()]).await.unwrap();
    server.put("in", delivery, None, vec!["{\"m\":2}".into()]).await.unwrap();
    let read = real_time::within(Duration::from_secs(30), tail.next()).await.unwrap().unwrap();
    assert_eq!(read.records.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"{\"m\":2}"]);
    // The application reads the stream; the delivery stream has columns of its own.
    server.tail_filter("in", Some(Kind::Stream), "\"n\" > 1").await.unwrap();
    server.tail_filter("in", delivery, "\"m\" > 1").await.unwrap();
    let refused = server.tail("error_stream", None, &latest).await.err().unwrap().to_string();
    assert!(refused.contains("APPLICATION/error_stream"), "{refused}");
    let named = server.tail("error_stream", Some(Kind::Stream), &latest).await.unwrap();
    assert!(matches!(named, Tailing::Records(_)));
    assert!(matches!(server.tail("app/error_stream", None, &latest).await.unwrap(), Tailing::Rows(_)));
    drop((tail, named));
    stop(server).await;
}

/// The next rows of a tail, as JSON.
async fn rows(tail: &mut RowTail) -> Result<Vec<String>, String> {
    let read = real_time::within(Duration::from_secs(30), tail.next()).await;
    let batch = read.expect("something comes")?;
    assert_eq!(batch.lost, 0);
    Ok(batch.rows.into_iter().map(|row| row.json).collect())
}

async fn row_tail(server: &Server, what: &str) -> RowTail {
    match server.tail(what, None, &TailFrom::Latest).await.unwrap() {
        Tailing::Rows(rows) => rows,
        Tailing::Records(_) => panic!("{what} has rows"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_followed_across_changes_of_their_application() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&parse(TEXT), folder.path()).await;
    let mut tail = row_tail(&server, "app/OUT").await;
    feed(&server, "in", [1]).await;
    assert_eq!(rows(&mut tail).await.unwrap(), ["{\"N\":1}"]);
    // Another pump, another stream: OUT stays what it is.
    let more = "CREATE OR REPLACE STREAM \"TWICE\" (M INTEGER);\n\
        CREATE OR REPLACE PUMP Q AS INSERT INTO \"TWICE\" SELECT STREAM N * 2 FROM \"OUT\";'''";
    assert_applied(&apply(&server, &parse(&TEXT.replacen("'''\n", &format!("{more}\n"), 1))).await);
    let mut twice = row_tail(&server, "app/TWICE").await;
    feed(&server, "in", [2]).await;
    assert_eq!(rows(&mut tail).await.unwrap(), ["{\"N\":2}"]);
    assert_eq!(rows(&mut twice).await.unwrap(), ["{\"M\":4}"]);
    // A stream that goes, and one whose columns change, end what follows them.
    let changed = TEXT.replace("(N INTEGER)", "(N BIGINT)");
    assert_applied(&apply(&server, &parse(&changed)).await);
    assert_eq!(rows(&mut twice).await.unwrap_err(), "the application no longer has a stream \"TWICE\"");
    assert_eq!(rows(&mut tail).await.unwrap_err(), "the columns of stream \"OUT\" have changed");
    let mut tail = row_tail(&server, "app/OUT").await;
    server.delete(&Reference::new(Kind::Application, "app"), false).await.unwrap();
    assert_eq!(rows(&mut tail).await.unwrap_err(), "the application was deleted");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn error_rows_that_are_only_followed_hold_the_whole_row() {
    let folder = tempfile::tempdir().unwrap();
    let text = TEXT.replace("SELECT STREAM \"n\"", "SELECT STREAM 10 / \"n\"");
    let server = start(&parse(&text), folder.path()).await;
    let mut tail = row_tail(&server, "app/error_stream").await;
    server.put("in", None, Some("the-key"), vec!["0".into()]).await.unwrap();
    let row = rows(&mut tail).await.unwrap().join("\n").to_lowercase();
    let key: String = "the-key".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(row.contains(&key), "{row}");
    stop(server).await;
}

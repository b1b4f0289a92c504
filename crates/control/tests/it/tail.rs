//! People who look on at records and rows.

use std::sync::mpsc;

use crate::support::{parse, put, start, stop};
use millstream_host::Spawn;

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
            let mut filter = std::pin::pin!(server.tail_filter(what, condition));
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
    let mut filter = server.tail_filter("app/OUT", "N > 1").await.unwrap();
    assert!(filter.passes(b"{\"N\":2}") && !filter.passes(b"{\"N\":1}"));
    let refused = server.tail_filter("out", "N > 1").await.err().unwrap();
    assert!(refused.contains("has no records yet"), "{refused}");
    put(&server, "out", ["{\"N\":5}"]).await;
    let mut discovered = server.tail_filter("out", "N > 1").await.unwrap();
    assert!(discovered.passes(b"{\"N\":2}") && !discovered.passes(b"{\"N\":1}"));
    let refused = server.tail_filter("in", "price > 1").await.err().unwrap();
    assert!(refused.contains("PRICE"), "{refused}");
    stop(server).await;
}

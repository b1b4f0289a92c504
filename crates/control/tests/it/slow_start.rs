//! A resource that hangs while it is prepared, started or deleted: the others start, and it can be deleted.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use millstream_control::Server;
use millstream_control::catalog::ResourceRow;
use millstream_control::definition::{Definition, Desired, Kind, Owner, Reference, TopicDefinition};
use millstream_control::registry::{Lifecycle, Status};
use millstream_host::real_time::within;
use millstream_host::{Random, SimulatedDisk, SystemClock};

use crate::support::{Hanging, HangingDisk, apply, feed, open, parse, records, settings, stop};

/// More than any machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

const PIPELINE: &str = r#"
[[stream]]
name = "in"
[[stream]]
name = "out"
[[application]]
name = "hangs"
sql = '''
CREATE STREAM NAMED (TICKER VARCHAR(8));
CREATE PUMP P AS INSERT INTO NAMED SELECT STREAM "s"."ticker" FROM "SOURCE_SQL_STREAM_001" AS "s"
  LEFT JOIN "Names" AS "n" ON "s"."ticker" = "n"."Ticker";
'''
[application.input]
stream = "in"
columns = "ticker VARCHAR(8)"
[[application.reference]]
name = "Names"
bucket = "reference"
key = "names.csv"
columns = "Ticker VARCHAR(8)"

[[application]]
name = "works"
sql = '''
CREATE STREAM SAME (TICKER VARCHAR(8));
CREATE PUMP P AS INSERT INTO SAME SELECT STREAM "ticker" FROM "SOURCE_SQL_STREAM_001";
'''
[application.input]
stream = "in"
columns = "ticker VARCHAR(8)"
[[application.output]]
from = "SAME"
stream = "out"
format = "csv"
"#;

/// A server with the pipeline, not started, one of whose tables hangs.
async fn opened(folder: &Path) -> (Arc<Server>, Hanging) {
    let object = folder.join("buckets/reference/names.csv");
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, "A\n").unwrap();
    let server = open(folder).await.unwrap();
    let report = apply(&server, &parse(PIPELINE)).await;
    assert!(!report.is_refused(), "{report:#?}");
    (server, Hanging::in_place_of(object))
}

fn application(name: &str) -> Reference {
    Reference::new(Kind::Application, name)
}

fn state_of(server: &Server, name: &str) -> Option<(Lifecycle, String)> {
    let row = server.registry().find(&application(name))?;
    Some((Lifecycle::of(&row), row.status.reason().unwrap_or_default().to_owned()))
}

async fn until_gone(server: &Server, name: &str) {
    let mut changes = server.registry().changes();
    let is_gone = changes.wait_for(|rows| rows.iter().all(|row| row.name != name));
    drop(within(PATIENCE, is_gone).await.expect("it is gone").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_while_it_is_prepared_holds_up_no_other_and_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (server, hanging) = opened(folder.path()).await;
    within(PATIENCE, server.start(false)).await.expect("it starts without the one that hangs").unwrap();
    let row = server.registry().find(&application("hangs")).unwrap();
    assert_eq!(Lifecycle::of(&row), Lifecycle::Creating);
    let Status::TakesLong { reason } = row.status else { panic!("nothing has failed: {row:?}") };
    assert!(reason.contains("takes more than 3 s to prepare"), "{reason}");
    feed(&server, "in", ["A"]).await;
    assert_eq!(records(&server, "out"), ["A\n"]);
    server.delete(&application("hangs"), false).await.unwrap();
    until_gone(&server, "hangs").await;
    drop(hanging);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_starts_once_it_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let (server, hanging) = opened(folder.path()).await;
    within(PATIENCE, server.start(false)).await.expect("it starts without the one that hangs").unwrap();
    drop(hanging);
    let mut changes = server.registry().changes();
    let runs = changes.wait_for(|_| state_of(&server, "hangs").unwrap().0 == Lifecycle::Active);
    drop(within(PATIENCE, runs).await.expect("it runs").unwrap());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_all_waits_for_what_takes_long_until_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _hanging) = opened(folder.path()).await;
    let mut changes = server.registry().changes();
    let start = server.start(true);
    let deleted = async {
        drop(changes.wait_for(|_| state_of(&server, "works").unwrap().0 == Lifecycle::Active).await.unwrap());
        server.delete(&application("hangs"), false).await.unwrap();
    };
    let started = within(PATIENCE, async { tokio::join!(start, deleted).0 }).await;
    started.expect("it starts without the one that is deleted").unwrap();
    assert_eq!(state_of(&server, "hangs"), None);
    stop(server).await;
}

/// A server in whose start a feed hangs: nobody has opened its pipe to write yet.
async fn fed_by_a_pipe(folder: &Path) -> (Arc<Server>, Hanging) {
    let pipe = Hanging::at(folder.join("pipe"));
    let server = open(&folder.join("data")).await.unwrap();
    let pipeline = format!(
        "[[stream]]\nname = \"in\"\n[[input]]\nname = \"hangs\"\npath = \"{}\"\ninto_stream = \"in\"\n",
        pipe.object.display()
    );
    let report = apply(&server, &parse(&pipeline)).await;
    assert!(!report.is_refused(), "{report:#?}");
    within(PATIENCE, server.start(false)).await.expect("it starts without the one that hangs").unwrap();
    let row = server.registry().find(&Reference::new(Kind::Feed, "hangs")).unwrap();
    let Status::TakesLong { reason } = row.status else { panic!("nothing has failed: {row:?}") };
    assert!(reason.contains("takes more than 3 s to start"), "{reason}");
    (server, pipe)
}

/// Lets go of what hangs when a test has come to its end, or hangs itself.
struct Watched {
    is_over: mpsc::Sender<()>,
    watch: std::thread::JoinHandle<bool>,
}

impl Watched {
    fn new(hanging: Hanging) -> Watched {
        let (is_over, over) = mpsc::channel();
        let watch = std::thread::spawn(move || {
            let is_over = over.recv_timeout(PATIENCE).is_ok();
            drop(hanging);
            is_over
        });
        Watched { is_over, watch }
    }

    /// False when the test has hung.
    fn let_go(self) -> bool {
        // Nobody listens any more when the test has hung.
        let _ = self.is_over.send(());
        self.watch.join().unwrap()
    }
}

#[tokio::test]
async fn a_model_folder_that_hangs_stops_no_thread_of_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    let hanging = Watched::new(Hanging::at(model.join("config.json")));
    let server = open(&folder.path().join("data")).await.unwrap();
    let pipeline = format!(
        "[[endpoint]]\nname = \"model\"\nmodel = \"{}\"\n[[function]]\nname = \"hangs\"\n\
         builtin = \"score-reviews\"\nendpoint = \"model\"\n",
        model.display()
    );
    for desired in parse(&pipeline).desired {
        server.create(desired, Owner::Api).await.unwrap();
    }
    server.start(false).await.unwrap();
    let row = server.registry().find(&Reference::new(Kind::Function, "hangs")).unwrap();
    assert!(hanging.let_go(), "the test hung with the folder");
    assert!(matches!(row.status, Status::TakesLong { .. }), "{row:?}");
    stop(server).await;
}

/// Another resource, which needs no disk but that of the catalog and the monitor.
async fn another_can_start(server: &Server) {
    let definition = Definition::Topic(TopicDefinition {});
    let topic = Desired { name: "works".to_owned(), definition };
    let reference = topic.reference();
    server.create(topic, Owner::Api).await.unwrap();
    let mut changes = server.registry().changes();
    let is_active = |row: ResourceRow| Lifecycle::of(&row) == Lifecycle::Active;
    let runs = changes.wait_for(|_| server.registry().find(&reference).is_some_and(is_active));
    drop(within(PATIENCE, runs).await.expect("it runs").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_in_its_start_holds_up_no_other_and_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pipe) = fed_by_a_pipe(folder.path()).await;
    another_can_start(&server).await;
    server.delete(&Reference::new(Kind::Feed, "hangs"), false).await.unwrap();
    until_gone(&server, "hangs").await;
    drop(pipe);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_to_start_goes_on_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pipe) = fed_by_a_pipe(folder.path()).await;
    std::fs::write(&pipe.object, "A\n").unwrap();
    let mut changes = server.registry().changes();
    let is_active = |row: ResourceRow| Lifecycle::of(&row) == Lifecycle::Active;
    let runs = changes
        .wait_for(|_| server.registry().find(&Reference::new(Kind::Feed, "hangs")).is_some_and(is_active));
    drop(within(PATIENCE, runs).await.expect("it runs").unwrap());
    server.drain(false).await;
    assert_eq!(records(&server, "in"), ["A\n"]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_uses_what_takes_long_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let (clock, on) = (Arc::new(SystemClock), Arc::new(disk.clone()));
    let server = Server::open_on(settings(folder.path()), clock, Random::from_seed(1), on).await.unwrap();
    let pipeline = "[[stream]]\nname = \"in\"\n[[application]]\nname = \"user\"\n\
        sql = 'CREATE STREAM T (N INTEGER);'\ninput = {stream = \"in\", columns = \"N INTEGER\"}\n";
    let report = apply(&server, &parse(pipeline)).await;
    assert!(!report.is_refused(), "{report:#?}");
    let hanging = HangingDisk::begin(&disk);
    within(PATIENCE, server.start(false)).await.expect("it starts without the stream").unwrap();
    let stream = server.registry().find(&Reference::new(Kind::Stream, "in")).unwrap();
    assert!(stream.status.reason().unwrap().contains("to prepare"), "{stream:?}");
    assert_eq!(
        state_of(&server, "user"),
        Some((Lifecycle::Creating, String::new())),
        "it has not been tried"
    );
    drop(hanging);
    let mut changes = server.registry().changes();
    let runs = changes.wait_for(|_| state_of(&server, "user").unwrap().0 == Lifecycle::Active);
    drop(within(PATIENCE, runs).await.expect("it runs").unwrap());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_while_it_is_deleted_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let (clock, on) = (Arc::new(SystemClock), Arc::new(disk.clone()));
    let server = Server::open_on(settings(folder.path()), clock, Random::from_seed(1), on).await.unwrap();
    let report = apply(&server, &parse("[[stream]]\nname = \"hangs\"\n")).await;
    assert!(!report.is_refused(), "{report:#?}");
    server.start(true).await.unwrap();
    let hanging = HangingDisk::begin(&disk);
    server.delete(&Reference::new(Kind::Stream, "hangs"), false).await.unwrap();
    let mut changes = server.registry().changes();
    let takes_long = |row: &ResourceRow| matches!(row.status, Status::TakesLong { .. });
    let said = changes.wait_for(|rows| rows.iter().any(takes_long));
    let said = within(PATIENCE, said).await.expect("it is said").unwrap().clone();
    let row = said.iter().find(|row| takes_long(row)).unwrap();
    assert_eq!((Lifecycle::of(row), row.name.as_str()), (Lifecycle::Deleting, "hangs"));
    assert!(row.status.reason().unwrap().contains("takes more than 3 s to delete"), "{row:?}");
    another_can_start(&server).await;
    drop(hanging);
    until_gone(&server, "hangs").await;
    stop(server).await;
}

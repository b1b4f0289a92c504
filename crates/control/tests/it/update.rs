//! What a changed file does to a server that runs.

use crate::support::{
    Hanging, apply, assert_applied, feed, open, owner, parse, put, records, settings, start, stop,
};
use millstream_control::Server;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::registry::{Lifecycle, Status};
use millstream_control::view::OverviewSource;
use millstream_control::{Action, ApplyOptions};
use millstream_host::real_time;
use millstream_host::{ManualClock, Random, Timestamp};
use millstream_monitor::{MailStatus, MetricFilter, MetricKey, Point};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A counter of all rows so far, and a pump whose text is given.
fn pipeline(other: &str, more: &str) -> Pipeline {
    parse(&format!(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"counts\"\n[[stream]]\nname = \"others\"\n\
         [[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM COUNTS (N BIGINT);\n\
         CREATE OR REPLACE STREAM OTHERS (N BIGINT);\n\
         CREATE OR REPLACE PUMP COUNTER AS INSERT INTO COUNTS SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM SOURCE_SQL_STREAM_001;\n\
         {other}'''\n[application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
         [[application.output]]\nfrom = \"COUNTS\"\nstream = \"counts\"\n\
         [[application.output]]\nfrom = \"OTHERS\"\nstream = \"others\"\n{more}"
    ))
}

fn other(expression: &str) -> String {
    format!(
        "CREATE OR REPLACE PUMP OTHER AS INSERT INTO OTHERS SELECT STREAM {expression} OVER (ROWS UNBOUNDED PRECEDING) \
         FROM SOURCE_SQL_STREAM_001;"
    )
}

fn last(server: &millstream_control::Server, stream: &str) -> String {
    records(server, stream).pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pumps_that_did_not_change_keep_their_state() {
    let folder = tempfile::tempdir().unwrap();
    let first = pipeline(&other("COUNT(*)"), "");
    let server = start(&first, folder.path()).await;
    feed(&server, "in", 0..10).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":10}");

    let report = apply(&server, &first).await;
    assert_eq!(report.count(Action::Unchanged), report.changes.len(), "the same again changes nothing");

    let changed = pipeline(&other("SUM(\"n\")"), "");
    let looking = ApplyOptions { is_dry_run: true, ..ApplyOptions::default() };
    let dry = server.apply(changed.desired.clone(), crate::support::owner(), looking).await.unwrap();
    let report = apply(&server, &changed).await;
    assert_applied(&report);
    for report in [&dry, &report] {
        let change = report.changes.iter().find(|change| change.kind == Kind::Application).unwrap();
        assert_eq!(change.action, Action::Changed);
        assert_eq!(change.keeps_state, ["COUNTER"], "said before it is done: {report:#?}");
        let [other] = change.starts_from_scratch.as_slice() else { panic!("{change:#?}") };
        assert_eq!(other.name, "OTHER");
        assert_eq!(other.reason, "its OVER, or what feeds it, has changed");
    }
    feed(&server, "in", 10..12).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":12}", "the counter went on");
    assert_eq!(last(&server, "others").trim(), "{\"N\":21}", "the other started from scratch: 10 + 11");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_say_from_when_on_they_count() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    let view = |kind, name: &str| server.describe(&Reference::new(kind, name)).unwrap();
    feed(&server, "in", 0..10).await;
    let (application, stream) = (view(Kind::Application, "app"), view(Kind::Stream, "in"));
    assert_eq!(application.figures["records_in"], 10);
    assert!(application.figures_since.unwrap() >= application.created_at);
    assert_eq!(stream.figures_since, Some(stream.created_at));
    for stage in server.overview().flow {
        let since = match stage.kind.as_str() {
            "stream" if stage.name == "in" => stream.figures_since,
            "application" | "pump" => application.figures_since,
            _ => continue,
        };
        assert_eq!(stage.counts_since, since, "{stage:?}");
    }
    // A change starts the application again: it counts from there. The stream is as it was.
    assert_applied(&apply(&server, &pipeline(&other("SUM(\"n\")"), "")).await);
    let again = view(Kind::Application, "app");
    assert_eq!(again.figures["records_in"], 0);
    assert!(again.figures_since.unwrap() >= again.changed_at, "{again:?}");
    assert!(again.changed_at > application.created_at);
    assert_eq!(view(Kind::Stream, "in").figures_since, stream.figures_since);
    assert_eq!(view(Kind::Stream, "in").figures["records_put"], 10);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_file_that_cannot_be_applied_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    feed(&server, "in", 0..5).await;
    // r2: a missing reference file is found before anything is stopped.
    let table =
        "[[application.reference]]\nname = \"T\"\npath = \"/nonexistent/t.csv\"\ncolumns = \"A INTEGER\"\n";
    let broken = pipeline(&other("SUM(\"n\")"), &format!("{table}[[stream]]\nname = \"new\"\n"));
    let report = apply(&server, &broken).await;
    assert!(report.is_refused(), "{report:#?}");
    let refused = report.changes.iter().find(|change| change.action == Action::Refused).unwrap();
    assert!(refused.details[0].contains("/nonexistent/t.csv"), "{refused:?}");
    assert!(server.describe(&Reference::new(Kind::Stream, "new")).is_none(), "nothing at all was changed");
    feed(&server, "in", 5..6).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":6}");
    assert_eq!(last(&server, "others").trim(), "{\"N\":6}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_resources_come_and_go_while_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    put(&server, "in", 0..5).await;
    let topic = "[[topic]]\nname = \"t\"\n[[subscription]]\ntopic = \"t\"\nemail = \"a@example.com\"\n\
                 [[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\nbuffer_interval = \"1s\"\n";
    assert_applied(&apply(&server, &pipeline(&other("COUNT(*)"), topic)).await);
    assert_eq!(server.monitor().subscriptions(Some("t")).unwrap().len(), 1);
    put(&server, "d", ["x"]).await;
    server.drain(false).await;
    assert_eq!(server.list(Some(Kind::DeliveryStream))[0].figures["objects"], 1);
    // r8: what the file no longer declares goes.
    let report = apply(&server, &pipeline(&other("COUNT(*)"), "")).await;
    assert_applied(&report);
    assert_eq!(report.count(Action::Deleted), 3, "{report:#?}");
    assert!(server.monitor().topics().unwrap().is_empty());
    assert!(server.list(Some(Kind::DeliveryStream)).is_empty());
    feed(&server, "in", 5..6).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":6}", "the application did not notice");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_a_stream_made_again_under_its_name_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    feed(&server, "in", 0..10).await;
    let stream = Reference::new(Kind::Stream, "in");
    let before = server.describe(&stream).unwrap();
    assert!(server.delete(&stream, false).await.is_err(), "the application uses it");
    server.delete(&stream, true).await.unwrap();
    assert!(server.describe(&stream).is_none(), "it is gone at once");
    assert_applied(&apply(&server, &pipeline(&other("COUNT(*)"), "")).await);
    let application = Reference::new(Kind::Application, "app");
    let mut changes = server.registry().changes();
    changes
        .wait_for(|rows| {
            rows.iter().all(|row| !row.deleting)
                && rows.iter().any(|row| row.reference() == application && row.status.reason().is_none())
        })
        .await
        .unwrap();
    let after = server.describe(&stream).unwrap();
    assert!(after.id > before.id);
    assert_eq!(after.state, Lifecycle::Active);
    feed(&server, "in", 0..3).await;
    assert_eq!(records(&server, "in").len(), 3, "the old records are gone");
    assert_eq!(last(&server, "counts").trim(), "{\"N\":13}", "its state goes on, in the new stream");
    stop(server).await;
}

/// While the successor of its reader is slow to start, the old one is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_again_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("buckets/tables/t.csv");
    std::fs::create_dir_all(table.parent().unwrap()).unwrap();
    std::fs::write(&table, "").unwrap();
    let file = parse(
        "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[application]]\nname = \"app\"\nsql = '''\n\
         CREATE OR REPLACE STREAM \"OUT\" (N INTEGER, NAME VARCHAR(8));\n\
         CREATE OR REPLACE PUMP P AS INSERT INTO \"OUT\" SELECT STREAM S.N, T.NAME \
         FROM SOURCE_SQL_STREAM_001 AS S LEFT JOIN T ON S.N = T.N;\n'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n\
         [[application.reference]]\nname = \"T\"\nbucket = \"tables\"\nkey = \"t.csv\"\n\
         columns = \"N INTEGER, NAME VARCHAR(8)\"\n\
         [[application.output]]\nfrom = \"OUT\"\nstream = \"out\"\nformat = \"csv\"\n",
    );
    let server = start(&file, folder.path()).await;
    feed(&server, "in", 0..10).await;
    let hanging = Hanging::in_place_of(table);
    server.reset(Some(Kind::Stream), Some("in")).await.unwrap();
    put(&server, "in", 10..40).await;
    let is_told = || server.overview().problems.iter().any(|one| one.message.contains("does not exist"));
    until("the old reader has looked at it", || is_told() || records(&server, "out").len() > 10).await;
    drop(hanging);
    until("the new one has read it", || records(&server, "out").len() >= 40).await;
    server.drain(false).await;
    let rows = records(&server, "out");
    assert!(rows.iter().map(|row| row.trim_end()).eq((0..40).map(|n| format!("{n},"))), "{rows:?}");
    stop(server).await;
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            real_time::sleep(Duration::from_millis(5)).await;
        }
    };
    real_time::within(Duration::from_secs(60), waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_declares_nothing_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    feed(&server, "in", 0..4).await;
    let report = apply(&server, &parse("")).await;
    assert!(!report.changes.is_empty());
    for change in &report.changes {
        assert_eq!(change.action, Action::Refused, "{change:?}");
        assert!(change.details[0].contains("millstream delete"), "{change:?}");
    }
    assert_eq!(records(&server, "in").len(), 4);
    stop(server).await;
}

/// What is put when a reset has come back is in the new stream.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_put_after_a_reset_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    for _ in 0..5 {
        feed(&server, "in", 0..4).await;
        server.reset(None, None).await.unwrap();
        assert!(records(&server, "in").is_empty());
        feed(&server, "in", 0..1).await;
        assert_eq!(records(&server, "in").len(), 1);
    }
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_lets_an_application_start_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    feed(&server, "in", 0..4).await;
    let reset = server.reset(Some(Kind::Application), Some("app")).await.unwrap();
    assert_eq!(reset, [Reference::new(Kind::Application, "app")]);
    let rows = server.registry().rows();
    assert!(rows.iter().all(|row| !row.deleting && row.observed == row.generation), "it is there again");
    server.drain(false).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":4}", "it reads the stream from its oldest record");
    assert_eq!(records(&server, "counts").len(), 8);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_applications_that_are_gone_are_deleted_when_the_directory_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    feed(&server, "in", 0..4).await;
    stop(server).await;
    let left = folder.path().join("checkpoints/1000");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("part"), "state").unwrap();
    let server = open(folder.path()).await.unwrap();
    assert!(!left.exists());
    server.start(true).await.unwrap();
    feed(&server, "in", 0..1).await;
    assert_eq!(last(&server, "counts").trim(), "{\"N\":5}", "what is there goes on from its files");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_forgets_who_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input.csv"), "1\n0\n").unwrap();
    let streams = "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"out\"\n[[stream]]\nname = \"copied\"\n";
    let input = folder.path().join("input.csv");
    let writers = format!(
        "[[input]]\nname = \"file\"\npath = {:?}\ninto_stream = \"in\"\n\
         [[input]]\nname = \"copy\"\nstream = \"in\"\ninto_stream = \"copied\"\n\
         [[application]]\nname = \"a\"\nsql = '''CREATE STREAM T (N INTEGER);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM 1 / \"n\" FROM SOURCE_SQL_STREAM_001;'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
         [[application.output]]\nfrom = \"T\"\nstream = \"out\"\n\
         [[application.output]]\nfrom = \"error_stream\"\nstream = \"out\"\n",
        input.to_str().unwrap()
    );
    let (with, without) = (parse(&format!("{streams}{writers}")), parse(streams));
    let data = folder.path().join("data");
    let server = open(&data).await.unwrap();
    server.start(false).await.unwrap();
    let producers = |server: &millstream_control::Server| -> usize {
        let streams = ["in", "out", "copied"];
        let keys = streams.map(|name| millstream_streamlog::StreamKey::data(name.parse().unwrap()));
        keys.iter().map(|key| server.log().producer_list(key).unwrap().len()).sum()
    };
    for round in 0..100 {
        assert_applied(&apply(&server, &with).await);
        if round == 0 {
            feed(&server, "in", [1, 0]).await;
            assert!(producers(&server) >= 3, "they have written something");
        }
        assert_applied(&apply(&server, &without).await);
        assert_eq!(producers(&server), 0, "round {round}");
    }
    stop(server).await;
    // Nor does it come back with what is kept on disk.
    let server = open(&data).await.unwrap();
    assert_eq!(producers(&server), 0);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_forgets_who_was_deleted_in_every_stream_that_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    std::fs::write(&lines, "1\n2\n").unwrap();
    let streams = ["one", "other", "third"];
    let declared = streams.map(|name| format!("[[stream]]\nname = \"{name}\"\n")).concat();
    let writers = |from: &str, into: &str| {
        let file = format!("[[input]]\nname = \"file\"\npath = {lines:?}\ninto_stream = \"{into}\"\n");
        parse(&format!(
            "{declared}[[stream]]\nname = \"in\"\n{file}\
             [[application]]\nname = \"a\"\nsql = '''CREATE STREAM T (N INTEGER);\nCREATE STREAM U (N INTEGER);\n\
             CREATE PUMP P AS INSERT INTO T SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;\n\
             CREATE PUMP Q AS INSERT INTO U SELECT STREAM \"n\" FROM SOURCE_SQL_STREAM_001;'''\n\
             [application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
             [[application.output]]\nfrom = \"{from}\"\nstream = \"{into}\"\n"
        ))
    };
    let server = start(&writers("T", "one"), &folder.path().join("data")).await;
    let producers = |server: &Server| {
        let keys = streams.map(|name| millstream_streamlog::StreamKey::data(name.parse().unwrap()));
        keys.map(|key| server.log().producer_list(&key).unwrap().len())
    };
    feed(&server, "in", 0..4).await;
    for (from, into) in [("T", "other"), ("U", "third")] {
        assert_applied(&apply(&server, &writers(from, into)).await);
        feed(&server, "in", 0..4).await;
    }
    assert!(producers(&server).iter().all(|count| *count > 0), "{:?}", producers(&server));
    let without = parse(&format!("{declared}[[stream]]\nname = \"in\"\n"));
    assert_applied(&apply(&server, &without).await);
    assert_eq!(producers(&server), [0; 3]);
    stop(server).await;
}

/// A metric that was reset, and one that was deleted and made again, has no points; also those are gone that it had in another
/// namespace.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_is_made_again_starts_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let metric = |namespace: &str| {
        parse(&format!(
            "[[metric]]\nname = \"m\"\nnamespace = \"{namespace}\"\n[[metric]]\nname = \"other\"\n"
        ))
    };
    let server = start(&metric("before"), folder.path()).await;
    let key = |namespace: &str, name: &str| MetricKey::new(namespace, name, []).unwrap();
    let put = |key: MetricKey| server.monitor().put(&[Point::value(key, 7.0)]).unwrap();
    put(key("before", "m"));
    put(key("Millstream", "other"));
    server.monitor().tick().unwrap();
    assert_applied(&apply(&server, &metric("now")).await);
    put(key("now", "m"));
    server.reset(Some(Kind::Metric), Some("m")).await.unwrap();
    let known = server.monitor().metrics(&MetricFilter::default()).unwrap();
    assert_eq!(known, [key("Millstream", "other")]);
    put(key("now", "m"));
    server.delete(&Reference::new(Kind::Metric, "m"), false).await.unwrap();
    assert_applied(&apply(&server, &metric("now")).await);
    let known = server.monitor().metrics(&MetricFilter::default()).unwrap();
    assert_eq!(known, [key("Millstream", "other")]);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_drain_waits_for_the_successor_of_what_was_changed() {
    let text = |unused: u32| {
        parse(&format!(
            "[[stream]]\nname = \"in\"\n[[stream]]\nname = \"counts\"\n[[application]]\nname = \"app\"\nsql = '''\n\
             CREATE OR REPLACE STREAM COUNTS (N BIGINT);\n\
             CREATE OR REPLACE STREAM UNUSED{unused} (N BIGINT);\n\
             CREATE OR REPLACE PUMP COUNTER AS INSERT INTO COUNTS SELECT STREAM COUNT(*) FROM SOURCE_SQL_STREAM_001 \
             GROUP BY STEP(SOURCE_SQL_STREAM_001.ROWTIME BY INTERVAL '1' DAY);\n'''\n\
             [application.input]\nstream = \"in\"\ncolumns = \"n INTEGER\"\n\
             [[application.output]]\nfrom = \"COUNTS\"\nstream = \"counts\"\n"
        ))
    };
    let folder = tempfile::tempdir().unwrap();
    let server = start(&text(1), folder.path()).await;
    put(&server, "in", 0..10).await;
    let draining = server.clone();
    let mut drain = Box::pin(async move { draining.drain(true).await });
    let a_moment = Duration::from_millis(300);
    let waits = real_time::within(a_moment, drain.as_mut()).await;
    assert!(waits.is_none(), "it waits for the end of the day");
    assert_applied(&apply(&server, &text(2)).await);
    let waits = real_time::within(a_moment, drain.as_mut()).await;
    assert!(waits.is_none(), "the window is still open: {:?}", records(&server, "counts"));
    server.delete(&Reference::new(Kind::Application, "app"), false).await.unwrap();
    real_time::within(Duration::from_secs(30), drain).await.expect("nobody is waited for who is gone");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_whose_first_checkpoint_cannot_be_stored_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await.unwrap();
    server.start(true).await.unwrap();
    // Nobody can make a folder there.
    let checkpoints = folder.path().join("checkpoints");
    let _ = std::fs::remove_dir_all(&checkpoints);
    std::fs::write(&checkpoints, "").unwrap();
    let pipeline = parse(
        "[[stream]]\nname = \"in\"\n[[application]]\nname = \"app\"\nsql = '''\n\
         CREATE STREAM COUNTS (N BIGINT);\n\
         CREATE PUMP P AS INSERT INTO COUNTS SELECT STREAM COUNT(*) FROM SOURCE_SQL_STREAM_001 \
         GROUP BY STEP(SOURCE_SQL_STREAM_001.ROWTIME BY INTERVAL '1' DAY);\n'''\n\
         [application.input]\nstream = \"in\"\ncolumns = \"N INTEGER\"\n",
    );
    let report = apply(&server, &pipeline).await;
    assert!(
        report.not_settled[0].contains("is tried again: its first checkpoint cannot be stored"),
        "{report:#?}"
    );
    std::fs::remove_file(&checkpoints).unwrap();
    let application = Reference::new(Kind::Application, "app");
    let runs = async {
        while server.registry().find(&application).unwrap().status != Status::Active {
            real_time::sleep(Duration::from_millis(20)).await;
        }
    };
    real_time::within(Duration::from_secs(60), runs).await.expect("it starts");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_mails_go_to_the_server_that_the_file_declares() {
    let folder = tempfile::tempdir().unwrap();
    let topic = "[[topic]]\nname = \"t\"\n[[subscription]]\ntopic = \"t\"\nemail = \"you@example.com\"\n";
    let [one, two] =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let sent_to = |listener: &TcpListener| {
        let port = listener.local_addr().unwrap().port();
        parse(&format!(
            "{topic}[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"me@example.com\"\nsecurity = \"none\"\n"
        ))
    };
    let server = start(&parse(topic), folder.path()).await;
    for listener in [&one, &two] {
        assert_applied(&apply(&server, &sent_to(listener)).await);
        server.monitor().publish("t", Some("subject"), "message").await.unwrap();
        let asked = real_time::within(Duration::from_secs(60), listener.accept()).await;
        asked.expect("the server that is declared is asked").unwrap();
    }
    // Without one, mails stay in the mailbox.
    assert_applied(&apply(&server, &parse(topic)).await);
    server.monitor().publish("t", Some("last"), "message").await.unwrap();
    let mails = server.monitor().mails(10).unwrap();
    let last = mails.iter().find(|mail| mail.subject == "last").unwrap();
    assert_eq!(last.status, MailStatus::Local, "{last:?}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_what_is_deleted_under_its_users_leaves_everything_to_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[[metric]]\nname = \"m\"\n[[function]]\nname = \"f\"\nbuiltin = \"metric-from-average\"\nmetric = \"m\"\n\
                [[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n[delivery_stream.transform]\nfunction = \"f\"\n\
                [[topic]]\nname = \"t\"\n[[subscription]]\ntopic = \"t\"\nemail = \"a@example.com\"\n\
                [[alarm]]\nname = \"a\"\nmetric = \"m\"\ncomparison = \"less-than\"\nthreshold = 3.0\ntopic = \"t\"\n";
    let server = start(&pipeline(&other("COUNT(*)"), more), folder.path()).await;
    feed(&server, "in", 0..5).await;
    let all: Vec<Reference> =
        server.list(None).iter().map(|one| Reference::new(one.kind, &one.name)).collect();
    // In the order of their kinds: what is used goes before its users.
    for reference in &all {
        server.delete(reference, true).await.unwrap();
        assert!(server.describe(reference).is_none(), "{reference}");
        assert!(!server.overview().version.is_empty());
        for left in server.list(None) {
            let _ = server.describe(&Reference::new(left.kind, &left.name));
        }
    }
    let mut changes = server.registry().changes();
    let gone = real_time::within(Duration::from_secs(30), changes.wait_for(|rows| rows.is_empty())).await;
    assert!(gone.is_some(), "{:#?}", server.registry().rows());
    drop(gone);
    assert!(server.list(None).is_empty() && server.overview().resources.is_empty());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_past_the_retention_are_not_counted() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
    let on_clock = Server::open(settings(folder.path()), Arc::clone(&clock) as _, Random::from_seed(1));
    let server = on_clock.await.unwrap();
    let stream = "[[stream]]\nname = \"s\"\nretention_hours = 1\n";
    assert_applied(&apply(&server, &parse(stream)).await);
    server.start(true).await.unwrap();
    put(&server, "s", 0..3).await;
    clock.advance(2 * HOUR);
    put(&server, "s", 3..5).await;

    let reference = Reference::new(Kind::Stream, "s");
    let listed = server.list_counted(None).await;
    let described = server.describe_counted(&reference).await.unwrap();
    for view in [&listed[0], &described] {
        assert_eq!((&view.figures["records"], &view.figures["records_put"]), (&2.into(), &5.into()));
    }
    assert!(server.describe_counted(&Reference::new(Kind::Stream, "none")).await.is_none());

    let looking = ApplyOptions { is_dry_run: true, ..ApplyOptions::default() };
    let reads = parse(&format!(
        "{stream}[[application]]\nname = \"app\"\nsql = 'CREATE STREAM T (N INTEGER);'\n\
         input = {{stream = \"s\", columns = \"n INTEGER\"}}\n"
    ));
    let report = server.apply(reads.desired, owner(), looking).await.unwrap();
    let created = report.changes.iter().find(|change| change.action == Action::Created).unwrap();
    assert_eq!(created.details, ["begins with what stream \"s\" already holds: 2 records"]);
    let other = parse("[[stream]]\nname = \"other\"\n").desired;
    for details in [["2 records go with it"].as_slice(), &[]] {
        let report = server.apply(other.clone(), owner(), looking).await.unwrap();
        let deleted = report.changes.iter().find(|change| change.action == Action::Deleted).unwrap();
        assert_eq!(deleted.details, details);
        clock.advance(2 * HOUR);
    }
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_delivery_stream_only_what_is_not_delivered_yet_counts() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        start(&parse("[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n"), folder.path()).await;
    let reference = Reference::new(Kind::DeliveryStream, "d");
    let looking = ApplyOptions { is_dry_run: true, ..ApplyOptions::default() };
    feed(&server, "d", 0..3).await;
    for (put_now, waiting, words) in
        [(0, 0, "nothing left to deliver"), (2, 2, "2 records not delivered yet")]
    {
        put(&server, "d", 0..put_now).await;
        let goes = format!("its buffer goes with it, with {words}; objects stay");
        let described = server.describe_counted(&reference).await.unwrap();
        assert_eq!(described.figures["waiting_records"], waiting);
        let report =
            server.apply(parse("[[stream]]\nname = \"s\"\n").desired, owner(), looking).await.unwrap();
        let deleted = report.changes.iter().find(|change| change.action == Action::Deleted).unwrap();
        assert_eq!(deleted.details, std::slice::from_ref(&goes));
        let would = server.would_reset(Some(Kind::DeliveryStream), Some("d")).await;
        assert_eq!(would[0].consequences, [goes]);
    }
    stop(server).await;
}

/// A file that hangs keeps neither the caller waiting for ever nor the next one.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_time_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("buckets/tables/t.csv");
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, "1\n").unwrap();
    let server = start(&pipeline(&other("COUNT(*)"), ""), folder.path()).await;
    let _hanging = Hanging::in_place_of(object);
    let table = "[[application.reference]]\nname = \"T\"\nbucket = \"tables\"\nkey = \"t.csv\"\ncolumns = \"A INTEGER\"\n";
    let options = ApplyOptions { look_limit: Duration::ZERO, ..ApplyOptions::default() };
    let desired = pipeline(&other("COUNT(*)"), table).desired;
    let report = server.apply(desired, owner(), options).await.unwrap();
    let change = report.changes.iter().find(|change| change.name == "app").unwrap();
    assert_eq!(change.action, Action::Refused);
    assert!(change.details[0].contains("could not be read within 0 s"), "{change:?}");
    assert_applied(&apply(&server, &pipeline(&other("SUM(\"n\")"), "")).await);
    stop(server).await;
}

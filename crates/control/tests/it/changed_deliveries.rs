//! What a delivery has taken in when it changes, or what it works with: in objects once, of the kind that it was.

use std::path::Path;

use crate::support::{apply, assert_applied, copy, parse, put, start, stop, until};
use millstream_control::Server;
use millstream_control::definition::{Kind, Reference};
use millstream_control::pipeline::Pipeline;
use millstream_control::view::OverviewSource;

/// Nothing is due by itself.
const HINTS: &str = "buffer_interval = \"900s\"\nbuffer_size = \"64MiB\"\n";

fn delivery(more: &str) -> Pipeline {
    parse(&format!(
        "[[endpoint]]\nname = \"model\"\nmodel = \"builtin:star-rating\"\nthreads = 1\n\
         [[delivery_stream]]\nname = \"in\"\n{HINTS}{more}"
    ))
}

/// Lines of all objects below these folders of the buckets, in order.
fn lines(data: &Path, below: &str) -> Vec<String> {
    let mut folders = vec![data.join("buckets").join(below)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned)),
            }
        }
    }
    found.sort_unstable();
    found
}

/// A figure of the delivery.
fn figure(server: &Server, name: &str) -> u64 {
    let view = server.describe(&Reference::new(Kind::DeliveryStream, "in")).unwrap();
    view.figures[name].as_u64().unwrap()
}

/// A delivery whose records go through a function that wants these columns.
fn classified(columns: &str) -> Pipeline {
    delivery(&format!(
        "bucket = \"objects\"\nprefix = \"main/\"\nerror_prefix = \"failed/\"\ntransform.function = \"f\"\n\
         transform.buffer_interval = \"1s\"\n[[function]]\nname = \"f\"\nbuiltin = \"classify\"\n\
         endpoint = \"model\"\ncolumns = [{columns}]\ntext = \"b\"\n"
    ))
}

/// The same without the function.
fn unclassified() -> Pipeline {
    delivery("bucket = \"objects\"\nprefix = \"main/\"\nerror_prefix = \"failed/\"\n")
}

async fn put_numbers(server: &Server, numbers: std::ops::Range<u32>) {
    let wanted = figure(server, "records_in") + u64::from(numbers.end - numbers.start);
    put(server, "in", numbers.map(|number| format!("{number:03}\n"))).await;
    until(|| figure(server, "records_in") >= wanted).await;
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{number:03}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_failed_are_in_objects_when_the_function_goes_or_changes() {
    // Records of one column have no second one.
    for successor in [unclassified(), classified("\"b\"")] {
        let folder = tempfile::tempdir().unwrap();
        let server = start(&classified("\"a\", \"b\""), folder.path()).await;
        put_numbers(&server, 0..20).await;
        until(|| figure(&server, "failed_records") == 20).await;
        assert_applied(&apply(&server, &successor).await);
        assert_eq!(lines(folder.path(), "objects/failed").len(), 20);
        put_numbers(&server, 20..30).await;
        server.drain(false).await;
        assert_eq!(lines(folder.path(), "objects/main").len(), 10);
        assert_eq!(lines(folder.path(), "objects/failed").len(), 20);
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_goes_and_comes_has_what_came_while_it_was_there() {
    let main = "bucket = \"objects\"\nprefix = \"main/\"\n";
    let with = delivery(&format!("{main}backup.prefix = \"raw/\"\nbackup.buffer_interval = \"900s\"\n"));
    let folder = tempfile::tempdir().unwrap();
    let server = start(&with, folder.path()).await;
    put_numbers(&server, 0..10).await;
    assert_applied(&apply(&server, &delivery(main)).await);
    put_numbers(&server, 10..20).await;
    assert_applied(&apply(&server, &with).await);
    put_numbers(&server, 20..30).await;
    server.drain(false).await;
    assert_eq!(lines(folder.path(), "objects/main"), numbers(0..30));
    assert_eq!(lines(folder.path(), "objects/raw"), [numbers(0..10), numbers(20..30)].concat());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_in_one_bucket_when_the_bucket_changes_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let into = |bucket: usize| delivery(&format!("bucket = \"objects-{bucket}\"\n"));
    let server = start(&into(0), folder.path()).await;
    let feeding = async {
        for number in 0..200 {
            put(&server, "in", (number * 5..number * 5 + 5).map(|number| format!("{number:03}\n"))).await;
        }
    };
    let changing = async {
        for round in 1..10 {
            assert_applied(&apply(&server, &into(round % 2)).await);
        }
    };
    tokio::join!(feeding, changing);
    server.drain(false).await;
    let mut all = [lines(folder.path(), "objects-0"), lines(folder.path(), "objects-1")].concat();
    all.sort_unstable();
    assert_eq!(all, numbers(0..1_000));
    stop(server).await;
}

/// The server is killed when some kinds of objects have come further than others, and the file changes before it starts again.
async fn killed_and_changed(first: &Pipeline, is_time: impl Fn(&Server) -> bool, then: &Pipeline) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let server = start(first, &data).await;
    put_numbers(&server, 0..20).await;
    until(|| is_time(&server)).await;
    copy(&data, &image);
    stop(server).await;
    let server = start(then, &image).await;
    put_numbers(&server, 20..30).await;
    server.drain(false).await;
    stop(server).await;
    Image { _folder: folder, data: image }
}

struct Image {
    _folder: tempfile::TempDir,
    data: std::path::PathBuf,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_goes_after_a_crash_has_what_is_in_main_objects() {
    let text = |more: &str| {
        parse(&format!(
            "[[delivery_stream]]\nname = \"in\"\nbucket = \"objects\"\nprefix = \"main/\"\n\
             buffer_interval = \"1s\"\n{more}"
        ))
    };
    let first = text("backup.prefix = \"raw/\"\nbackup.buffer_interval = \"900s\"\n");
    let is_written = |server: &Server| {
        let folder = server.data_directory();
        // An object that is being written has another name: it is looked at when it is whole.
        figure(server, "objects") > 0 && lines(folder, "objects/main").len() == 20
    };
    let image = killed_and_changed(&first, is_written, &text("")).await;
    assert_eq!(lines(&image.data, "objects/main"), numbers(0..30));
    assert_eq!(lines(&image.data, "objects/raw"), numbers(0..20));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_failed_before_a_crash_are_in_objects_whatever_becomes_of_the_function() {
    let has_failed = |server: &Server| figure(server, "failed_records") == 20;
    for then in [classified("\"b\""), unclassified()] {
        let image = killed_and_changed(&classified("\"a\", \"b\""), has_failed, &then).await;
        let (main, failed) = (lines(&image.data, "objects/main"), lines(&image.data, "objects/failed"));
        assert_eq!(main.len() + failed.len(), 30, "{main:?} {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_function_was_changed_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let server = start(&classified("\"b\""), &data).await;
    put_numbers(&server, 0..20).await;
    let changed = classified("\"a\", \"b\"");
    assert_applied(&apply(&server, &changed).await);
    assert_eq!(lines(&data, "objects/main").len(), 20);
    // Records of both kinds: main and failed objects come to different places.
    put(&server, "in", ["a\tb\n"]).await;
    put_numbers(&server, 20..30).await;
    until(|| figure(&server, "failed_records") == 10).await;
    copy(&data, &image);
    stop(server).await;
    let server = start(&changed, &image).await;
    server.drain(false).await;
    let problems = server.overview().problems;
    assert!(!problems.iter().any(|one| one.message.contains("in two objects")), "{problems:?}");
    stop(server).await;
    assert_eq!((lines(&image, "objects/main").len(), lines(&image, "objects/failed").len()), (21, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_function_was_made_again_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let file = classified("\"a\", \"b\"");
    let server = start(&file, &data).await;
    put(&server, "in", ["a\tb\n"]).await;
    until(|| figure(&server, "records_in") == 1).await;
    server.delete(&Reference::new(Kind::Function, "f"), true).await.unwrap();
    assert_eq!(lines(&data, "objects/main").len(), 1, "what it had made is in objects when it goes");
    assert_applied(&apply(&server, &file).await);
    // Records of both kinds: main and failed objects come to different places.
    put(&server, "in", ["a\tb\n"]).await;
    put_numbers(&server, 20..30).await;
    until(|| figure(&server, "failed_records") == 10).await;
    copy(&data, &image);
    stop(server).await;
    let server = start(&file, &image).await;
    server.drain(false).await;
    let problems = server.overview().problems;
    assert!(!problems.iter().any(|one| one.message.contains("in two objects")), "{problems:?}");
    stop(server).await;
    assert_eq!((lines(&image, "objects/main").len(), lines(&image, "objects/failed").len()), (2, 10));
}

//! The whole delivery over fakes, on tokio's paused clock: time passes only when everything waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use millstream_delivery::{
    BackupSettings, BufferingHints, Components, Compression, DeliveredObject, DeliveryHandle,
    DeliverySettings, DeliveryWorker, InvalidDelivery, ObjectNaming, Observer, PositionStore, Positions,
    Source, SourceBatch, SourceError, SourcePosition, SourceRecord, StoreError, Transform, TransformError,
    TransformErrorKind, TransformSettings,
};
use millstream_host::{Clock, Random, Timestamp};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// 2026-01-01 20:00 UTC, and tokio's time since the test began.
struct TestClock(tokio::time::Instant);

const START: i64 = 1_767_297_600_000;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(START).plus(self.0.elapsed())
    }
}

#[derive(Default)]
struct FakeSource {
    records: Mutex<Vec<SourceRecord>>,
    added: Notify,
    failing_reads: AtomicU64,
}

impl FakeSource {
    fn add(&self, texts: impl IntoIterator<Item = String>) {
        let mut records = self.records.lock();
        for text in texts {
            let position = SourcePosition(records.len() as u64);
            let arrival = Timestamp(START);
            records.push(SourceRecord { position, arrival, data: Bytes::from(text), metadata: None });
        }
        drop(records);
        self.added.notify_waiters();
    }
}

#[async_trait]
impl Source for FakeSource {
    async fn read(
        &self,
        from: SourcePosition,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<SourceBatch, SourceError> {
        if self.failing_reads.load(Ordering::SeqCst) > 0 {
            self.failing_reads.fetch_sub(1, Ordering::SeqCst);
            return Err(SourceError("injected".to_owned()));
        }
        let mut bytes = 0;
        let records: Vec<SourceRecord> = self.records.lock()[from.0 as usize..]
            .iter()
            .take(max_records)
            .take_while(|record| {
                let fits = bytes < max_bytes;
                bytes += record.data.len();
                fits
            })
            .cloned()
            .collect();
        let next = records.last().map_or(from, |record| record.position.next());
        Ok(SourceBatch { records, next })
    }

    async fn wait(&self, from: SourcePosition) {
        let added = self.added.notified();
        if self.records.lock().len() as u64 <= from.0 {
            added.await;
        }
    }

    async fn end(&self) -> Result<SourcePosition, SourceError> {
        Ok(SourcePosition(self.records.lock().len() as u64))
    }
}

#[derive(Default)]
struct FakePositions {
    stored: Mutex<Option<Positions>>,
    broken: AtomicBool,
}

#[async_trait]
impl PositionStore for FakePositions {
    async fn load(&self) -> Result<Option<Positions>, StoreError> {
        Ok(*self.stored.lock())
    }

    async fn store(&self, positions: Positions) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError("injected".to_owned()));
        }
        *self.stored.lock() = Some(positions);
        Ok(())
    }
}

/// A function that is a closure over the decoded records.
struct Function<F>(F);

#[async_trait]
impl<F> Transform for Function<F>
where
    F: Fn(&str, &str) -> Result<Option<Value>, TransformError> + Send + Sync + 'static,
{
    async fn invoke(&self, event: Bytes) -> Result<Bytes, TransformError> {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let mut answers = Vec::new();
        for record in event["records"].as_array().unwrap() {
            let id = record["recordId"].as_str().unwrap();
            let data = STANDARD.decode(record["data"].as_str().unwrap()).unwrap();
            answers.extend((self.0)(id, std::str::from_utf8(&data).unwrap())?);
        }
        Ok(json!({ "records": answers }).to_string().into())
    }
}

fn ok(id: &str, data: &str) -> Value {
    json!({ "recordId": id, "result": "Ok", "data": STANDARD.encode(data) })
}

fn upper(id: &str, data: &str) -> Result<Option<Value>, TransformError> {
    Ok(Some(ok(id, &data.to_uppercase())))
}

#[derive(Default)]
struct Seen(Mutex<Vec<DeliveredObject>>);

impl Observer for Seen {
    fn object_delivered(&self, object: &DeliveredObject) {
        self.0.lock().push(object.clone());
    }
}

struct Setup {
    source: Arc<FakeSource>,
    positions: Arc<FakePositions>,
    store: Arc<dyn ObjectStore>,
    seen: Arc<Seen>,
    clock: Arc<TestClock>,
    runs: AtomicU64,
}

impl Setup {
    fn new() -> Setup {
        Setup::on(Arc::new(InMemory::new()))
    }

    fn on(store: Arc<dyn ObjectStore>) -> Setup {
        Setup {
            source: Arc::default(),
            positions: Arc::default(),
            store,
            seen: Arc::default(),
            clock: Arc::new(TestClock(tokio::time::Instant::now())),
            runs: AtomicU64::new(0),
        }
    }

    fn components(&self, transform: Option<Arc<dyn Transform>>) -> Components {
        Components {
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            positions: Arc::clone(&self.positions) as Arc<dyn PositionStore>,
            transform,
            destination: Arc::clone(&self.store),
            backup: Some(Arc::clone(&self.store)),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Random::from_seed(self.runs.fetch_add(1, Ordering::SeqCst)),
            observer: Some(Arc::clone(&self.seen) as Arc<dyn Observer>),
        }
    }

    fn start(
        &self,
        settings: DeliverySettings,
        transform: Option<Arc<dyn Transform>>,
    ) -> (DeliveryHandle, JoinHandle<()>) {
        let (handle, worker) = DeliveryWorker::new(self.components(transform), settings).unwrap();
        (handle, tokio::spawn(worker.run()))
    }

    async fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let listed: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        let mut objects = BTreeMap::new();
        for meta in listed {
            let bytes = self.store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            objects.insert(meta.location.to_string(), bytes.to_vec());
        }
        objects
    }

    /// The objects below a prefix as text, in the order in which they were written.
    async fn texts(&self, prefix: &str) -> Vec<String> {
        let objects = self.objects().await;
        let keys: Vec<String> = self.seen.0.lock().iter().map(|object| object.key.clone()).collect();
        keys.iter()
            .filter(|key| key.starts_with(prefix))
            .map(|key| String::from_utf8(objects[key.as_str()].clone()).unwrap())
            .collect()
    }
}

fn hints(size_bytes: usize, seconds: f64) -> BufferingHints {
    BufferingHints { size_bytes, interval: Duration::from_secs_f64(seconds) }
}

fn settings(seconds: f64) -> DeliverySettings {
    let naming = ObjectNaming::new("reviews", "main/", None).unwrap();
    let arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/reviews";
    DeliverySettings { buffering: hints(1 << 20, seconds), ..DeliverySettings::new(arn, naming) }
}

fn with_function(settings: DeliverySettings) -> DeliverySettings {
    let transform = TransformSettings {
        buffering: hints(1 << 20, 0.1),
        function_arn: "arn:f".to_owned(),
        ..TransformSettings::default()
    };
    DeliverySettings { transform: Some(transform), ..settings }
}

fn with_backup(settings: DeliverySettings) -> DeliverySettings {
    let naming = ObjectNaming::new("reviews", "raw/", None).unwrap();
    DeliverySettings { backup: Some(BackupSettings { buffering: settings.buffering, naming }), ..settings }
}

fn lines(range: std::ops::Range<u64>) -> impl Iterator<Item = String> {
    range.map(|number| format!("line{number}\n"))
}

#[tokio::test(start_paused = true)]
async fn records_within_the_interval_are_one_object() {
    let setup = Setup::new();
    let (handle, _) = setup.start(settings(1.0), None);
    setup.source.add(lines(0..2));
    tokio::time::sleep(Duration::from_millis(500)).await;
    setup.source.add(lines(2..3));
    tokio::time::sleep(Duration::from_millis(499)).await;
    assert!(setup.objects().await.is_empty());
    tokio::time::sleep(Duration::from_millis(2)).await;
    let objects = setup.objects().await;
    let (key, bytes) = objects.first_key_value().unwrap();
    assert_eq!(bytes, b"line0\nline1\nline2\n");
    assert!(key.starts_with("main/2026/01/01/20/reviews-1-2026-01-01-20-00-00-"), "{key}");
    let status = handle.status();
    assert_eq!((status.records_in, status.objects_written, status.records_delivered), (3, 1, 3));
    assert_eq!((status.held_bytes, status.last_object), (0, Some(key.clone())));
    assert_eq!(setup.positions.stored.lock().unwrap().oldest(), SourcePosition(3));
}

#[tokio::test(start_paused = true)]
async fn ok_dropped_failed_and_the_backup() {
    let setup = Setup::new();
    let function = Function(|id: &str, data: &str| {
        Ok(match data {
            "drop\n" => Some(json!({ "recordId": id, "result": "Dropped" })),
            "fail\n" => Some(json!({ "recordId": id, "result": "ProcessingFailed" })),
            "omit\n" => None,
            other => Some(ok(id, &other.to_uppercase())),
        })
    });
    let (handle, _) = setup.start(with_backup(with_function(settings(1.0))), Some(Arc::new(function)));
    setup.source.add(["a\n", "drop\n", "fail\n", "omit\n", "b\n"].map(str::to_owned));
    handle.flush().await.unwrap();
    assert_eq!(setup.texts("main/2026/").await, ["A\nB\n"]);
    assert_eq!(setup.texts("raw/2026/01/01/20/").await, ["a\ndrop\nfail\nomit\nb\n"]);
    let failed = setup.texts("main/processing-failed/2026/01/01/20/reviews-1-").await;
    let documents: Vec<Value> = failed[0].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let short: Vec<_> = documents.iter().map(|line| (&line["errorCode"], &line["rawData"])).collect();
    assert_eq!(
        short,
        [
            (&json!("Lambda.ProcessingFailedStatus"), &json!("ZmFpbAo=")),
            (&json!("Lambda.MissingRecordId"), &json!("b21pdAo=")),
        ]
    );
    assert_eq!(documents[0]["attemptsMade"], 1);
    assert_eq!(documents[0]["lambdaArn"], "arn:f");
    assert_eq!(documents[0]["arrivalTimestamp"], START);
    let status = handle.status();
    assert_eq!((status.records_transformed, status.dropped_records, status.failed_records), (2, 1, 2));
    assert_eq!(
        (status.objects_written, status.backup_objects_written, status.failed_objects_written),
        (1, 1, 1)
    );
    assert_eq!(status.errors, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_function_is_retried_and_then_its_records_fail() {
    for (kind, calls) in [
        (TransformErrorKind::FunctionError, 4),
        (TransformErrorKind::FunctionTimedOut, 4),
        (TransformErrorKind::ResourceNotFound, 1),
    ] {
        let setup = Setup::new();
        let function =
            Function(move |_: &str, _: &str| Err(TransformError { kind, message: "as told".to_owned() }));
        let (handle, _) = setup.start(with_function(settings(1.0)), Some(Arc::new(function)));
        setup.source.add(lines(0..2));
        handle.flush().await.unwrap();
        let failed = setup.texts("main/processing-failed/").await;
        assert_eq!(failed[0].lines().count(), 2);
        let line: Value = serde_json::from_str(failed[0].lines().next().unwrap()).unwrap();
        assert_eq!((&line["attemptsMade"], &line["errorCode"]), (&json!(calls), &json!(kind.code())));
        assert_eq!(handle.status().invocations, calls);
        assert!(handle.status().last_error.unwrap().contains("as told"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_function_is_a_failing_function() {
    let setup = Setup::new();
    let function =
        Function(|id: &str, data: &str| if data == "line1\n" { panic!("oh") } else { upper(id, data) });
    let (handle, _) = setup.start(with_function(settings(1.0)), Some(Arc::new(function)));
    setup.source.add(lines(0..2));
    handle.flush().await.unwrap();
    setup.source.add(lines(2..3));
    handle.flush().await.unwrap();
    assert_eq!(handle.status().failed_records, 2);
    assert_eq!(setup.texts("main/2026/").await, ["LINE2\n"]);
}

#[tokio::test(start_paused = true)]
async fn gzip_objects_are_readable() {
    let setup = Setup::new();
    let mut gzip = settings(1.0);
    gzip.naming = gzip.naming.with_compression(Compression::Gzip);
    let (handle, _) = setup.start(gzip, None);
    setup.source.add(lines(0..1_000));
    handle.flush().await.unwrap();
    let objects = setup.objects().await;
    let (key, bytes) = objects.first_key_value().unwrap();
    assert!(key.ends_with(".gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, lines(0..1_000).collect::<String>());
    assert!(bytes.len() < text.len() / 2);
    assert_eq!(handle.status().object_bytes, bytes.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_object_and_position_repeats_and_never_loses() {
    let setup = Setup::new();
    setup.source.add(lines(0..3));
    setup.positions.broken.store(true, Ordering::SeqCst);
    let (handle, task) = setup.start(with_backup(settings(1.0)), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(handle.status().objects_written, 1);
    assert!(handle.status().errors > 0);
    task.abort();
    assert!(setup.positions.stored.lock().is_none());
    setup.positions.broken.store(false, Ordering::SeqCst);
    let (handle, _) = setup.start(with_backup(settings(1.0)), None);
    handle.flush().await.unwrap();
    let all: String = lines(0..3).collect();
    assert_eq!(setup.texts("main/").await, [all.clone(), all.clone()]);
    assert_eq!(setup.texts("raw/").await, [all.clone(), all]);
}

#[tokio::test(start_paused = true)]
async fn crashes_at_any_point_deliver_every_record_in_order() {
    for seed in 0..20 {
        let setup = Setup::new();
        let mut random = Random::from_seed(seed);
        let mut added = 0;
        for _ in 0..10 {
            let mut small = with_backup(with_function(settings(0.5)));
            small.buffering = hints(1 + random.below(60) as usize, 0.5);
            let (_handle, task) = setup.start(small, Some(Arc::new(Function(upper))));
            for _ in 0..random.below(6) {
                let count = random.below(8);
                setup.source.add(lines(added..added + count));
                added += count;
                tokio::time::sleep(Duration::from_millis(random.below(400))).await;
                let stored = setup.positions.stored.lock().unwrap_or_default();
                let main = setup.texts("main/").await.concat();
                let raw = setup.texts("raw/").await.concat();
                for number in 0..stored.delivered.0 {
                    assert!(
                        main.contains(&format!("LINE{number}\n")),
                        "{number} is stored but not delivered"
                    );
                }
                for number in 0..stored.backed_up.0 {
                    assert!(raw.contains(&format!("line{number}\n")), "{number} is stored but not backed up");
                }
            }
            task.abort();
        }
        let (handle, _) =
            setup.start(with_backup(with_function(settings(0.5))), Some(Arc::new(Function(upper))));
        handle.flush().await.unwrap();
        for (prefix, word) in [("main/", "LINE"), ("raw/", "line")] {
            let texts = setup.texts(prefix).await;
            for text in &texts {
                let numbers: Vec<u64> =
                    text.lines().map(|line| line.strip_prefix(word).unwrap().parse().unwrap()).collect();
                assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
            }
            for number in 0..added {
                assert!(texts.iter().any(|text| text.lines().any(|line| line == format!("{word}{number}"))));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_down_costs_time_and_bounded_memory_only() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = directory.path().join("bucket");
    std::fs::create_dir(&bucket).unwrap();
    let store = LocalFileSystem::new_with_prefix(&bucket).unwrap().with_fsync(true);
    let setup = Setup::on(Arc::new(store));
    // A file stands where the directory was.
    std::fs::remove_dir(&bucket).unwrap();
    std::fs::write(&bucket, "in the way").unwrap();
    let bounded = DeliverySettings { most_held_bytes: 2_000, buffering: hints(500, 1.0), ..settings(1.0) };
    let (handle, _) = setup.start(bounded, None);
    setup.source.add(lines(0..1_000));
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(handle.status().held_bytes <= 2_010, "{}", handle.status().held_bytes);
    }
    let status = handle.status();
    assert_eq!(status.objects_written, 0);
    assert!(status.errors > 10, "{}", status.errors);
    assert!(status.last_error.unwrap().starts_with("writing main/2026/01/01/20/reviews-1-"));
    std::fs::remove_file(&bucket).unwrap();
    // Even the directory is missing now: it is made.
    handle.flush().await.unwrap();
    assert_eq!(setup.texts("main/").await.concat(), lines(0..1_000).collect::<String>());
    assert_eq!(handle.status().held_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_for_a_while_is_read_again() {
    let setup = Setup::new();
    setup.source.failing_reads.store(5, Ordering::SeqCst);
    setup.source.add(lines(0..3));
    let (handle, task) = setup.start(settings(900.0), None);
    handle.flush().await.unwrap();
    assert_eq!(setup.texts("main/").await.concat(), lines(0..3).collect::<String>());
    assert_eq!(handle.status().errors, 5);
    handle.flush().await.unwrap();
    handle.stop();
    task.await.unwrap();
    assert!(handle.flush().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn settings_and_components_must_fit() {
    let setup = Setup::new();
    let refused = |settings| match DeliveryWorker::new(setup.components(None), settings) {
        Ok(_) => panic!("not refused"),
        Err(error) => error,
    };
    assert!(matches!(refused(with_function(settings(1.0))), InvalidDelivery::Missing { .. }));
    let mut nothing = settings(1.0);
    nothing.buffering.size_bytes = 0;
    assert_eq!(refused(nothing).to_string(), "buffering size is 0: it must be 1 byte to 1 GiB");
}

//! The whole delivery over fakes, on tokio's paused clock: time passes only when everything waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

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
    DeliverySettings, DeliveryWorker, Intent, InvalidDelivery, ObjectNaming, Observer, PositionStore,
    Progress, Source, SourceBatch, SourceError, SourcePosition, SourceRecord, Stage, StoreError, Transform,
    TransformError, TransformErrorKind, TransformSettings,
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
    stored: Mutex<Option<Progress>>,
    broken: AtomicBool,
}

#[async_trait]
impl PositionStore for FakePositions {
    async fn load(&self) -> Result<Option<Progress>, StoreError> {
        Ok(self.stored.lock().clone())
    }

    async fn store(&self, progress: &Progress) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError("injected".to_owned()));
        }
        *self.stored.lock() = Some(progress.clone());
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
    assert_eq!(setup.positions.stored.lock().clone().unwrap().positions.oldest(), SourcePosition(3));
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
        // Four with both records, then one with each.
        (TransformErrorKind::FunctionError, 6),
        (TransformErrorKind::FunctionTimedOut, 6),
        (TransformErrorKind::FunctionResponseTooLarge, 3),
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
async fn a_panicking_function_fails_the_record_that_makes_it_panic_and_no_other() {
    let setup = Setup::new();
    let function =
        Function(|id: &str, data: &str| if data == "line7\n" { panic!("oh") } else { upper(id, data) });
    let (handle, _) = setup.start(with_function(settings(1.0)), Some(Arc::new(function)));
    setup.source.add(lines(0..100));
    handle.flush().await.unwrap();
    assert_eq!(handle.status().failed_records, 1);
    let good: String = lines(0..100).filter(|line| line != "line7\n").collect();
    assert_eq!(setup.texts("main/2026/").await.concat(), good.to_uppercase());
    let calls = handle.status().invocations;
    assert!(calls < 30, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn h2_a_busy_function_is_waited_for_and_fails_no_record() {
    for kind in [
        TransformErrorKind::InvokeLimitExceeded,
        TransformErrorKind::NotReady,
        TransformErrorKind::ResourceNotFound,
        TransformErrorKind::InvokeAccessDenied,
    ] {
        let setup = Setup::new();
        let ready = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&ready);
        let function = Function(move |id: &str, data: &str| {
            if switch.load(Ordering::SeqCst) {
                return upper(id, data);
            }
            Err(TransformError { kind, message: "not now".to_owned() })
        });
        let bounded = DeliverySettings { most_held_bytes: 100_000, ..settings(1.0) };
        let (handle, _) = setup.start(with_function(bounded), Some(Arc::new(function)));
        setup.source.add(lines(0..10_000));
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let status = handle.status();
            assert!(status.held_bytes < 200_000, "reading stops: {}", status.held_bytes);
            let retrying = &status.retrying[&Stage::Function];
            assert!(retrying.error.contains("not now") && retrying.since < START + 1_000);
        }
        assert!(handle.status().invocations > 500, "{}", handle.status().invocations);
        ready.store(true, Ordering::SeqCst);
        handle.flush().await.unwrap();
        let status = handle.status();
        assert_eq!((status.failed_records, status.records_delivered), (0, 10_000));
        assert!(status.retrying.is_empty(), "{:?}", status.retrying);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_function_is_in_the_failed_object() {
    let setup = Setup::new();
    let function = Function(|id: &str, _: &str| {
        let message = "column \"price\" is missing";
        Ok(Some(json!({ "recordId": id, "result": "ProcessingFailed", "errorMessage": message })))
    });
    let (handle, _) = setup.start(with_function(settings(1.0)), Some(Arc::new(function)));
    setup.source.add(lines(0..1));
    handle.flush().await.unwrap();
    let failed = setup.texts("main/processing-failed/").await;
    let line: Value = serde_json::from_str(&failed[0]).unwrap();
    assert_eq!(line["errorMessage"], "column \"price\" is missing");
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
async fn nothing_is_written_before_its_intent_is_kept_and_a_crash_repeats_no_record() {
    let setup = Setup::new();
    setup.source.add(lines(0..3));
    setup.positions.broken.store(true, Ordering::SeqCst);
    let (handle, task) = setup.start(with_backup(settings(1.0)), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(handle.status().objects_written, 0);
    assert!(handle.status().retrying.contains_key(&Stage::Positions));
    setup.positions.broken.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    task.abort();
    // As if the kill had fallen after the objects and before the positions.
    let objects = setup.objects().await;
    assert_eq!(objects.len(), 2);
    let intents: Vec<Intent> = setup.seen.0.lock().iter().map(|object| intent(object, 0, 2)).collect();
    let progress = Progress { intents, ..Progress::default() };
    *setup.positions.stored.lock() = Some(progress);
    setup.source.add(lines(3..5));
    let (handle, _) = setup.start(with_backup(settings(900.0)), None);
    handle.flush().await.unwrap();
    let all: String = lines(0..5).collect();
    let after = setup.objects().await;
    assert_eq!(after.len(), 4);
    assert!(objects.iter().all(|(key, bytes)| after[key] == *bytes), "the same objects have the same bytes");
    for prefix in ["main/", "raw/"] {
        let texts = after.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, bytes)| bytes.clone());
        let mut texts: Vec<Vec<u8>> = texts.collect();
        texts.sort();
        assert_eq!(String::from_utf8(texts.concat()).unwrap(), all);
    }
}

fn intent(object: &DeliveredObject, first: u64, last: u64) -> Intent {
    Intent {
        kind: object.kind,
        key: object.key.clone(),
        compression: Compression::Uncompressed,
        first: SourcePosition(first),
        last: SourcePosition(last),
        records: object.records,
        bytes: object.bytes,
        oldest_arrival: object.oldest_arrival,
    }
}

#[tokio::test(start_paused = true)]
async fn crashes_at_any_point_deliver_every_record_once_in_order() {
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
                let stored = setup.positions.stored.lock().clone().unwrap_or_default().positions;
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
        let objects = setup.objects().await;
        for (prefix, word) in [("main/", "LINE"), ("raw/", "line")] {
            let mut all = Vec::new();
            for (_, bytes) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
                let text = std::str::from_utf8(bytes).unwrap();
                let numbers: Vec<u64> =
                    text.lines().map(|line| line.strip_prefix(word).unwrap().parse().unwrap()).collect();
                assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
                all.extend(numbers);
            }
            all.sort_unstable();
            assert_eq!(all, (0..added).collect::<Vec<_>>(), "each record once below {prefix}, seed {seed}");
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
    let bounded = DeliverySettings { most_held_bytes: 20_000, buffering: hints(500, 1.0), ..settings(1.0) };
    let (handle, _) = setup.start(bounded, None);
    setup.source.add(lines(0..1_000));
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(handle.status().held_bytes <= 25_000, "{}", handle.status().held_bytes);
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

#[tokio::test(start_paused = true)]
async fn a_delivery_that_rests_has_written_what_it_took_and_takes_no_more() {
    let setup = Setup::new();
    let function = Function(|id: &str, data: &str| {
        Ok(Some(match data {
            "fail\n" => json!({ "recordId": id, "result": "ProcessingFailed" }),
            other => ok(id, &other.to_uppercase()),
        }))
    });
    // Objects are due after a minute, or at 1 MiB.
    let (handle, _) = setup.start(with_backup(with_function(settings(1.0))), Some(Arc::new(function)));
    setup.source.add(["a\n", "fail\n"].map(str::to_owned));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resting = handle.rest().await.unwrap();
    assert_eq!(setup.texts("main/2026/").await, ["A\n"]);
    assert_eq!(setup.texts("raw/").await, ["a\nfail\n"]);
    assert_eq!(setup.texts("main/processing-failed/").await.len(), 1);
    setup.source.add(["b\n"].map(str::to_owned));
    let flushed = handle.flush();
    let mut flushed = std::pin::pin!(flushed);
    let waits = tokio::time::timeout(Duration::from_secs(3_600), flushed.as_mut()).await;
    assert!(waits.is_err(), "nothing is taken in");
    assert_eq!(handle.status().records_in, 2);
    drop(resting);
    flushed.await.unwrap();
    assert_eq!(setup.texts("main/2026/").await, ["A\n", "B\n"]);
    assert_eq!(setup.texts("raw/").await, ["a\nfail\n", "b\n"]);
}

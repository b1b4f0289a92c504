//! What callers see: streams, appending, reading, waiting, trimming, limits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Clock, ManualClock, Random, Timestamp};
use millstream_streamlog::{
    AppendError, Log, LogHealth, LogSettings, NewRecord, OpenError, Position, ReadError, ReadFrom, Retention,
    SequenceNumber, ShardNumber, StreamError, StreamKey,
};

const START: Timestamp = Timestamp(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn small() -> LogSettings {
    LogSettings { segment_bytes: 16 << 10, ..LogSettings::default() }
}

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Arc<Log> {
    Log::open(directory, small(), Arc::clone(clock) as Arc<dyn Clock>).unwrap().0
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(START))
}

fn key(name: &str) -> StreamKey {
    StreamKey::data(name.parse().unwrap())
}

fn texts(log: &Log, stream: &StreamKey, shard: u32, from: ReadFrom) -> Vec<String> {
    let batch = log.read(stream, ShardNumber(shard), from, 10_000, 10 << 20).unwrap();
    batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

fn append(log: &Log, stream: &StreamKey, texts: &[&str]) -> Vec<SequenceNumber> {
    let records = texts.iter().map(|text| NewRecord::new("k", text.as_bytes().to_vec())).collect();
    log.append_blocking(stream, records).unwrap().iter().map(|appended| appended.sequence_number).collect()
}

#[test]
fn reading_from_every_kind_of_place() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    let empty = log.read(&stream, ShardNumber(0), ReadFrom::TrimHorizon, 10, 1_000).unwrap();
    assert_eq!((empty.records.len(), empty.millis_behind_latest), (0, 0));
    let latest = log.read(&stream, ShardNumber(0), ReadFrom::Latest, 10, 1_000).unwrap().next;

    let mut numbers = Vec::new();
    for text in ["a", "b", "c", "d", "e"] {
        numbers.extend(append(&log, &stream, &[text]));
        clock.advance(Duration::from_secs(1));
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    let at = |millis: i64| ReadFrom::AtTimestamp(Timestamp(START.0 + millis));
    for (from, expected) in [
        (ReadFrom::TrimHorizon, "abcde"),
        (ReadFrom::Latest, ""),
        (ReadFrom::Position(latest), "abcde"),
        (ReadFrom::At(numbers[2]), "cde"),
        (ReadFrom::After(numbers[2]), "de"),
        (ReadFrom::After(numbers[4]), ""),
        (at(-1_000), "abcde"),
        (at(2_000), "cde"),
        (at(2_001), "de"),
        (at(9_000), ""),
    ] {
        assert_eq!(texts(&log, &stream, 0, from).concat(), expected, "{from:?}");
    }
    let part = log.read(&stream, ShardNumber(0), ReadFrom::TrimHorizon, 2, 1_000).unwrap();
    assert_eq!((part.records.len(), part.millis_behind_latest), (2, 3_000));
    assert_eq!(texts(&log, &stream, 0, ReadFrom::Position(part.next)).concat(), "cde");
    let one = log.read(&stream, ShardNumber(0), ReadFrom::TrimHorizon, 10, 1).unwrap();
    assert_eq!(one.records.len(), 1, "always at least one");

    let other = SequenceNumber::new(1, 1, 1, ShardNumber(0));
    let read = |from| log.read(&stream, ShardNumber(0), from, 1, 1);
    assert!(matches!(read(ReadFrom::At(other)), Err(ReadError::OtherShard { .. })));
    assert!(matches!(read(ReadFrom::Position(Position(7))), Err(ReadError::BeyondEnd { .. })));
    assert!(matches!(
        log.read(&stream, ShardNumber(1), ReadFrom::Latest, 1, 1),
        Err(ReadError::ShardNotFound { .. })
    ));
    assert!(matches!(
        log.read(&key("none"), ShardNumber(0), ReadFrom::Latest, 1, 1),
        Err(ReadError::StreamNotFound(_))
    ));
}

#[test]
fn records_go_to_the_shard_of_their_hash_in_request_order() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    let stream = key("s");
    log.stream_create(&stream, 4, Retention::default()).unwrap();
    let explicit = NewRecord { explicit_hash_key: Some(u128::MAX), ..NewRecord::new("a", "last") };
    let records = vec![
        NewRecord::new("a", "0a"),
        NewRecord::new("user-42", "1a"),
        explicit,
        NewRecord::new("a", "0b"),
        NewRecord::new("é", "1b"),
    ];
    let appended = log.append_blocking(&stream, records).unwrap();
    let shards: Vec<u32> = appended.iter().map(|appended| appended.shard.0).collect();
    assert_eq!(shards, [0, 1, 3, 0, 1]);
    assert_eq!(texts(&log, &stream, 0, ReadFrom::TrimHorizon), ["0a", "0b"]);
    assert_eq!(texts(&log, &stream, 1, ReadFrom::TrimHorizon), ["1a", "1b"]);
    assert_eq!(texts(&log, &stream, 3, ReadFrom::TrimHorizon), ["last"]);
    assert!(log.append_blocking(&stream, Vec::new()).unwrap().is_empty());
}

#[test]
fn limits_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    let append = |record| log.append_blocking(&stream, vec![NewRecord::new("k", ""), record]);
    let message = |record| append(record).unwrap_err().to_string();
    assert!(append(NewRecord::new("é".repeat(256), "")).is_ok());
    assert!(append(NewRecord::new("k", vec![0; (1 << 20) - 1])).is_ok());
    assert_eq!(
        message(NewRecord::new("é".repeat(257), "")),
        "record 1: the partition key has 257 characters: it must have 1 to 256"
    );
    assert_eq!(
        message(NewRecord::new("", "")),
        "record 1: the partition key has 0 characters: it must have 1 to 256"
    );
    assert_eq!(
        message(NewRecord::new("k", vec![0; 1 << 20])),
        "record 1: data and partition key have 1048577 bytes: at most 1048576 are allowed"
    );
    let many = vec![NewRecord::new("k", vec![0; 1 << 19]); 33];
    assert!(matches!(log.append_blocking(&stream, many), Err(AppendError::TooLarge { .. })));
    assert!(matches!(
        log.append_blocking(&key("none"), vec![NewRecord::new("k", "")]),
        Err(AppendError::StreamNotFound(_))
    ));
}

#[test]
fn streams_survive_a_restart_and_are_told_apart_from_earlier_ones() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    let (data, buffer) = (key("s"), StreamKey::delivery("s".parse().unwrap()));
    let first = log.stream_create(&data, 3, Retention::default()).unwrap();
    log.stream_create(&buffer, 1, Retention::default()).unwrap();
    assert!(matches!(log.stream_create(&data, 1, Retention::default()), Err(StreamError::Exists(_))));
    assert!(matches!(
        log.stream_create(&key("t"), 0, Retention::default()),
        Err(StreamError::ShardCount { .. })
    ));
    assert!(Retention::hours(0).is_err() && Retention::hours(8_761).is_err());
    log.stream_set_retention(&data, Retention::hours(48).unwrap()).unwrap();
    append(&log, &buffer, &["kept"]);
    append(&log, &data, &["old"]);
    let listed = log.stream_list();
    drop(log);

    let log = open(directory.path(), &clock);
    assert_eq!(log.stream_list(), listed);
    assert_eq!(log.stream_describe(&data).unwrap().retention.as_hours(), 48);
    log.stream_delete(&data).unwrap();
    assert!(matches!(log.stream_describe(&data), Err(StreamError::NotFound(_))));
    let second = log.stream_create(&data, 3, Retention::default()).unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(log.stream_id(&data).unwrap(), second.id);
    drop(log);

    let log = open(directory.path(), &clock);
    for shard in 0..3 {
        assert!(texts(&log, &data, shard, ReadFrom::TrimHorizon).is_empty());
    }
    assert_eq!(texts(&log, &buffer, 0, ReadFrom::TrimHorizon), ["kept"]);
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    let refused = Log::open(directory.path(), small(), clock()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(log);
    assert!(Log::open(directory.path(), small(), clock()).is_ok());
}

#[test]
fn m6_a_deleted_lock_file_lets_no_second_process_in() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    for _ in 0..3 {
        std::fs::remove_file(directory.path().join("lock")).unwrap();
        let refused = Log::open(directory.path(), small(), clock()).unwrap_err();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
        append(&log, &stream, &["goes on"]);
        assert!(directory.path().join("lock").exists(), "it is put back");
    }
    assert_eq!(*log.health().borrow(), LogHealth::Working);
}

#[test]
fn m7_a_directory_that_is_gone_is_noticed_within_a_second() {
    for (what, replaced) in [("moved", false), ("moved", true), ("deleted", false), ("segments", false)] {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("log");
        let log = open(&directory, &clock());
        let stream = key("s");
        log.stream_create(&stream, 1, Retention::default()).unwrap();
        append(&log, &stream, &["one"]);
        let mut health = log.health();
        match what {
            "moved" => std::fs::rename(&directory, root.path().join("elsewhere")).unwrap(),
            "segments" => std::fs::remove_dir_all(directory.join("segments")).unwrap(),
            _ => std::fs::remove_dir_all(&directory).unwrap(),
        }
        let other = replaced.then(|| open(&directory, &clock()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let noticed = runtime.block_on(async {
            tokio::time::timeout(
                Duration::from_secs(1),
                health.wait_for(|health| *health != LogHealth::Working),
            )
            .await
            .is_ok()
        });
        assert!(noticed, "{what}");
        let refused = log.append_blocking(&stream, vec![NewRecord::new("k", "two")]).unwrap_err();
        assert!(matches!(refused, AppendError::DirectoryLost { .. }), "{refused}");
        assert!(refused.to_string().contains("has lost its directory"), "{refused}");
        if let Some(other) = other {
            other.stream_create(&stream, 1, Retention::default()).unwrap();
            append(&other, &stream, &["theirs"]);
            assert_eq!(texts(&other, &stream, 0, ReadFrom::TrimHorizon), ["theirs"]);
        }
    }
}

#[test]
fn closed_shards_are_listed_until_their_records_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::hours(1).unwrap()).unwrap();
    append(&log, &stream, &["x".repeat(20_000).as_str()]);
    log.stream_update_shard_count(&stream, 2).unwrap();
    append(&log, &stream, &["y".repeat(20_000).as_str()]);
    let numbers = |log: &Log| {
        let shards = log.stream_describe(&stream).unwrap().shards;
        shards.iter().map(|shard| shard.number.0).collect::<Vec<_>>()
    };
    let records_put = |log: &Log| log.stream_describe(&stream).unwrap().records_put;
    log.trim(clock.now()).unwrap();
    assert_eq!((numbers(&log), records_put(&log)), (vec![0, 1, 2], 2));
    clock.advance(2 * HOUR);
    append(&log, &stream, &["z"]);
    log.trim(clock.now()).unwrap();
    log.trim(clock.now()).unwrap();
    assert_eq!((numbers(&log), records_put(&log)), (vec![1, 2], 3));
    log.stream_update_shard_count(&stream, 1).unwrap();
    assert_eq!(numbers(&log), [1, 2, 3], "no number is used twice");
    append(&log, &stream, &["last"]);
    assert_eq!(records_put(&log), 4);
    drop(log);
    let log = open(directory.path(), &clock);
    assert_eq!((numbers(&log), records_put(&log)), (vec![1, 2, 3], 4));
}

#[test]
fn trimming_keeps_what_is_within_retention_or_not_consumed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    let (data, buffer) = (key("s"), StreamKey::delivery("b".parse().unwrap()));
    log.stream_create(&data, 1, Retention::hours(1).unwrap()).unwrap();
    log.stream_create(&buffer, 1, Retention::hours(1).unwrap()).unwrap();
    let padding = "x".repeat(3_000);
    for number in 0..20 {
        append(&log, &data, &[&format!("{number} {padding}")]);
    }
    clock.advance(HOUR);
    for number in 20..40 {
        append(&log, &data, &[&format!("{number} {padding}")]);
    }
    assert_eq!(log.trim(clock.now()).unwrap().segments_deleted, 0);
    let readable = |of: &StreamKey| log.readable_records(of).unwrap()[&ShardNumber(0)];
    assert_eq!(readable(&data), 40);
    clock.advance(Duration::from_secs(1));
    assert_eq!(readable(&data), 20, "what is past the retention and still on disk does not count");
    assert_eq!(texts(&log, &data, 0, ReadFrom::TrimHorizon).len(), 20, "the horizon is exact");
    let trimmed = log.trim(clock.now()).unwrap();
    assert_eq!(trimmed.segments_deleted, 4);
    assert_eq!(readable(&data), 20);
    assert!(trimmed.bytes_freed > 50_000);
    assert_eq!(texts(&log, &data, 0, ReadFrom::Position(Position(3))).len(), 20);

    let numbers: Vec<_> =
        (0..20).flat_map(|number| append(&log, &buffer, &[&format!("{number} {padding}")])).collect();
    clock.advance(100 * HOUR);
    log.trim(clock.now()).unwrap();
    assert_eq!((readable(&data), readable(&buffer)), (0, 20));
    assert!(matches!(log.readable_records(&key("none")), Err(ReadError::StreamNotFound(_))));
    assert_eq!(texts(&log, &buffer, 0, ReadFrom::TrimHorizon).len(), 20, "never before it is consumed");
    assert!(matches!(log.trim_consumed(&data, ShardNumber(0), Position(1)), Err(StreamError::NotABuffer(_))));
    log.trim_consumed(&buffer, ShardNumber(0), Position::after(numbers[9])).unwrap();
    assert!(log.trim(clock.now()).unwrap().segments_deleted > 0);
    let left = texts(&log, &buffer, 0, ReadFrom::TrimHorizon);
    assert!((10..15).contains(&left.len()));
    assert!(left[left.len() - 10].starts_with("10 "));

    // Everything gone: numbers still go up after a restart.
    log.trim_consumed(&buffer, ShardNumber(0), Position::after(numbers[19])).unwrap();
    drop(log);
    let log = open(directory.path(), &clock);
    let next = append(&log, &buffer, &["next"]);
    assert!(next[0] > numbers[19]);
    assert_eq!(next[0].index(), 21);
}

#[test]
fn arrival_never_decreases_when_the_clock_steps_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    append(&log, &stream, &["a"]);
    clock.set(Timestamp(START.0 - 60_000));
    append(&log, &stream, &["b"]);
    drop(log);
    let log = open(directory.path(), &clock);
    append(&log, &stream, &["c"]);
    let batch = log.read(&stream, ShardNumber(0), ReadFrom::TrimHorizon, 10, 1_000).unwrap();
    assert!(batch.records.iter().all(|record| record.arrival == START));
}

#[tokio::test]
async fn a_waiting_reader_is_woken() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    let mut changes = log.changes(&stream).unwrap();
    let appending = log.append(&stream, vec![NewRecord::new("k", "x")]);
    changes.changed().await.unwrap();
    assert_eq!(texts(&log, &stream, 0, ReadFrom::TrimHorizon), ["x"]);
    assert_eq!(appending.await.unwrap().len(), 1);
}

/// Random appends to random streams, with restarts, deletions and trimming, against plain lists.
#[test]
fn the_log_agrees_with_a_model() {
    for seed in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let mut random = Random::from_seed(seed);
        let clock = clock();
        let mut log = open(directory.path(), &clock);
        let mut model: BTreeMap<(StreamKey, u32), Vec<(SequenceNumber, String)>> = BTreeMap::new();
        let mut streams: BTreeMap<StreamKey, u32> = BTreeMap::new();
        for step in 0..150 {
            let name = key(["a", "b", "c"][random.below(3) as usize]);
            match random.below(20) {
                0 => {
                    drop(log);
                    log = open(directory.path(), &clock);
                }
                1 if streams.remove(&name).is_some() => {
                    log.stream_delete(&name).unwrap();
                    model.retain(|(stream, _), _| *stream != name);
                }
                2 => {
                    clock.advance(Duration::from_secs(600));
                    log.trim(clock.now()).unwrap();
                }
                _ => {
                    let shards = *streams.entry(name.clone()).or_insert_with(|| {
                        let shards = 1 + random.below(4) as u32;
                        log.stream_create(&name, shards, Retention::hours(1_000).unwrap()).unwrap();
                        shards
                    });
                    let texts: Vec<String> = (0..1 + random.below(30))
                        .map(|record| format!("{step}-{record}-{}", "x".repeat(random.below(300) as usize)))
                        .collect();
                    let records = texts
                        .iter()
                        .map(|text| NewRecord::new(random.below(1_000).to_string(), text.clone()))
                        .collect();
                    let appended = log.append_blocking(&name, records).unwrap();
                    for (appended, text) in appended.into_iter().zip(texts) {
                        assert!(appended.shard.0 < shards);
                        let list = model.entry((name.clone(), appended.shard.0)).or_default();
                        list.push((appended.sequence_number, text));
                    }
                }
            }
            for ((stream, shard), expected) in &model {
                let start = random.below(expected.len() as u64) as usize;
                let (count, bytes) = (1 + random.below(40) as usize, 1 + random.below(5_000) as usize);
                let from = ReadFrom::At(expected[start].0);
                let batch = log.read(stream, ShardNumber(*shard), from, count, bytes).unwrap();
                assert!(!batch.records.is_empty() && batch.records.len() <= count);
                for (record, (number, text)) in batch.records.iter().zip(&expected[start..]) {
                    assert_eq!(record.sequence_number, *number);
                    assert_eq!(record.data, text.as_bytes());
                }
                let end = start + batch.records.len();
                assert_eq!(batch.next, Position::after(expected[end - 1].0));
            }
        }
    }
}

//! An append that is repeated counts once, whatever happened in between.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Clock, ManualClock, Random, Timestamp};
use millstream_streamlog::{
    AppendError, AppendedBatch, Log, LogSettings, NewRecord, Positions, Producer, RecordBatch,
    RecordBatchBuilder, Retention, StreamKey,
};

const START: Timestamp = Timestamp(1_700_000_000_000);

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Arc<Log> {
    let settings = LogSettings { segment_bytes: 4 << 10, ..LogSettings::default() };
    Log::open(directory, settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap().0
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(START))
}

fn key() -> StreamKey {
    StreamKey::data("s".parse().unwrap())
}

/// Rows `first..next` of a producer, each with a partition key of its own.
fn rows(producer: u64, first: u64, next: u64) -> RecordBatch {
    let mut batch = RecordBatchBuilder::new();
    for number in first..next {
        batch.push(&format!("{producer}-{number}"), format!("{producer}.{number:06}").as_bytes());
    }
    batch.build()
}

fn append(
    log: &Log,
    producer: u64,
    first: u64,
    next: u64,
) -> impl Future<Output = Result<AppendedBatch, AppendError>> + use<> {
    log.append_as(&key(), Producer::new(producer, first), rows(producer, first, next))
}

/// All records of the stream, and that none is there twice.
fn contents(log: &Log) -> BTreeSet<String> {
    let (mut found, mut positions) = (BTreeSet::new(), Positions::new());
    loop {
        let batch = log.read_merged(&key(), &positions, 100, 1 << 20).unwrap();
        for record in batch.iter() {
            let text = String::from_utf8(record.data().to_vec()).unwrap();
            assert!(found.insert(text.clone()), "{text} is there twice");
        }
        if batch.is_caught_up {
            return found;
        }
        positions = batch.next;
    }
}

fn expected(producer: u64, next: u64) -> BTreeSet<String> {
    (0..next).map(|number| format!("{producer}.{number:06}")).collect()
}

#[tokio::test]
async fn repeated_rows_are_dropped_and_counted() {
    for shards in [1, 3] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), &clock());
        log.stream_create(&key(), shards, Retention::default()).unwrap();
        assert_eq!(log.producer_position(&key(), 1).unwrap(), None);
        let first = append(&log, 1, 0, 10).await.unwrap();
        assert_eq!((first.len(), first.duplicates(), first.iter().count()), (10, 0, 10));
        assert_eq!(log.producer_position(&key(), 1).unwrap(), Some(10));
        let again = append(&log, 1, 0, 10).await.unwrap();
        assert_eq!((again.len(), again.duplicates(), again.get(9)), (10, 10, None));
        assert_eq!(again.commit(), first.commit());
        let partly = append(&log, 1, 4, 16).await.unwrap();
        assert_eq!((partly.duplicates(), partly.get(5), partly.get(6).is_some()), (6, None, true));
        assert_eq!(partly.iter().count(), 6);
        assert_eq!(contents(&log), expected(1, 16), "{shards} shards");
        // Another producer has numbers of its own.
        append(&log, 2, 0, 3).await.unwrap();
        assert_eq!(log.producer_list(&key()).unwrap(), [(1, 16), (2, 3)]);
        log.producer_forget(&key(), 1).await.unwrap();
        assert_eq!(log.producer_position(&key(), 1).unwrap(), None);
    }
}

#[tokio::test]
async fn what_a_reader_finds_is_where_the_answer_says() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    log.stream_create(&key(), 4, Retention::default()).unwrap();
    append(&log, 1, 0, 20).await.unwrap();
    let appended = append(&log, 1, 13, 40).await.unwrap();
    let batch = log.read_merged(&key(), &Positions::new(), 100, 1 << 20).unwrap();
    for place in 7..27 {
        let text = format!("1.{:06}", 13 + place);
        let found = batch.iter().find(|record| record.data() == text.as_bytes()).unwrap();
        let said = appended.get(place).unwrap();
        assert_eq!((said.shard, said.sequence_number), (found.shard(), found.sequence_number()));
        assert_eq!(found.commit(), appended.commit());
    }
}

#[tokio::test]
async fn numbers_that_span_more_than_the_records_count_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    log.stream_create(&key(), 1, Retention::default()).unwrap();
    let span = |first, next| log.append_as(&key(), Producer::spanning(7, first, next), rows(7, 0, 2));
    assert_eq!(span(100, 250).await.unwrap().duplicates(), 0);
    assert_eq!(log.producer_position(&key(), 7).unwrap(), Some(250));
    assert_eq!(span(100, 250).await.unwrap().duplicates(), 2);
    let refused = span(200, 300).await.unwrap_err();
    assert!(matches!(refused, AppendError::ProducerOverlap { position: 250, .. }), "{refused}");
    // Numbers without records: what they stood for was not wanted.
    log.append_as(&key(), Producer::spanning(7, 250, 400), RecordBatch::default()).await.unwrap();
    assert_eq!(log.producer_position(&key(), 7).unwrap(), Some(400));
    drop(log);
    let log = open(directory.path(), &clock());
    assert_eq!(log.producer_position(&key(), 7).unwrap(), Some(400));
    assert_eq!(contents(&log).len(), 2);
}

#[tokio::test]
async fn appends_under_way_at_once_are_dropped_too() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    log.stream_create(&key(), 2, Retention::default()).unwrap();
    // All of them wait together and become one commit or a few.
    let appends: Vec<_> = (0..40).map(|step| append(&log, 1, step * 5, step * 5 + 10)).collect();
    for append in appends {
        append.await.unwrap();
    }
    assert_eq!(contents(&log), expected(1, 205));
}

#[tokio::test]
async fn positions_survive_restarts_and_the_trimming_of_everything() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut log = open(directory.path(), &clock);
    let retention = Retention::hours(1).unwrap();
    log.stream_create(&key(), 2, retention).unwrap();
    let other = StreamKey::data("other".parse().unwrap());
    log.stream_create(&other, 1, retention).unwrap();
    log.append_as(&other, Producer::new(1, 0), rows(1, 0, 3)).await.unwrap();
    let mut next = 0;
    for _ in 0..8 {
        for _ in 0..10 {
            append(&log, 1, next, next + 20).await.unwrap();
            next += 20;
        }
        clock.advance(Duration::from_secs(7_200));
        assert!(log.trim(clock.now()).unwrap().segments_deleted > 0);
        drop(log);
        log = open(directory.path(), &clock);
        assert_eq!(log.producer_position(&key(), 1).unwrap(), Some(next));
        assert_eq!(log.producer_position(&other, 1).unwrap(), Some(3));
        assert_eq!(append(&log, 1, next - 10, next).await.unwrap().duplicates(), 10);
    }
    log.stream_delete(&key()).unwrap();
    log.stream_create(&key(), 1, retention).unwrap();
    assert_eq!(log.producer_position(&key(), 1).unwrap(), None, "another stream of the name");
}

#[tokio::test]
async fn a_producer_that_begins_further_on_leaves_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &clock());
    log.stream_create(&key(), 1, Retention::default()).unwrap();
    append(&log, 1, 0, 2).await.unwrap();
    assert_eq!(append(&log, 1, 10, 12).await.unwrap().duplicates(), 0);
    assert_eq!(log.producer_position(&key(), 1).unwrap(), Some(12));
    let records = vec![NewRecord::new("k", "plain")];
    log.append(&key(), records).await.unwrap();
    assert_eq!(contents(&log).len(), 5);
}

/// Random batches from random places not beyond where the producer was, with restarts in between.
#[tokio::test]
async fn r22_any_repetition_gives_every_row_once() {
    for seed in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mut random) = (clock(), Random::from_seed(seed));
        let mut log = open(directory.path(), &clock);
        log.stream_create(&key(), 1 + random.below(3) as u32, Retention::default()).unwrap();
        let mut reached = [0_u64; 3];
        for _ in 0..60 {
            let producer = random.below(3);
            let first = random.below(reached[producer as usize] + 1);
            let next = first + random.below(30);
            append(&log, producer, first, next).await.unwrap();
            reached[producer as usize] = reached[producer as usize].max(next);
            if random.below(10) == 0 {
                drop(log);
                log = open(directory.path(), &clock);
            }
        }
        let all: BTreeSet<String> =
            (0..3).flat_map(|producer| expected(producer, reached[producer as usize])).collect();
        assert_eq!(contents(&log), all, "seed {seed}");
    }
}

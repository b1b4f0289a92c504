//! All shards of a stream in commit order: the same in every reading, with bounds, across splits and merges.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use millstream_host::{Clock, ManualClock, Random, SystemClock, Timestamp};
use millstream_streamlog::{
    Log, LogSettings, NewRecord, Position, Positions, ReadError, ReadFrom, Retention, ShardNumber,
    StreamError, StreamKey,
};

const START: Timestamp = Timestamp(1_700_000_000_000);

fn open(directory: &Path, clock: Arc<dyn Clock>) -> Arc<Log> {
    let settings = LogSettings { segment_bytes: 16 << 10, ..LogSettings::default() };
    Log::open(directory, settings, clock).unwrap().0
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(START))
}

fn key(name: &str) -> StreamKey {
    StreamKey::data(name.parse().unwrap())
}

type Row = (u32, u64, i64, u64, String);

fn read_all(log: &Log, stream: &StreamKey, mut size: impl FnMut() -> (usize, usize)) -> Vec<Row> {
    let (mut rows, mut positions) = (Vec::new(), Positions::new());
    loop {
        let (records, bytes) = size();
        let batch = log.read_merged(stream, &positions, records, bytes).unwrap();
        assert!(batch.len() <= records);
        for record in batch.iter() {
            let text = String::from_utf8(record.data().to_vec()).unwrap();
            let number = record.sequence_number();
            assert_eq!((number.shard(), number.index()), (record.shard(), record.position().0));
            rows.push((record.shard().0, record.position().0, record.arrival().0, record.commit(), text));
        }
        assert!(rows.last().is_none_or(|row| row.2 <= batch.bound.0), "the bound is behind");
        assert!(batch.lost.is_empty(), "{:?}", batch.lost);
        if batch.is_caught_up {
            return rows;
        }
        assert!(!batch.is_empty());
        positions = batch.next;
    }
}

#[test]
fn any_reading_gives_the_same_rows_in_commit_order() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mut random) = (clock(), Random::from_seed(seed));
        let mut log = open(directory.path(), clock.clone());
        let (stream, other) = (key("s"), key("other"));
        log.stream_create(&stream, 5, Retention::default()).unwrap();
        log.stream_create(&other, 2, Retention::default()).unwrap();
        let mut appended = Vec::new();
        for step in 0..120 {
            let target = if random.below(3) == 0 { &other } else { &stream };
            let records: Vec<_> = (0..1 + random.below(12))
                .map(|record| {
                    let padding = "x".repeat(random.below(400) as usize);
                    NewRecord::new(random.below(50).to_string(), format!("{step:03}.{record:02} {padding}"))
                })
                .collect();
            if target == &stream {
                appended.extend(records.iter().map(|record| record.data.to_vec()));
            }
            log.append_blocking(target, records).unwrap();
            clock.advance(Duration::from_millis(random.below(20)));
            if random.below(40) == 0 {
                drop(log);
                log = open(directory.path(), clock.clone());
            }
        }
        let whole = read_all(&log, &stream, || (usize::MAX, usize::MAX));
        assert_eq!(whole.len(), appended.len());
        assert!(whole.windows(2).all(|pair| pair[0].2 <= pair[1].2 && pair[0].3 <= pair[1].3));
        // The text begins with the number of the append: commits are in that order.
        assert!(whole.windows(2).all(|pair| pair[0].4[..3] <= pair[1].4[..3]));
        let texts: BTreeSet<Vec<u8>> = whole.iter().map(|row| row.4.clone().into_bytes()).collect();
        assert_eq!(texts, appended.into_iter().collect());
        for _ in 0..4 {
            let parts =
                read_all(&log, &stream, || (1 + random.below(30) as usize, 1 + random.below(3_000) as usize));
            assert_eq!(parts, whole, "seed {seed}");
        }
        for shard in 0..5 {
            let alone = log.read(&stream, ShardNumber(shard), ReadFrom::TrimHorizon, 9_999, 1 << 30).unwrap();
            let alone: Vec<u64> = alone.records.iter().map(|record| record.sequence_number.index()).collect();
            let merged: Vec<u64> = whole.iter().filter(|row| row.0 == shard).map(|row| row.1).collect();
            assert_eq!(alone, merged);
        }
    }
}

#[test]
fn m4_arrivals_never_go_back_over_all_shards_nor_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), clock.clone());
    let (stream, other) = (key("s"), key("other"));
    log.stream_create(&stream, 2, Retention::default()).unwrap();
    log.stream_create(&other, 1, Retention::default()).unwrap();
    let put = |log: &Log, key: &StreamKey, hash: u128| {
        let record = NewRecord { explicit_hash_key: Some(hash), ..NewRecord::new("k", "x") };
        log.append_blocking(key, vec![record]).unwrap();
    };
    put(&log, &stream, 0);
    clock.set(Timestamp(START.0 - 3_600_000));
    clock.advance(Duration::from_secs(1));
    put(&log, &stream, u128::MAX);
    assert_eq!(log.clock().ahead_of_wall(), Duration::from_secs(3_600));
    let batch = log.read_merged(&stream, &Positions::new(), 10, 1_000).unwrap();
    let arrivals: Vec<i64> = batch.iter().map(|record| record.arrival().0 - START.0).collect();
    assert_eq!(arrivals, [0, 1_000]);
    assert_eq!(batch.bound, Timestamp(START.0 + 1_000));
    // The newest arrival is of another stream, and its records are gone.
    clock.advance(Duration::from_secs(5));
    put(&log, &other, 0);
    log.stream_delete(&other).unwrap();
    drop(log);
    let log = open(directory.path(), clock.clone());
    put(&log, &stream, 0);
    let batch = log.read_merged(&stream, &Positions::new(), 10, 1_000).unwrap();
    assert_eq!(batch.iter().last().unwrap().arrival(), Timestamp(START.0 + 6_000));
}

#[test]
fn idle_shards_hold_nobody_and_the_bound_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), clock.clone());
    let stream = key("s");
    log.stream_create(&stream, 8, Retention::default()).unwrap();
    log.append_blocking(&stream, vec![NewRecord::new("a", "1"), NewRecord::new("a", "2")]).unwrap();
    let one = log.read_merged(&stream, &Positions::new(), 1, 1_000).unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!((one.len(), one.is_caught_up, one.bound), (1, false, START));
    let two = log.read_merged(&stream, &one.next, 10, 1_000).unwrap();
    assert_eq!((two.len(), two.is_caught_up, two.bound.0), (1, true, START.0 + 10_000));
    clock.advance(Duration::from_secs(1));
    let none = log.read_merged(&stream, &two.next, 10, 1_000).unwrap();
    assert_eq!((none.len(), none.bound.0), (0, START.0 + 11_000));
    assert_eq!(none.next.len(), 8);
    assert!(log.read_merged(&stream, &none.next, 0, 0).unwrap().is_empty());
}

#[test]
fn h5_positions_beyond_the_end_and_records_that_are_gone_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), clock.clone());
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::hours(1).unwrap()).unwrap();
    let put = |count: usize| {
        for _ in 0..count {
            log.append_blocking(&stream, vec![NewRecord::new("k", "x".repeat(1_000))]).unwrap();
        }
    };
    put(50);
    let beyond = Positions::from([(ShardNumber(0), Position(52))]);
    let refused = log.read_merged(&stream, &beyond, 1, 1).unwrap_err();
    assert!(matches!(refused, ReadError::BeyondEnd { end: Position(51), .. }), "{refused}");
    clock.advance(Duration::from_secs(3_601));
    put(5);
    let from = |index| Positions::from([(ShardNumber(0), Position(index))]);
    // Past the retention, though still on disk; then deleted: the same to a reader.
    for trimmed in [false, true] {
        if trimmed {
            assert!(log.trim(clock.now()).unwrap().segments_deleted > 0);
        }
        let batch = log.read_merged(&stream, &from(21), 100, 1 << 20).unwrap();
        assert_eq!((batch.len(), batch.lost.clone()), (5, BTreeMap::from([(ShardNumber(0), 30)])));
        assert_eq!(batch.get(0).unwrap().position(), Position(51));
        let batch = log.read_merged(&stream, &Positions::new(), 100, 1 << 20).unwrap();
        assert_eq!((batch.len(), batch.lost.len()), (5, 0), "who never read has lost nothing");
    }
    let extents = log.extent(&stream).unwrap().shards;
    assert!(extents[0].start > Position(1) && extents[0].end == Position(56) && !extents[0].is_finished);
    assert!(matches!(log.read_merged(&key("none"), &beyond, 1, 1), Err(ReadError::StreamNotFound(_))));
}

#[test]
fn splitting_and_merging_follow_the_published_rules() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), clock());
    let stream = key("s");
    log.stream_create(&stream, 1, Retention::default()).unwrap();
    let after = log.stream_split(&stream, ShardNumber(0), 1 << 127).unwrap();
    assert_eq!(after.shards.len(), 3);
    assert!(after.shards[0].ending_sequence_number().is_some());
    for child in &after.shards[1..] {
        assert_eq!(
            (child.parent, child.adjacent_parent, child.closed_at),
            (Some(ShardNumber(0)), None, None)
        );
        assert!(child.created_at > after.shards[0].closed_at.unwrap());
    }
    assert_eq!(after.shards[2].hash_range.starting, 1 << 127);
    let split = |shard, at| log.stream_split(&stream, ShardNumber(shard), at);
    assert!(matches!(split(0, 5), Err(StreamError::ShardClosed { .. })));
    assert!(matches!(split(1, 0), Err(StreamError::SplitPoint { .. })));
    assert!(matches!(split(1, 1 << 127), Err(StreamError::SplitPoint { .. })));
    assert!(matches!(split(9, 5), Err(StreamError::ShardNotFound { .. })));
    let quarter = split(2, 3 << 126).unwrap();
    assert_eq!(quarter.shards.len(), 5);
    let merge = |left, right| log.stream_merge(&stream, ShardNumber(left), ShardNumber(right));
    assert!(matches!(merge(1, 4), Err(StreamError::NotAdjacent { .. })));
    let merged = merge(3, 1).unwrap();
    let last = merged.shards.last().unwrap();
    assert_eq!(
        (last.number.0, last.parent, last.adjacent_parent),
        (5, Some(ShardNumber(3)), Some(ShardNumber(1)))
    );
    assert_eq!((last.hash_range.starting, last.hash_range.ending), (0, (3 << 126) - 1));
    let open = |count: u32| {
        let described = log.stream_update_shard_count(&stream, count).unwrap();
        let mut ranges: Vec<_> = described
            .shards
            .iter()
            .filter(|shard| shard.closed_at.is_none())
            .map(|shard| shard.hash_range)
            .collect();
        ranges.sort_by_key(|range| range.starting);
        (described.shards, ranges)
    };
    let mut numbers = BTreeSet::new();
    for count in [4, 3, 7, 14, 5, 1, 2] {
        let (all, ranges) = open(count);
        assert_eq!(ranges.len(), count as usize);
        let directory = tempfile::tempdir().unwrap();
        let fresh = self::open(directory.path(), clock());
        let fresh = fresh.stream_create(&stream, count, Retention::default()).unwrap();
        assert_eq!(ranges, fresh.shards.iter().map(|shard| shard.hash_range).collect::<Vec<_>>());
        let unique: BTreeSet<u32> = all.iter().map(|shard| shard.number.0).collect();
        assert_eq!(unique.len(), all.len(), "numbers are never used twice");
        assert!(numbers.is_subset(&unique));
        numbers = unique;
    }
    let (before, _) = open(2);
    assert_eq!(open(2).0, before, "nothing to do");
    drop(log);
    let log = self::open(directory.path(), clock());
    assert_eq!(log.stream_describe(&stream).unwrap().shards, before);
    assert!(log.stream_update_shard_count(&stream, 0).is_err());
}

/// Threads append in order under keys of their own while shards are split and merged and a reader follows: every key's
/// records come once and in order, a parent's before its children's.
#[test]
fn resharding_under_load_keeps_every_record_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Arc::new(SystemClock));
    let stream = key("s");
    log.stream_create(&stream, 2, Retention::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let appended = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (log, stream, stop) = (Arc::clone(&log), stream.clone(), Arc::clone(&stop));
            let appended = Arc::clone(&appended);
            std::thread::spawn(move || {
                let mut count = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let records = (0..10).map(|record| {
                        let number = count + record;
                        NewRecord::new(format!("{writer}.{}", number % 16), format!("{number:08}"))
                    });
                    log.append_blocking(&stream, records.collect()).unwrap();
                    appended.fetch_add(1, Ordering::SeqCst);
                    count += 10;
                }
                count
            })
        })
        .collect();
    for count in [4, 2, 5, 1, 3, 8, 2] {
        // Each count of shards gets some records of each writer.
        let before = appended.load(Ordering::SeqCst);
        while appended.load(Ordering::SeqCst) < before + 8 {
            std::thread::yield_now();
        }
        log.stream_update_shard_count(&stream, count).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let written: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    // A shard is finished when what was on its way to it is durable, a moment after it was closed; this record is behind.
    log.append_blocking(&stream, vec![NewRecord::new("end", "end")]).unwrap();
    let total = written + 1;
    let check = |log: &Log| {
        let description = log.stream_describe(&stream).unwrap();
        let parents: BTreeMap<u32, Vec<u32>> = description
            .shards
            .iter()
            .map(|shard| {
                let parents = shard.parent.into_iter().chain(shard.adjacent_parent);
                (shard.number.0, parents.map(|parent| parent.0).collect())
            })
            .collect();
        let (mut last, mut finished) = (BTreeMap::<String, String>::new(), BTreeSet::new());
        let (mut positions, mut count) = (Positions::new(), 0);
        loop {
            let batch = log.read_merged(&stream, &positions, 97, 1 << 20).unwrap();
            for record in batch.iter() {
                assert!(!finished.contains(&record.shard().0), "a parent's record after its child's");
                finished.extend(parents[&record.shard().0].iter().copied());
                let text = String::from_utf8(record.data().to_vec()).unwrap();
                let before = last.insert(record.partition_key().to_owned(), text.clone());
                assert!(before.is_none_or(|before| before < text), "out of order");
                count += 1;
            }
            if batch.is_caught_up {
                break;
            }
            positions = batch.next;
        }
        assert_eq!(count, total);
        for shard in &description.shards {
            let read = log.read(&stream, shard.number, ReadFrom::Latest, 1, 1).unwrap();
            assert_eq!(read.end_of_shard, shard.closed_at.is_some());
        }
    };
    check(&log);
    drop(log);
    check(&open(directory.path(), Arc::new(SystemClock)));
}

/// A thousand shards that are written at once: who reads one of them reads little else, and who reads all of them reads
/// each byte once.
#[test]
fn r17_readers_of_busy_shards_skip_what_they_do_not_want() {
    let directory = tempfile::tempdir().unwrap();
    let settings = LogSettings { segment_bytes: 4 << 20, ..LogSettings::default() };
    let log = Log::open(directory.path(), settings, clock()).unwrap().0;
    let stream = key("s");
    const SHARDS: u64 = 1_000;
    log.stream_create(&stream, SHARDS as u32, Retention::default()).unwrap();
    let width = u128::MAX / u128::from(SHARDS);
    for round in 0..20 {
        let records = (0..SHARDS).map(|shard| NewRecord {
            explicit_hash_key: Some(u128::from(shard) * width + width / 2),
            ..NewRecord::new("key", format!("{round}.{shard} {}", "x".repeat(500)))
        });
        log.append_blocking(&stream, records.collect()).unwrap();
    }
    let written = log.statistics().committed_bytes;
    assert!(written > 10 << 20 && log.statistics().segments > 2);
    // The indexes of the sealed segments are read once.
    log.read(&stream, ShardNumber(0), ReadFrom::TrimHorizon, 1_000, 1 << 20).unwrap();
    for shard in [1, 500, 999] {
        let before = log.statistics().read_bytes;
        let read = log.read(&stream, ShardNumber(shard), ReadFrom::TrimHorizon, 1_000, 1 << 20).unwrap();
        let cost = log.statistics().read_bytes - before;
        assert_eq!(read.records.len(), 20);
        assert!(cost < 20 * 700, "{cost} bytes of {written} for one shard of a thousand");
    }
    let before = log.statistics().read_bytes;
    let (mut positions, mut count) = (Positions::new(), 0);
    loop {
        let batch = log.read_merged(&stream, &positions, 10_000, 1 << 20).unwrap();
        count += batch.len();
        if batch.is_caught_up {
            break;
        }
        positions = batch.next;
    }
    let cost = log.statistics().read_bytes - before;
    assert_eq!(count, 20 * SHARDS as usize);
    assert!(cost < written * 5 / 4, "{cost} bytes of {written} for all shards");
}

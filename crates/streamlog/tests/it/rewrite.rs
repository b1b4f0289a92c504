//! A stream that keeps its records for long does not keep those of others.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_host::{Clock, ManualClock, Timestamp};
use millstream_streamlog::{
    Log, LogSettings, NewRecord, Position, Positions, Producer, RecordBatch, Retention, ShardNumber,
    StreamKey,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Arc<Log> {
    let settings = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
    Log::open(directory, settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap().0
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)))
}

fn keys() -> (StreamKey, StreamKey) {
    (StreamKey::data("kept".parse().unwrap()), StreamKey::data("busy".parse().unwrap()))
}

/// Of two streams that share segments one keeps its records for a year, the other, with most of the bytes, for an hour.
fn fill(log: &Log, clock: &ManualClock, rounds: std::ops::Range<u32>) {
    let (kept, busy) = keys();
    for round in rounds {
        let records = (0..3).map(|place| NewRecord::new(format!("{place}"), format!("{round:05}.{place}")));
        log.append_blocking(&kept, records.collect()).unwrap();
        log.append_blocking(&busy, vec![NewRecord::new("k", vec![b'x'; 3_000])]).unwrap();
        clock.advance(Duration::from_millis(5));
    }
}

fn create(log: &Log) {
    let (kept, busy) = keys();
    log.stream_create(&kept, 2, Retention::hours(8_760).unwrap()).unwrap();
    log.stream_create(&busy, 1, Retention::hours(1).unwrap()).unwrap();
}

fn kept(log: &Log, most: usize) -> Vec<(u32, u64, u64, i64, String)> {
    let (mut rows, mut positions) = (Vec::new(), Positions::new());
    loop {
        let batch = log.read_merged(&keys().0, &positions, most, 1 << 20).unwrap();
        assert!(batch.lost.is_empty());
        rows.extend(batch.iter().map(|record| {
            let text = String::from_utf8(record.data().to_vec()).unwrap();
            let arrival = record.arrival().millis();
            (record.shard().0, record.position().0, record.commit(), arrival, text)
        }));
        if batch.is_caught_up {
            return rows;
        }
        positions = batch.next;
    }
}

fn trim(log: &Log, clock: &ManualClock) -> usize {
    let mut rewritten = 0;
    loop {
        let report = log.trim(clock.now()).unwrap();
        if report.segments_rewritten == 0 {
            return rewritten;
        }
        rewritten += report.segments_rewritten;
    }
}

#[test]
fn low_a_stream_that_keeps_its_records_does_not_keep_those_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    create(&log);
    let (_, busy) = keys();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(log.append_as(
            &busy,
            Producer::new(7, 0),
            RecordBatch::from(vec![NewRecord::new("k", "x")]),
        ))
        .unwrap();
    fill(&log, &clock, 0..300);
    let before = kept(&log, 10_000);
    assert_eq!(before.len(), 900);
    assert_eq!(trim(&log, &clock), 0);
    let full = log.statistics().segment_bytes;
    clock.advance(2 * HOUR);
    fill(&log, &clock, 300..301);
    let before = [before, kept(&log, 10_000)[900..].to_vec()].concat();
    assert!(trim(&log, &clock) > 10);
    let small = log.statistics().segment_bytes;
    assert!(small < full / 4, "{small} of {full} bytes are left");
    let on_disk: u64 = fs::read_dir(directory.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(on_disk, small);
    assert_eq!(trim(&log, &clock), 0, "once is enough");
    let check = |log: &Log| {
        for most in [10_000, 7] {
            assert_eq!(kept(log, most), before);
        }
        let from = Positions::from([(ShardNumber(0), Position(1))]);
        let batch = log.read_merged(&busy, &from, 10, 1 << 20).unwrap();
        assert_eq!((batch.len(), batch.lost[&ShardNumber(0)]), (1, 301));
        assert_eq!(log.producer_position(&busy, 7).unwrap(), Some(1));
    };
    check(&log);
    drop(log);
    let log = open(directory.path(), &clock);
    check(&log);
    drop(log);
    // Without the index at its end, such a segment is read whole; a flipped bit in a record is found.
    let mut segments: Vec<_> =
        fs::read_dir(directory.path().join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let mut bytes = fs::read(&segments[2]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&segments[2], &bytes).unwrap();
    check(&open(directory.path(), &clock));
    bytes[last] ^= 1;
    bytes[150] ^= 1;
    fs::write(&segments[2], &bytes).unwrap();
    let log = open(directory.path(), &clock);
    assert!(log.read_merged(&keys().0, &Positions::new(), 10_000, 1 << 20).is_err());
}

#[test]
fn readers_and_writers_go_on_while_segments_are_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(directory.path(), &clock);
    create(&log);
    fill(&log, &clock, 0..400);
    let before = kept(&log, 10_000);
    clock.advance(2 * HOUR);
    fill(&log, &clock, 400..401);
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [13, 200, 5_000]
        .into_iter()
        .map(|most| {
            let (log, stop, before) = (Arc::clone(&log), Arc::clone(&stop), before.clone());
            std::thread::spawn(move || {
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) || rounds == 0 {
                    let found = kept(&log, most);
                    assert_eq!(found[..before.len()], before);
                    rounds += 1;
                }
            })
        })
        .collect();
    let writer = {
        let (log, clock) = (Arc::clone(&log), Arc::clone(&clock));
        std::thread::spawn(move || fill(&log, &clock, 401..600))
    };
    assert!(trim(&log, &clock) > 10);
    writer.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(kept(&log, 10_000).len(), 1_800);
    drop(log);
    assert_eq!(kept(&open(directory.path(), &clock), 10_000).len(), 1_800);
}

//! What a log does with the files that a stop, or rot, left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_host::{ManualClock, Timestamp};
use millstream_streamlog::{
    Log, LogSettings, NewRecord, OpenError, Positions, Producer, ReadError, ReadFrom, RecordBatch,
    RecoveryReport, Retention, ShardNumber, StreamKey,
};

fn settings() -> LogSettings {
    LogSettings { segment_bytes: 4 << 10, ..LogSettings::default() }
}

fn key() -> StreamKey {
    StreamKey::data("s".parse().unwrap())
}

fn open(directory: &Path) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
    open_at(directory, 1_700_000_000_000)
}

fn open_at(directory: &Path, millis: i64) -> Result<(Arc<Log>, RecoveryReport), OpenError> {
    Log::open(directory, settings(), Arc::new(ManualClock::starting_at(Timestamp(millis))))
}

fn contents(log: &Log) -> Result<Vec<String>, ReadError> {
    let batch = log.read(&key(), ShardNumber(0), ReadFrom::TrimHorizon, 10_000, 1 << 20)?;
    Ok(batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect())
}

fn append(log: &Log, text: &str) {
    log.append_blocking(&key(), vec![NewRecord::new("k", text.to_owned())]).unwrap();
}

/// A log with one stream of one shard and the given records, one commit each.
fn written(records: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (log, report) = open(directory.path()).unwrap();
    assert!(report.created);
    log.stream_create(&key(), 1, Retention::default()).unwrap();
    for record in records {
        append(&log, record);
    }
    directory
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(directory.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("segments")).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if name.to_str().unwrap().starts_with("catalog") {
            fs::copy(path, to.path().join(name)).unwrap();
        }
    }
    for path in segments(from) {
        fs::copy(&path, to.path().join("segments").join(path.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let original = written(&["one", "two", "three"]);
    let before = written(&["one", "two"]);
    let whole = fs::read(&segments(original.path())[0]).unwrap();
    let kept = fs::metadata(&segments(before.path())[0]).unwrap().len() as usize;
    for length in kept..whole.len() {
        for filler in [None, Some(0_u8), Some(0xff)] {
            let directory = copy(original.path());
            let mut bytes = whole[..length].to_vec();
            if let Some(filler) = filler {
                // The file got its new length, but not all of its new bytes.
                bytes.resize(whole.len(), filler);
                if bytes == whole {
                    continue;
                }
            }
            fs::write(&segments(directory.path())[0], &bytes).unwrap();
            let (log, report) = open(directory.path()).unwrap();
            assert_eq!(contents(&log).unwrap(), ["one", "two"], "{length}");
            assert_eq!(report.torn_tail.is_some(), bytes.len() > kept);
            append(&log, "four");
            drop(log);
            let (log, report) = open(directory.path()).unwrap();
            assert_eq!(report.torn_tail, None, "recovery is done once");
            assert_eq!(contents(&log).unwrap(), ["one", "two", "four"]);
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_with_its_place_or_a_cut_tail_never_a_silent_loss() {
    let records = ["one", "two", "three", "four"];
    let original = written(&records);
    let whole = fs::read(&segments(original.path())[0]).unwrap();
    let last = fs::read(&segments(written(&records[..3]).path())[0]).unwrap().len();
    for place in 0..whole.len() {
        let directory = copy(original.path());
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        let path = segments(directory.path())[0].clone();
        fs::write(&path, &bytes).unwrap();
        match open(directory.path()) {
            Ok((log, report)) if place >= last => {
                assert!(report.torn_tail.is_some());
                assert_eq!(contents(&log).unwrap(), records[..3]);
            }
            Ok((log, _)) => {
                // The header has unused bytes at its end.
                assert!((36..40).contains(&place) || place < 40, "byte {place} was not noticed");
                assert_eq!(contents(&log).unwrap(), records);
            }
            Err(OpenError::Damaged(damage)) => {
                assert!(place < last, "byte {place}");
                assert_eq!(damage.path(), path);
                assert!(damage.offset() <= place as u64);
                assert_eq!(fs::read(&path).unwrap(), bytes, "damage is left as it is");
            }
            Err(OpenError::Format { .. }) => unreachable!("the header's checksum comes first"),
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
}

#[test]
fn m3_damage_in_a_sealed_segment_surfaces_when_it_is_read_or_opened() {
    let padding = "x".repeat(500);
    let records: Vec<String> = (0..30).map(|number| format!("{number} {padding}")).collect();
    let texts: Vec<&str> = records.iter().map(String::as_str).collect();
    let original = written(&texts);
    assert!(segments(original.path()).len() > 3);
    let whole = fs::read(&segments(original.path())[1]).unwrap();
    for place in (0..whole.len()).step_by(7) {
        let directory = copy(original.path());
        let path = segments(directory.path())[1].clone();
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let found = match open(directory.path()) {
            Ok((log, report)) => {
                assert_eq!(report.torn_tail, None);
                contents(&log)
            }
            Err(OpenError::Damaged(damage)) => Err(ReadError::Damaged(damage)),
            Err(other) => panic!("byte {place}: {other}"),
        };
        match found {
            // In the index at the end: the segment was read whole instead.
            Ok(found) => assert_eq!(found, texts, "byte {place}"),
            Err(ReadError::Damaged(damage)) => assert_eq!(damage.path(), path),
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
}

#[test]
fn a_sealed_log_opens_by_its_indexes_and_a_missing_segment_is_named() {
    let padding = "x".repeat(500);
    let records: Vec<String> = (0..30).map(|number| format!("{number} {padding}")).collect();
    let texts: Vec<&str> = records.iter().map(String::as_str).collect();
    let directory = written(&texts);
    let count = segments(directory.path()).len();
    let (log, report) = open(directory.path()).unwrap();
    assert_eq!((report.segments, report.segments_scanned), (count, 1));
    assert_eq!(contents(&log).unwrap(), texts);
    drop(log);
    let missing = segments(directory.path())[1].clone();
    fs::remove_file(&missing).unwrap();
    let refused = open(directory.path()).unwrap_err();
    assert!(matches!(&refused, OpenError::SegmentMissing { path } if *path == missing), "{refused}");
}

#[test]
fn leftovers_of_a_stop_between_two_steps_are_put_in_order() {
    let padding = "x".repeat(500);
    let records: Vec<String> = (0..10).map(|number| format!("{number} {padding}")).collect();
    let texts: Vec<&str> = records.iter().map(String::as_str).collect();
    let directory = written(&texts);
    let last = segments(directory.path()).len() as u64;
    // A segment was begun and its header did not reach the disk: nothing, a part, or zeros.
    for leftover in [vec![], vec![b'M'; 7], vec![0; 40]] {
        let new = directory.path().join(format!("segments/{:020}.log", last + 1));
        // The one before is sealed, as it is before the next is begun.
        let copied = copy(directory.path());
        fs::write(copied.path().join("segments").join(new.file_name().unwrap()), leftover).unwrap();
        let (log, report) = open(copied.path()).map_err(|error| error.to_string()).unwrap();
        assert_eq!(report.segments_removed, 1);
        assert_eq!(contents(&log).unwrap(), texts);
        append(&log, "next");
        drop(log);
        assert_eq!(contents(&open(copied.path()).unwrap().0).unwrap().len(), 11);
    }
    // A catalog that was being replaced.
    fs::write(directory.path().join("catalog.new"), "half").unwrap();
    assert_eq!(contents(&open(directory.path()).unwrap().0).unwrap(), texts);
}

#[test]
fn a_broken_or_missing_catalog_is_an_error() {
    let directory = written(&["one"]);
    let path = directory.path().join("catalog");
    let good = fs::read_to_string(&path).unwrap();
    for bad in
        ["", "x", &good[..good.len() - 1], &good.replace("\"first_segment\": 1", "\"first_segment\": 2")]
    {
        fs::write(&path, bad).unwrap();
        let refused = open(directory.path()).unwrap_err();
        assert!(matches!(refused, OpenError::Catalog { .. }), "{refused}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Catalog { .. })));
    fs::write(&path, good).unwrap();
    assert_eq!(contents(&open(directory.path()).unwrap().0).unwrap(), ["one"]);
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (left, right) = (written(&["one"]), written(&["one"]));
    fs::copy(&segments(left.path())[0], &segments(right.path())[0]).unwrap();
    assert!(matches!(open(right.path()), Err(OpenError::Damaged(_))));
}

/// Files written by the first version of the format are readable for ever.
#[test]
fn format_1_opens() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1");
    if std::env::var_os("MILLSTREAM_WRITE_FIXTURES").is_some() && !fixture.exists() {
        let padding = "x".repeat(500);
        let records: Vec<String> = (0..10).map(|number| format!("{number} {padding}")).collect();
        let texts: Vec<&str> = records.iter().map(String::as_str).collect();
        let made = written(&texts);
        fs::create_dir_all(fixture.join("segments")).unwrap();
        fs::copy(made.path().join("catalog"), fixture.join("catalog")).unwrap();
        for path in segments(made.path()) {
            fs::copy(&path, fixture.join("segments").join(path.file_name().unwrap())).unwrap();
        }
    }
    let directory = copy(&fixture);
    let (log, report) = open(directory.path()).unwrap();
    assert_eq!((report.streams, report.torn_tail), (1, None));
    let found = contents(&log).unwrap();
    assert_eq!(found.len(), 10);
    assert!(found[9].starts_with("9 xxx"));
    let numbers = log.read(&key(), ShardNumber(0), ReadFrom::TrimHorizon, 1, 1).unwrap();
    assert_eq!(
        numbers.records[0].sequence_number.to_string(),
        "49646437577108476416916876405827138351405044305449975810"
    );
}

/// A directory of the first format with several shards, a delivery buffer, a deleted stream and trimmed segments: it
/// opens, is read in commit order, and is written on in the format of today.
#[test]
fn format_1_with_shards_opens_and_goes_on() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1-shards");
    let directory = copy(&fixture);
    let buffer = StreamKey::delivery("s".parse().unwrap());
    let merged = |log: &Log, key: &StreamKey| {
        let batch = log.read_merged(key, &Positions::new(), 1_000, 1 << 20).unwrap();
        batch.iter().map(|record| String::from_utf8_lossy(record.data()).into_owned()).collect::<Vec<_>>()
    };
    let (log, report) = open_at(directory.path(), 1_700_007_300_000).unwrap();
    assert_eq!((report.streams, report.segments, report.torn_tail), (2, 4, None));
    for key in [key(), buffer.clone()] {
        let found = merged(&log, &key);
        assert_eq!(
            found.len(),
            40,
            "the ten newest appends of four records; the others are past the retention"
        );
        assert!(found.windows(2).all(|pair| pair[0][..2] <= pair[1][..2]), "appends in order");
        assert!(found[0].starts_with("20."));
    }
    assert_eq!(log.producer_position(&key(), 1).unwrap(), None);
    let rows = RecordBatch::from(vec![NewRecord::new("k", "30.0"), NewRecord::new("l", "30.1")]);
    let append = |log: &Log, from| log.append_as(&key(), Producer::new(1, from), rows.clone());
    block_on(append(&log, 0)).unwrap();
    log.stream_update_shard_count(&key(), 2).unwrap();
    let before = merged(&log, &key());
    assert_eq!(before.len(), 42);
    drop(log);
    let (log, _) = open_at(directory.path(), 1_700_007_300_000).unwrap();
    assert_eq!(merged(&log, &key()), before);
    assert_eq!(log.producer_position(&key(), 1).unwrap(), Some(2));
    assert_eq!(block_on(append(&log, 1)).unwrap().duplicates(), 1);
    let last = log.read_merged(&key(), &Positions::new(), 1_000, 1 << 20).unwrap();
    assert!(last.iter().last().unwrap().arrival() >= Timestamp(1_700_007_300_000));
    assert!(last.iter().zip(last.iter().skip(1)).all(|(left, right)| left.commit() <= right.commit()));
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

//! A full disk, a failing sync, a failing cut: nothing acknowledged is lost, nothing refused appears.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Clock, Disk, ManualClock, Random, SimulatedDisk, Timestamp};

use crate::{AppendError, Log, LogSettings, NewRecord, ReadFrom, Retention, ShardNumber, StreamKey};

struct Setup {
    disk: SimulatedDisk,
    key: StreamKey,
}

impl Setup {
    fn new() -> (Setup, Arc<Log>) {
        let key = StreamKey::data("s".parse().unwrap());
        let setup = Setup { disk: SimulatedDisk::new(), key };
        let log = setup.open();
        log.stream_create(&setup.key, 1, Retention::default()).unwrap();
        (setup, log)
    }

    fn open(&self) -> Arc<Log> {
        self.open_at(&Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000))))
    }

    fn open_at(&self, clock: &Arc<ManualClock>) -> Arc<Log> {
        let clock = Arc::clone(clock);
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let settings = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
        Log::open_on(Path::new("/data/log"), settings, clock, Random::from_seed(1), disk).unwrap().0
    }

    fn append(&self, log: &Log, data: &str) -> Result<(), AppendError> {
        log.append_blocking(&self.key, vec![NewRecord::new("k", data.to_owned())]).map(drop)
    }

    fn contents(&self, log: &Log) -> Vec<String> {
        let batch = log.read(&self.key, ShardNumber(0), ReadFrom::TrimHorizon, 1_000, 1 << 20).unwrap();
        batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
    }
}

#[test]
fn a_full_disk_refuses_appends_serves_reads_and_recovers() {
    for room in [0, 1, 30, 60] {
        let (setup, log) = Setup::new();
        setup.append(&log, "one").unwrap();
        setup.disk.set_room(Some(room));
        let refused = setup.append(&log, "refused").unwrap_err();
        assert!(matches!(refused, AppendError::DiskFull(_)), "{refused}");
        assert!(refused.to_string().starts_with("the disk is full, nothing was written"), "{refused}");
        assert_eq!(setup.contents(&log), ["one"]);
        setup.disk.set_room(None);
        setup.append(&log, "two").unwrap();
        assert_eq!(setup.contents(&log), ["one", "two"]);
        drop(log);
        assert_eq!(setup.contents(&setup.open()), ["one", "two"], "after {room} bytes");
    }
}

#[test]
fn a_full_disk_that_cannot_even_be_cut_stays_refused_until_it_can() {
    let (setup, log) = Setup::new();
    setup.append(&log, "one").unwrap();
    setup.disk.set_room(Some(20));
    setup.disk.fail_truncates(2);
    setup.append(&log, "refused").unwrap_err();
    setup.disk.set_room(None);
    let refused = setup.append(&log, "refused too").unwrap_err();
    assert!(matches!(refused, AppendError::Disk(_)), "{refused}");
    setup.append(&log, "two").unwrap();
    assert_eq!(setup.contents(&log), ["one", "two"]);
    drop(log);
    assert_eq!(setup.contents(&setup.open()), ["one", "two"]);
}

#[test]
fn a_failed_sync_is_never_acknowledged_and_its_records_never_appear() {
    let (setup, log) = Setup::new();
    setup.append(&log, "one").unwrap();
    // The commit's own sync, then the one that would make the cut durable.
    setup.disk.fail_syncs(2);
    setup.append(&log, "refused").unwrap_err();
    setup.append(&log, "refused too").unwrap_err();
    assert_eq!(setup.contents(&log), ["one"]);
    setup.append(&log, "two").unwrap();
    setup.append(&log, "three").unwrap();
    assert_eq!(setup.contents(&log), ["one", "two", "three"]);
    assert_eq!(log.statistics().segments, 2, "a new segment was begun");
    drop(log);
    let log = setup.open();
    assert_eq!(setup.contents(&log), ["one", "two", "three"]);
    setup.append(&log, "four").unwrap();
    assert_eq!(setup.contents(&log), ["one", "two", "three", "four"]);
}

#[test]
fn failures_while_a_segment_is_changed_lose_nothing() {
    for failing_syncs in 1..=4 {
        let (setup, log) = Setup::new();
        let big = "x".repeat(9_000);
        let mut kept = 0;
        for round in 0..150 {
            if round % 20 == 10 {
                setup.disk.fail_syncs(failing_syncs);
            }
            kept += usize::from(setup.append(&log, &big).is_ok());
        }
        let count = |log: &Log| {
            let mut from = ReadFrom::TrimHorizon;
            let mut count = 0;
            loop {
                let batch = log.read(&setup.key, ShardNumber(0), from, 10, 20 << 20).unwrap();
                if batch.records.is_empty() {
                    return count;
                }
                count += batch.records.len();
                from = ReadFrom::Position(batch.next);
            }
        };
        assert!(kept < 150);
        assert_eq!(count(&log), kept);
        drop(log);
        assert_eq!(count(&setup.open()), kept);
    }
}

#[test]
fn a_log_on_a_full_disk_opens_and_serves_reads() {
    let (setup, log) = Setup::new();
    let big = "x".repeat(9_000);
    while setup.append(&log, &big).is_ok() {
        // Room for the index at the end of the first segment, not for the next segment's header.
        if log.statistics().segment_bytes > 55_000 {
            setup.disk.set_room(Some(1_000));
        }
    }
    let kept = setup.contents(&log).len();
    drop(log);
    let log = setup.open();
    assert_eq!(setup.contents(&log).len(), kept);
    setup.disk.set_room(Some(0));
    assert!(matches!(setup.append(&log, &big), Err(AppendError::DiskFull(_))));
    drop(log);
    let log = setup.open();
    assert_eq!(setup.contents(&log).len(), kept);
    setup.disk.set_room(None);
    setup.append(&log, &big).unwrap();
    assert_eq!(setup.contents(&log).len(), kept + 1);
}

#[test]
fn a_segment_that_cannot_be_replaced_keeps_the_shards_that_it_holds() {
    type Fail = fn(&SimulatedDisk, u32);
    let ways: [Fail; 2] = [SimulatedDisk::fail_renames, SimulatedDisk::fail_folder_syncs];
    for fail in ways {
        let setup = Setup { disk: SimulatedDisk::new(), key: StreamKey::data("kept".parse().unwrap()) };
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
        let log = setup.open_at(&clock);
        let busy = StreamKey::data("busy".parse().unwrap());
        log.stream_create(&setup.key, 1, Retention::hours(8_760).unwrap()).unwrap();
        log.stream_create(&busy, 1, Retention::hours(1).unwrap()).unwrap();
        for round in 0..18 {
            setup.append(&log, &round.to_string()).unwrap();
            log.append_blocking(&busy, vec![NewRecord::new("k", vec![b'x'; 3_000])]).unwrap();
        }
        // What was put is in a shard that is closed.
        log.stream_update_shard_count(&busy, 2).unwrap();
        clock.advance(Duration::from_secs(2 * 3_600));
        for _ in 0..60 {
            setup.append(&log, &"y".repeat(3_000)).unwrap();
        }
        let kept = setup.contents(&log);
        fail(&setup.disk, 2);
        log.trim(clock.now()).unwrap_err();
        log.trim(clock.now()).unwrap_err();
        drop(log);
        setup.disk.power_cut();
        let log = setup.open_at(&clock);
        assert_eq!(setup.contents(&log), kept);
        let trimmed = log.trim(clock.now()).unwrap();
        assert!(trimmed.segments_rewritten > 0, "{trimmed:?}");
        while log.trim(clock.now()).unwrap().segments_rewritten > 0 {}
        assert_eq!(setup.contents(&log), kept);
        log.trim(clock.now()).unwrap();
        assert_eq!(log.stream_describe(&busy).unwrap().shards.len(), 2, "the closed one is forgotten");
        drop(log);
        setup.disk.power_cut();
        assert_eq!(setup.contents(&setup.open_at(&clock)), kept);
    }
}

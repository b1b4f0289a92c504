//! A power cut takes everything that was not synced: what was acknowledged is there afterwards, in order, and nothing else.

use std::path::Path;
use std::sync::Arc;

use millstream_host::{ManualClock, Random, SimulatedDisk, Timestamp};
use millstream_streamlog::{Log, LogSettings, NewRecord, ReadFrom, Retention, ShardNumber, StreamKey};

fn open(disk: &SimulatedDisk, seed: u64) -> Arc<Log> {
    let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
    let settings = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
    let disk = Arc::new(disk.clone());
    Log::open_on(Path::new("/data/log"), settings, clock, Random::from_seed(seed), disk).unwrap().0
}

fn contents(log: &Log, key: &StreamKey) -> Vec<String> {
    let mut from = ReadFrom::TrimHorizon;
    let mut found = Vec::new();
    loop {
        let batch = log.read(key, ShardNumber(0), from, 1_000, 1 << 20).unwrap();
        if batch.records.is_empty() {
            return found;
        }
        found.extend(batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()));
        from = ReadFrom::Position(batch.next);
    }
}

#[test]
fn what_was_acknowledged_survives_and_nothing_else_appears() {
    for seed in 0..20 {
        let (disk, mut random) = (SimulatedDisk::new(), Random::from_seed(seed));
        let mut keys: Vec<(StreamKey, Vec<String>)> = Vec::new();
        for round in 0..8 {
            let log = open(&disk, seed);
            for (key, acknowledged) in &keys {
                assert_eq!(&contents(&log, key), acknowledged, "seed {seed}, round {round}");
            }
            let key = StreamKey::data(format!("stream-{round}").parse().unwrap());
            log.stream_create(&key, 1, Retention::default()).unwrap();
            keys.push((key, Vec::new()));
            for number in 0..random.below(60) {
                let (key, acknowledged) = &mut keys[random.below(round + 1) as usize];
                let data = format!("{round}-{number} {}", "x".repeat(random.below(6_000) as usize));
                if random.below(10) == 0 {
                    disk.fail_syncs(1 + random.below(2) as u32);
                }
                if random.below(20) == 0 {
                    disk.fail_folder_syncs(1);
                }
                if log.append_blocking(key, vec![NewRecord::new("k", data.clone())]).is_ok() {
                    acknowledged.push(data);
                }
                disk.fail_syncs(0);
                disk.fail_folder_syncs(0);
            }
            disk.power_cut();
            drop(log);
        }
    }
}

//! Throughput, cost and latency of durable appends, beside the disk's own sync time measured in the same run.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_host::{SystemClock, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::error::{AppendError, OpenError, StreamError, TrimError};
use crate::log::Log;
use crate::record::NewRecord;
use crate::settings::LogSettings;
use crate::stream_name::{StreamKey, StreamName};
use crate::streams::Retention;

const SHARDS: u32 = 4;
const PRODUCERS: usize = 8;
const RECORDS_PER_APPEND: usize = 100;
const RECORD_BYTES: usize = 1_024;
/// Trim beyond this, so that a long run does not fill the disk.
const KEPT_BYTES: u64 = 1 << 30;

/// What the benchmark saw. Times are microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct LogBenchReport {
    /// Durable records of 1 KB a second, 100 to an append, 8 producers, 4 shards.
    pub records_per_second: f64,
    /// Processor time of the whole process for a record, producers included.
    pub cpu_micros_per_record: f64,
    /// The median time of a write and `fdatasync` of as many bytes as a commit had on average, on a file of its own.
    pub fsync_micros: f64,
    /// The mean size of a commit in bytes.
    pub commit_bytes: f64,
    /// Half of the appends took at most this long.
    pub append_p50_micros: f64,
    /// 99 of 100 appends took at most this long.
    pub append_p99_micros: f64,
    /// Bytes of log taken over by opening it, per second, in MB: sealed segments are taken by their index.
    pub recovery_mb_per_second: f64,
    /// How long opening took, in milliseconds.
    pub recovery_millis: f64,
    /// Time per commit over the disk's own time for it: 1 would be a log that costs nothing beside the disk.
    pub commit_over_fsync: f64,
    /// The same of the median append. With more producers than one, an append waits for the commit before it too.
    pub append_p50_over_fsync: f64,
}

/// Why the benchmark stopped.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stream could not be created.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// An append failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Trimming failed.
    #[error(transparent)]
    Trim(#[from] TrimError),
    /// A file of the benchmark itself failed.
    #[error("benchmark file: {0}")]
    Io(#[from] io::Error),
    /// A producer stopped unexpectedly.
    #[error("a producer of the benchmark panicked")]
    Producer,
}

/// Appends for `duration` in a folder of its own below `directory`, which is removed afterwards.
///
/// # Errors
/// See [`BenchError`].
pub fn bench(directory: &Path, duration: Duration) -> Result<LogBenchReport, BenchError> {
    let folder = directory.join(format!("streamlog-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let report = run(&folder, duration);
    fs::remove_dir_all(&folder)?;
    report
}

fn run(folder: &Path, duration: Duration) -> Result<LogBenchReport, BenchError> {
    let (log, _) = Log::open(folder, LogSettings::default(), Arc::new(SystemClock))?;
    let name: StreamName = "bench".parse().expect("letters name a stream");
    let key = StreamKey::data(name);
    log.stream_create(&key, SHARDS, Retention::default())?;

    let cpu_before = process_cpu();
    let started = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (log, key) = (Arc::clone(&log), key.clone());
            thread::spawn(move || produce(&log, &key, producer, started, duration))
        })
        .collect();
    while started.elapsed() < duration {
        thread::sleep(Duration::from_millis(50));
        if log.statistics().segment_bytes > KEPT_BYTES {
            log.trim(Timestamp(i64::MAX))?;
        }
    }
    let mut latencies = Vec::new();
    for producer in producers {
        latencies.extend(producer.join().map_err(|_| BenchError::Producer)??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = (process_cpu() - cpu_before).as_secs_f64();
    let records = (latencies.len() * RECORDS_PER_APPEND).max(1) as f64;
    latencies.sort_unstable();
    let statistics = log.statistics();
    drop(log);

    let reopened = Instant::now();
    let (log, _) = Log::open(folder, LogSettings::default(), Arc::new(SystemClock))?;
    let recovery = reopened.elapsed().as_secs_f64();
    let log_bytes = log.statistics().segment_bytes;
    drop(log);

    let commit_count = statistics.commits.max(1) as f64;
    let commit_bytes = statistics.committed_bytes as f64 / commit_count;
    let fsync_micros = fsync_micros(folder, commit_bytes as usize)?;
    let percentile = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    let append_p50_micros = percentile(0.50);
    Ok(LogBenchReport {
        records_per_second: records / elapsed,
        cpu_micros_per_record: cpu * 1e6 / records,
        fsync_micros,
        commit_bytes,
        append_p50_micros,
        append_p99_micros: percentile(0.99),
        recovery_mb_per_second: log_bytes as f64 / 1e6 / recovery,
        recovery_millis: recovery * 1e3,
        commit_over_fsync: elapsed * 1e6 / commit_count / fsync_micros,
        append_p50_over_fsync: append_p50_micros / fsync_micros,
    })
}

fn produce(
    log: &Log,
    key: &StreamKey,
    producer: usize,
    started: Instant,
    duration: Duration,
) -> Result<Vec<Duration>, AppendError> {
    let data = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let mut latencies = Vec::new();
    let mut number = 0_u64;
    while started.elapsed() < duration {
        let records = (0..RECORDS_PER_APPEND)
            .map(|_| {
                number += 1;
                NewRecord::new(format!("{producer}-{number}"), data.clone())
            })
            .collect();
        let asked = Instant::now();
        log.append_blocking(key, records)?;
        latencies.push(asked.elapsed());
    }
    Ok(latencies)
}

/// The median time of appending `bytes` bytes to a file and syncing it.
fn fsync_micros(folder: &Path, bytes: usize) -> io::Result<f64> {
    let file = File::create(folder.join("fsync-yardstick"))?;
    let block = vec![b'y'; bytes];
    let mut times = Vec::new();
    for round in 0..50 {
        let asked = Instant::now();
        file.write_all_at(&block, round * bytes as u64)?;
        file.sync_data()?;
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// Processor time of this process so far.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

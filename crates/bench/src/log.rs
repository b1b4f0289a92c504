//! Throughput, cost and latency of durable appends, beside the disk's own sync time measured in the same run.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures the machine itself")]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::executor::block_on;
use millstream_host::{SystemClock, Timestamp};
use millstream_streamlog::{
    AppendError, Log, LogSettings, NewRecord, OpenError, Positions, Producer, ReadError, RecordBatchBuilder,
    Retention, StreamError, StreamKey, StreamName, TrimError,
};
use rustix::time::{ClockId, clock_gettime};

use crate::{Budget, Measurement};

const SHARDS: u32 = 4;
const PRODUCERS: usize = 8;
const RECORDS_PER_APPEND: usize = 100;
const RECORD_BYTES: usize = 1_024;
const SMALL_RECORD_BYTES: usize = 100;
const BATCH_RECORDS: usize = 1_000;
/// Trim beyond this, so that a long run does not fill the disk.
const KEPT_BYTES: u64 = 1 << 30;

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
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
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

/// Durable appends of 100 records of 1 KB by 8 producers over 4 shards for `duration`, then opening the log again. Works
/// in a folder of its own below `directory`, which is removed afterwards.
///
/// # Errors
/// See [`BenchError`].
pub fn run(directory: &Path, duration: Duration) -> Result<Vec<Measurement>, BenchError> {
    let folder = directory.join(format!("streamlog-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measurements = measure(&folder, duration);
    fs::remove_dir_all(&folder)?;
    measurements
}

fn measure(folder: &Path, duration: Duration) -> Result<Vec<Measurement>, BenchError> {
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

    let (batches, batched) = measure_batches(folder, duration / 2)?;

    let commit_count = statistics.commits.max(1) as f64;
    let commit_bytes = statistics.committed_bytes as f64 / commit_count;
    let fsync_micros = fsync_micros(folder, commit_bytes as usize)?;
    let percentile = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    let measured = |name, figure, unit, ratio, ratio_unit, budget| Measurement {
        name: Cow::Borrowed(name),
        figure,
        unit,
        yardstick: "write and fdatasync of as many bytes as a commit has, on a file of its own, median"
            .into(),
        yardstick_figure: fsync_micros,
        yardstick_unit: "µs",
        ratio,
        ratio_unit,
        budget,
    };
    let cpu_micros = cpu * 1e6 / records;
    let commit_micros = elapsed * 1e6 / commit_count;
    let (p50, p99) = (percentile(0.50), percentile(0.99));
    let cost = "of the disk's time for the record";
    let times = "times the disk's own";
    let disk_micros_per_record = fsync_micros * commit_count / records;
    Ok(vec![
        measured(
            "append, durable, all cores",
            records / elapsed,
            "records/s",
            elapsed * 1e6 / records / disk_micros_per_record,
            times,
            None,
        ),
        measured(
            "append, durable, per core of processor time",
            1e6 / cpu_micros,
            "records/s",
            cpu_micros / disk_micros_per_record,
            cost,
            Some(Budget::AtLeast(150e3)),
        ),
        measured(
            "processor time, producers included",
            cpu_micros,
            "µs/record",
            cpu_micros / disk_micros_per_record,
            cost,
            Some(Budget::AtMost(4.0)),
        ),
        measured(
            "append and read of batches of small records, per core of processor time",
            batched,
            "records/s",
            1e6 / batched / disk_micros_per_record,
            cost,
            Some(Budget::AtLeast(1.2e6)),
        ),
        measured(
            "append and read of batches of small records, all cores",
            batches,
            "records/s",
            1e6 / batches / disk_micros_per_record,
            times,
            None,
        ),
        measured("time of a commit", commit_micros, "µs", commit_micros / fsync_micros, times, None),
        measured("append of 100 records, median", p50, "µs", p50 / fsync_micros, times, None),
        measured(
            "append of 100 records, 99 of 100",
            p99,
            "µs",
            p99 / fsync_micros,
            times,
            Some(Budget::AtMost(fsync_micros + 15_000.0)),
        ),
        measured(
            "opening the log, for each GB in it",
            recovery * 1e6 / (log_bytes as f64 / 1e9),
            "µs",
            recovery * 1e6 / fsync_micros / (log_bytes as f64 / 1e9),
            times,
            None,
        ),
    ])
}

/// Batches of 1,000 records of 100 bytes to a stream of one shard, several under way, and a reader that follows: records
/// a second of the clock, and of processor time.
fn measure_batches(folder: &Path, duration: Duration) -> Result<(f64, f64), BenchError> {
    let folder = folder.join("batches");
    let (log, _) = Log::open(&folder, LogSettings::default(), Arc::new(SystemClock))?;
    let key = StreamKey::data("batches".parse().expect("letters name a stream"));
    log.stream_create(&key, 1, Retention::default())?;
    let cpu_before = process_cpu();
    let started = Instant::now();
    let is_done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (log, key, is_done) = (Arc::clone(&log), key.clone(), Arc::clone(&is_done));
        thread::spawn(move || follow(&log, &key, &is_done))
    };
    let data = [b'x'; SMALL_RECORD_BYTES];
    let (mut appended, mut number) = (0_u64, 0_u64);
    let mut under_way = VecDeque::new();
    while started.elapsed() < duration {
        let mut batch =
            RecordBatchBuilder::with_capacity(BATCH_RECORDS, BATCH_RECORDS * (SMALL_RECORD_BYTES + 8));
        for _ in 0..BATCH_RECORDS {
            batch.push("producer", &data);
        }
        let producer = Producer::new(1, number);
        number += BATCH_RECORDS as u64;
        under_way.push_back(log.append_as(&key, producer, batch.build()));
        if under_way.len() == 8
            && let Some(oldest) = under_way.pop_front()
        {
            appended += block_on(oldest)?.len() as u64;
        }
        if log.statistics().segment_bytes > KEPT_BYTES {
            log.trim(Timestamp(i64::MAX))?;
        }
    }
    for rest in under_way {
        appended += block_on(rest)?.len() as u64;
    }
    is_done.store(true, Ordering::Release);
    reader.join().map_err(|_| BenchError::Producer)??;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = (process_cpu() - cpu_before).as_secs_f64();
    Ok((appended as f64 / elapsed, appended as f64 / cpu))
}

/// Reads as records come in, looking at each, until stopped and caught up.
fn follow(log: &Log, key: &StreamKey, is_done: &AtomicBool) -> Result<u64, ReadError> {
    let (mut positions, mut bytes) = (Positions::new(), 0);
    loop {
        let is_last = is_done.load(Ordering::Acquire);
        let batch = log.read_merged(key, &positions, 100_000, 1 << 20)?;
        bytes += batch.iter().map(|record| record.data().len() as u64).sum::<u64>();
        if batch.is_caught_up && batch.is_empty() {
            if is_last {
                return Ok(bytes);
            }
            thread::sleep(Duration::from_millis(1));
        }
        positions = batch.next;
    }
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

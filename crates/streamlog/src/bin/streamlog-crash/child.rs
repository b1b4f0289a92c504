//! The process that is killed: writes as fast as it can and says what was acknowledged.
//!
//! Two streams at once: to [`STREAM`] plain records, to [`ONCE`] rows of producers, which repeat some of what they did
//! before, while the shards of that stream are split and merged.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use millstream_host::{Random, SystemClock};
use millstream_streamlog::{
    Log, LogSettings, NewRecord, Producer, RecordBatchBuilder, Retention, StreamError, StreamKey,
};

use crate::{ONCE, STREAM, WRITERS};

/// Appends for ever. For each acknowledged record one line on stdout: its id and its sequence number. The id is also
/// its data: `SEED.WRITER.COUNT`, zero-padded so that ids of one writer sort by count.
pub fn run(directory: &Path, seed: u64) -> Result<(), String> {
    // Small segments, so that many kills fall on the change from one to the next.
    let settings = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
    let (log, _) =
        Log::open(directory, settings, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let key = create(&log, STREAM, 3)?;
    let once = create(&log, ONCE, 2)?;
    let mut threads: Vec<thread::JoinHandle<Result<(), String>>> = Vec::new();
    for writer in 0..WRITERS {
        let (its, key) = (Arc::clone(&log), key.clone());
        threads.push(thread::spawn(move || write(&its, &key, seed, writer)));
        let (its, once) = (Arc::clone(&log), once.clone());
        threads.push(thread::spawn(move || repeat(&its, &once, seed, writer)));
    }
    threads.push(thread::spawn(move || reshard(&log, &once, seed)));
    for writer in threads {
        writer.join().map_err(|_| "a writer panicked".to_owned())??;
    }
    Ok(())
}

fn create(log: &Log, name: &str, shards: u32) -> Result<StreamKey, String> {
    let key = StreamKey::data(name.parse().map_err(|error| format!("{error}"))?);
    match log.stream_create(&key, shards, Retention::default()) {
        Ok(_) | Err(StreamError::Exists(_)) => Ok(key),
        Err(error) => Err(error.to_string()),
    }
}

/// Appends the rows `0..` of a producer, from where the log has it or somewhat before. For each acknowledged append one
/// line on stdout: `+WRITER`, and one past the last row.
fn repeat(log: &Log, key: &StreamKey, seed: u64, writer: u64) -> Result<(), String> {
    let mut random = Random::from_seed(seed.wrapping_mul(97) + writer);
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let mut next = log.producer_position(key, writer).map_err(|error| error.to_string())?.unwrap_or(0);
    loop {
        let first = next.saturating_sub(random.below(12));
        next = next.max(first + 1 + random.below(20));
        let mut batch = RecordBatchBuilder::new();
        for row in first..next {
            batch.push(&format!("{writer}-{}", row % 8), format!("{writer}.{row:010}").as_bytes());
        }
        let append = log.append_as(key, Producer::new(writer, first), batch.build());
        runtime.block_on(append).map_err(|error| error.to_string())?;
        let mut output = io::stdout().lock();
        writeln!(output, "+{writer} {next}")
            .and_then(|()| output.flush())
            .map_err(|error| error.to_string())?;
    }
}

fn reshard(log: &Log, key: &StreamKey, seed: u64) -> Result<(), String> {
    let mut random = Random::from_seed(seed.wrapping_mul(13));
    loop {
        thread::sleep(std::time::Duration::from_millis(1 + random.below(25)));
        let count = 1 + random.below(5) as u32;
        log.stream_update_shard_count(key, count).map_err(|error| error.to_string())?;
    }
}

fn write(log: &Log, key: &StreamKey, seed: u64, writer: u64) -> Result<(), String> {
    let mut random = Random::from_seed(seed.wrapping_mul(31) + writer);
    let mut count = 0_u64;
    loop {
        let size = 1 + random.below(20);
        let ids: Vec<String> =
            (0..size).map(|record| format!("{seed:08}.{writer}.{:010}", count + record)).collect();
        count += size;
        let records = ids
            .iter()
            .map(|id| {
                let padding = "-".repeat(random.below(500) as usize);
                // One partition key per writer: its records keep their order.
                NewRecord::new(format!("writer-{writer}"), format!("{id} {padding}"))
            })
            .collect();
        let appended = log.append_blocking(key, records).map_err(|error| error.to_string())?;
        let mut lines = String::new();
        for (id, appended) in ids.iter().zip(appended) {
            lines.push_str(&format!("{id} {}\n", appended.sequence_number));
        }
        let mut output = io::stdout().lock();
        output
            .write_all(lines.as_bytes())
            .and_then(|()| output.flush())
            .map_err(|error| error.to_string())?;
    }
}

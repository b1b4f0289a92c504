//! The process that is killed: writes as fast as it can and says what was acknowledged.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use millstream_host::{Random, SystemClock};
use millstream_streamlog::{Log, LogSettings, NewRecord, Retention, StreamError, StreamKey};

use crate::{STREAM, WRITERS};

/// Appends for ever. For each acknowledged record one line on stdout: its id and its sequence number. The id is also
/// its data: `SEED.WRITER.COUNT`, zero-padded so that ids of one writer sort by count.
pub fn run(directory: &Path, seed: u64) -> Result<(), String> {
    // Small segments, so that many kills fall on the change from one to the next.
    let settings = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
    let (log, _) =
        Log::open(directory, settings, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let key = StreamKey::data(STREAM.parse().map_err(|error| format!("{error}"))?);
    match log.stream_create(&key, 3, Retention::default()) {
        Ok(_) | Err(StreamError::Exists(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (log, key) = (Arc::clone(&log), key.clone());
            thread::spawn(move || write(&log, &key, seed, writer))
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| "a writer panicked".to_owned())??;
    }
    Ok(())
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

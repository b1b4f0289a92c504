//! Kills the child at random points and checks what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use millstream_host::{Clock, Random, SystemClock, Timestamp};
use millstream_streamlog::{Log, LogSettings, ReadFrom, SequenceNumber, StreamKey};

use crate::STREAM;
use crate::once::{self, Acknowledged};

/// How often the log is trimmed, in rounds.
const TRIM_EVERY: u64 = 25;

#[derive(Default)]
struct Tally {
    acknowledged: u64,
    torn_tails: u64,
    rows: u64,
    shards: usize,
    trimmed: usize,
}

/// Runs `rounds` rounds and prints the final line.
pub fn run(rounds: u64, seed: u64, directory: Option<&Path>) -> Result<(), String> {
    let own = env::temp_dir().join(format!("streamlog-crash-{}", std::process::id()));
    let directory = directory.unwrap_or(&own);
    let mut random = Random::from_seed(seed);
    let mut expected: BTreeMap<String, SequenceNumber> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut producers = Acknowledged::new();
    for round in 1..=rounds {
        let mut acknowledged = Vec::new();
        kill_under_load(directory, round, &mut random, &mut acknowledged, &mut producers)?;
        tally.acknowledged += acknowledged.len() as u64;
        expected.extend(acknowledged);
        check(directory, round, &mut expected, &producers, &mut tally)
            .map_err(|error| format!("round {round}: {error}"))?;
    }
    if directory == own {
        fs::remove_dir_all(&own).map_err(|error| error.to_string())?;
    }
    println!(
        "{rounds} rounds, seed {seed}: {} acknowledged records, all there, in order, once; {} rows of producers, once; {} \
         shards split and merged; {} torn tails cut, {} segments trimmed",
        tally.acknowledged, tally.rows, tally.shards, tally.torn_tails, tally.trimmed
    );
    Ok(())
}

/// Lets a child write until a random number of acknowledgements has been read, kills it, and notes what was
/// acknowledged, including what was still in the pipe.
fn kill_under_load(
    directory: &Path,
    round: u64,
    random: &mut Random,
    acknowledged: &mut Vec<(String, SequenceNumber)>,
    producers: &mut Acknowledged,
) -> Result<(), String> {
    // Sometimes at once: while it opens the log.
    let lines_before_kill = if random.below(8) == 0 { 0 } else { random.below(1_500) };
    let mut child = Command::new(env::current_exe().map_err(|error| error.to_string())?)
        .arg("--child")
        .arg("--directory")
        .arg(directory)
        .args(["--seed", &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start the child: {error}"))?;
    let output = child.stdout.take().ok_or("the child has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut read = 0;
    while read < lines_before_kill {
        let Some(line) = lines.next() else {
            let status = child.wait().map_err(|error| error.to_string())?;
            return Err(format!("round {round}: the child stopped by itself: {status}"));
        };
        note(&line.map_err(|error| error.to_string())?, acknowledged, producers)?;
        read += 1;
    }
    child.kill().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    let rest: Vec<String> = lines.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    for (place, line) in rest.iter().enumerate() {
        match note(line, acknowledged, producers) {
            // Only the last line may be cut short.
            Err(error) if place + 1 < rest.len() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A line of the child: an id and its sequence number, or `+`, a producer, and one past its last row.
fn note(
    line: &str,
    acknowledged: &mut Vec<(String, SequenceNumber)>,
    producers: &mut Acknowledged,
) -> Result<(), String> {
    let (id, number) = line.split_once(' ').ok_or_else(|| format!("not an acknowledgement: {line}"))?;
    if let Some(producer) = id.strip_prefix('+') {
        let wrong = |_| format!("not an acknowledgement: {line}");
        let (producer, next) = (producer.parse().map_err(wrong)?, number.parse().map_err(wrong)?);
        let known = producers.entry(producer).or_insert(0);
        *known = (*known).max(next);
    } else {
        acknowledged.push((id.to_owned(), number.parse().map_err(|error| format!("{error}"))?));
    }
    Ok(())
}

/// Reads the whole log and compares.
fn check(
    directory: &Path,
    round: u64,
    expected: &mut BTreeMap<String, SequenceNumber>,
    producers: &Acknowledged,
    tally: &mut Tally,
) -> Result<(), String> {
    let opened = Log::open(directory, LogSettings::default(), Arc::new(SystemClock));
    let (log, report) = opened.map_err(|error| error.to_string())?;
    tally.torn_tails += u64::from(report.torn_tail.is_some());
    let key = StreamKey::data(STREAM.parse().map_err(|error| format!("{error}"))?);
    let (rows, shards) = once::check(&log, producers)?;
    (tally.rows, tally.shards) = (tally.rows + rows as u64, shards);
    let mut found = BTreeMap::new();
    read_stream(&log, &key, &mut found)?;
    for (id, number) in expected.iter() {
        match found.get(id) {
            None => return Err(format!("acknowledged record {id} is lost")),
            Some(other) if other != number => {
                return Err(format!("{id} has {other}, acknowledged as {number}"));
            }
            Some(_) => {}
        }
    }
    if round.is_multiple_of(TRIM_EVERY) {
        let later = Timestamp(SystemClock.now().millis() + 25 * 3_600_000);
        tally.trimmed += log.trim(later).map_err(|error| error.to_string())?.segments_deleted;
        let mut kept = BTreeMap::new();
        once::check(&log, producers)?;
        read_stream(&log, &key, &mut kept)?;
        // Trimming takes the oldest: everything newer than the oldest kept record of a shard must still be there.
        let mut oldest = BTreeMap::new();
        for number in kept.values() {
            oldest
                .entry(number.shard())
                .and_modify(|least: &mut SequenceNumber| *least = (*least).min(*number))
                .or_insert(*number);
        }
        let is_kept =
            |number: &SequenceNumber| oldest.get(&number.shard()).is_some_and(|least| number >= least);
        for (id, number) in &found {
            if is_kept(number) && !kept.contains_key(id) {
                return Err(format!("trimming lost {id} from the middle"));
            }
        }
        expected.retain(|id, _| kept.contains_key(id));
    }
    Ok(())
}

fn read_stream(
    log: &Log,
    key: &StreamKey,
    found: &mut BTreeMap<String, SequenceNumber>,
) -> Result<(), String> {
    // A child that was killed at once has not created it.
    let Ok(description) = log.stream_describe(key) else { return Ok(()) };
    for shard in description.shards {
        read_shard(log, key, shard.number, found)?;
    }
    Ok(())
}

/// Reads a shard and checks that its records are in order and that none is there twice.
fn read_shard(
    log: &Log,
    key: &StreamKey,
    shard: millstream_streamlog::ShardNumber,
    found: &mut BTreeMap<String, SequenceNumber>,
) -> Result<(), String> {
    let mut from = ReadFrom::TrimHorizon;
    let mut last_number = None;
    let mut last_id_of_writer: BTreeMap<String, String> = BTreeMap::new();
    let mut partition_keys = BTreeSet::new();
    loop {
        let batch = log.read(key, shard, from, 1_000, 1 << 20).map_err(|error| error.to_string())?;
        if batch.records.is_empty() {
            return Ok(());
        }
        from = ReadFrom::Position(batch.next);
        for record in batch.records {
            let number = record.sequence_number;
            if last_number.is_some_and(|last| last >= number) {
                return Err(format!("{number} follows {last_number:?}"));
            }
            last_number = Some(number);
            let text = std::str::from_utf8(&record.data).map_err(|error| error.to_string())?;
            let id = text.split(' ').next().unwrap_or_default().to_owned();
            let last_id = last_id_of_writer.insert(record.partition_key.clone(), id.clone());
            if last_id.is_some_and(|last| last >= id) {
                return Err(format!("{id} of {} is out of order", record.partition_key));
            }
            partition_keys.insert(record.partition_key);
            if found.insert(id.clone(), number).is_some() {
                return Err(format!("{id} is there twice"));
            }
        }
    }
}

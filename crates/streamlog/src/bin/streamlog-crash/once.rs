//! Checks the stream of producers that repeat themselves while its shards are split and merged.

use std::collections::{BTreeMap, BTreeSet};

use millstream_streamlog::{Log, Positions, ShardDescription, ShardNumber, StreamKey};

use crate::ONCE;

/// What was acknowledged to each producer: one past its last row.
pub type Acknowledged = BTreeMap<u64, u64>;

/// Reads the whole stream. Every row of a producer from the first that is kept up to its position must be there once and
/// in order, whatever is acknowledged must be below it, and no parent's record may follow one of its children. Gives how
/// many rows and shards there are.
pub fn check(log: &Log, acknowledged: &Acknowledged) -> Result<(usize, usize), String> {
    let key = StreamKey::data(ONCE.parse().map_err(|error| format!("{error}"))?);
    let Ok(description) = log.stream_describe(&key) else { return Ok((0, 0)) };
    let parents: BTreeMap<ShardNumber, Vec<ShardNumber>> = description
        .shards
        .iter()
        .map(|shard| (shard.number, shard.parent.into_iter().chain(shard.adjacent_parent).collect()))
        .collect();
    check_ranges(&description.shards)?;
    let mut rows: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut last_of_key: BTreeMap<String, u64> = BTreeMap::new();
    let mut ended: BTreeSet<ShardNumber> = BTreeSet::new();
    let (mut positions, mut count, mut last) = (Positions::new(), 0, (0, 0));
    loop {
        let batch = log.read_merged(&key, &positions, 500, 1 << 20).map_err(|error| error.to_string())?;
        for record in batch.iter() {
            if (record.commit(), record.arrival().millis()) < last {
                return Err(format!("{} is out of order", record.sequence_number()));
            }
            last = (record.commit(), record.arrival().millis());
            if ended.contains(&record.shard()) {
                return Err(format!("{} follows records of the shard's children", record.sequence_number()));
            }
            ended.extend(parents.get(&record.shard()).into_iter().flatten());
            let text = std::str::from_utf8(record.data()).map_err(|error| error.to_string())?;
            let (writer, row) = text.split_once('.').ok_or_else(|| format!("not a row: {text}"))?;
            let (writer, row) = (number(writer)?, number(row)?);
            let before = last_of_key.insert(record.partition_key().to_owned(), row);
            if before.is_some_and(|before| before >= row) {
                return Err(format!("row {row} of {} is out of order", record.partition_key()));
            }
            if !rows.entry(writer).or_default().insert(row) {
                return Err(format!("row {row} of producer {writer} is there twice"));
            }
            count += 1;
        }
        if batch.is_caught_up {
            break;
        }
        positions = batch.next;
    }
    for (&writer, &acknowledged) in acknowledged {
        let position = log.producer_position(&key, writer).map_err(|error| error.to_string())?.unwrap_or(0);
        let found = rows.get(&writer);
        let (first, last) = match found.and_then(|rows| Some((*rows.first()?, *rows.last()?))) {
            Some((first, last)) => (first, last + 1),
            None => (position, position),
        };
        if last != position || position < acknowledged {
            return Err(format!(
                "producer {writer} has rows up to {last}, the log says {position}, acknowledged is {acknowledged}"
            ));
        }
        let kept = found.map_or(0, |rows| rows.len() as u64);
        if kept != last - first {
            return Err(format!("producer {writer} has {kept} rows from {first} to {last}"));
        }
    }
    Ok((count, description.shards.len()))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a number"))
}

/// The open shards take every hash once.
fn check_ranges(shards: &[ShardDescription]) -> Result<(), String> {
    let open = shards.iter().filter(|shard| shard.closed_at.is_none());
    let mut ranges: Vec<_> = open.map(|shard| shard.hash_range).collect();
    ranges.sort_by_key(|range| range.starting);
    let mut expected = Some(0);
    for range in &ranges {
        if expected != Some(range.starting) {
            return Err(format!("the open shards have a gap or overlap before {}", range.starting));
        }
        expected = range.ending.checked_add(1);
    }
    if expected.is_some() { Err("the open shards do not reach the last hash".to_owned()) } else { Ok(()) }
}

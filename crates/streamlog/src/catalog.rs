//! What streams exist, and what else must survive the trimming of all segments.
//!
//! In its file the first line is the CRC-32 of the rest in hex, the rest is JSON. `catalog_file.rs` has how it changes.

use std::collections::BTreeSet;
use std::path::Path;

use millstream_host::{Disk, Open, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalog_file::Change;
use crate::error::{FileError, OpenError, io_error};
use crate::hash_range::HashRange;
use crate::segment;
use crate::shard::{ShardDescription, ShardNumber};
use crate::stream_name::{StreamKind, StreamName};

/// The format written, and the newest one read. Format 1 has no journal and no `next_shard`, format 2 no `spent_records`.
const FORMAT: u32 = 3;
const FILE_NAME: &str = "catalog";

/// Everything that must survive the trimming of all segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalog {
    format: u32,
    /// The number of the journal with the changes since; 0 when there is none.
    #[serde(default)]
    pub(crate) journal: u64,
    /// Drawn when the log was created; part of every frame's checksum.
    pub(crate) log_id: u64,
    /// Stream ids are never used again.
    pub(crate) next_stream_id: u32,
    /// The oldest segment that may still exist.
    pub(crate) first_segment: u64,
    /// Later segments that were deleted already.
    pub(crate) trimmed_segments: BTreeSet<u64>,
    pub(crate) streams: Vec<CatalogStream>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogStream {
    pub(crate) id: u32,
    pub(crate) kind: StreamKind,
    pub(crate) name: StreamName,
    /// Milliseconds since the epoch.
    pub(crate) created_at: i64,
    pub(crate) retention_hours: u32,
    /// Shard numbers are never used again, not even when their shards are gone.
    #[serde(default)]
    pub(crate) next_shard: u32,
    /// Records that were put into shards that are no longer listed.
    #[serde(default)]
    pub(crate) spent_records: u64,
    pub(crate) shards: Vec<CatalogShard>,
}

/// A shard. Hash keys are decimal text: JSON numbers end at 2^53.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogShard {
    pub(crate) number: u32,
    starting_hash_key: String,
    ending_hash_key: String,
    /// Seconds since the epoch.
    pub(crate) created_at: u64,
    pub(crate) closed_at: Option<u64>,
    pub(crate) parent: Option<u32>,
    pub(crate) adjacent_parent: Option<u32>,
    /// One past the newest index in any deleted segment.
    pub(crate) trimmed_next_index: u64,
    /// The newest arrival in any deleted segment, in milliseconds since the epoch.
    pub(crate) trimmed_last_arrival: i64,
}

impl Catalog {
    pub(crate) fn new(log_id: u64) -> Catalog {
        Catalog {
            format: FORMAT,
            journal: 0,
            log_id,
            next_stream_id: 1,
            first_segment: 1,
            trimmed_segments: BTreeSet::new(),
            streams: Vec::new(),
        }
    }

    /// Reads the snapshot and its length in bytes; `None` when there is none.
    pub(crate) fn load(disk: &dyn Disk, directory: &Path) -> Result<Option<(Catalog, u64)>, OpenError> {
        let path = directory.join(FILE_NAME);
        let text = match disk.read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error).into()),
        };
        let invalid = |reason: String| OpenError::Catalog { path: path.clone(), reason };
        let (crc, json) =
            text.split_at_checked(9).ok_or_else(|| invalid(format!("it has only {} bytes", text.len())))?;
        if crc != format!("{:08x}\n", crc32fast::hash(json)).as_bytes() {
            return Err(invalid("its checksum does not match".to_owned()));
        }
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        let FormatOnly { format } =
            serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        if format > FORMAT {
            return Err(OpenError::Format { path, found: format, known: FORMAT });
        }
        let mut catalog: Catalog =
            serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        for stream in &mut catalog.streams {
            let numbers = stream.shards.iter().map(|shard| shard.number.saturating_add(1));
            let least = numbers.max().unwrap_or(0);
            stream.next_shard = stream.next_shard.max(least);
        }
        for shard in catalog.streams.iter().flat_map(|stream| &stream.shards) {
            shard.hash_range().ok_or_else(|| invalid(format!("shard {} has no hash range", shard.number)))?;
        }
        Ok(Some((catalog, text.len() as u64)))
    }

    /// Whether a snapshot must come before the next change: an earlier version would not know the change.
    pub(crate) fn is_of_earlier_format(&self) -> bool {
        self.format < FORMAT
    }

    /// Replaces the snapshot by one of this format; durable when this returns. On an error the old one stands. Gives its length in bytes.
    pub(crate) fn store(&mut self, disk: &dyn Disk, directory: &Path) -> Result<u64, FileError> {
        let stored = Catalog { format: FORMAT, ..self.clone() };
        let json =
            serde_json::to_vec_pretty(&stored).expect("a catalog has only text keys and finite numbers");
        let path = directory.join(FILE_NAME);
        let new = directory.join("catalog.new");
        let mut text = format!("{:08x}\n", crc32fast::hash(&json)).into_bytes();
        text.extend_from_slice(&json);
        let file = disk.open(&new, Open::Create).map_err(io_error("create", &new))?;
        file.write_all_at(&text, 0).and_then(|()| file.sync_all()).map_err(io_error("write", &new))?;
        disk.rename(&new, &path).map_err(io_error("replace", &path))?;
        segment::sync_folder(disk, directory)?;
        *self = stored;
        Ok(json.len() as u64)
    }

    /// Makes a change in memory.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Stream(row) => {
                self.next_stream_id = self.next_stream_id.max(row.id.saturating_add(1));
                match self.streams.iter_mut().find(|known| known.id == row.id) {
                    Some(known) => *known = row,
                    None => self.streams.push(row),
                }
            }
            Change::Deleted { stream } => self.streams.retain(|row| row.id != stream),
            Change::Trimmed { segments, shards, spent } => {
                for (stream, shard, next_index, last_arrival) in shards {
                    if let Some(row) = self.shard_mut(stream, shard) {
                        row.trimmed_next_index = row.trimmed_next_index.max(next_index);
                        row.trimmed_last_arrival = row.trimmed_last_arrival.max(last_arrival);
                    }
                }
                self.trimmed_segments.extend(segments);
                while self.trimmed_segments.remove(&self.first_segment) {
                    self.first_segment += 1;
                }
                for (stream, shard) in spent {
                    if let Some(row) = self.streams.iter_mut().find(|row| row.id == stream) {
                        let spent = row.shards.extract_if(.., |row| row.number == shard);
                        row.spent_records += spent.map(|shard| shard.trimmed_next_index - 1).sum::<u64>();
                    }
                }
            }
        }
    }

    fn shard_mut(&mut self, stream: u32, shard: u32) -> Option<&mut CatalogShard> {
        let row = self.streams.iter_mut().find(|row| row.id == stream)?;
        row.shards.iter_mut().find(|row| row.number == shard)
    }

    /// The row of a stream.
    pub(crate) fn stream(&self, id: u32) -> Option<&CatalogStream> {
        self.streams.iter().find(|row| row.id == id)
    }

    /// The newest arrival in any deleted segment.
    pub(crate) fn last_trimmed_arrival(&self) -> Timestamp {
        let shards = self.streams.iter().flat_map(|stream| &stream.shards);
        shards.map(CatalogShard::trimmed_last_arrival).max().unwrap_or(Timestamp(i64::MIN))
    }

    /// Whether a segment of this number was deleted.
    pub(crate) fn is_trimmed(&self, segment: u64) -> bool {
        segment < self.first_segment || self.trimmed_segments.contains(&segment)
    }
}

impl CatalogStream {
    /// A stream of `shards` open shards that divide the hash space evenly.
    pub(crate) fn new(
        id: u32,
        kind: StreamKind,
        name: StreamName,
        created_at: i64,
        retention_hours: u32,
        shards: u32,
    ) -> CatalogStream {
        let seconds = u64::try_from(created_at.div_euclid(1_000)).unwrap_or(0);
        let ranges = HashRange::divide(shards).into_iter().zip(0..);
        let rows = ranges.map(|(range, number)| CatalogShard::new(number, range, seconds)).collect();
        let (next_shard, spent_records) = (shards, 0);
        CatalogStream { id, kind, name, created_at, retention_hours, next_shard, spent_records, shards: rows }
    }
}

impl CatalogShard {
    /// An open shard without parents.
    pub(crate) fn new(number: u32, range: HashRange, created_at: u64) -> CatalogShard {
        CatalogShard {
            number,
            starting_hash_key: range.starting.to_string(),
            ending_hash_key: range.ending.to_string(),
            created_at,
            closed_at: None,
            parent: None,
            adjacent_parent: None,
            trimmed_next_index: 1,
            trimmed_last_arrival: i64::MIN,
        }
    }

    pub(crate) fn hash_range(&self) -> Option<HashRange> {
        let starting = self.starting_hash_key.parse().ok()?;
        Some(HashRange { starting, ending: self.ending_hash_key.parse().ok()? })
    }

    /// The same as the rest of the crate sees it.
    pub(crate) fn description(&self) -> ShardDescription {
        ShardDescription {
            number: ShardNumber(self.number),
            hash_range: self.hash_range().expect("checked when the catalog was read"),
            created_at: self.created_at,
            closed_at: self.closed_at,
            parent: self.parent.map(ShardNumber),
            adjacent_parent: self.adjacent_parent.map(ShardNumber),
        }
    }

    /// The newest arrival in any deleted segment.
    pub(crate) fn trimmed_last_arrival(&self) -> Timestamp {
        Timestamp(self.trimmed_last_arrival)
    }
}

//! Torn tails, damaged checkpoints, a full disk, a catalog that somebody holds.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use millstream_host::Random;
use rusqlite::Connection;

/// Where a segment's first frame begins, and how much of a frame is copied at most: less than one has.
const SEGMENT_HEADER: u64 = 40;
const PART_OF_FRAME: u64 = 40;

/// Half a write behind the end of the log, and behind that of the catalog's journal. Nothing that was acknowledged changes.
pub(crate) fn tear(data: &Path, bits: u64) -> anyhow::Result<()> {
    let mut random = Random::from_seed(bits);
    if let Some(segment) = newest_segment(data)? {
        let torn = match random.below(3) {
            0 => noise(&mut random, 300),
            1 => vec![0; 1 + random.below(5_000) as usize],
            _ => {
                let file = File::open(&segment)?;
                let mut part = vec![0; 1 + random.below(PART_OF_FRAME) as usize];
                // A segment without a frame has nothing to copy.
                match file.read_exact_at(&mut part, SEGMENT_HEADER) {
                    Ok(()) => part,
                    Err(_) => noise(&mut random, 30),
                }
            }
        };
        append(&segment, &torn)?;
    }
    let journal = data.join("catalog.sqlite-wal");
    if journal.exists() && random.below(2) == 0 {
        append(&journal, &noise(&mut random, 6_000))?;
    }
    Ok(())
}

/// The checkpoints that were damaged, by application and number.
#[derive(Default)]
pub(crate) struct DamagedCheckpoints(HashSet<(i64, i64)>);

impl DamagedCheckpoints {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Damages the newest checkpoint of an application that can go on from the one before: it must then come to the same
    /// rows from there. Not when there is none, as after a fall-back from which nothing was stored yet.
    pub(crate) fn damage(&mut self, data: &Path, bits: u64) -> anyhow::Result<()> {
        let path = data.join("catalog.sqlite");
        if !path.exists() {
            return Ok(());
        }
        let catalog = Connection::open(&path)?;
        let sql = "SELECT application, number FROM checkpoint ORDER BY application, number";
        let rows = catalog
            .prepare(sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, i64)>, _>>()?;
        let of_one = rows.chunk_by(|one, next| one.0 == next.0);
        let newest: Vec<(i64, i64)> = of_one
            .filter_map(|of_one| match of_one {
                [.., before, newest] if !self.0.contains(before) && !self.0.contains(newest) => Some(*newest),
                _ => None,
            })
            .collect();
        if newest.is_empty() {
            return Ok(());
        }
        let (application, number) = newest[Random::from_seed(bits).below(newest.len() as u64) as usize];
        // A byte in the middle: its checksum tells.
        catalog.execute(
            "UPDATE checkpoint SET manifest = CAST(substr(manifest, 1, length(manifest) / 2) || X'5A' || \
             substr(manifest, length(manifest) / 2 + 2) AS BLOB) WHERE application = ?1 AND number = ?2",
            [application, number],
        )?;
        self.0.insert((application, number));
        Ok(())
    }
}

fn noise(random: &mut Random, most: u64) -> Vec<u8> {
    (0..=random.below(most)).map(|_| random.next_u64() as u8).collect()
}

fn append(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path).with_context(|| path.display().to_string())?;
    Ok(file.write_all(bytes)?)
}

fn newest_segment(data: &Path) -> anyhow::Result<Option<PathBuf>> {
    let folder = data.join("log").join("segments");
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// Something that lasts until it is dropped.
pub(crate) enum Disturbance {
    /// A transaction that writes, of another process.
    Catalog { _held: Connection },
    /// A file that takes all room.
    Disk { ballast: PathBuf },
}

impl Disturbance {
    /// Holds the catalog; waits until it has it.
    pub(crate) fn hold_catalog(data: &Path) -> anyhow::Result<Option<Disturbance>> {
        let path = data.join("catalog.sqlite");
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_secs(20))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Some(Disturbance::Catalog { _held: connection }))
    }

    /// Takes all the room that the disk of a folder has, but for a few pages.
    pub(crate) fn fill_disk(folder: &Path, bits: u64) -> anyhow::Result<Disturbance> {
        let ballast = folder.join("ballast");
        let mut file = File::create(&ballast)?;
        let block = vec![1; 64 << 10];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        anyhow::ensure!(full.kind() == std::io::ErrorKind::StorageFull, "the disk cannot be filled: {full}");
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(bits % (128 << 10)))?;
        Ok(Disturbance::Disk { ballast })
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        if let Disturbance::Disk { ballast } = self {
            // Its folder may be gone with the test.
            let _ = std::fs::remove_file(ballast);
        }
    }
}

//! A look at SQLite's write-ahead log before SQLite opens it: damage in its middle takes back all that was committed behind it,
//! and SQLite, which cannot tell that from a write that a crash has cut, says nothing.
//!
//! ```text
//!   header │ frame │ frame, a commit │ frame │ frame, a commit │ what an earlier log has left
//!   salts    the same salts …                                    other salts
//!            each frame's checksum goes on from that of the one before
//! ```
//!
//! Each commit is on disk before the next one begins (`synchronous = FULL`): a crash cuts the last one at most, and so does a
//! disk that fails. The next commit is written over it; where that is cut, too, the longer one shows behind it, but its
//! checksums do not go on from those of the shorter. Two commits in a row whose checksums go on from each other were both on
//! disk: they are lost by damage, which is a frame before them, or in them, that is not as it was written.
//! Format: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::files;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The last bit tells the order of the bytes in checksums.
const MAGIC: u32 = 0x377f_0682;

/// What is damaged in the write-ahead log of an SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteLogDamage {
    /// The log.
    pub log: PathBuf,
    /// The first frame that is not as it was written, from 1.
    pub frame: usize,
    /// How many commits would be lost with it, at least.
    pub commits: usize,
}

/// The write-ahead log of a database.
pub fn sqlite_log_of(database: &Path) -> PathBuf {
    let mut log = OsString::from(database);
    log.push("-wal");
    PathBuf::from(log)
}

/// What is damaged in the log of a database that is written with `synchronous = FULL`. `None` for a log that is whole, cut or
/// absent. Reads the log.
///
/// # Errors
/// It cannot be read.
pub fn sqlite_log_damage(database: &Path) -> io::Result<Option<SqliteLogDamage>> {
    let log = sqlite_log_of(database);
    let bytes = match files::read(&log) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(damage_in(&bytes).map(|(frame, commits)| SqliteLogDamage { log, frame, commits }))
}

/// The damaged frame, and the commits behind it.
fn damage_in(log: &[u8]) -> Option<(usize, usize)> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    let is_big_endian = match number(header, 0).wrapping_sub(MAGIC) {
        0 => false,
        1 => true,
        _ => return None,
    };
    let page = usize::try_from(number(header, 8)).ok().filter(|page| (512..=65_536).contains(page))?;
    let salts = &header[16..24];
    let stored_in_header = (number(header, 24), number(header, 28));
    let is_header_sound = checksum(&header[..24], (0, 0), is_big_endian) == stored_in_header;
    let mut damaged = (!is_header_sound).then_some(1);
    // The checksum that the frame before bears, whether or not it is right.
    let mut before = stored_in_header;
    // Commits since the last frame whose checksum does not go on from the one before, and the most of them.
    let (mut in_a_row, mut most) = (0, 0);
    for (place, frame) in frames.chunks_exact(FRAME_HEADER + page).enumerate() {
        let is_of_this = frame[8..16] == *salts;
        let sum =
            checksum(&frame[FRAME_HEADER..], checksum(&frame[..8], before, is_big_endian), is_big_endian);
        before = (number(frame, 16), number(frame, 20));
        let goes_on = sum == before;
        if damaged.is_none() && is_of_this && goes_on {
            continue;
        }
        damaged.get_or_insert(place + 1);
        if !goes_on {
            in_a_row = 0;
        }
        // What an earlier log has left bears other salts.
        in_a_row += usize::from(is_of_this && number(frame, 4) != 0);
        most = most.max(in_a_row);
    }
    damaged.filter(|_| most > 1).map(|frame| (frame, most))
}

/// The big-endian number at a place.
fn number(bytes: &[u8], place: usize) -> u32 {
    u32::from_be_bytes(bytes[place..place + 4].try_into().expect("four bytes"))
}

/// Goes on with the checksum of SQLite's logs over an even number of 32-bit words.
fn checksum(bytes: &[u8], (mut first, mut second): (u32, u32), is_big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("four bytes");
        if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(word(&pair[..4])).wrapping_add(second);
        second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// The log of so many commits, behind the rest of a longer one.
    fn log(commits: u32) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sqlite");
        let connection = Connection::open(&path).unwrap();
        let begun = "PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, text TEXT); PRAGMA wal_checkpoint(TRUNCATE);";
        connection.execute_batch(begun).unwrap();
        let insert = |number: u32| {
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (number, "x".repeat(900))).unwrap();
        };
        (0..40).for_each(insert);
        connection.execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
        (0..commits).for_each(insert);
        std::fs::read(folder.path().join("c.sqlite-wal")).unwrap()
    }

    #[test]
    fn two_commits_that_were_cut_one_over_the_other_are_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let insert = |connection: &Connection, rows: u32| {
            let text = "x".repeat(3_500);
            let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO t SELECT i, ?2 FROM n";
            connection.execute(sql, (rows, text)).unwrap();
        };
        let path = folder.path().join("c.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, text TEXT)").unwrap();
        (0..4).for_each(|_| insert(&connection, 1));
        // Logs that go on from the same one.
        let going_on = |name: &str, rows: u32| {
            let copy = folder.path().join(name);
            std::fs::copy(&path, &copy).unwrap();
            std::fs::copy(sqlite_log_of(&path), sqlite_log_of(&copy)).unwrap();
            let connection = Connection::open(&copy).unwrap();
            insert(&connection, rows);
            std::fs::read(sqlite_log_of(&copy)).unwrap()
        };
        let begun = std::fs::read(sqlite_log_of(&path)).unwrap();
        let (longer, shorter) = (going_on("longer", 12), going_on("shorter", 3));
        assert!(longer.len() > shorter.len() + FRAME_HEADER + 4_096);
        let mut log = [shorter.as_slice(), &longer[shorter.len()..]].concat();
        assert_eq!(damage_in(&log), None, "one is cut, the other is whole");
        log[begun.len() + FRAME_HEADER + 50] ^= 1;
        assert_eq!(damage_in(&log), None, "both are cut");
        let cut = folder.path().join("cut");
        std::fs::copy(&path, &cut).unwrap();
        std::fs::write(sqlite_log_of(&cut), &log).unwrap();
        assert_eq!(sqlite_log_damage(&cut).unwrap(), None);
        let count = "SELECT count(*) FROM t";
        let rows: u32 = Connection::open(&cut).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 4, "what was acknowledged");
        // Damage before them is found all the same.
        log[HEADER + FRAME_HEADER + 50] ^= 1;
        std::fs::write(sqlite_log_of(&cut), &log).unwrap();
        let found = sqlite_log_damage(&cut).unwrap().unwrap();
        assert!(found.frame == 1 && found.commits > 3, "{found:?}");
    }

    #[test]
    fn damage_in_the_middle_is_found_and_a_cut_is_none() {
        let whole = log(9);
        assert_eq!(damage_in(&whole), None);
        assert_eq!(damage_in(&[]), None);
        let frame = FRAME_HEADER + 4_096;
        let ends = (0..9).map(|commit| damage_in(&whole[..HEADER + frame * commit + 100]));
        assert!(ends.into_iter().all(|found| found.is_none()), "a cut is no damage");
        let flipped = |at: usize| {
            let mut log = whole.clone();
            log[at] ^= 1;
            damage_in(&log)
        };
        let (second, last) = (HEADER + frame + 2_000, HEADER + frame);
        let (number, lost) = flipped(second).unwrap();
        assert!(number == 2 && lost >= 8, "{number} {lost}");
        assert_eq!(flipped(last + 8).map(|(number, _)| number), Some(2), "its salt");
        assert_eq!(flipped(24).map(|(number, _)| number), Some(1), "the header's sum");
        let mut newest = log(1);
        newest[HEADER + 2_000] ^= 1;
        assert_eq!(damage_in(&newest), None, "the last commit may have been cut");
    }
}

//! A look at SQLite's write-ahead log before SQLite opens it: damage in its middle takes back all that was committed behind it,
//! and SQLite, which cannot tell that from a write that a crash has cut, says nothing.
//!
//! ```text
//!   header │ frame │ frame, a commit │ frame │ frame, a commit │ what an earlier log has left
//!   salts    the same salts …                                    other salts
//! ```
//!
//! Each commit is on disk before the next one begins (`synchronous = FULL`): a crash cuts the last one at most. A frame that is
//! not as it was written, with more than one commit behind it, is damaged. Format: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::io;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The last bit tells the order of the bytes in checksums.
const MAGIC: u32 = 0x377f_0682;

/// Which frame is damaged, from 1, and how many commits would be lost with it. `None` for a log that is whole, cut or absent.
///
/// # Errors
/// It cannot be read.
pub(super) fn damage(log: &Path) -> io::Result<Option<(usize, usize)>> {
    match millstream_host::files::read(log) {
        Ok(bytes) => Ok(damage_in(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn damage_in(log: &[u8]) -> Option<(usize, usize)> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    let is_big_endian = match number(header, 0).wrapping_sub(MAGIC) {
        0 => false,
        1 => true,
        _ => return None,
    };
    let page = usize::try_from(number(header, 8)).ok().filter(|page| (512..=65_536).contains(page))?;
    let salts = &header[16..24];
    let mut sum = checksum(&header[..24], (0, 0), is_big_endian);
    let mut is_sound = sum == (number(header, 24), number(header, 28));
    let mut damaged = (!is_sound).then_some(1);
    let mut commits = 0;
    for (place, frame) in frames.chunks_exact(FRAME_HEADER + page).enumerate() {
        let is_of_this = frame[8..16] == *salts;
        if is_sound {
            sum = checksum(&frame[..8], sum, is_big_endian);
            sum = checksum(&frame[FRAME_HEADER..], sum, is_big_endian);
            is_sound = is_of_this && sum == (number(frame, 16), number(frame, 20));
            damaged = (!is_sound).then_some(place + 1);
        }
        // What an earlier log has left bears other salts.
        commits += usize::from(!is_sound && is_of_this && number(frame, 4) != 0);
    }
    damaged.filter(|_| commits > 1).map(|frame| (frame, commits))
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

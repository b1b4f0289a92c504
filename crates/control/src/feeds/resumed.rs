//! A source that goes on behind the records of an earlier run.

use millstream_wording::counted;

use super::{RecordSource, SourceBatch, SourceState};
use crate::catalog::KnownRecord;

/// Records that are read at once to be skipped.
const SKIPPED_AT_ONCE: usize = 4_096;

/// Skips records at the beginning of a source. One that begins again and again is read once at most for that.
pub struct Resumed {
    /// Records of earlier runs.
    before: u64,
    /// Of them those that are still to be skipped.
    skipped: u64,
    /// One of them.
    known: Option<KnownRecord>,
    source: Box<dyn RecordSource>,
}

impl Resumed {
    /// Skips the first `records`; what cannot be a record does not count and is skipped with them. A source in which another
    /// record is where `known` was is not read: it is another one than it was.
    pub fn after(records: u64, known: Option<KnownRecord>, source: Box<dyn RecordSource>) -> Resumed {
        Resumed { before: records, skipped: records, known, source }
    }

    /// What to say when the known record is among these, which come behind the first `passed`, and is another one.
    fn has_changed(&self, passed: u64, records: &SourceBatch) -> Option<String> {
        let known = self.known?;
        let place = usize::try_from(known.number.checked_sub(passed + 1)?).ok()?;
        let is_same = place >= records.len() || KnownRecord::hash_of(records.record(place)) == known.hash;
        (!is_same).then(|| {
            format!(
                "record {} of the source is not the one that was put before: it was replaced or changed; millstream reset feed \
                 lets it be read from its beginning",
                known.number
            )
        })
    }

    /// Passes over what came before. A source that ends within it is another one than it was: that is said.
    fn skip(&mut self, batch: &mut SourceBatch) -> SourceState {
        self.skipped -= self.source.skip(self.skipped);
        let mut skipped = SourceBatch::default();
        let (mut rounds, mut of_round) = (self.source.rounds(), 0);
        while self.skipped > 0 {
            let rest = usize::try_from(self.skipped).unwrap_or(usize::MAX);
            let state = self.source.read(&mut skipped, rest.min(SKIPPED_AT_ONCE));
            // Only what was skipped without a look, and earlier rounds, cannot be compared.
            if self.source.rounds() == 0
                && let Some(reason) = self.has_changed(self.before - self.skipped, &skipped)
            {
                return SourceState::Failed(reason);
            }
            self.skipped = self.skipped.saturating_sub(skipped.len() as u64);
            if !state.is_open() {
                if matches!(state, SourceState::Ended) && self.skipped > 0 {
                    batch.push_unusable(format!(
                        "{} of the source were put before, but now it has {}: it was cut, or is another one; millstream \
                         reset feed lets it be read from its beginning",
                        counted(self.before, "record"),
                        self.before - self.skipped
                    ));
                }
                return state;
            }
            of_round += skipped.len() as u64;
            skipped.clear();
            if self.source.rounds() > rounds {
                // Every round gives the same. One without records gives none of those that are to be skipped.
                self.skipped = self.skipped.checked_rem(of_round).unwrap_or(0);
                (rounds, of_round) = (self.source.rounds(), 0);
            }
        }
        SourceState::Open
    }
}

impl RecordSource for Resumed {
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
        let state = self.skip(batch);
        if !state.is_open() {
            return state;
        }
        self.source.read(batch, most)
    }

    fn rounds(&self) -> u64 {
        self.source.rounds()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LineSource, LongestLine};
    use super::*;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Records and, with a `!`, what is none.
    struct Listed(Vec<&'static str>);

    impl RecordSource for Listed {
        fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
            for text in self.0.drain(..most.min(2).min(self.0.len())) {
                match text.strip_prefix('!') {
                    Some(reason) => batch.push_unusable(reason.to_owned()),
                    None => batch.push(text.as_bytes()),
                }
            }
            if self.0.is_empty() { SourceState::Ended } else { SourceState::Open }
        }
    }

    fn read(resumed: &mut Resumed) -> Vec<String> {
        let mut batch = SourceBatch::default();
        while resumed.read(&mut batch, 10).is_open() {}
        batch.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
    }

    #[test]
    fn low_records_of_an_earlier_run_are_skipped() {
        let records = || Box::new(Listed(vec!["a", "!no", "b", "c", "d"]));
        assert_eq!(read(&mut Resumed::after(2, None, records())), ["c", "d"]);
        assert_eq!(read(&mut Resumed::after(0, None, records())), ["a", "b", "c", "d"]);
        assert!(read(&mut Resumed::after(4, None, records())).is_empty());
        let unusable = |before| {
            let (mut resumed, mut batch) = (Resumed::after(before, None, records()), SourceBatch::default());
            while resumed.read(&mut batch, 10).is_open() {}
            assert_eq!(batch.len(), 0);
            batch.unusable().to_vec()
        };
        assert_eq!(unusable(4), [] as [String; 0]);
        let said = unusable(9);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("9 records of the source were put before, but now it has 4: "),
            "{said:?}"
        );
    }

    #[test]
    fn a_source_that_was_replaced_is_not_read() {
        let after = |records, number, record: &str| {
            let known = KnownRecord { number, hash: KnownRecord::hash_of(record.as_bytes()) };
            let source = Box::new(Listed(vec!["a", "!no", "b", "c", "d"]));
            let (mut resumed, mut batch) =
                (Resumed::after(records, Some(known), source), SourceBatch::default());
            loop {
                match resumed.read(&mut batch, 10) {
                    SourceState::Open => {}
                    SourceState::Ended => return Ok(batch.len()),
                    SourceState::Failed(reason) => return Err(reason),
                }
            }
        };
        assert_eq!(after(2, 2, "b"), Ok(2));
        assert_eq!(after(3, 2, "b\r\n"), Ok(1), "a line is the same without its end");
        assert_eq!(after(2, 1, "a"), Ok(2));
        for (number, record) in [(2, "x"), (1, "b"), (2, "")] {
            let reason = after(2, number, record).unwrap_err();
            assert!(reason.starts_with(&format!("record {number} of the source is not the one")), "{reason}");
        }
    }

    /// A file that is read again and again, with a header, and how many records are read of it.
    struct Counted(LineSource, Arc<AtomicU64>);

    impl Counted {
        fn open(path: &Path) -> (Counted, Arc<AtomicU64>) {
            let read = Arc::default();
            (Counted(LineSource::file(path, true, true).unwrap(), Arc::clone(&read)), read)
        }
    }

    impl RecordSource for Counted {
        fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
            let before = batch.len();
            let state = self.0.read(batch, most);
            self.1.fetch_add((batch.len() - before) as u64, Ordering::Relaxed);
            assert!(self.0.rounds() < 10, "it is read for ever");
            state
        }

        fn rounds(&self) -> u64 {
            self.0.rounds()
        }
    }

    /// The first two records after so many of a file, and how many are read for that.
    fn two_after(records: u64, path: &Path) -> (String, u64) {
        let (source, read) = Counted::open(path);
        let mut resumed = Resumed::after(records, None, Box::new(source));
        let mut batch = SourceBatch::default();
        while batch.len() < 2 {
            let most = 2 - batch.len();
            assert!(resumed.read(&mut batch, most).is_open());
        }
        (String::from_utf8_lossy(batch.bytes()).replace('\n', ""), read.load(Ordering::Relaxed))
    }

    #[test]
    fn a_file_that_begins_again_is_read_once_for_what_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        for end in ["\n", ""] {
            std::fs::write(&path, format!("h\na\nb\nc{end}")).unwrap();
            for (records, expected) in
                [(0, "ab"), (1, "bc"), (2, "ca"), (3, "ab"), (4, "bc"), (3_000_002, "ca")]
            {
                let (given, read) = two_after(records, &path);
                assert_eq!(given, expected, "{records}");
                assert!(read < 10, "{records}: {read}");
            }
        }
        let long = "x".repeat(LongestLine::BYTES + 1);
        std::fs::write(&path, format!("h\na\n{long}\nb\n")).unwrap();
        assert_eq!(two_after(2_000_001, &path).0, "ba", "what is no record does not count");
        std::fs::write(&path, format!("h\n{long}\n")).unwrap();
        let mut resumed = Resumed::after(5, None, Box::new(Counted::open(&path).0));
        assert!(resumed.read(&mut SourceBatch::default(), 1).is_open(), "one without records is read once");
    }
}

//! A source that goes on behind the records of an earlier run.

use super::{RecordSource, SourceBatch, SourceState};

/// Records that are read at once to be skipped.
const SKIPPED_AT_ONCE: usize = 4_096;

/// Skips records at the beginning of a source.
pub struct Resumed {
    skipped: u64,
    source: Box<dyn RecordSource>,
}

impl Resumed {
    /// Skips the first `records`; what cannot be a record does not count and is skipped with them.
    pub fn after(records: u64, source: Box<dyn RecordSource>) -> Resumed {
        Resumed { skipped: records, source }
    }
}

impl RecordSource for Resumed {
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
        let mut skipped = SourceBatch::default();
        while self.skipped > 0 {
            let rest = usize::try_from(self.skipped).unwrap_or(usize::MAX);
            let state = self.source.read(&mut skipped, rest.min(SKIPPED_AT_ONCE));
            if !state.is_open() {
                return state;
            }
            self.skipped -= skipped.len() as u64;
            skipped.clear();
        }
        self.source.read(batch, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(read(&mut Resumed::after(2, records())), ["c", "d"]);
        assert_eq!(read(&mut Resumed::after(0, records())), ["a", "b", "c", "d"]);
        assert!(read(&mut Resumed::after(4, records())).is_empty());
        assert!(read(&mut Resumed::after(9, records())).is_empty());
    }
}

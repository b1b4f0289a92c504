//! A source that goes on behind the records of an earlier run.

use super::{NextRecord, RecordSource};

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
    fn next_record(&mut self) -> NextRecord {
        loop {
            let next = self.source.next_record();
            match next {
                NextRecord::End => return next,
                _ if self.skipped == 0 => return next,
                NextRecord::Record(_) => self.skipped -= 1,
                NextRecord::Unusable(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    struct Listed(Vec<NextRecord>);

    impl RecordSource for Listed {
        fn next_record(&mut self) -> NextRecord {
            if self.0.is_empty() { NextRecord::End } else { self.0.remove(0) }
        }
    }

    #[test]
    fn records_of_an_earlier_run_are_skipped() {
        let record = |text: &'static str| NextRecord::Record(Bytes::from_static(text.as_bytes()));
        let records = vec![record("a"), NextRecord::Unusable("no".into()), record("b"), record("c")];
        let mut resumed = Resumed::after(2, Box::new(Listed(records.clone())));
        assert_eq!(resumed.next_record(), record("c"));
        assert_eq!(resumed.next_record(), NextRecord::End);
        let mut shorter = Resumed::after(9, Box::new(Listed(records)));
        assert_eq!(shorter.next_record(), NextRecord::End);
    }
}

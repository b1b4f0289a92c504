//! What of an application fails now and is tried again, for people to see.

use std::collections::BTreeMap;

use millstream_host::Timestamp;
use parking_lot::Mutex;

use crate::view::RetryingView;

/// The parts that fail now, by name. The lock guards a few texts.
#[derive(Default)]
pub(crate) struct Retrying(Mutex<BTreeMap<String, RetryingView>>);

impl Retrying {
    /// A part has failed and is tried again.
    pub(crate) fn failed(&self, what: &str, now: Timestamp, reason: String) {
        let mut parts = self.0.lock();
        let part = parts.entry(what.to_owned()).or_insert_with(|| RetryingView {
            what: what.to_owned(),
            since: now.millis(),
            attempts: 0,
            reason: String::new(),
        });
        part.attempts += 1;
        part.reason = reason;
    }

    /// A part has worked.
    pub(crate) fn worked(&self, what: &str) {
        self.0.lock().remove(what);
    }

    pub(crate) fn views(&self) -> Vec<RetryingView> {
        self.0.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_from_the_first() {
        let retrying = Retrying::default();
        retrying.failed("source", Timestamp(5), "busy".to_owned());
        retrying.failed("source", Timestamp(7), "gone".to_owned());
        let view = RetryingView { what: "source".into(), since: 5, attempts: 2, reason: "gone".into() };
        assert_eq!(retrying.views(), [view]);
        retrying.worked("source");
        assert_eq!(retrying.views(), []);
    }
}

//! Records of a source, many in one buffer.

/// Records in one buffer, in order, and what could not be a record: read without an object for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceBatch {
    bytes: Vec<u8>,
    /// Where each record ends in the buffer.
    ends: Vec<usize>,
    unusable: Vec<String>,
}

impl SourceBatch {
    /// How many records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All records, one after the other, each with its line end where its source keeps it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each record ends in [`Self::bytes`].
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The record at `place`, from 0.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn record(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[place]]
    }

    /// The records.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.record(place))
    }

    /// What could not be a record, and why; the source went on behind each.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// Empties it; its buffer stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.unusable.clear();
    }

    #[inline]
    pub(super) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push_unusable(&mut self, reason: String) {
        self.unusable.push(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut batch = SourceBatch::default();
        for record in [b"one\n".as_slice(), b"", b"three"] {
            batch.push(record);
        }
        batch.push_unusable("no".into());
        assert_eq!(batch.iter().collect::<Vec<_>>(), [b"one\n".as_slice(), b"", b"three"]);
        assert_eq!(
            (batch.len(), batch.bytes(), batch.unusable()),
            (3, &b"one\nthree"[..], &["no".into()][..])
        );
        batch.clear();
        assert_eq!(batch, SourceBatch::default());
    }
}

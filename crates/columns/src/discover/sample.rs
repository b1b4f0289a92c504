//! The records that a schema is found for.

use super::DiscoverError;

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of a sample that hold something.
pub(super) struct Sample<'r> {
    /// Without a byte order mark.
    pub(super) records: Vec<&'r [u8]>,
    /// Their numbers from 1.
    pub(super) numbers: Vec<usize>,
    /// Those that are text, and the number of each.
    pub(super) texts: Vec<&'r str>,
    pub(super) text_numbers: Vec<usize>,
}

impl<'r> Sample<'r> {
    /// # Errors
    /// There are none, or most are no text.
    pub(super) fn of(records: &[&'r [u8]]) -> Result<Sample<'r>, DiscoverError> {
        let mut sample =
            Sample { records: Vec::new(), numbers: Vec::new(), texts: Vec::new(), text_numbers: Vec::new() };
        let mut first_wrong = None;
        for (number, record) in (1..).zip(records) {
            let record = match number {
                1 => record.strip_prefix(BYTE_ORDER_MARK).unwrap_or(record),
                _ => record,
            };
            if record.trim_ascii().is_empty() {
                continue;
            }
            sample.records.push(record);
            sample.numbers.push(number);
            match std::str::from_utf8(record) {
                Ok(text) => {
                    sample.texts.push(text);
                    sample.text_numbers.push(number);
                }
                Err(error) => {
                    first_wrong.get_or_insert((number, error.valid_up_to()));
                }
            }
        }
        let (all, texts) = (sample.numbers.len(), sample.texts.len());
        match first_wrong {
            Some((first, byte)) if 2 * texts <= all => {
                Err(DiscoverError::NotText { count: all - texts, records: all, first, byte })
            }
            _ if texts == 0 => Err(DiscoverError::Empty),
            _ => Ok(sample),
        }
    }
}

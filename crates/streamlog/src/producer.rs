//! Who appends, and how far it has come: what makes an append that is repeated count once.

use std::collections::BTreeMap;

use crate::error::AppendError;

/// Numbers the records of an append, so that the log can drop what it has already.
///
/// A producer counts what it appends to one stream: rows, lines, bytes of a file, offsets of another log. After a restart
/// it goes on from [`Log::producer_position`](crate::Log::producer_position), or from an older place of its own: what
/// the log has by then is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The same in every run, and of no other producer of the stream.
    pub id: u64,
    /// The number of the first record.
    pub first_number: u64,
    /// The number that comes after the last record; `None` when the records are numbered one by one. With it the
    /// numbers may have gaps, and an append is dropped as a whole or not at all.
    pub next_number: Option<u64>,
}

impl Producer {
    /// Records numbered one by one from `first_number`.
    pub fn new(id: u64, first_number: u64) -> Producer {
        Producer { id, first_number, next_number: None }
    }

    /// Records that together take the numbers from `first_number` up to, not including, `next_number`.
    pub fn spanning(id: u64, first_number: u64, next_number: u64) -> Producer {
        Producer { id, first_number, next_number: Some(next_number) }
    }

    /// One past the last number of an append of `records` records.
    pub(crate) fn next(&self, records: u64) -> u64 {
        self.next_number.unwrap_or(self.first_number.saturating_add(records))
    }

    /// How many records at the start of an append the log has already, when it has everything before `have`.
    pub(crate) fn duplicates(&self, records: u64, have: u64) -> Result<u64, AppendError> {
        let next = self.next(records);
        if have <= self.first_number {
            Ok(0)
        } else if have >= next {
            Ok(records)
        } else if self.next_number.is_none() {
            Ok(have - self.first_number)
        } else {
            Err(AppendError::ProducerOverlap {
                producer: self.id,
                first_number: self.first_number,
                next_number: next,
                position: have,
            })
        }
    }
}

/// One past the highest number of each producer of a stream.
pub(crate) type ProducerTable = BTreeMap<u64, u64>;

/// A change of a producer's position, durable with the commit it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerChange {
    pub(crate) stream: u32,
    pub(crate) producer: u64,
    /// One past its highest number; `None` forgets the producer.
    pub(crate) next_number: Option<u64>,
}

impl ProducerChange {
    pub(crate) fn apply(&self, table: &mut ProducerTable) {
        match self.next_number {
            Some(next) => {
                table.insert(self.producer, next);
            }
            None => {
                table.remove(&self.producer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_has_is_counted_from_the_front() {
        let rows = Producer::new(1, 100);
        for (have, expected) in [(0, 0), (100, 0), (101, 1), (109, 9), (110, 10), (900, 10)] {
            assert_eq!(rows.duplicates(10, have).unwrap(), expected, "{have}");
        }
        let span = Producer::spanning(1, 100, 200);
        assert_eq!(span.duplicates(10, 100).unwrap(), 0);
        assert_eq!(span.duplicates(10, 200).unwrap(), 10);
        assert_eq!(
            span.duplicates(10, 150).unwrap_err().to_string(),
            "producer 1 appends the numbers 100 to 199 as one, but the log has it up to 149: go on from 150"
        );
    }
}

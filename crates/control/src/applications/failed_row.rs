//! What failed, of a row of `error_stream`, as people read it: the bytes, and the record that they came from.

use std::fmt;

use bytes::Bytes;
use millstream_engine::ErrorRow;
use millstream_streamlog::{RecordView, SequenceNumber, ShardNumber, StreamKey, StreamKind};

use crate::definition::{Kind, Reference};

/// Where a record is in the source of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    shard: ShardNumber,
    sequence_number: SequenceNumber,
}

impl RecordPlace {
    pub(crate) fn of(record: &RecordView<'_>) -> RecordPlace {
        RecordPlace { shard: record.shard(), sequence_number: record.sequence_number() }
    }
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of {}", self.sequence_number, self.shard)
    }
}

/// Records that are no rows.
#[derive(Debug, Default)]
pub(crate) struct InputErrors {
    /// Their rows of `error_stream`.
    rows: Vec<ErrorRow>,
    /// Where each is, in the same order; rows of reference tables come from no record.
    places: Vec<Option<RecordPlace>>,
}

impl InputErrors {
    /// Errors that come from no record.
    pub(crate) fn without_places(rows: Vec<ErrorRow>) -> InputErrors {
        let places = vec![None; rows.len()];
        InputErrors { rows, places }
    }

    pub(crate) fn push(&mut self, row: ErrorRow, place: RecordPlace) {
        self.rows.push(row);
        self.places.push(Some(place));
    }

    pub(crate) fn rows(&self) -> &[ErrorRow] {
        &self.rows
    }

    /// Where the newest comes from, in words.
    pub(crate) fn origin(&self) -> &'static str {
        match self.places.last() {
            Some(None) => "a reference table",
            _ => "the input",
        }
    }

    /// How many records they come from: errors of one follow each other.
    pub(crate) fn records(&self) -> u64 {
        self.places.chunk_by(PartialEq::eq).filter(|of_one| of_one[0].is_some()).count() as u64
    }

    /// The record of the newest, if it comes from one.
    pub(crate) fn newest_place(&self) -> Option<RecordPlace> {
        self.places.last().copied().flatten()
    }

    /// What failed in each of them, of records of a stream or buffer.
    pub(crate) fn failed(&self, source: &StreamKey) -> impl Iterator<Item = FailedRow> {
        let both = self.rows.iter().zip(&self.places);
        both.map(|(row, place)| FailedRow {
            source: place.map(|place| place.within(source)),
            ..FailedRow::of(row)
        })
    }
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRow {
    /// The record, or the fields of the row as CSV; its beginning, when it is long.
    pub data: Bytes,
    /// Where the record is. A row that failed in a pump may be made of many.
    pub source: Option<SourceRecord>,
}

/// A record of what an application reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// The stream or delivery stream.
    pub place: Reference,
    /// Its shard, such as `shardId-000000000000`.
    pub shard: String,
    /// Its number.
    pub sequence_number: String,
}

impl RecordPlace {
    fn within(self, key: &StreamKey) -> SourceRecord {
        let kind = match key.kind {
            StreamKind::Data => Kind::Stream,
            StreamKind::Delivery => Kind::DeliveryStream,
        };
        SourceRecord {
            place: Reference::new(kind, &key.name.to_string()),
            shard: self.shard.to_string(),
            sequence_number: self.sequence_number.to_string(),
        }
    }
}

impl FailedRow {
    /// Of a row that failed somewhere in a pump.
    pub(crate) fn of(row: &ErrorRow) -> FailedRow {
        FailedRow { data: bytes_of(&row.data_row).into(), source: None }
    }
}

/// The bytes of DATA_ROW.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_rows_are_hex_digits() {
        assert_eq!(bytes_of("6E6F2C00ff"), b"no,\0\xff");
        assert_eq!(bytes_of(""), b"");
    }
}

//! Records that are not as the others of their sample: some spoil nothing.

use super::Discovered;
use super::sample::Sample;

/// A record that is not as the others of its sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Irregular {
    /// Its number in the sample, from 1.
    pub record: usize,
    /// What is wrong with it, and what becomes of it.
    pub reason: String,
    /// It gives no row: it goes to the error stream.
    pub is_refused: bool,
}

/// The records that the schema refuses, in order.
pub(super) fn refused(discovered: &Discovered, sample: &Sample<'_>) -> Vec<Irregular> {
    let Ok(mut parser) = discovered.schema.parser() else { return Vec::new() };
    for (place, record) in sample.records.iter().enumerate() {
        parser.parse(match place {
            0 if discovered.has_header => after_first_line(record),
            _ => record,
        });
    }
    let mut irregular: Vec<Irregular> = Vec::new();
    for error in parser.finish().errors {
        let record = sample.numbers[error.record as usize];
        if irregular.last().is_none_or(|last| last.record != record) {
            let reason = format!("{}, so it goes to error_stream", error.message);
            irregular.push(Irregular { record, reason, is_refused: true });
        }
    }
    irregular
}

/// What stands behind the header.
fn after_first_line(record: &[u8]) -> &[u8] {
    let end = record.iter().position(|byte| *byte == b'\n');
    end.map_or(&[], |end| &record[end + 1..])
}

/// Whether so few do not fit that they are exceptions: one, or a quarter.
pub(super) fn are_nearly_all(fitting: usize, all: usize) -> bool {
    let others = all - fitting;
    all > 0 && (4 * others <= all || others == 1 && all > 2)
}

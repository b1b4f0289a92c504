//! Records of delimited fields: CSV, TSV and the like.
//!
//! Columns go by position. Missing fields are NULL, further fields are ignored, rows without a character are skipped. With
//! quoting, a field that begins with `"` runs to the next lone `"`, delimiters and all; `""` is a quote. A line end at the
//! end of a text, `\n` or `\r\n`, is part of no field, whatever separates rows.

use crate::formats::parser::Rows;
use crate::row_error::ErrorName;
use memchr::memmem::Finder;

/// A reader of delimited rows.
pub(super) struct CsvReader {
    row: Delimiter,
    column: Delimiter,
    quoting: bool,
    unquoted: String,
}

struct Delimiter {
    single: Option<u8>,
    length: usize,
    finder: Finder<'static>,
}

impl Delimiter {
    fn new(text: &str) -> Delimiter {
        let single = match text.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        };
        Delimiter { single, length: text.len(), finder: Finder::new(text.as_bytes()).into_owned() }
    }

    #[inline]
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self.single {
            Some(byte) => find_near(byte, text),
            None => self.finder.find(text),
        }
    }

    /// The first delimiter or quote.
    #[inline]
    fn find_or_quote(&self, text: &[u8]) -> Option<usize> {
        match self.single {
            Some(byte) => memchr::memchr2(byte, b'"', text),
            None => {
                let delimiter = self.finder.find(text);
                memchr::memchr(b'"', &text[..delimiter.unwrap_or(text.len())]).or(delimiter)
            }
        }
    }

    fn starts(&self, text: &str) -> bool {
        text.as_bytes().starts_with(self.finder.needle())
    }
}

/// The first `byte` of `text`: quick when it is near, as the end of a field mostly is. Eight bytes are looked at together.
#[inline]
fn find_near(byte: u8, text: &[u8]) -> Option<usize> {
    const NEAR: usize = 32;
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = LOWEST << 7;
    let pattern = LOWEST * u64::from(byte);
    let mut at = 0;
    while at < NEAR {
        let Some(word) = text.get(at..at + 8) else {
            return text[at..].iter().position(|other| *other == byte).map(|found| at + found);
        };
        let word = u64::from_le_bytes(word.try_into().expect("the range has this length")) ^ pattern;
        // The highest bit of each byte that is 0; above the first also of some that are 1.
        let found = word.wrapping_sub(LOWEST) & !word & HIGHEST;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr(byte, &text[at..]).map(|found| at + found)
}

impl CsvReader {
    pub(super) fn new(row_delimiter: &str, column_delimiter: &str, quoting: bool) -> CsvReader {
        CsvReader {
            row: Delimiter::new(row_delimiter),
            column: Delimiter::new(column_delimiter),
            quoting,
            unquoted: String::new(),
        }
    }

    /// Reads the rows of a text; `count_rows` makes each row a record of its own.
    pub(super) fn read(&mut self, text: &str, count_rows: bool, rows: &mut Rows) {
        let mut rest = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        while !rest.is_empty() {
            let start = rest;
            let bytes = rest.as_bytes();
            let found = if self.quoting { self.row.find_or_quote(bytes) } else { self.row.find(bytes) };
            let is_quote = |at: usize| self.quoting && bytes[at] == b'"' && !self.row.starts(&rest[at..]);
            let (row, after) = match found {
                Some(at) if is_quote(at) => self.read_quoted(rest, rows),
                found => {
                    let end = found.unwrap_or(rest.len());
                    if end > 0 {
                        self.read_plain(rest, end, rows);
                    }
                    (&rest[..end], rest.get(end + self.row.length..).unwrap_or_default())
                }
            };
            if count_rows && !row.is_empty() {
                rows.record += 1;
            }
            rest = after;
            debug_assert!(rest.len() < start.len());
        }
    }

    /// A row without quotes: the first `end` bytes of `text`.
    fn read_plain(&self, text: &str, end: usize, rows: &mut Rows) {
        let before = rows.row_to_record.len();
        let row = &text.as_bytes()[..end];
        let mut at = 0;
        for column in 0..rows.builders.len() {
            if at > end {
                rows.builders[column].push_null();
                continue;
            }
            let (field_end, next) = match self.column.find(&row[at..]) {
                Some(found) => (at + found, at + found + self.column.length),
                None => (end, end + 1),
            };
            if rows.builders[column].push_field_within(text, at, field_end).is_err() {
                rows.roll_back(before);
                rows.refuse_column(column, &text[at..field_end], row);
                return;
            }
            at = next;
        }
        rows.commit();
    }

    /// A row in which quotes may hide delimiters. Gives the row and what follows it.
    fn read_quoted<'a>(&mut self, text: &'a str, rows: &mut Rows) -> (&'a str, &'a str) {
        let before = rows.row_to_record.len();
        let mut refused: Option<(usize, String)> = None;
        let mut broken = None;
        let mut at = 0;
        let mut column = 0;
        let mut ended = false;
        while !ended {
            let rest = &text[at..];
            self.unquoted.clear();
            let mut field = "";
            if let Some(quoted) = rest.strip_prefix('"') {
                match unquote(quoted, &mut self.unquoted) {
                    Some(length) => at += 1 + length,
                    None => {
                        broken = Some("a quote is not closed");
                        at = text.len();
                    }
                }
            } else {
                let end = match (self.column.find(rest.as_bytes()), self.row.find(rest.as_bytes())) {
                    (Some(column), Some(row)) => column.min(row),
                    (Some(end), None) | (None, Some(end)) => end,
                    (None, None) => rest.len(),
                };
                field = &rest[..end];
                at += end;
            }
            let field = if self.unquoted.is_empty() { field } else { self.unquoted.as_str() };
            let counts = column < rows.builders.len() && refused.is_none() && broken.is_none();
            if counts && rows.builders[column].push_field(field).is_err() {
                refused = Some((column, field.to_owned()));
            }
            column += 1;
            let rest = &text[at..];
            if rest.is_empty() || self.row.starts(rest) {
                ended = true;
            } else if self.column.starts(rest) {
                at += self.column.length;
            } else {
                broken = broken.or(Some("text follows a closing quote"));
                at += self.row.find(rest.as_bytes()).unwrap_or(rest.len());
                ended = true;
            }
        }
        let row = &text[..at];
        let after = text[at..].get(self.row.length..).unwrap_or_default();
        if let Some(reason) = broken {
            rows.roll_back(before);
            rows.refuse(ErrorName::ParseError, format!("the row is not CSV: {reason}"), row.as_bytes());
        } else if let Some((column, value)) = refused {
            rows.roll_back(before);
            rows.refuse_column(column, &value, row.as_bytes());
        } else {
            for missing in column..rows.builders.len() {
                rows.builders[missing].push_null();
            }
            rows.commit();
        }
        (row, after)
    }
}

/// Copies a quoted field, without its first quote, to `out`; gives the bytes up to and with the closing quote.
fn unquote(text: &str, out: &mut String) -> Option<usize> {
    let mut at = 0;
    loop {
        let quote = at + memchr::memchr(b'"', &text.as_bytes()[at..])?;
        out.push_str(&text[at..quote]);
        at = quote + 1;
        if text.as_bytes().get(at) != Some(&b'"') {
            return Some(at);
        }
        out.push('"');
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_found_near_and_far(
            mut text in prop::collection::vec(prop::sample::select(vec![b'a', b',', b'-', 0, 1, 0x80, 0xff]), 0..70),
            far in 0_usize..70,
            byte in prop::sample::select(vec![b',', b'\n', 0, 1, 0x80, 0xff]),
        ) {
            prop_assert_eq!(find_near(byte, &text), memchr::memchr(byte, &text));
            text.retain(|other| *other != byte);
            text.insert(far.min(text.len()), byte);
            prop_assert_eq!(find_near(byte, &text), Some(far.min(text.len() - 1)));
        }
    }
}

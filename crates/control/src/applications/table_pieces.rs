//! The text of a reference table in pieces, each cut where a row or document ends: what a piece holds is in memory beside
//! the rows before it, and no more. Rows come out as if the text were read at once.

use memchr::memmem::Finder;
use millstream_columns::formats::RecordFormat;

/// A piece has this much, or one row or document.
const PIECE_BYTES: usize = 1 << 20;
/// Rows of a piece at most: CHAR columns may make much of few bytes.
const PIECE_ROWS: usize = 1_024;

/// Cuts a text.
pub(super) struct Pieces<'t> {
    rest: &'t [u8],
    ends: Ends<'t>,
}

/// Where the rows of a text end.
enum Ends<'f> {
    /// At a delimiter outside of quotes.
    Rows { row: Box<Finder<'f>>, column: Box<Finder<'f>>, quoting: bool },
    /// At each line end.
    Lines,
    /// At a line end outside of a document.
    Documents,
}

impl<'t> Pieces<'t> {
    /// Of the text of a table in this format.
    pub(super) fn new(text: &'t [u8], format: &'t RecordFormat) -> Pieces<'t> {
        let ends = match format {
            RecordFormat::Json { .. } => Ends::Documents,
            RecordFormat::Csv { row_delimiter, column_delimiter, quoting } => Ends::Rows {
                row: Box::new(Finder::new(row_delimiter.as_bytes())),
                column: Box::new(Finder::new(column_delimiter.as_bytes())),
                quoting: *quoting,
            },
        };
        Pieces { rest: text, ends }
    }

    /// Of bytes that are no text, which are read line by line.
    pub(super) fn of_lines(bytes: &'t [u8]) -> Pieces<'t> {
        Pieces { rest: bytes, ends: Ends::Lines }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (end, next) = self.ends.cut(self.rest);
        let piece = &self.rest[..end];
        self.rest = &self.rest[next..];
        Some(piece)
    }
}

impl Ends<'_> {
    /// Where the first piece ends, and where the next begins.
    fn cut(&self, text: &[u8]) -> (usize, usize) {
        let (mut start, mut rows) = (0, 0);
        while start < text.len() {
            let (end, next) = match self {
                Ends::Rows { row, column, quoting } => {
                    let end = start + row_end(&text[start..], row, column, *quoting);
                    (end, end + row.needle().len())
                }
                Ends::Lines => {
                    let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end);
                    (end, end + 1)
                }
                Ends::Documents => {
                    let end = start + line_end_outside(&text[start..]);
                    (end, end + 1)
                }
            };
            if next >= text.len() {
                break;
            }
            rows += 1;
            // A line end at the end of a text is left out: a piece does not end with one that belongs to a row.
            let is_whole = end > start && text[end - 1] != b'\n';
            if is_whole && (end >= PIECE_BYTES || rows >= PIECE_ROWS) {
                return (end, next);
            }
            start = next;
        }
        (text.len(), text.len())
    }
}

/// The length of the first row of a text, as the parser reads it.
fn row_end(text: &[u8], row: &Finder<'_>, column: &Finder<'_>, quoting: bool) -> usize {
    let plain = row.find(text).unwrap_or(text.len());
    if !quoting || memchr::memchr(b'"', &text[..plain]).is_none() {
        return plain;
    }
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += match rest.strip_prefix(b"\"") {
            Some(quoted) => match closing_quote(quoted) {
                Some(length) => 1 + length,
                None => return text.len(),
            },
            None => {
                let end = row.find(rest).unwrap_or(rest.len());
                let field_and_delimiter = rest.len().min(end + column.needle().len());
                column.find(&rest[..field_and_delimiter]).map_or(end, |field| field.min(end))
            }
        };
        let rest = &text[at..];
        if rest.is_empty() || rest.starts_with(row.needle()) {
            return at;
        }
        if !rest.starts_with(column.needle()) {
            return at + row.find(rest).unwrap_or(rest.len());
        }
        at += column.needle().len();
    }
}

/// The bytes up to and with the lone quote that closes a field.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', &text[at..])? + 1;
        if text.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// The bytes up to the first line end that stands in no JSON document.
fn line_end_outside(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match text[at] {
            b'\n' if depth == 0 => return at,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at += string_length(&text[at + 1..]),
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The bytes of a JSON text behind its first quote, the last one included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += found + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += 1;
        if at > text.len() {
            break;
        }
    }
    text.len()
}

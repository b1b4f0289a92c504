//! The text of a file, with the beginnings of its lines: places are found without reading it from its start.

use std::ops::Range;

use toml::Spanned;

/// A text with a name.
pub(super) struct SourceText<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// Offsets in bytes.
    line_starts: Vec<usize>,
}

impl<'a> SourceText<'a> {
    /// Reads the text once.
    pub(super) fn new(name: &'a str, text: &'a str) -> SourceText<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        SourceText { name, text, line_starts }
    }

    /// The number of the line that an offset is in, from 0, and where it begins.
    pub(super) fn line_of(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        (line, self.line_starts[line])
    }
}

/// Where the characters of an inline text begin in the file, when they are there as they are, without escapes.
pub(super) fn place_of_inline_text(file: &str, inline: &Spanned<String>) -> Option<usize> {
    let span = inline.span();
    let raw = file.get(span.clone())?;
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let mut start = quotes;
    if quotes == 3 {
        start += if raw.get(3..)?.starts_with("\r\n") { 2 } else { 0 };
        start += usize::from(raw.get(start..)?.starts_with('\n'));
    }
    let text = raw.get(start..raw.len().checked_sub(quotes)?)?;
    (text == inline.get_ref()).then_some(span.start + start)
}

/// The place in the file of a range of an inline text; the whole text where it is written with escapes.
pub(super) fn place_within(file: &str, inline: &Spanned<String>, range: &Range<usize>) -> Range<usize> {
    match place_of_inline_text(file, inline) {
        Some(start) => start + range.start..start + range.end,
        None => inline.span(),
    }
}

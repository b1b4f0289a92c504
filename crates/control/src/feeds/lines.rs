//! Lines of a file or of standard input as records; gzip is recognised by its first bytes.
//!
//! A record is a line with its line end, `\n` or `\r\n`, so that objects made of records hold lines again. The last line of
//! a file gets a `\n` when it has none. A byte order mark at the start is no part of the first line.
//!
//! A line that is longer than a record may be is skipped and named. One that has no end within [`LongestLine::SKIPPED`] is taken
//! for no line: reading ends there. Of neither more is kept than a record holds.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_host::files;

use super::gzip_members::GzipMembers;
use super::{RecordSource, SourceBatch, SourceState};
use crate::no_text::no_text;

/// The longest line that can be a record, in bytes: a record and its partition key have 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct LongestLine;

impl LongestLine {
    /// In bytes.
    pub const BYTES: usize = (1 << 20) - 64;
    /// The longest line that is skipped as one, in bytes.
    pub const SKIPPED: usize = 64 << 20;
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {}", path.display(), files::reason(error))]
pub struct OpenInputError {
    path: PathBuf,
    /// Its words are in the text already.
    error: io::Error,
}

/// Lines, with their line ends.
pub struct LineSource {
    /// `None` for standard input.
    path: Option<PathBuf>,
    reader: Box<dyn BufRead + Send>,
    /// Start again at the end.
    repeat: bool,
    /// How often it has started again.
    rounds: u64,
    assembler: Assembler,
    state: SourceState,
}

/// What a line is.
pub(super) enum Line<'line> {
    Record {
        /// Its number in the file, from 1.
        number: u64,
        /// With its line end.
        data: &'line [u8],
    },
    /// It cannot be a record, and why.
    Unusable(String),
}

/// Puts lines together from what lies in the reader's buffer.
struct Assembler {
    /// The first line is a header, not a record.
    header: bool,
    /// As text, once it has been read.
    header_line: Option<String>,
    /// The number of the line that was read last, from 1.
    line_number: u64,
    /// Records since the beginning of the file: a file without any is not started again.
    records: u64,
    /// The beginning of a line whose end has not been read, of the longest no more than can be a record.
    begun: Vec<u8>,
    /// How long it is in truth.
    begun_bytes: usize,
}

impl LineSource {
    /// Opens a file, plain or gzip.
    ///
    /// # Errors
    /// It cannot be opened or its first bytes cannot be read.
    pub fn file(path: &Path, header: bool, repeat: bool) -> Result<LineSource, OpenInputError> {
        let reader = open(path)?;
        Ok(LineSource {
            path: Some(path.to_owned()),
            reader,
            repeat,
            rounds: 0,
            assembler: Assembler::new(header),
            state: SourceState::Open,
        })
    }

    /// As [`LineSource::file`], read once: reading ends where a pipe gives nothing for longer than `patience`.
    ///
    /// # Errors
    /// It cannot be opened, or its first bytes cannot be read or do not come.
    pub fn file_patiently(
        path: &Path,
        header: bool,
        patience: Duration,
    ) -> Result<LineSource, OpenInputError> {
        let failed = |error: io::Error| OpenInputError {
            path: path.to_owned(),
            error: match error.kind() {
                io::ErrorKind::TimedOut => io::Error::other(format!(
                    "nothing has come through this pipe for {} s",
                    patience.as_secs()
                )),
                _ => error,
            },
        };
        let reader = files::open_patiently(path, patience).and_then(plain_or_gzip).map_err(failed)?;
        Ok(LineSource { path: None, reader, ..LineSource::standard_input(header) })
    }

    /// Standard input.
    pub fn standard_input(header: bool) -> LineSource {
        LineSource {
            path: None,
            reader: Box::new(BufReader::with_capacity(256 << 10, io::stdin())),
            repeat: false,
            rounds: 0,
            assembler: Assembler::new(header),
            state: SourceState::Open,
        }
    }

    /// It could not be read to its end, such as a compressed file of which a part is missing.
    pub fn is_cut(&self) -> bool {
        self.state.failure().is_some()
    }

    /// The header, once it has been read; of a very long one its beginning.
    pub fn header_line(&self) -> Option<&str> {
        self.assembler.header_line.as_deref()
    }

    /// The first line of a file as text.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn first_line(path: &Path) -> Result<String, OpenInputError> {
        let failed = |error| OpenInputError { path: path.to_owned(), error };
        let mut line = Vec::new();
        open(path)?.take(LongestLine::BYTES as u64).read_until(b'\n', &mut line).map_err(failed)?;
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
        Ok(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Gives the next lines to `take`, at most `most`: those that have been read already, or else waits for one, or for the
    /// end of the file.
    pub(super) fn read_lines(&mut self, most: usize, mut take: impl FnMut(Line<'_>)) -> SourceState {
        let mut given = 0;
        while given == 0 && self.state.is_open() {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let number = self.assembler.line_number + 1;
                    self.state = SourceState::Failed(format!("reading ends at line {number}: {error}"));
                    break;
                }
            };
            let is_beginning = self.assembler.line_number == 0 && self.assembler.begun_bytes == 0;
            if is_beginning && let Some(reason) = no_text(available) {
                self.state = SourceState::Failed(format!("reading ends at line 1: {reason}"));
                break;
            }
            if available.is_empty() {
                self.assembler.end_file(&mut take);
                self.end_file();
                break;
            }
            let mut used = 0;
            for end in memchr::memchr_iter(b'\n', available) {
                if given == most {
                    break;
                }
                given += self.assembler.end_line(&available[used..=end], &mut take);
                used = end + 1;
            }
            if given < most {
                self.assembler.begin_line(&available[used..]);
                used = available.len();
            }
            self.reader.consume(used);
            if self.assembler.begun_bytes > LongestLine::SKIPPED {
                self.state = SourceState::Failed(format!(
                    "reading ends at line {}: it has no end within {} MiB; each line is a record, of at most {} bytes: give text with one record on each line",
                    self.assembler.line_number + 1,
                    LongestLine::SKIPPED >> 20,
                    LongestLine::BYTES
                ));
            }
        }
        self.state.clone()
    }

    /// The file has ended: it is read again from its beginning, or that was all.
    fn end_file(&mut self) {
        let again = self.path.as_deref().filter(|_| self.repeat && self.assembler.records > 0);
        match again.map(open) {
            Some(Ok(reader)) => {
                self.reader = reader;
                self.assembler = Assembler::new(self.assembler.header);
                self.rounds += 1;
            }
            Some(Err(error)) => self.state = SourceState::Failed(error.to_string()),
            None => self.state = SourceState::Ended,
        }
    }
}

impl Assembler {
    fn new(header: bool) -> Assembler {
        Assembler { header, header_line: None, line_number: 0, records: 0, begun: Vec::new(), begun_bytes: 0 }
    }

    /// Keeps the beginning of a line, or more of it.
    fn begin_line(&mut self, part: &[u8]) {
        let room = LongestLine::BYTES.saturating_sub(self.begun.len()).min(part.len());
        self.begun.extend_from_slice(&part[..room]);
        self.begun_bytes += part.len();
    }

    /// Takes the line that ends with `part`; gives how many records it is.
    #[inline]
    fn end_line(&mut self, part: &[u8], take: &mut impl FnMut(Line<'_>)) -> usize {
        if self.begun_bytes == 0 {
            return self.line(part, part.len(), take);
        }
        self.begin_line(part);
        let line = std::mem::take(&mut self.begun);
        let bytes = std::mem::take(&mut self.begun_bytes);
        let count = self.line(&line, bytes, take);
        self.begun = line;
        self.begun.clear();
        count
    }

    /// Takes the last line of a file when it has no end.
    fn end_file(&mut self, take: &mut impl FnMut(Line<'_>)) {
        if self.begun_bytes > 0 {
            self.end_line(b"\n", take);
        }
    }

    /// A line that has `bytes` bytes, of which `line` are kept.
    #[inline]
    fn line(&mut self, line: &[u8], bytes: usize, take: &mut impl FnMut(Line<'_>)) -> usize {
        self.line_number += 1;
        let mut line = line;
        if self.line_number == 1 {
            if let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK) {
                line = rest;
                if line == b"\n" {
                    // A file of nothing but a mark.
                    return 0;
                }
            }
            if self.header {
                let text = String::from_utf8_lossy(line);
                self.header_line = Some(text.trim_end_matches(['\n', '\r']).to_owned());
                return 0;
            }
        }
        self.records += 1;
        if bytes > LongestLine::BYTES {
            let (most, number) = (LongestLine::BYTES, self.line_number);
            take(Line::Unusable(format!(
                "line {number} has {bytes} bytes: a record holds at most {most}; it is skipped"
            )));
        } else {
            take(Line::Record { number: self.line_number, data: line });
        }
        1
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl RecordSource for LineSource {
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
        self.read_lines(most, |line| match line {
            Line::Record { data, .. } => batch.push(data),
            Line::Unusable(reason) => batch.push_unusable(reason),
        })
    }

    fn rounds(&self) -> u64 {
        self.rounds
    }
}

/// A pipe or a device: looking into it could take for ever, and would take what it gives away from whoever reads it.
pub(crate) fn is_endless(path: &Path) -> bool {
    files::is_endless(path)
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, OpenInputError> {
    let failed = |error| OpenInputError { path: path.to_owned(), error };
    files::open(path).and_then(plain_or_gzip).map_err(failed)
}

fn plain_or_gzip(file: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let beginning = reader.fill_buf()?;
    if let Some(reason) = no_text(beginning) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let is_gzip = beginning.starts_with(&[0x1f, 0x8b]);
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(256 << 10, GzipMembers::new(reader))));
    }
    Ok(Box::new(reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    /// Lines as they stand; what cannot be a record, and why it cannot be read to its end, with a `!` before it.
    fn all_lines(source: &mut LineSource, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let before = lines.len();
            let state = source.read_lines(most, |line| {
                lines.push(match line {
                    Line::Record { data, .. } => String::from_utf8_lossy(data).into_owned(),
                    Line::Unusable(reason) => format!("!{reason}"),
                });
            });
            assert!(lines.len() - before <= most, "more than asked for");
            if !state.is_open() {
                lines.extend(state.failure().map(|reason| format!("!{reason}")));
                return lines;
            }
        }
    }

    fn file(bytes: &[u8], header: bool) -> LineSource {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        std::fs::write(&path, bytes).unwrap();
        LineSource::file(&path, header, false).unwrap()
    }

    fn lines(bytes: &[u8], header: bool) -> Vec<String> {
        all_lines(&mut file(bytes, header), 1_000)
    }

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_become_records_plain_and_compressed() {
        assert_eq!(lines(b"h\na\r\n\nb", true), ["a\r\n", "\n", "b\n"]);
        assert_eq!(lines(&zipped("x\ny\n"), false), ["x\n", "y\n"]);
        assert!(lines(b"", true).is_empty());
    }

    proptest! {
        /// However little lies in the reader's buffer, and however few lines are asked for at once.
        #[test]
        fn lines_are_the_same_in_any_portions(
            parts in prop::collection::vec("[ab\r]{0,9}", 0..20),
            ends_with_line_end in any::<bool>(),
            buffer in 1_usize..30,
            most in 1_usize..6,
        ) {
            let mut text = parts.join("\n");
            if ends_with_line_end {
                text.push('\n');
            }
            let expected: Vec<String> = text.split_terminator('\n').map(|line| format!("{line}\n")).collect();
            let reader = BufReader::with_capacity(buffer, io::Cursor::new(text.into_bytes()));
            let mut source = LineSource { reader: Box::new(reader), ..LineSource::standard_input(false) };
            prop_assert_eq!(all_lines(&mut source, most), expected);
        }
    }

    #[test]
    fn what_is_at_hand_is_given_before_more_is_waited_for() {
        /// Gives one text, then must not be asked.
        struct Once(Option<&'static [u8]>);
        impl Read for Once {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let text = self.0.take().expect("nobody waits for more");
                buffer[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        let reader = BufReader::new(Once(Some(b"one\ntwo\nthr")));
        let mut source = LineSource { reader: Box::new(reader), ..LineSource::standard_input(false) };
        let mut batch = SourceBatch::default();
        assert_eq!(source.read(&mut batch, 100), SourceState::Open);
        assert_eq!(batch.bytes(), b"one\ntwo\n");
    }

    #[test]
    fn silent_3_a_byte_order_mark_is_no_part_of_the_data() {
        assert_eq!(lines("\u{feff}a\n\u{feff}b\n".as_bytes(), false), ["a\n", "\u{feff}b\n"]);
        assert_eq!(lines("\u{feff}h\na\n".as_bytes(), true), ["a\n"]);
        assert!(lines("\u{feff}".as_bytes(), false).is_empty());
    }

    #[test]
    fn silent_3_a_file_that_is_cut_says_so() {
        let text: String =
            (0..20_000).map(|number| format!("line {number} {}\n", number * 7_919 % 10_007)).collect();
        let whole = zipped(&text);
        for (length, is_cut) in [(whole.len() / 2, true), (whole.len() - 1, true), (whole.len(), false)] {
            let mut source = file(&whole[..length], false);
            let last = all_lines(&mut source, 1_000).pop().unwrap();
            assert_eq!(source.is_cut(), is_cut, "{length}");
            assert_eq!(last.contains("a part of the file is missing"), is_cut, "{last:?}");
            let state = source.read(&mut SourceBatch::default(), 10);
            assert_eq!(state == SourceState::Ended, !is_cut, "this is no end, and stays none: {state:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_named() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        let records = lines(&bytes, false);
        assert!(records[0].starts_with("!line 1 has 3145729 bytes"), "{}", records[0]);
        assert_eq!(records[1], "next\n");
    }

    #[test]
    fn a_line_without_an_end_ends_the_reading_and_takes_no_memory() {
        let endless = io::Cursor::new(b"a\nb").chain(io::repeat(0));
        let reader = BufReader::with_capacity(256 << 10, endless);
        let mut source = LineSource { reader: Box::new(reader), ..LineSource::standard_input(false) };
        let found = all_lines(&mut source, 1_000);
        assert_eq!(found[0], "a\n");
        let expected = "!reading ends at line 2: it has no end within 64 MiB; each line is a record, of at most 1048512 bytes: \
                        give text with one record on each line";
        assert_eq!(found[1..], [expected]);
        assert!(source.assembler.begun.capacity() <= 2 * LongestLine::BYTES);
        // The header, too.
        let reader = BufReader::new(io::repeat(b'x'));
        let mut source = LineSource { reader: Box::new(reader), ..LineSource::standard_input(true) };
        assert!(all_lines(&mut source, 1)[0].starts_with("!reading ends at line 1: "));
        assert!(source.is_cut());
    }

    #[test]
    fn a_file_is_read_again_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        std::fs::write(&path, "h\na\nb").unwrap();
        let mut source = LineSource::file(&path, true, true).unwrap();
        let mut batch = SourceBatch::default();
        while batch.len() < 5 {
            assert_eq!(source.read(&mut batch, 5), SourceState::Open);
        }
        assert!(batch.bytes().starts_with(b"a\nb\na\nb\na\n"));
        std::fs::write(&path, "h\n").unwrap();
        let mut source = LineSource::file(&path, true, true).unwrap();
        assert!(all_lines(&mut source, 5).is_empty(), "one without records is not");
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        let bytes: Vec<u8> = "\u{feff}a,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        let error = LineSource::file(&path, false, false).err().unwrap().to_string();
        assert!(
            error.ends_with("input: this is UTF-16: convert it, e.g. `iconv -f UTF-16 -t UTF-8 FILE`"),
            "{error}"
        );
        let reader = Box::new(io::Cursor::new(bytes));
        let mut source = LineSource { reader, ..LineSource::standard_input(false) };
        assert!(all_lines(&mut source, 5)[0].starts_with("!reading ends at line 1: this is UTF-16"));
    }

    #[test]
    fn damaged_gzip_ends_with_a_reason() {
        let records = lines(&[0x1f, 0x8b, 8, 0, 1, 2, 3], false);
        assert!(records[0].starts_with("!reading ends"), "{records:?}");
        assert!(LineSource::file(Path::new("/nonexistent/file"), false, false).is_err());
    }
}

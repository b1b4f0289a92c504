//! Lines of a file or of standard input as records; gzip is recognised by its first bytes.
//!
//! A record is a line with its line end, `\n` or `\r\n`, so that objects made of records hold lines again. The last line of
//! a file gets a `\n` when it has none. A byte order mark at the start is no part of the first line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::{NextRecord, RecordSource};

/// The longest line that can be a record, in bytes: a record and its partition key have 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct LongestLine;

impl LongestLine {
    /// In bytes.
    pub const BYTES: usize = (1 << 20) - 64;
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct OpenInputError {
    path: PathBuf,
    source: io::Error,
}

/// Lines, with their line ends.
pub struct LineSource {
    /// `None` for standard input.
    path: Option<PathBuf>,
    reader: Box<dyn BufRead + Send>,
    /// The first line is a header and no record.
    header: bool,
    /// Start again at the end.
    repeat: bool,
    line_number: u64,
    /// Records since the beginning of the file: a file without any is not started again.
    records: u64,
    is_ended: bool,
    is_cut: bool,
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
            header,
            repeat,
            line_number: 0,
            records: 0,
            is_ended: false,
            is_cut: false,
        })
    }

    /// Standard input.
    pub fn standard_input(header: bool) -> LineSource {
        LineSource {
            path: None,
            reader: Box::new(BufReader::new(io::stdin())),
            header,
            repeat: false,
            line_number: 0,
            records: 0,
            is_ended: false,
            is_cut: false,
        }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn line_number(&self) -> u64 {
        self.line_number
    }

    /// It could not be read to its end, such as a compressed file of which a part is missing.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Somebody types the lines.
    pub fn is_interactive(&self) -> bool {
        self.path.is_none() && std::io::IsTerminal::is_terminal(&io::stdin())
    }

    /// The first line of a file as text.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn first_line(path: &Path) -> Result<String, OpenInputError> {
        let failed = |source| OpenInputError { path: path.to_owned(), source };
        let mut line = Vec::new();
        open(path)?.take(LongestLine::BYTES as u64).read_until(b'\n', &mut line).map_err(failed)?;
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
        Ok(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The next line with its end, and how many bytes it has; no more than the longest are kept.
    fn read_line(&mut self) -> io::Result<Option<(Vec<u8>, usize)>> {
        let mut kept = Vec::new();
        let mut length = 0;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                if length == 0 {
                    return Ok(None);
                }
                if length < LongestLine::BYTES {
                    kept.push(b'\n');
                }
                return Ok(Some((kept, length + 1)));
            }
            let end = memchr::memchr(b'\n', available);
            let part = end.map_or(available.len(), |at| at + 1);
            let room = LongestLine::BYTES.saturating_sub(kept.len()).min(part);
            kept.extend_from_slice(&available[..room]);
            length += part;
            self.reader.consume(part);
            if end.is_some() {
                return Ok(Some((kept, length)));
            }
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A line of a file without what is before its first.
fn without_mark(line: Vec<u8>) -> Vec<u8> {
    line.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec).unwrap_or(line)
}

impl RecordSource for LineSource {
    fn next_record(&mut self) -> NextRecord {
        while !self.is_ended {
            match self.read_line() {
                Ok(Some((line, length))) => {
                    self.line_number += 1;
                    let line = if self.line_number == 1 { without_mark(line) } else { line };
                    // A file of nothing but a mark.
                    if self.line_number == 1 && length == BYTE_ORDER_MARK.len() + 1 && line == b"\n" {
                        continue;
                    }
                    if self.header && self.line_number == 1 {
                        continue;
                    }
                    self.records += 1;
                    if length > LongestLine::BYTES {
                        let most = LongestLine::BYTES;
                        let number = self.line_number;
                        return NextRecord::Unusable(format!(
                            "line {number} has {length} bytes: a record holds at most {most}; it is skipped"
                        ));
                    }
                    return NextRecord::Record(Bytes::from(line));
                }
                Ok(None) => {
                    let again = self.path.as_deref().filter(|_| self.repeat && self.records > 0).map(open);
                    match again {
                        Some(Ok(reader)) => {
                            self.reader = reader;
                            self.line_number = 0;
                            self.records = 0;
                        }
                        Some(Err(error)) => {
                            self.is_ended = true;
                            return NextRecord::Unusable(error.to_string());
                        }
                        None => self.is_ended = true,
                    }
                }
                Err(error) => {
                    (self.is_ended, self.is_cut) = (true, true);
                    let number = self.line_number + 1;
                    let why = match error.kind() {
                        io::ErrorKind::UnexpectedEof => {
                            "the compressed data ends in the middle: a part of the file is missing".to_owned()
                        }
                        _ => error.to_string(),
                    };
                    return NextRecord::Unusable(format!("reading ends at line {number}: {why}"));
                }
            }
        }
        NextRecord::End
    }
}

/// A pipe or a device: looking into it could take for ever, and would take what it gives away from whoever reads it.
pub(crate) fn is_endless(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, OpenInputError> {
    let failed = |source| OpenInputError { path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(failed)?);
    let is_gzip = reader.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(256 << 10, MultiGzDecoder::new(reader))));
    }
    Ok(Box::new(reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8], header: bool) -> Vec<NextRecord> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        std::fs::write(&path, bytes).unwrap();
        let mut source = LineSource::file(&path, header, false).unwrap();
        let mut records = Vec::new();
        loop {
            match source.next_record() {
                NextRecord::End => return records,
                record => records.push(record),
            }
        }
    }

    fn record(text: &str) -> NextRecord {
        NextRecord::Record(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn lines_become_records_plain_and_compressed() {
        assert_eq!(lines(b"h\na\r\n\nb", true), [record("a\r\n"), record("\n"), record("b\n")]);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"x\ny\n").unwrap();
        assert_eq!(lines(&encoder.finish().unwrap(), false), [record("x\n"), record("y\n")]);
        assert_eq!(lines(b"", true), []);
    }

    #[test]
    fn silent_3_a_byte_order_mark_is_no_part_of_the_data() {
        assert_eq!(lines("\u{feff}a\n\u{feff}b\n".as_bytes(), false), [record("a\n"), record("\u{feff}b\n")]);
        assert_eq!(lines("\u{feff}h\na\n".as_bytes(), true), [record("a\n")]);
        assert_eq!(lines("\u{feff}".as_bytes(), false), []);
    }

    #[test]
    fn silent_3_a_file_that_is_cut_says_so() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let text: String =
            (0..20_000).map(|number| format!("line {number} {}\n", number * 7_919 % 10_007)).collect();
        encoder.write_all(text.as_bytes()).unwrap();
        let whole = encoder.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.gz");
        for (length, is_cut) in [(whole.len() / 2, true), (whole.len() - 1, true), (whole.len(), false)] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut source = LineSource::file(&path, false, false).unwrap();
            let mut last = NextRecord::End;
            loop {
                match source.next_record() {
                    NextRecord::End => break,
                    next => last = next,
                }
            }
            assert_eq!(source.is_cut(), is_cut, "{length}");
            let named =
                matches!(&last, NextRecord::Unusable(why) if why.contains("a part of the file is missing"));
            assert_eq!(named, is_cut, "{last:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_named() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        let records = lines(&bytes, false);
        assert!(matches!(&records[0], NextRecord::Unusable(why) if why.contains("line 1 has 3145729 bytes")));
        assert_eq!(records[1], record("next\n"));
    }

    #[test]
    fn damaged_gzip_ends_with_a_reason() {
        let records = lines(&[0x1f, 0x8b, 8, 0, 1, 2, 3], false);
        assert!(
            matches!(&records[0], NextRecord::Unusable(why) if why.contains("reading ends")),
            "{records:?}"
        );
        assert!(LineSource::file(Path::new("/nonexistent/file"), false, false).is_err());
    }
}

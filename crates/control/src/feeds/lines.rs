//! Lines of a file or of standard input as records; gzip is recognised by its first bytes.

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

/// Lines, without their line breaks.
pub struct LineSource {
    /// `None` for standard input.
    path: Option<PathBuf>,
    reader: Box<dyn BufRead + Send>,
    /// The first line is a header and no record.
    header: bool,
    /// Begin anew at the end.
    repeat: bool,
    line_number: u64,
    /// Records since the beginning of the file: a file without any is not begun anew.
    records: u64,
    is_ended: bool,
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
        }
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
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The next line and how many bytes it has; no more than the longest are kept.
    fn read_line(&mut self) -> io::Result<Option<(Vec<u8>, usize)>> {
        let mut kept = Vec::new();
        let mut length = 0;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Ok((length > 0).then_some((kept, length)));
            }
            let (part, is_end) = match memchr::memchr(b'\n', available) {
                Some(at) => (at, true),
                None => (available.len(), false),
            };
            let room = LongestLine::BYTES.saturating_sub(kept.len()).min(part);
            kept.extend_from_slice(&available[..room]);
            length += part;
            self.reader.consume(part + usize::from(is_end));
            if is_end {
                if kept.last() == Some(&b'\r') && kept.len() == length {
                    kept.pop();
                    length -= 1;
                }
                return Ok(Some((kept, length)));
            }
        }
    }
}

impl RecordSource for LineSource {
    fn next_record(&mut self) -> NextRecord {
        while !self.is_ended {
            match self.read_line() {
                Ok(Some((line, length))) => {
                    self.line_number += 1;
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
                            return NextRecord::Broken(error.to_string());
                        }
                        None => self.is_ended = true,
                    }
                }
                Err(error) => {
                    self.is_ended = true;
                    let number = self.line_number + 1;
                    return NextRecord::Broken(format!("reading ends at line {number}: {error}"));
                }
            }
        }
        NextRecord::End
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, OpenInputError> {
    let failed = |source| OpenInputError { path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(failed)?);
    let is_gzip = reader.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    if is_gzip {
        return Ok(Box::new(without_mark(BufReader::with_capacity(256 << 10, MultiGzDecoder::new(reader)))));
    }
    Ok(Box::new(without_mark(reader)))
}

/// Skips the byte order mark that some programs write before UTF-8.
fn without_mark<R: BufRead>(mut reader: R) -> R {
    // What cannot be read is met again where lines are read.
    if reader.fill_buf().is_ok_and(|start| start.starts_with(b"\xef\xbb\xbf")) {
        reader.consume(3);
    }
    reader
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
        assert_eq!(lines(b"h\na\r\n\nb", true), [record("a"), record(""), record("b")]);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"x\ny\n").unwrap();
        assert_eq!(lines(&encoder.finish().unwrap(), false), [record("x"), record("y")]);
        assert_eq!(lines(b"", true), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_named() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        let records = lines(&bytes, false);
        assert!(matches!(&records[0], NextRecord::Unusable(why) if why.contains("line 1 has 3145728 bytes")));
        assert_eq!(records[1], record("next"));
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

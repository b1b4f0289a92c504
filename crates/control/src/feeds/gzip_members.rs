//! Unpacking gzip: any number of members, one after the other, and nothing else.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// How a member begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Gives what the members of a gzip file hold.
pub(super) struct GzipMembers<R> {
    /// `None` behind the last.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    /// Of a file that begins with a member.
    pub(super) fn new(file: R) -> GzipMembers<R> {
        GzipMembers { member: Some(GzDecoder::new(file)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the compressed data ends in the middle: a part of the file is missing",
                ),
                _ => error,
            })?;
            if count > 0 {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut file = ended.into_inner();
            let next = file.fill_buf()?;
            if next.is_empty() {
                break;
            }
            if !next.starts_with(&MAGIC[..next.len().min(2)]) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "something follows the compressed data that is no gzip data: cut it off, or pack the file again",
                ));
            }
            self.member = Some(GzDecoder::new(file));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// What is read, and the error at the end.
    fn unpacked(bytes: &[u8]) -> (String, Option<String>) {
        let mut text = String::new();
        let read = GzipMembers::new(bytes).read_to_string(&mut text);
        (text, read.err().map(|error| error.to_string()))
    }

    #[test]
    fn members_are_unpacked_one_after_the_other_and_what_follows_them_is_said() {
        assert_eq!(
            unpacked(&[packed("a\n"), packed(""), packed("b\n")].concat()),
            ("a\nb\n".to_owned(), None)
        );
        for junk in [b"x".as_slice(), b"more text that is not packed", &[0; 600]] {
            let (text, error) = unpacked(&[packed("a\n").as_slice(), junk].concat());
            assert_eq!(text, "a\n");
            assert!(error.unwrap().starts_with("something follows the compressed data"), "{junk:?}");
        }
        let whole = [packed("a\n"), packed("b\n")].concat();
        for length in [5, packed("a\n").len() + 1, packed("a\n").len() + 5, whole.len() - 1] {
            let (_, error) = unpacked(&whole[..length]);
            assert!(error.unwrap().contains("a part of the file is missing"), "{length}");
        }
    }
}

//! Files that are no text in UTF-8, known by their first bytes.

/// How files begin that hold something else, and what to do with them.
const KINDS: [(&[u8], &str); 6] = [
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"PK\x03\x04", "this is a zip archive: unpack it, e.g. `unzip -p FILE`"),
    // Then comes a digit, and then the mark of a block.
    (b"BZh", "this is compressed with bzip2: unpack it, e.g. `bzip2 -dc FILE`; plain text and gzip are read"),
    (
        b"\xfd7zXZ\0",
        "this is compressed with xz: unpack it, e.g. `xz -dc FILE`; plain text and gzip are read",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "this is compressed with zstd: unpack it, e.g. `zstd -dc FILE`; plain text and gzip are read",
    ),
];

const UTF_16: &str = "this is UTF-16: convert it, e.g. `iconv -f UTF-16 -t UTF-8 FILE`";
/// Where no mark says in which order the bytes are.
const UTF_16LE: &str = "this is UTF-16: convert it, e.g. `iconv -f UTF-16LE -t UTF-8 FILE`";
const UTF_16BE: &str = "this is UTF-16: convert it, e.g. `iconv -f UTF-16BE -t UTF-8 FILE`";
/// What stands behind the digit of a bzip2 file.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";
/// Bytes in which every other one is NUL say that it is UTF-16, and how many are looked at.
const FEWEST: usize = 8;
const MOST: usize = 64;

/// What a file is that begins so, if it is no text in UTF-8, and what to do with it.
pub(crate) fn no_text(beginning: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| {
        beginning.starts_with(magic)
            && (magic != b"BZh" || beginning.get(4..).is_some_and(|rest| rest.starts_with(BZIP2_BLOCK)))
    };
    if let Some((_, said)) = KINDS.iter().find(|(magic, _)| begins(magic)) {
        return Some(said);
    }
    let (pairs, _) = beginning[..beginning.len().min(MOST)].as_chunks::<2>();
    if 2 * pairs.len() < FEWEST {
        None
    } else if pairs.iter().all(|[low, high]| *low != 0 && *high == 0) {
        Some(UTF_16LE)
    } else if pairs.iter().all(|[high, low]| *high == 0 && *low != 0) {
        Some(UTF_16BE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named() {
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let swapped = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (beginning, said) in [
            (utf_16("\u{feff}a,b\n"), "iconv -f UTF-16 -t UTF-8"),
            (swapped("\u{feff}a,b\n"), "iconv -f UTF-16 -t UTF-8"),
            (utf_16("a,b\n"), "iconv -f UTF-16LE"),
            (swapped(&"a,b\n".repeat(40)), "iconv -f UTF-16BE"),
            (b"PK\x03\x04\x14".to_vec(), "zip archive"),
            (b"BZh91AY&SY\0".to_vec(), "bzip2"),
            (b"\xfd7zXZ\0\0".to_vec(), "xz"),
            (b"\x28\xb5\x2f\xfd\0".to_vec(), "zstd"),
        ] {
            let found = no_text(&beginning).unwrap_or_else(|| panic!("{said}"));
            assert!(found.contains(said), "{found}");
        }
        for text in ["", "a", "BZh9 is a name", "PK", "a\0b", "\u{feff}a", "plain text"] {
            assert_eq!(no_text(text.as_bytes()), None, "{text:?}");
        }
    }
}

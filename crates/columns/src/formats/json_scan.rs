//! A scanner of JSON text that builds nothing: it finds where values begin and end.

/// Deepest nesting that a record may have.
pub(super) const DEPTH_LIMIT: usize = 100;

/// Why a text is not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub(super) reason: &'static str,
    pub(super) at: usize,
}

/// What kind of value stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    /// The range is what lies between the quotes.
    Text {
        escaped: bool,
    },
    Array,
    Object,
}

/// A value in a text: its kind, and its bytes from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A JSON text.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
}

impl Scanner<'_> {
    /// The first place from `at` on that is not blank.
    #[inline(always)]
    pub(super) fn skip_blank(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(at) {
            at += 1;
        }
        at
    }

    pub(super) fn error<T>(&self, at: usize, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError { reason, at })
    }

    /// Whether that byte stands at `at`.
    #[inline(always)]
    pub(super) fn is(&self, at: usize, byte: u8) -> bool {
        self.bytes.get(at) == Some(&byte)
    }

    /// The end of a string whose text begins at `at`, after the quote: the place of the closing quote, and whether there
    /// are escapes.
    #[inline]
    pub(super) fn text_end(&self, at: usize) -> Result<(usize, bool), JsonError> {
        let mut at = at;
        let short = (at + 16).min(self.bytes.len());
        while at < short {
            match self.bytes[at] {
                b'"' => return Ok((at, false)),
                b'\\' => break,
                _ => at += 1,
            }
        }
        let mut escaped = false;
        loop {
            match memchr::memchr2(b'"', b'\\', self.bytes.get(at..).unwrap_or_default()) {
                Some(found) if self.bytes[at + found] == b'"' => return Ok((at + found, escaped)),
                Some(found) => {
                    escaped = true;
                    at += found + 2;
                }
                None => return self.error(self.bytes.len(), "a string is not closed"),
            }
        }
    }

    /// The value that begins at `at`, which is not blank; gives it and the place after it.
    pub(super) fn value(&self, at: usize, depth: usize) -> Result<(Found, usize), JsonError> {
        let found = |kind, start, end, after| Ok((Found { kind, start, end }, after));
        match self.bytes.get(at) {
            Some(b'"') => {
                let (end, escaped) = self.text_end(at + 1)?;
                found(Kind::Text { escaped }, at + 1, end, end + 1)
            }
            Some(b'-' | b'0'..=b'9') => {
                let end = self.number_end(at)?;
                found(Kind::Number, at, end, end)
            }
            Some(b't') => self.word(at, b"true", Kind::True),
            Some(b'f') => self.word(at, b"false", Kind::False),
            Some(b'n') => self.word(at, b"null", Kind::Null),
            Some(b'{') => {
                let end = self.members_end(at, depth)?;
                found(Kind::Object, at, end, end)
            }
            Some(b'[') => {
                let end = self.elements_end(at, depth)?;
                found(Kind::Array, at, end, end)
            }
            Some(_) => self.error(at, "a value is expected"),
            None => self.error(at, "the text ends early"),
        }
    }

    fn word(&self, at: usize, word: &'static [u8], kind: Kind) -> Result<(Found, usize), JsonError> {
        if self.bytes[at..].starts_with(word) {
            let end = at + word.len();
            return Ok((Found { kind, start: at, end }, end));
        }
        self.error(at, "a value is expected")
    }

    #[inline]
    pub(super) fn number_end(&self, start: usize) -> Result<usize, JsonError> {
        let digits = |mut at: usize| {
            while self.bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(self.is(start, b'-'));
        let mut end = digits(whole);
        if end == whole || (end > whole + 1 && self.bytes[whole] == b'0') {
            return self.error(start, "a number is malformed");
        }
        if self.is(end, b'.') {
            let fraction = end + 1;
            end = digits(fraction);
            if end == fraction {
                return self.error(start, "a number is malformed");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(end) {
            let power = end + 1 + usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(power);
            if end == power {
                return self.error(start, "a number is malformed");
            }
        }
        Ok(end)
    }

    fn members_end(&self, start: usize, depth: usize) -> Result<usize, JsonError> {
        if depth >= DEPTH_LIMIT {
            return self.error(start, "it is nested more than 100 levels deep");
        }
        let mut at = self.skip_blank(start + 1);
        if self.is(at, b'}') {
            return Ok(at + 1);
        }
        loop {
            let (_, after_key) = self.key(at)?;
            let (_, after) = self.value(after_key, depth + 1)?;
            at = self.skip_blank(after);
            match self.bytes.get(at) {
                Some(b',') => at = self.skip_blank(at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return self.error(at, "a comma or } is expected"),
            }
        }
    }

    fn elements_end(&self, start: usize, depth: usize) -> Result<usize, JsonError> {
        if depth >= DEPTH_LIMIT {
            return self.error(start, "it is nested more than 100 levels deep");
        }
        let mut at = self.skip_blank(start + 1);
        if self.is(at, b']') {
            return Ok(at + 1);
        }
        loop {
            let (_, after) = self.value(at, depth + 1)?;
            at = self.skip_blank(after);
            match self.bytes.get(at) {
                Some(b',') => at = self.skip_blank(at + 1),
                Some(b']') => return Ok(at + 1),
                _ => return self.error(at, "a comma or ] is expected"),
            }
        }
    }

    /// The key that begins at `at`; gives it and the place of its value.
    #[inline]
    pub(super) fn key(&self, at: usize) -> Result<(Found, usize), JsonError> {
        if !self.is(at, b'"') {
            return self.error(at, "a name in quotes is expected");
        }
        let (end, escaped) = self.text_end(at + 1)?;
        let colon = self.skip_blank(end + 1);
        if !self.is(colon, b':') {
            return self.error(colon, "a colon is expected");
        }
        Ok((Found { kind: Kind::Text { escaped }, start: at + 1, end }, self.skip_blank(colon + 1)))
    }
}

/// Writes the text of a string with its escapes resolved; half of a surrogate pair becomes U+FFFD. `None` when an escape
/// does not exist.
pub(super) fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        let character = match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = hexadecimal(rest)?;
                rest = &rest[4..];
                let second = rest.strip_prefix("\\u").and_then(hexadecimal);
                match (first, second) {
                    (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                        rest = &rest[6..];
                        let code = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    _ => char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return None,
        };
        out.push(character);
    }
    out.push_str(rest);
    Some(())
}

fn hexadecimal(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

/// Writes JSON source without the blanks between its tokens.
pub(super) fn compact(source: &str, out: &mut String) {
    let scanner = Scanner { bytes: source.as_bytes() };
    let mut kept = 0;
    let mut at = 0;
    while at < source.len() {
        match scanner.bytes[at] {
            b'"' => at = scanner.text_end(at + 1).map_or(source.len(), |(end, _)| end + 1),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&source[kept..at]);
                at += 1;
                kept = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&source[kept..]);
}

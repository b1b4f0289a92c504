//! `text LIKE pattern [ESCAPE escape]`.
//!
//! A pattern is cut at its `%` into segments. Matching each segment at its leftmost place is enough: if any
//! placement of the segments exists, the leftmost one does. The first segment is tied to the start, the last to
//! the end. Time: O(text × longest segment) at worst, a substring search without `_`.

use crate::expression::datum::{Arguments, Kernel};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use memchr::memmem::Finder;
use millstream_columns::{RowError, RowErrors};
use std::sync::Arc;

/// A prepared LIKE pattern.
#[derive(Clone, Debug)]
pub(crate) struct LikePattern {
    /// What stands between the `%`; one more than there are `%`.
    segments: Vec<Segment>,
}

/// Text without `%`; `None` is `_`, any one character.
#[derive(Clone, Debug)]
struct Segment {
    characters: Vec<Option<char>>,
    literal: Option<Literal>,
}

#[derive(Clone, Debug)]
struct Literal {
    text: String,
    finder: Finder<'static>,
}

impl Segment {
    fn new(characters: Vec<Option<char>>) -> Segment {
        let literal: Option<String> = characters.iter().copied().collect();
        let literal = literal.map(|text| Literal { finder: Finder::new(text.as_bytes()).into_owned(), text });
        Segment { characters, literal }
    }

    /// Matches at the start of `text`; gives what follows.
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.characters.is_empty() {
            // Not left to the comparison of bytes, which is slow for an empty text that lies nowhere.
            return Some(text);
        }
        if let Some(literal) = &self.literal {
            return text.strip_prefix(literal.text.as_str());
        }
        let mut rest = text.chars();
        for expected in &self.characters {
            let found = rest.next()?;
            if expected.is_some_and(|expected| expected != found) {
                return None;
            }
        }
        Some(rest.as_str())
    }

    /// Matches at the leftmost place; gives what follows.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        if let Some(literal) = &self.literal {
            let at = match literal.text.as_bytes() {
                [byte] => memchr::memchr(*byte, text.as_bytes())?,
                _ => literal.finder.find(text.as_bytes())?,
            };
            return Some(&text[at + literal.text.len()..]);
        }
        let mut rest = text;
        loop {
            if let Some(after) = self.strip(rest) {
                return Some(after);
            }
            let mut characters = rest.chars();
            characters.next()?;
            rest = characters.as_str();
        }
    }

    /// Matches exactly at the end of `text`.
    fn ends(&self, text: &str) -> bool {
        if self.characters.is_empty() {
            return true;
        }
        if let Some(literal) = &self.literal {
            return text.ends_with(literal.text.as_str());
        }
        let mut rest = text.chars().rev();
        self.characters.iter().rev().all(|expected| match rest.next() {
            Some(found) => expected.is_none_or(|expected| expected == found),
            None => false,
        })
    }
}

impl LikePattern {
    /// Prepares a pattern.
    ///
    /// # Errors
    /// When the escape is not one character, or stands before anything but `_`, `%` or itself.
    pub(crate) fn new(pattern: &str, escape: Option<&str>) -> Result<LikePattern, RowError> {
        let escape = escape.map(escape_character).transpose()?;
        let mut segments = Vec::new();
        let mut current = Vec::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if Some(character) == escape {
                match characters.next() {
                    Some(next) if next == '_' || next == '%' || Some(next) == escape => {
                        current.push(Some(next));
                    }
                    _ => {
                        return Err(RowError::function(format!(
                            "the LIKE pattern '{pattern}' has the escape character before something that is \
                             not _, % or itself"
                        )));
                    }
                }
            } else if character == '%' {
                segments.push(Segment::new(std::mem::take(&mut current)));
            } else if character == '_' {
                current.push(None);
            } else {
                current.push(Some(character));
            }
        }
        segments.push(Segment::new(current));
        Ok(LikePattern { segments })
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (first, others) = self.segments.split_first().expect("a pattern has a segment");
        let Some(mut rest) = first.strip(text) else { return false };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        for segment in middle {
            match segment.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest)
    }
}

/// The one character of an ESCAPE clause.
pub(crate) fn escape_character(escape: &str) -> Result<char, RowError> {
    let mut characters = escape.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => Err(RowError::function(format!("ESCAPE takes exactly one character, not '{escape}'"))),
    }
}

/// A predicate of a text, prepared from a pattern and an escape.
pub(crate) trait TextPattern: Sized + Send + Sync + 'static {
    /// Prepares a pattern.
    fn prepare(pattern: &str, escape: Option<&str>) -> Result<Self, RowError>;
    /// Whether the whole text matches.
    fn test(&self, text: &str) -> Result<bool, RowError>;
}

impl TextPattern for LikePattern {
    fn prepare(pattern: &str, escape: Option<&str>) -> Result<LikePattern, RowError> {
        LikePattern::new(pattern, escape)
    }

    fn test(&self, text: &str) -> Result<bool, RowError> {
        Ok(self.matches(text))
    }
}

/// Text predicate over (text, pattern[, escape]). `fixed` holds the constant pattern when there is one: prepared once,
/// here.
pub(crate) fn pattern_kernel<P: TextPattern>(fixed: Option<(String, Option<String>)>) -> Kernel {
    let prepared = fixed.map(|(pattern, escape)| P::prepare(&pattern, escape.as_deref()));
    Box::new(move |arguments, errors| {
        if arguments.has_null_constant() {
            return Arc::new(BooleanArray::new_null(arguments.rows));
        }
        match &prepared {
            Some(Ok(pattern)) => test_rows(arguments, errors, |_, text| pattern.test(text)),
            Some(Err(error)) => test_rows(arguments, errors, |_, _| Err(error.clone())),
            None => {
                let patterns = arguments.text(1);
                let escapes = (arguments.operands.len() > 2).then(|| arguments.text(2));
                let mut cache: Option<(String, Option<String>, Result<P, RowError>)> = None;
                test_rows(arguments, errors, |row, text| {
                    let pattern = patterns.get(row).unwrap_or_default();
                    let escape = escapes.as_ref().and_then(|escapes| escapes.get(row));
                    let known = cache.as_ref().is_some_and(|(last, last_escape, _)| {
                        last == pattern && last_escape.as_deref() == escape
                    });
                    if !known {
                        let prepared = P::prepare(pattern, escape);
                        cache = Some((pattern.to_owned(), escape.map(str::to_owned), prepared));
                    }
                    match &cache.as_ref().expect("just filled").2 {
                        Ok(pattern) => pattern.test(text),
                        Err(error) => Err(error.clone()),
                    }
                })
            }
        }
    })
}

fn test_rows(
    arguments: &Arguments<'_>,
    errors: &mut RowErrors,
    mut test: impl FnMut(usize, &str) -> Result<bool, RowError>,
) -> ArrayRef {
    let texts = arguments.text(0);
    let nulls = arguments.strict_nulls();
    let mut failures: Vec<usize> = Vec::new();
    let values = BooleanBuffer::collect_bool(arguments.rows, |row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return false;
        }
        match test(row, texts.get(row).unwrap_or_default()) {
            Ok(answer) => answer,
            Err(error) => {
                errors.push(row, error);
                failures.push(row);
                false
            }
        }
    });
    let nulls = if failures.is_empty() {
        nulls
    } else {
        let mut valid: Vec<bool> =
            (0..arguments.rows).map(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))).collect();
        failures.iter().for_each(|row| valid[*row] = false);
        Some(valid.into())
    };
    Arc::new(BooleanArray::new(values, nulls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let cases = [
            ("ab", "a_", None, true),
            ("abcd", "a_", None, false),
            ("", "", None, true),
            ("", "%", None, true),
            ("", "_", None, false),
            ("a_", "a\\_", Some("\\"), true),
            ("ab", "a\\_", Some("\\"), false),
            ("123aXYZ", "_%_a%_", None, true),
            ("abab", "%ab", None, true),
            ("aab", "a%ab", None, true),
            ("ab", "a%ab", None, false),
            ("äöü", "_ö%", None, true),
            ("äöü", "%_ü", None, true),
            ("abcbd", "%b_", None, true),
            ("a.c", "a.c", None, true),
            ("50%", "50!%", Some("!"), true),
        ];
        for (text, pattern, escape, expected) in cases {
            let pattern_ready = LikePattern::new(pattern, escape).unwrap();
            assert_eq!(pattern_ready.matches(text), expected, "'{text}' LIKE '{pattern}'");
        }
        assert!(LikePattern::new("a!b", Some("!")).is_err());
        assert!(LikePattern::new("a", Some("ab")).is_err());
    }
}

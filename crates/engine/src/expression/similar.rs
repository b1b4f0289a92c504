//! `text SIMILAR TO pattern [ESCAPE escape]`: SQL's regular expressions, translated to those of the `regex` crate, which
//! match in linear time.

use crate::expression::like::{TextPattern, escape_character};
use millstream_columns::RowError;
use regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// A prepared SIMILAR TO pattern.
#[derive(Clone, Debug)]
pub(crate) struct SimilarPattern {
    regex: Regex,
}

/// Compiled patterns may take this many bytes: `a{1000}{1000}` is refused, not built.
const SIZE_LIMIT: usize = 1 << 21;

impl TextPattern for SimilarPattern {
    fn prepare(pattern: &str, escape: Option<&str>) -> Result<SimilarPattern, RowError> {
        let escape = escape.map(escape_character).transpose()?;
        let body = translate(pattern, escape)?;
        Ok(SimilarPattern { regex: build(&format!("\\A(?:{body})\\z"), pattern)? })
    }

    fn test(&self, text: &str) -> Result<bool, RowError> {
        Ok(self.regex.is_match(text))
    }
}

/// Compiles a translated pattern; `.` matches every character.
pub(crate) fn build(translated: &str, original: &str) -> Result<Regex, RowError> {
    RegexBuilder::new(translated).dot_matches_new_line(true).size_limit(SIZE_LIMIT).build().map_err(|error| {
        let reason = match error {
            regex::Error::CompiledTooBig(_) => "it is too big when written out".to_owned(),
            other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
        };
        invalid(original, &reason)
    })
}

fn invalid(pattern: &str, reason: &str) -> RowError {
    RowError::function(format!("'{pattern}' is not a pattern of SIMILAR TO: {reason}"))
}

/// Translates a pattern to the syntax of `regex`, without anchors.
pub(crate) fn translate(pattern: &str, escape: Option<char>) -> Result<String, RowError> {
    let mut translated = String::with_capacity(pattern.len() + 16);
    let mut characters = pattern.chars().peekable();
    let mut depth = 0usize;
    let mut repeatable = false;
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let literal =
                characters.next().ok_or_else(|| invalid(pattern, "nothing follows the escape character"))?;
            push_literal(&mut translated, literal);
            repeatable = true;
            continue;
        }
        match character {
            '%' => translated.push_str("(?:.*)"),
            '_' => translated.push('.'),
            '(' => {
                depth += 1;
                translated.push_str("(?:");
            }
            ')' => {
                depth = depth.checked_sub(1).ok_or_else(|| invalid(pattern, ") without ("))?;
                translated.push(')');
            }
            '|' => translated.push('|'),
            '*' | '+' | '?' => {
                if !repeatable {
                    return Err(invalid(pattern, &format!("nothing stands before {character}")));
                }
                translated.push(character);
            }
            '{' => {
                if !repeatable {
                    return Err(invalid(pattern, "nothing stands before {"));
                }
                translate_count(&mut characters, &mut translated, pattern)?;
            }
            '[' => translate_class(&mut characters, &mut translated, escape, pattern)?,
            ']' | '}' => return Err(invalid(pattern, &format!("{character} without its partner"))),
            literal => push_literal(&mut translated, literal),
        }
        repeatable = !matches!(character, '(' | '|' | '*' | '+' | '?' | '{');
    }
    if depth > 0 {
        return Err(invalid(pattern, "( without )"));
    }
    Ok(translated)
}

fn push_literal(translated: &mut String, literal: char) {
    let mut buffer = [0; 4];
    translated.push_str(&regex::escape(literal.encode_utf8(&mut buffer)));
}

fn translate_count(
    characters: &mut Peekable<Chars<'_>>,
    translated: &mut String,
    pattern: &str,
) -> Result<(), RowError> {
    let mut count = String::new();
    loop {
        match characters.next() {
            Some('}') => break,
            Some(character) if character.is_ascii_digit() || character == ',' => count.push(character),
            _ => return Err(invalid(pattern, "{ } takes a number or two numbers with a comma")),
        }
    }
    let well_formed = count.starts_with(|first: char| first.is_ascii_digit())
        && count.bytes().filter(|byte| *byte == b',').count() <= 1;
    if !well_formed {
        return Err(invalid(pattern, "{ } takes a number or two numbers with a comma"));
    }
    translated.push('{');
    translated.push_str(&count);
    translated.push('}');
    Ok(())
}

/// `[abc]`, `[^abc]`, `[a-e^c]` (in the first part but not in the second) and named classes like `[:DIGIT:]`.
fn translate_class(
    characters: &mut Peekable<Chars<'_>>,
    translated: &mut String,
    escape: Option<char>,
    pattern: &str,
) -> Result<(), RowError> {
    let mut included = String::new();
    let mut excluded: Option<String> = None;
    loop {
        let character = characters.next().ok_or_else(|| invalid(pattern, "[ without ]"))?;
        let in_included = excluded.is_none();
        let target = excluded.as_mut().unwrap_or(&mut included);
        if character == ']' {
            break;
        }
        if Some(character) != escape {
            match character {
                '^' if in_included => {
                    excluded = Some(String::new());
                    continue;
                }
                '[' if characters.peek() == Some(&':') => {
                    target.push_str(named_class(characters, pattern)?);
                    continue;
                }
                '(' | ')' | '{' | '}' | '|' | '*' | '+' | '?' | '%' | '_' | '[' | '^' | '-' => {
                    return Err(invalid(pattern, &format!("{character} inside [ ] needs an escape")));
                }
                _ => {}
            }
        }
        let first = unescape(character, characters, escape, pattern)?;
        push_class_literal(target, first);
        if characters.peek() == Some(&'-') {
            characters.next();
            let end = characters.next().ok_or_else(|| invalid(pattern, "[ without ]"))?;
            let last = unescape(end, characters, escape, pattern)?;
            if last < first {
                return Err(invalid(pattern, &format!("the range {first}-{last} runs backwards")));
            }
            target.push('-');
            push_class_literal(target, last);
        }
    }
    match (included.is_empty(), excluded) {
        (true, Some(excluded)) if !excluded.is_empty() => {
            translated.push_str("[^");
            translated.push_str(&excluded);
            translated.push(']');
        }
        (false, None) => {
            translated.push('[');
            translated.push_str(&included);
            translated.push(']');
        }
        (false, Some(excluded)) if !excluded.is_empty() => {
            translated.push_str(&format!("[{included}&&[^{excluded}]]"));
        }
        _ => return Err(invalid(pattern, "[ ] is empty")),
    }
    Ok(())
}

fn unescape(
    character: char,
    characters: &mut Peekable<Chars<'_>>,
    escape: Option<char>,
    pattern: &str,
) -> Result<char, RowError> {
    if Some(character) != escape {
        return Ok(character);
    }
    characters.next().ok_or_else(|| invalid(pattern, "nothing follows the escape character"))
}

fn push_class_literal(class: &mut String, literal: char) {
    if literal.is_ascii_punctuation() {
        class.push('\\');
    }
    class.push(literal);
}

fn named_class(characters: &mut Peekable<Chars<'_>>, pattern: &str) -> Result<&'static str, RowError> {
    characters.next();
    let mut name = String::new();
    loop {
        match characters.next() {
            Some(':') => break,
            Some(character) => name.push(character.to_ascii_uppercase()),
            None => return Err(invalid(pattern, "[: without :]")),
        }
    }
    if characters.next() != Some(']') {
        return Err(invalid(pattern, "[: without :]"));
    }
    match name.as_str() {
        "ALPHA" => Ok(r"\p{Alphabetic}"),
        "UPPER" => Ok(r"\p{Uppercase}"),
        "LOWER" => Ok(r"\p{Lowercase}"),
        "DIGIT" => Ok("0-9"),
        "ALNUM" => Ok(r"\p{Alphabetic}0-9"),
        "SPACE" => Ok(" "),
        "WHITESPACE" => Ok(r"\s"),
        other => Err(invalid(pattern, &format!("there is no class [:{other}:]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_the_standard() {
        let cases = [
            ("cd", "[a-e]d", None, true),
            ("cd", "[a-e^c]d", None, false),
            ("abbbbbbbb", "ab{3,6}", None, false),
            ("a(b{3})", r"a\(b\{3\}\)", Some("\\"), true),
            ("amy", "amy|fred", None, true),
            ("amyfred", "amy|fred", None, false),
            ("a\nb", "a_b", None, true),
            ("2020-01", "[0-9]+-[0-9]{2}", None, true),
            ("^$.", "^$.", None, true),
            ("xy", "[[:ALPHA:]]{2,}", None, true),
            ("é", "_", None, true),
        ];
        for (text, pattern, escape, expected) in cases {
            match SimilarPattern::prepare(pattern, escape) {
                Ok(ready) => {
                    assert_eq!(ready.test(text).unwrap(), expected, "'{text}' SIMILAR TO '{pattern}'")
                }
                Err(error) => panic!("{error}"),
            }
        }
        for pattern in ["[^(a-e)]", "a(b", "*a", "a{x}", "[b-a]", "a{1000}{1000}{1000}", "[]", "a]"] {
            assert!(SimilarPattern::prepare(pattern, None).is_err(), "{pattern}");
        }
    }
}

//! Regular expressions in the syntax of Java, for SUBSTRING and REGEX_REPLACE.
//!
//! The pattern is rewritten where Java differs (`\d`, `\w`, `\s` are ASCII; `\Q…\E`; `\h`, `\Z`) and compiled by the
//! `regex` crate, which matches in linear time. Only a pattern with look-around, back references or possessive
//! quantifiers goes to `fancy-regex`, with a limit on its steps: a pattern that explodes is a row error.

use crate::row_error::RowError;

/// Steps that a backtracking match may take.
const BACKTRACK_LIMIT: usize = 1_000_000;
/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 22;

/// A prepared pattern.
#[derive(Clone, Debug)]
pub(crate) enum JavaRegex {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl JavaRegex {
    /// Prepares a pattern.
    ///
    /// # Errors
    /// When the pattern is malformed or too big.
    pub(crate) fn new(pattern: &str) -> Result<JavaRegex, RowError> {
        let translated = translate(pattern);
        if let Ok(regex) = regex::RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build() {
            return Ok(JavaRegex::Linear(regex));
        }
        let mut builder = fancy_regex::RegexBuilder::new(&translated);
        builder.backtrack_limit(BACKTRACK_LIMIT).delegate_size_limit(SIZE_LIMIT);
        match builder.build() {
            Ok(regex) => Ok(JavaRegex::Backtracking(Box::new(regex))),
            Err(error) => Err(RowError::function(format!(
                "'{pattern}' is not a regular expression: {}",
                error.to_string().lines().last().unwrap_or_default().trim()
            ))),
        }
    }

    /// The first match at or after byte `start`.
    ///
    /// # Errors
    /// When the match takes too many steps.
    pub(crate) fn find_at(&self, text: &str, start: usize) -> Result<Option<(usize, usize)>, RowError> {
        match self {
            JavaRegex::Linear(regex) => {
                Ok(regex.find_at(text, start).map(|found| (found.start(), found.end())))
            }
            JavaRegex::Backtracking(regex) => match regex.find_from_pos(text, start) {
                Ok(found) => Ok(found.map(|found| (found.start(), found.end()))),
                Err(error) => Err(too_long(&error)),
            },
        }
    }

    /// The byte ranges of the groups of the first match at or after byte `start`; group 0 is the whole match.
    ///
    /// # Errors
    /// When the match takes too many steps.
    pub(crate) fn groups_at(&self, text: &str, start: usize) -> Result<Option<Groups>, RowError> {
        match self {
            JavaRegex::Linear(regex) => {
                let mut locations = regex.capture_locations();
                if regex.captures_read_at(&mut locations, text, start).is_none() {
                    return Ok(None);
                }
                Ok(Some((0..locations.len()).map(|group| locations.get(group)).collect()))
            }
            JavaRegex::Backtracking(regex) => match regex.captures_from_pos(text, start) {
                Ok(found) => Ok(found.map(|found| {
                    (0..found.len())
                        .map(|group| found.get(group).map(|range| (range.start(), range.end())))
                        .collect()
                })),
                Err(error) => Err(too_long(&error)),
            },
        }
    }

    /// Number of groups, group 0 included.
    pub(crate) fn group_count(&self) -> usize {
        match self {
            JavaRegex::Linear(regex) => regex.captures_len(),
            JavaRegex::Backtracking(regex) => regex.captures_len(),
        }
    }

    /// The number of a named group.
    pub(crate) fn group_named(&self, name: &str) -> Option<usize> {
        match self {
            JavaRegex::Linear(regex) => regex.capture_names().position(|group| group == Some(name)),
            JavaRegex::Backtracking(regex) => regex.capture_names().position(|group| group == Some(name)),
        }
    }
}

/// Byte ranges of the groups of a match; `None` for a group that took no part.
pub(crate) type Groups = Vec<Option<(usize, usize)>>;

fn too_long(error: &fancy_regex::Error) -> RowError {
    RowError::function(format!("the regular expression was given up on this text: {error}"))
}

/// Rewrites what Java spells differently.
fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len() + 8);
    let mut characters = pattern.chars().peekable();
    let mut class_depth = 0usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('Q') => {
                    let mut literal = String::new();
                    for next in characters.by_ref() {
                        literal.push(next);
                        if literal.ends_with("\\E") {
                            literal.truncate(literal.len() - 2);
                            break;
                        }
                    }
                    translated.push_str(&regex::escape(&literal));
                }
                Some('d') => translated.push_str(if class_depth > 0 { "0-9" } else { "[0-9]" }),
                Some('D') => translated.push_str("[^0-9]"),
                Some('w') => translated.push_str(if class_depth > 0 { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('W') => translated.push_str("[^0-9A-Za-z_]"),
                Some('s') => {
                    translated.push_str(if class_depth > 0 { r" \t\n\x0B\f\r" } else { r"[ \t\n\x0B\f\r]" });
                }
                Some('S') => translated.push_str(r"[^ \t\n\x0B\f\r]"),
                Some('h') => translated.push_str(if class_depth > 0 { r" \t\x{A0}" } else { r"[ \t\x{A0}]" }),
                Some('Z') => translated.push_str(r"(?:\n?\z)"),
                Some('e') => translated.push_str(r"\x1B"),
                Some(other) => {
                    translated.push('\\');
                    translated.push(other);
                }
                None => translated.push('\\'),
            },
            '[' => {
                class_depth += 1;
                translated.push('[');
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                translated.push(']');
            }
            other => translated.push(other),
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: &str, text: &str) -> Option<String> {
        let found = JavaRegex::new(pattern).unwrap().find_at(text, 0).unwrap();
        found.map(|(start, end)| text[start..end].to_owned())
    }

    #[test]
    fn java_syntax_is_understood() {
        assert_eq!(first(r"\d+", "a٣12").as_deref(), Some("12"));
        assert_eq!(first(r"[\w.]+@", "x a.b@c").as_deref(), Some("a.b@"));
        assert_eq!(first(r"\Qa.b\E+", "aab a.bb").as_deref(), Some("a.bb"));
        assert_eq!(first(r"(?<=x)y", "yxy").as_deref(), Some("y"));
        assert_eq!(first(r"(a)\1", "abaa").as_deref(), Some("aa"));
        assert!(JavaRegex::new("a(").is_err());
    }

    #[test]
    fn an_exploding_pattern_is_given_up() {
        let regex = JavaRegex::new(r"(?=(a+)+$)(a|aa)+\2b").unwrap();
        assert!(matches!(regex, JavaRegex::Backtracking(_)));
        let text = "a".repeat(60);
        assert!(regex.find_at(&text, 0).is_err());
    }
}

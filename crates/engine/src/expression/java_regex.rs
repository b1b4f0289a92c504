//! Regular expressions in the syntax of Java, for SUBSTRING and REGEX_REPLACE.
//!
//! The pattern is rewritten where Java differs (`\d`, `\w`, `\s` are ASCII; `\Q…\E`; `\h`, `\Z`) and compiled by the
//! `regex` crate, which matches in linear time. Only a pattern with look-around, back references or possessive
//! quantifiers goes to `fancy-regex`, which goes back and tries again: all the searches of a row share a budget of steps
//! ([`StepBudget`]), so that a pattern that explodes is a row error.

use millstream_columns::RowError;
use std::sync::OnceLock;

/// Limits on the times that a search goes back, tried one after the other: the first that suffices tells within a factor of
/// 4 how often it did.
const BACKTRACK_LIMITS: [usize; 9] =
    [1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];
/// Steps of a row: about a second.
const STEPS_A_ROW: u64 = 1 << 28;
/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 22;

/// A prepared pattern.
#[derive(Clone, Debug)]
pub(crate) enum JavaRegex {
    Linear(regex::Regex),
    Backtracking(Box<Backtracking>),
}

/// A pattern that goes back.
#[derive(Clone, Debug)]
pub(crate) struct Backtracking {
    translated: String,
    /// The first; for names and numbers of groups.
    any: fancy_regex::Regex,
    /// By the limits; built when they are needed.
    limited: [OnceLock<fancy_regex::Regex>; BACKTRACK_LIMITS.len()],
    /// A quantifier without an end: each time that a search goes back, it may read the rest of the text.
    reads_on: bool,
}

/// The steps that the searches of one row may still take: a step is a character that is looked at, or a time that a search
/// goes back.
#[derive(Debug)]
pub(crate) struct StepBudget {
    left: u64,
}

impl StepBudget {
    /// For a row.
    pub(crate) fn of_row() -> StepBudget {
        StepBudget { left: STEPS_A_ROW }
    }

    /// Takes steps away; false when there are not so many.
    fn take(&mut self, steps: u64) -> bool {
        let rest = self.left.checked_sub(steps);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

impl Backtracking {
    fn new(translated: String) -> Result<Backtracking, fancy_regex::Error> {
        let any = build(&translated, BACKTRACK_LIMITS[0])?;
        let reads_on = translated.contains(['*', '+']) || translated.contains(",}");
        Ok(Backtracking { translated, any, limited: Default::default(), reads_on })
    }

    /// Runs a search with one limit after the other, as long as the budget lasts.
    fn search<T>(
        &self,
        text: &str,
        start: usize,
        budget: &mut StepBudget,
        run: impl Fn(&fancy_regex::Regex) -> Result<T, fancy_regex::Error>,
    ) -> Result<T, RowError> {
        let steps_a_time = if self.reads_on { (text.len() - start.min(text.len())) as u64 + 1 } else { 1 };
        for (limit, cell) in BACKTRACK_LIMITS.into_iter().zip(&self.limited) {
            if !budget.take(steps_a_time.saturating_mul(limit as u64)) {
                break;
            }
            let regex = cell.get_or_init(|| {
                build(&self.translated, limit).expect("the same pattern was built with another limit")
            });
            match run(regex) {
                Err(fancy_regex::Error::RuntimeError(fancy_regex::RuntimeError::BacktrackLimitExceeded)) => {}
                Err(error) => return Err(too_long(&error.to_string())),
                Ok(found) => return Ok(found),
            }
        }
        Err(too_long("it takes too many steps"))
    }
}

fn build(translated: &str, limit: usize) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    let mut builder = fancy_regex::RegexBuilder::new(translated);
    builder.backtrack_limit(limit).delegate_size_limit(SIZE_LIMIT);
    builder.build()
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
        match Backtracking::new(translated) {
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
            JavaRegex::Backtracking(regex) => {
                let search =
                    |regex: &fancy_regex::Regex| -> Result<Option<(usize, usize)>, fancy_regex::Error> {
                        Ok(regex.find_from_pos(text, start)?.map(|found| (found.start(), found.end())))
                    };
                regex.search(text, start, &mut StepBudget::of_row(), search)
            }
        }
    }

    /// The byte ranges of the groups of the first match at or after byte `start`; group 0 is the whole match.
    ///
    /// # Errors
    /// When the match takes too many steps.
    pub(crate) fn groups_at(
        &self,
        text: &str,
        start: usize,
        budget: &mut StepBudget,
    ) -> Result<Option<Groups>, RowError> {
        match self {
            JavaRegex::Linear(regex) => {
                let mut locations = regex.capture_locations();
                if regex.captures_read_at(&mut locations, text, start).is_none() {
                    return Ok(None);
                }
                Ok(Some((0..locations.len()).map(|group| locations.get(group)).collect()))
            }
            JavaRegex::Backtracking(regex) => {
                let search = |regex: &fancy_regex::Regex| -> Result<Option<Groups>, fancy_regex::Error> {
                    let Some(found) = regex.captures_from_pos(text, start)? else { return Ok(None) };
                    let range = |group| found.get(group).map(|range| (range.start(), range.end()));
                    Ok(Some((0..found.len()).map(range).collect()))
                };
                regex.search(text, start, budget, search)
            }
        }
    }

    /// Number of groups, group 0 included.
    pub(crate) fn group_count(&self) -> usize {
        match self {
            JavaRegex::Linear(regex) => regex.captures_len(),
            JavaRegex::Backtracking(regex) => regex.any.captures_len(),
        }
    }

    /// The number of a named group.
    pub(crate) fn group_named(&self, name: &str) -> Option<usize> {
        match self {
            JavaRegex::Linear(regex) => regex.capture_names().position(|group| group == Some(name)),
            JavaRegex::Backtracking(regex) => regex.any.capture_names().position(|group| group == Some(name)),
        }
    }
}

/// Byte ranges of the groups of a match; `None` for a group that took no part.
pub(crate) type Groups = Vec<Option<(usize, usize)>>;

fn too_long(reason: &str) -> RowError {
    RowError::function(format!("the regular expression was given up on this text: {reason}"))
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
    fn m2_the_searches_of_a_row_share_their_steps() {
        let regex = JavaRegex::new("(?=(a+)+b)(a|aa)+$").unwrap();
        // Each of 60,000 places reads on to the end of the text.
        let text = "a".repeat(60_000);
        assert!(regex.groups_at(&text, 0, &mut StepBudget { left: 1 << 22 }).is_err());
        // What a row needs is there: many places, many matches.
        let regex = JavaRegex::new(r"(?<=k)\d+").unwrap();
        let text = "k12 ".repeat(2_000);
        let (mut budget, mut at, mut found) = (StepBudget::of_row(), 0, 0);
        while let Some(groups) = regex.groups_at(&text, at, &mut budget).unwrap() {
            at = groups[0].unwrap().1;
            found += 1;
        }
        assert_eq!(found, 2_000);
        let bounded = JavaRegex::new("(?<=k)[0-9]{1,9}").unwrap();
        let text = format!("{}k1", "x".repeat(60_000));
        assert!(bounded.find_at(&text, 0).unwrap().is_some());
    }

    #[test]
    fn an_exploding_pattern_is_given_up() {
        let regex = JavaRegex::new(r"(?=(a+)+$)(a|aa)+\2b").unwrap();
        assert!(matches!(regex, JavaRegex::Backtracking(_)));
        let text = "a".repeat(60);
        assert!(regex.find_at(&text, 0).is_err());
    }
}

//! `FAST_REGEX_LOG_PARSE(text, pattern)`, also called FAST_REGEX_LOG_PARSER: a pattern of groups matched piece by piece,
//! each piece once.
//!
//! ```text
//!   (.*)_+(<Alpha>.*)     the parts inside and outside the groups
//!   (.*)_ │ _*(<Alpha> │ .*)     what has a fixed length moves to the end of the piece before
//! ```
//!
//! Pieces are matched from left to right, each as short as it can be, and never again; the last takes the rest of the
//! text, or there is no match. A piece outside a group that ends in nothing of fixed length, such as a run of blanks,
//! takes all it can.

mod automaton;
mod syntax;

use super::{Fields, LogParser, Prepared, check_arguments, constant_text, numbered_fields, refused};
use automaton::Automaton;
use millstream_sql::{Argument, SignatureError};
use std::borrow::Cow;
use syntax::Pattern;

pub(super) const PARSER: LogParser = LogParser { name: "FAST_REGEX_LOG_PARSE", prepare };
pub(super) const LONGER_NAME: LogParser = LogParser { name: "FAST_REGEX_LOG_PARSER", prepare };

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 2..=2, "2")?;
    let pattern = constant_text(arguments, 1, "the pattern")?;
    let chain = Chain::new(pattern).map_err(|message| refused(1, message))?;
    let fields = numbered_fields(chain.groups);
    Ok(Prepared { fields, split: Box::new(move |text, _| Ok(chain.split(text))) })
}

/// A pattern cut into pieces.
struct Chain {
    pieces: Vec<Piece>,
    groups: usize,
}

struct Piece {
    automaton: Automaton,
    /// Which group its first part, of any length, belongs to.
    group: Option<usize>,
    /// The parts of fixed length behind that: their groups and lengths in characters.
    fixed: Vec<(Option<usize>, usize)>,
    greedy: bool,
}

/// A part of the pattern and the group that it stands in.
type Part = (Option<usize>, Pattern);

impl Chain {
    fn new(pattern: &str) -> Result<Chain, String> {
        let parts = syntax::parse(pattern)?.into_factors();
        let mut groups = 0;
        // Neighbours outside groups are one part of the text.
        let mut segments: Vec<(Option<usize>, Vec<Pattern>)> = Vec::new();
        for part in parts {
            match part {
                Pattern::Group(inside) => {
                    // An empty group is a part without characters.
                    let factors = inside.into_factors();
                    let factors = if factors.is_empty() { vec![Pattern::Sequence(factors)] } else { factors };
                    segments.push((Some(groups), factors));
                    groups += 1;
                }
                outside => match segments.last_mut() {
                    Some((None, factors)) => factors.push(outside),
                    _ => segments.push((None, vec![outside])),
                },
            }
        }
        if groups == 0 {
            return Err(
                "the pattern has no group of its own: each group in parentheses gives a column".to_owned()
            );
        }
        let mut pieces: Vec<Vec<Part>> = Vec::new();
        for (group, factors) in segments {
            let factors = factors.into_iter().flat_map(Pattern::fixed_copies_first);
            let mut rest: Vec<Part> = Vec::new();
            for factor in factors {
                match pieces.last_mut() {
                    Some(before) if rest.is_empty() && factor.fixed_length().is_some() => {
                        before.push((group, factor))
                    }
                    _ => rest.push((group, factor)),
                }
            }
            if !rest.is_empty() {
                pieces.push(rest);
            }
        }
        let pieces = pieces.into_iter().map(Piece::new).collect::<Result<_, String>>()?;
        Ok(Chain { pieces, groups })
    }

    fn split<'t>(&self, text: &'t str) -> Option<Fields<'t>> {
        let mut spans: Vec<Option<(usize, usize)>> = vec![None; self.groups];
        let mut start = 0;
        for (number, piece) in self.pieces.iter().enumerate() {
            let rest = &text[start..];
            let length = if number + 1 == self.pieces.len() {
                piece.automaton.matches(rest).then_some(rest.len())?
            } else if piece.greedy {
                piece.automaton.longest_prefix(rest)?
            } else {
                piece.automaton.shortest_prefix(rest)?
            };
            piece.note_groups(text, start, start + length, &mut spans);
            start += length;
        }
        // A text is left over when the pattern has no part of variable length at its end.
        if start < text.len() {
            return None;
        }
        Some(spans.iter().map(|span| span.map(|(start, end)| Cow::Borrowed(&text[start..end]))).collect())
    }
}

impl Piece {
    fn new(parts: Vec<Part>) -> Result<Piece, String> {
        let tail = parts.iter().rev().take_while(|(_, part)| part.fixed_length().is_some()).count();
        // A first piece of fixed parts alone has no part of variable length.
        let head = parts.len() - tail;
        let group = parts[0].0;
        let fixed: Vec<(Option<usize>, usize)> =
            parts[head..].iter().map(|(group, part)| (*group, part.fixed_length().unwrap_or(0))).collect();
        let greedy = fixed.is_empty() && group.is_none();
        let automaton =
            Automaton::new(&Pattern::Sequence(parts.into_iter().map(|(_, part)| part).collect()))?;
        Ok(Piece { automaton, group, fixed, greedy })
    }

    /// Notes where the groups lie in the text that the piece has matched.
    fn note_groups(&self, text: &str, start: usize, end: usize, spans: &mut [Option<(usize, usize)>]) {
        let mut note = |group: Option<usize>, start: usize, end: usize| {
            if let Some(group) = group {
                let span = spans[group].get_or_insert((start, end));
                span.1 = end;
            }
        };
        // The fixed parts are counted from the end.
        let mut places = vec![end];
        for (_, length) in self.fixed.iter().rev() {
            let before = text[..places[places.len() - 1]].char_indices();
            let place = if *length == 0 {
                places[places.len() - 1]
            } else {
                before.rev().nth(length - 1).map_or(0, |(at, _)| at)
            };
            places.push(place);
        }
        places.reverse();
        note(self.group, start, places[0]);
        for ((group, _), place) in self.fixed.iter().zip(places.windows(2)) {
            note(*group, place[0], place[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::split;
    use super::*;

    #[test]
    fn the_documented_samples() {
        let text = "Mary____had_a_little_lamb";
        assert_eq!(split(&PARSER, &["(.*)_+(.*)"], text), "Mary|had_a_little_lamb");
        assert_eq!(split(&PARSER, &["(.*)_+(<Alpha>.*)"], text), "Mary|had_a_little_lamb");
        assert_eq!(split(&PARSER, &["(.*)_(._.*)_.*"], "Mary_had_a_little_lamb"), "Mary_had|a_little");
    }

    #[test]
    fn pieces_are_never_matched_again() {
        assert_eq!(split(&PARSER, &["(a*)b"], "aab"), "aa");
        assert_eq!(split(&PARSER, &["(a*)b"], "aabb"), "no match");
        assert_eq!(split(&PARSER, &["(.*)ab(.*)"], "aabab"), "a|ab");
        assert_eq!(split(&PARSER, &["(...)-(..)"], "abc-de"), "abc|de");
        assert_eq!(split(&PARSER, &["(...)-(..)"], "äöü-de"), "äöü|de");
        assert_eq!(split(&PARSER, &["(<Digit>+) (.*)"], "200 OK all"), "200|OK all");
        assert_eq!(split(&PARSER, &["(<0-255>)\\.(<0-255>)"], "10.255"), "10|255");
        assert_eq!(split(&PARSER, &["(<0-255>)\\.(<0-255>)"], "10.256"), "no match");
        assert_eq!(split(&PARSER, &["\"[x]\"(a|b)()(.*)"], "[x]bcd"), "b||cd");
    }

    #[test]
    fn a_bad_pattern_is_refused() {
        for pattern in ["(a", "a", "(a)|(b)", "(<Foo>)", "([a)", "(a{2)", "(a{3,2})", "(\"a)", "a)", "(*)"] {
            assert!(Chain::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn patterns_made_to_explode_are_refused() {
        let deep = format!("({}a{})", "(".repeat(5_000), ")".repeat(5_000));
        let stars = format!("(a{})", "*".repeat(50_000));
        let copies = "(a{1000}{1000}{1000})".to_owned();
        let choices = format!("({})", "(a|b|c)?".repeat(300));
        let sets = format!(
            "({}@)",
            (0..200).map(|n| format!(".*{}.{{9}}&", char::from(97 + n % 26))).collect::<String>()
        );
        for pattern in [deep, stars, copies, sets] {
            assert!(Chain::new(&pattern).is_err(), "{}", &pattern[..40]);
        }
        assert!(Chain::new(&choices).is_ok());
        let long = format!("({})(.*)", "a".repeat(900));
        assert!(Chain::new(&long).is_ok());
    }
}

//! A deterministic automaton of a pattern: matching takes one step a character, whatever the pattern.
//!
//! Built by derivatives (Brzozowski, "Derivatives of regular expressions", 1964): a state is the pattern of what may still
//! follow, and equal patterns are one state. Union and intersection are kept sorted and without repetition, which makes
//! the states finite; a limit stops patterns that still have too many.

use super::syntax::Pattern;
use std::collections::HashMap;

/// Most states of a pattern.
const MAX_STATES: usize = 4_096;
/// Most terms that building it may make.
const MAX_TERMS: usize = 50_000;
/// Most derivatives that building it may take: a second of a core at most.
const MAX_DERIVATIVES: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Term {
    Nothing,
    Empty,
    Class(Vec<(u32, u32)>),
    Then(u32, u32),
    Star(u32),
    Or(Vec<u32>),
    And(Vec<u32>),
}

const NOTHING: u32 = 0;
const EMPTY: u32 = 1;

/// Terms by number: equal terms have one number.
struct Terms {
    terms: Vec<Term>,
    numbers: HashMap<Term, u32>,
    accepts_empty: Vec<bool>,
    derivatives: usize,
}

impl Terms {
    fn new() -> Terms {
        let mut terms =
            Terms { terms: Vec::new(), numbers: HashMap::new(), accepts_empty: Vec::new(), derivatives: 0 };
        terms.number(Term::Nothing);
        terms.number(Term::Empty);
        terms
    }

    fn number(&mut self, term: Term) -> u32 {
        if let Some(number) = self.numbers.get(&term) {
            return *number;
        }
        let accepts = |number: &u32| self.accepts_empty[*number as usize];
        let accepts_empty = match &term {
            Term::Nothing | Term::Class(_) => false,
            Term::Empty | Term::Star(_) => true,
            Term::Then(first, second) => accepts(first) && accepts(second),
            Term::Or(parts) => parts.iter().any(accepts),
            Term::And(parts) => parts.iter().all(accepts),
        };
        let number = self.terms.len() as u32;
        self.terms.push(term.clone());
        self.numbers.insert(term, number);
        self.accepts_empty.push(accepts_empty);
        number
    }

    fn then(&mut self, first: u32, second: u32) -> u32 {
        match (first, second) {
            (NOTHING, _) | (_, NOTHING) => NOTHING,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => {
                // Leaning to the right, so that equal sequences are equal terms.
                if let Term::Then(head, tail) = self.terms[first as usize] {
                    let rest = self.then(tail, second);
                    return self.then(head, rest);
                }
                self.number(Term::Then(first, second))
            }
        }
    }

    fn or(&mut self, parts: Vec<u32>) -> u32 {
        let mut all: Vec<u32> = Vec::new();
        for part in parts {
            match &self.terms[part as usize] {
                Term::Or(inside) => all.extend(inside),
                Term::Nothing => {}
                _ => all.push(part),
            }
        }
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [] => NOTHING,
            [one] => *one,
            _ => self.number(Term::Or(all)),
        }
    }

    fn and(&mut self, parts: Vec<u32>) -> u32 {
        let mut all: Vec<u32> = Vec::new();
        for part in parts {
            match &self.terms[part as usize] {
                Term::And(inside) => all.extend(inside),
                Term::Nothing => return NOTHING,
                _ => all.push(part),
            }
        }
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [one] => *one,
            _ => self.number(Term::And(all)),
        }
    }

    fn star(&mut self, inside: u32) -> u32 {
        match self.terms[inside as usize] {
            Term::Nothing | Term::Empty => EMPTY,
            Term::Star(_) => inside,
            _ => self.number(Term::Star(inside)),
        }
    }

    fn pattern(&mut self, pattern: &Pattern) -> Result<u32, String> {
        if self.terms.len() > MAX_TERMS {
            return Err(too_large());
        }
        Ok(match pattern {
            Pattern::Nothing => NOTHING,
            Pattern::Class(ranges) if ranges.is_empty() => NOTHING,
            Pattern::Class(ranges) => self.number(Term::Class(ranges.clone())),
            Pattern::Group(inside) => self.pattern(inside)?,
            Pattern::Sequence(parts) => {
                let mut whole = EMPTY;
                for part in parts.iter().rev() {
                    let part = self.pattern(part)?;
                    whole = self.then(part, whole);
                }
                whole
            }
            Pattern::Union(parts) => {
                let parts = parts.iter().map(|part| self.pattern(part)).collect::<Result<_, _>>()?;
                self.or(parts)
            }
            Pattern::Intersection(parts) => {
                let parts = parts.iter().map(|part| self.pattern(part)).collect::<Result<_, _>>()?;
                self.and(parts)
            }
            Pattern::Repeat { pattern, least, most } => {
                let once = self.pattern(pattern)?;
                let mut whole = match most {
                    None => self.star(once),
                    Some(_) => EMPTY,
                };
                for _ in *least..most.unwrap_or(*least) {
                    let more = self.then(once, whole);
                    whole = self.or(vec![EMPTY, more]);
                    if self.terms.len() > MAX_TERMS {
                        return Err(too_large());
                    }
                }
                for _ in 0..*least {
                    whole = self.then(once, whole);
                }
                whole
            }
        })
    }

    /// What may follow once `character` has been read.
    fn derivative(&mut self, term: u32, character: u32, known: &mut HashMap<u32, u32>) -> u32 {
        if let Some(found) = known.get(&term) {
            return *found;
        }
        self.derivatives += 1;
        let derived = match self.terms[term as usize].clone() {
            Term::Nothing | Term::Empty => NOTHING,
            Term::Class(ranges) => {
                if ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) {
                    EMPTY
                } else {
                    NOTHING
                }
            }
            Term::Then(first, second) => {
                let derived = self.derivative(first, character, known);
                let through = self.then(derived, second);
                if self.accepts_empty[first as usize] {
                    let skipped = self.derivative(second, character, known);
                    self.or(vec![through, skipped])
                } else {
                    through
                }
            }
            Term::Star(inside) => {
                let derived = self.derivative(inside, character, known);
                self.then(derived, term)
            }
            Term::Or(parts) => {
                let parts = parts.iter().map(|part| self.derivative(*part, character, known)).collect();
                self.or(parts)
            }
            Term::And(parts) => {
                let parts = parts.iter().map(|part| self.derivative(*part, character, known)).collect();
                self.and(parts)
            }
        };
        known.insert(term, derived);
        derived
    }
}

fn too_large() -> String {
    "the pattern is too large: shorten its repetitions, or use REGEX_LOG_PARSE".to_owned()
}

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Automaton {
    /// Where the classes of characters begin: those of one class lead to the same states.
    class_starts: Vec<u32>,
    /// The classes of ASCII.
    ascii: [u16; 128],
    /// `states * classes` next states; state 0 is the one from which nothing matches.
    next: Vec<u16>,
    accepts: Vec<bool>,
    start: u16,
}

impl Automaton {
    pub(super) fn new(pattern: &Pattern) -> Result<Automaton, String> {
        let mut terms = Terms::new();
        let root = terms.pattern(pattern)?;
        let mut class_starts = vec![0];
        collect_starts(pattern, &mut class_starts);
        class_starts.sort_unstable();
        class_starts.dedup();
        let mut states: Vec<u32> = vec![NOTHING];
        let mut state_of: HashMap<u32, u16> = HashMap::from([(NOTHING, 0)]);
        let mut enter = |term: u32, states: &mut Vec<u32>| -> Result<u16, String> {
            if let Some(state) = state_of.get(&term) {
                return Ok(*state);
            }
            if states.len() >= MAX_STATES {
                return Err(too_large());
            }
            let state = states.len() as u16;
            states.push(term);
            state_of.insert(term, state);
            Ok(state)
        };
        let start = enter(root, &mut states)?;
        let mut next = Vec::new();
        let mut done = 0;
        while done < states.len() {
            let term = states[done];
            done += 1;
            for class in &class_starts {
                let derived = terms.derivative(term, *class, &mut HashMap::new());
                if terms.terms.len() > MAX_TERMS || terms.derivatives > MAX_DERIVATIVES {
                    return Err(too_large());
                }
                next.push(enter(derived, &mut states)?);
            }
        }
        let accepts = states.iter().map(|term| terms.accepts_empty[*term as usize]).collect();
        let mut ascii = [0; 128];
        for (code, class) in ascii.iter_mut().enumerate() {
            *class = class_of(&class_starts, code as u32) as u16;
        }
        Ok(Automaton { class_starts, ascii, next, accepts, start })
    }

    fn step(&self, state: u16, character: char) -> u16 {
        let code = character as u32;
        let class = match self.ascii.get(code as usize) {
            Some(class) => usize::from(*class),
            None => class_of(&self.class_starts, code),
        };
        self.next[usize::from(state) * self.class_starts.len() + class]
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let end = text.chars().try_fold(self.start, |state, character| {
            let state = self.step(state, character);
            (state != 0).then_some(state)
        });
        end.is_some_and(|state| self.accepts[usize::from(state)])
    }

    /// The length in bytes of the shortest beginning that matches.
    pub(super) fn shortest_prefix(&self, text: &str) -> Option<usize> {
        self.prefixes(text).next()
    }

    /// The length in bytes of the longest beginning that matches.
    pub(super) fn longest_prefix(&self, text: &str) -> Option<usize> {
        self.prefixes(text).last()
    }

    /// The lengths of the beginnings that match, ascending.
    fn prefixes(&self, text: &str) -> impl Iterator<Item = usize> {
        let mut state = self.start;
        let mut places = text.char_indices();
        let mut alive = true;
        let mut at = 0;
        std::iter::from_fn(move || {
            while alive {
                let found = self.accepts[usize::from(state)].then_some(at);
                match places.next() {
                    Some((place, character)) => {
                        state = self.step(state, character);
                        at = place + character.len_utf8();
                        alive = state != 0;
                    }
                    None => alive = false,
                }
                if found.is_some() {
                    return found;
                }
            }
            None
        })
    }
}

fn class_of(class_starts: &[u32], code: u32) -> usize {
    class_starts.partition_point(|start| *start <= code) - 1
}

/// Where classes of characters begin or have ended.
fn collect_starts(pattern: &Pattern, starts: &mut Vec<u32>) {
    match pattern {
        Pattern::Nothing => {}
        Pattern::Class(ranges) => {
            for (low, high) in ranges {
                starts.push(*low);
                if *high < char::MAX as u32 {
                    starts.push(high + 1);
                }
            }
        }
        Pattern::Sequence(parts) | Pattern::Union(parts) | Pattern::Intersection(parts) => {
            parts.iter().for_each(|part| collect_starts(part, starts));
        }
        Pattern::Repeat { pattern, .. } | Pattern::Group(pattern) => collect_starts(pattern, starts),
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Automaton::new(&parse(pattern).unwrap()).unwrap().matches(text)
    }

    #[test]
    fn the_operators_of_the_language() {
        let cases = [
            ("[a-c]{2,3}", "ab", true),
            ("[a-c]{2,3}", "abca", false),
            ("[^a]b?", "xb", true),
            ("[^a]b?", "ab", false),
            ("@&.*x.*", "axb", true),
            ("@&.*x.*", "ab", false),
            ("a|b&c", "a", true),
            ("a|b&c", "b", false),
            ("a#|b", "b", true),
            ("<5-12>", "007", true),
            ("<5-12>", "12", true),
            ("<5-12>", "13", false),
            ("<05-12>", "5", false),
            ("<05-12>", "05", true),
            ("\"a.b\"\\*", "a.b*", true),
            ("()a{0}", "", true),
            ("(ab)*", "ababab", true),
            ("ü+", "üü", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn beginnings_are_found_from_either_end() {
        let automaton = Automaton::new(&parse(".*_").unwrap()).unwrap();
        assert_eq!(automaton.shortest_prefix("a__b_c"), Some(2));
        assert_eq!(automaton.longest_prefix("a__b_c"), Some(5));
        assert_eq!(automaton.shortest_prefix("abc"), None);
    }

    #[test]
    fn a_pattern_with_too_many_states_is_refused() {
        assert!(Automaton::new(&parse(".*a.{16}").unwrap()).is_err());
    }
}

//! Names that SQL can take.

use millstream_sql::is_reserved_word;
use std::collections::{HashMap, HashSet};

/// The longest name.
const LONGEST: usize = 100;
/// Names that a note shows, and characters of each.
const MOST_SHOWN: usize = 5;
const LONGEST_SHOWN: usize = 40;

/// Why a name cannot stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Character,
    Digit,
    Length,
    ReservedWord,
    Repetition,
}

impl Obstacle {
    fn of(source: &str) -> Option<Obstacle> {
        let is_kept = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if source.is_empty() || !source.chars().all(is_kept) {
            Some(Obstacle::Character)
        } else if source.starts_with(|character: char| character.is_ascii_digit()) {
            Some(Obstacle::Digit)
        } else if source.len() > LONGEST {
            Some(Obstacle::Length)
        } else {
            is_reserved_word(&source.to_ascii_uppercase()).then_some(Obstacle::ReservedWord)
        }
    }

    fn said(self) -> &'static str {
        match self {
            Obstacle::Character => "characters other than letters, digits and _",
            Obstacle::Digit => "a digit at its start",
            Obstacle::Length => "more than 100 characters",
            Obstacle::ReservedWord => "a reserved word",
            Obstacle::Repetition => "the name is taken",
        }
    }
}

/// A column that does not bear the name of its source.
#[derive(Debug)]
struct Renamed {
    name: String,
    source: String,
    obstacle: Obstacle,
}

/// Names that differ from each other, and which of them are not those of the source.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// For each name that was wanted again, the number that was tried last.
    numbers: HashMap<String, usize>,
    renamed: Vec<Renamed>,
}

impl Names {
    /// The name of column number `position`: as it is in the source if it can be, else `COL_` and what remains of it.
    pub(super) fn of_source(&mut self, source: &str, position: usize) -> String {
        let obstacle = Obstacle::of(source);
        let is_kept = |character: &char| character.is_ascii_alphanumeric() || *character == '_';
        let kept: String = source.chars().filter(is_kept).take(LONGEST - 4).collect();
        let wanted = match obstacle {
            None => source.to_owned(),
            Some(_) if kept.is_empty() => format!("COL_{position}"),
            Some(_) => format!("COL_{kept}"),
        };
        let name = self.take(wanted);
        if name != source {
            let obstacle = obstacle.unwrap_or(Obstacle::Repetition);
            self.renamed.push(Renamed { name: name.clone(), source: source.to_owned(), obstacle });
        }
        name
    }

    /// The name, with a number behind it when it is taken.
    pub(super) fn take(&mut self, name: String) -> String {
        if self.taken.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{name}_{number}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }

    /// Says which columns have other names than their source, and why.
    pub(super) fn note(&self) -> Option<String> {
        let said = |Renamed { name, source, obstacle }: &Renamed| {
            format!("{name} is {} ({})", shortened(source), obstacle.said())
        };
        let shown: Vec<String> = self.renamed.iter().take(MOST_SHOWN).map(said).collect();
        let more = match self.renamed.len().saturating_sub(MOST_SHOWN) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let all = shown.join(", ");
        (!all.is_empty()).then(|| {
            format!(
                "columns are named as Kinesis Data Analytics names them: {all}{more}; rename them as you like"
            )
        })
    }
}

/// A name of the source as JSON writes it, or its beginning.
fn shortened(source: &str) -> String {
    let mut shown: String = source.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < source.len() {
        shown.push('…');
    }
    serde_json::to_string(&shown).expect("a text is JSON")
}

//! Names that SQL can take.

use millstream_sql::is_reserved_word;
use std::collections::{HashMap, HashSet};

/// The longest name.
const LONGEST: usize = 100;

/// The name of column number `position`: as it is in the source if it can be, else `COL_` and what remains of it.
pub(super) fn column_name(source: &str, position: usize) -> String {
    let kept: String =
        source.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '_').collect();
    let is_changed = kept.len() != source.len()
        || kept.starts_with(|character: char| character.is_ascii_digit())
        || kept.len() > LONGEST
        || is_reserved_word(&kept.to_ascii_uppercase());
    match kept.as_str() {
        "" => format!("COL_{position}"),
        _ if is_changed => format!("COL_{}", kept.chars().take(LONGEST - 4).collect::<String>()),
        _ => kept,
    }
}

/// Names that differ from each other.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// For each name that was wanted again, the number that was tried last.
    numbers: HashMap<String, usize>,
}

impl Names {
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
}

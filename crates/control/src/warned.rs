//! Which problems the program's log tells: of many that are alike the first of each second, so that a source that is wrong
//! throughout does not fill a disk.

use std::collections::HashMap;

use millstream_host::Timestamp;

use crate::identifier::stable_hash;

/// Problems of a kind that are told in a second.
const MOST: u32 = 10;
/// Kinds that are known at a time.
const MOST_KINDS: usize = 1_000;

/// What was told lately.
#[derive(Default)]
pub(crate) struct Warned {
    kinds: HashMap<u64, OfKind>,
}

/// Problems that differ in their numbers alone.
struct OfKind {
    second: i64,
    told: u32,
    untold: u64,
}

impl Warned {
    /// Whether a problem is to be told now; if so, how many of its kind were not, since one was.
    pub(crate) fn tell(&mut self, at: Timestamp, place: &str, message: &str) -> Option<u64> {
        let words: String = message.chars().filter(|character| !character.is_ascii_digit()).collect();
        if self.kinds.len() >= MOST_KINDS {
            self.kinds.clear();
        }
        let second = at.millis().div_euclid(1_000);
        let kind = self.kinds.entry(stable_hash(&format!("{place}\n{words}")));
        let kind = kind.or_insert(OfKind { second, told: 0, untold: 0 });
        if kind.second != second {
            (kind.second, kind.told) = (second, 0);
        }
        if kind.told == MOST {
            kind.untold += 1;
            return None;
        }
        kind.told += 1;
        Some(std::mem::take(&mut kind.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_are_alike_some_are_told_each_second() {
        let mut warned = Warned::default();
        let mut told = |at, place, number: u32| {
            warned.tell(Timestamp(at), place, &format!("{number} records are wrong"))
        };
        let first: Vec<Option<u64>> = (0..13).map(|number| told(5, "a", number)).collect();
        assert_eq!(first, [vec![Some(0); 10], vec![None; 3]].concat());
        assert_eq!(told(6, "b", 1), Some(0), "another place");
        assert_eq!([told(999, "a", 1), told(1_000, "a", 1), told(1_001, "a", 1)], [None, Some(4), Some(0)]);
    }
}

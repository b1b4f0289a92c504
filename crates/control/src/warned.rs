//! Which problems the program's log tells: of many that are alike the first few, then ever more rarely one with the number of
//! those between, so that a source that is wrong throughout does not fill a disk.

use std::collections::HashMap;

use millstream_host::Timestamp;

use crate::identifier::stable_hash;

/// Problems of a kind that are told one by one.
const FIRST: u32 = 5;
/// After these the next is told so many milliseconds later; each time it takes twice as long.
const FIRST_PAUSE: i64 = 1_000;
/// No pause is longer.
const LONGEST_PAUSE: i64 = 3_600_000;
/// A kind that was away for so long is told as if it were new.
const FORGOTTEN_AFTER: i64 = 600_000;
/// Kinds that are known at a time.
const MOST_KINDS: usize = 1_000;

/// What was told lately.
#[derive(Default)]
pub(crate) struct Warned {
    kinds: HashMap<u64, OfKind>,
}

/// Problems of one kind.
struct OfKind {
    newest_at: i64,
    told: u32,
    /// What those concern that were not told since one was.
    untold: u64,
    /// When the next may be told, once the first few were.
    next_at: i64,
    pause: i64,
}

impl Warned {
    /// Whether a problem is to be told now, which concerns `count` records, rows or calls; if so, how many those of its kind
    /// concern that were not told, since one was.
    pub(crate) fn tell(&mut self, at: Timestamp, place: &str, kind: &str, count: u64) -> Option<u64> {
        if self.kinds.len() >= MOST_KINDS {
            self.kinds.clear();
        }
        let at = at.millis();
        let new = || OfKind { newest_at: at, told: 0, untold: 0, next_at: at, pause: FIRST_PAUSE };
        let kind = self.kinds.entry(stable_hash(&format!("{place}\n{kind}"))).or_insert_with(new);
        if at.saturating_sub(kind.newest_at) >= FORGOTTEN_AFTER {
            *kind = OfKind { untold: kind.untold, ..new() };
        }
        kind.newest_at = at;
        if kind.told < FIRST {
            kind.told += 1;
            kind.next_at = at.saturating_add(kind.pause);
        } else if at >= kind.next_at {
            kind.pause = LONGEST_PAUSE.min(2 * kind.pause);
            kind.next_at = at.saturating_add(kind.pause);
        } else {
            kind.untold += count.max(1);
            return None;
        }
        Some(std::mem::take(&mut kind.untold))
    }
}

/// The kind of a problem that differs from others in its numbers alone.
pub(crate) fn kind_of(message: &str) -> String {
    message.chars().filter(|character| !character.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_are_alike_a_few_are_told_and_then_ever_fewer() {
        let mut warned = Warned::default();
        let mut told = |at, place, number: u32| {
            warned.tell(Timestamp(at), place, &kind_of(&format!("{number} records are wrong")), 10)
        };
        let first: Vec<Option<u64>> = (0..8).map(|number| told(5, "a", number)).collect();
        assert_eq!(first, [vec![Some(0); 5], vec![None; 3]].concat());
        assert_eq!(told(6, "b", 1), Some(0), "another place");
        assert_eq!([told(1_004, "a", 1), told(1_005, "a", 1)], [None, Some(40)]);
        assert_eq!([told(3_004, "a", 1), told(3_005, "a", 1), told(3_006, "a", 1)], [None, Some(10), None]);
        assert_eq!([told(7_004, "a", 1), told(7_005, "a", 1)], [None, Some(20)], "after twice as long");
        let later = 7_005 + FORGOTTEN_AFTER;
        assert_eq!(
            [told(later - 1, "b", 1), told(later, "a", 1), told(later, "a", 1)],
            [Some(0); 3],
            "it was away"
        );
    }

    #[test]
    fn a_source_that_is_wrong_throughout_is_told_at_least_every_hour() {
        let mut warned = Warned::default();
        let minutes = 0..10 * 60;
        let told =
            minutes.filter(|minute| warned.tell(Timestamp(minute * 60_000), "a", "wrong", 1).is_some());
        let told: Vec<i64> = told.collect();
        assert!(told.len() <= 25, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] <= 61), "{told:?}");
    }
}

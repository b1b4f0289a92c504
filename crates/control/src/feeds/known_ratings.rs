//! Ratings that authors gave, beside the records: what the model says can be compared with them, and the model never sees
//! them.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

/// Ratings that are kept; the oldest go first.
pub(super) const MOST_KEPT: usize = 200_000;

/// Ratings by review id.
#[derive(Default)]
pub struct KnownRatings {
    /// Held for a lookup or an insertion.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, u8>,
    order: VecDeque<String>,
}

impl KnownRatings {
    /// Notes the rating of a review, 1 to 5; others are not kept.
    pub(super) fn note(&self, review_id: &str, stars: u8) {
        if !(1..=5).contains(&stars) {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.by_id.insert(review_id.to_owned(), stars).is_none() {
            kept.order.push_back(review_id.to_owned());
            if kept.order.len() > MOST_KEPT
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.by_id.remove(&oldest);
            }
        }
    }

    /// The rating that the author of a review gave, if it is known.
    pub fn of(&self, review_id: &str) -> Option<u8> {
        self.kept.lock().by_id.get(review_id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ratings_are_kept() {
        let ratings = KnownRatings::default();
        for number in 0..=MOST_KEPT {
            ratings.note(&number.to_string(), 3);
        }
        ratings.note("7", 4);
        ratings.note("odd", 6);
        assert_eq!((ratings.of("0"), ratings.of("1"), ratings.of("7")), (None, Some(3), Some(4)));
        assert_eq!(ratings.of("odd"), None);
        assert_eq!(ratings.kept.lock().by_id.len(), MOST_KEPT);
    }
}

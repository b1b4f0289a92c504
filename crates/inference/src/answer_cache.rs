//! The newest answers by text: one text asked twice is computed once.
//!
//! A pipeline asks for the same review by two paths, and reviews repeat. Two generations: answers are put into the young one;
//! when it holds half of the room, the old one is dropped and the young one becomes old. What is asked for again
//! becomes young. So every answer stays for at least half of the room, and all calls take constant time.

use std::collections::HashMap;

use crate::model::Classification;

/// What an answer takes besides its text, about.
const ANSWER_BYTES: usize = 256;

/// The cache. Answers do not depend on what stood beside a text, beyond rounding.
pub(crate) struct AnswerCache {
    /// Of both generations together; 0 keeps nothing.
    most_bytes: usize,
    young: HashMap<String, Classification>,
    young_bytes: usize,
    old: HashMap<String, Classification>,
}

impl AnswerCache {
    pub(crate) fn new(most_bytes: usize) -> AnswerCache {
        AnswerCache { most_bytes, young: HashMap::new(), young_bytes: 0, old: HashMap::new() }
    }

    /// The answer to a text, if it is kept.
    pub(crate) fn get(&mut self, text: &str) -> Option<Classification> {
        if let Some(found) = self.young.get(text) {
            return Some(found.clone());
        }
        let (text, found) = self.old.remove_entry(text)?;
        self.put(text, found.clone());
        Some(found)
    }

    /// Keeps an answer. One that would take an eighth of the room is not kept.
    pub(crate) fn put(&mut self, text: String, answer: Classification) {
        let bytes = text.len() + ANSWER_BYTES;
        if bytes > self.most_bytes / 8 {
            return;
        }
        if self.young_bytes + bytes > self.most_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(text, answer).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: usize) -> Classification {
        Classification {
            label: number.to_string(),
            label_index: number,
            score: 1.0,
            probabilities: vec![1.0],
            logits: vec![0.0],
            token_count: 3,
            truncated: false,
        }
    }

    #[test]
    fn the_newest_answers_stay_and_the_room_is_bounded() {
        let room = 100 * (ANSWER_BYTES + 4);
        let mut cache = AnswerCache::new(room);
        for number in 0..1_000 {
            cache.put(format!("{number:04}"), answer(number));
        }
        assert!(cache.young.len() + cache.old.len() <= 100);
        for number in 960..1_000 {
            assert_eq!(cache.get(&format!("{number:04}")), Some(answer(number)), "{number}");
        }
        assert_eq!(cache.get("0000"), None);
    }

    #[test]
    fn what_is_asked_for_stays() {
        let mut cache = AnswerCache::new(100 * (ANSWER_BYTES + 4));
        cache.put("kept".to_owned(), answer(7));
        for number in 0..1_000 {
            cache.put(format!("{number:04}"), answer(number));
            assert_eq!(cache.get("kept"), Some(answer(7)), "{number}");
        }
    }

    #[test]
    fn without_room_and_for_huge_texts_nothing_is_kept() {
        let mut cache = AnswerCache::new(0);
        cache.put("a".to_owned(), answer(1));
        assert_eq!(cache.get("a"), None);
        let mut cache = AnswerCache::new(10_000);
        cache.put("x".repeat(2_000), answer(1));
        assert_eq!(cache.get(&"x".repeat(2_000)), None);
    }
}

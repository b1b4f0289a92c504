//! Made-up reviews: seeded, so that the same seed gives the same reviews, with moods that drift and bursts of bad ones.
//!
//! ```text
//!   time of the story = number of the review / reviews a second
//!
//!   mood    ~~~~\__/~~~~~~\__/~~~~~       one tide each in a few minutes, never worse than mixed
//!   bursts        ▌60 s         ▌300 s    ten seconds of one-star reviews, the first after a minute
//! ```
//!
//! A record is `review_id<TAB>product_category<TAB>review_body<LF>`. What the author meant to give goes beside it.

mod phrases;

use std::f64::consts::TAU;
use std::sync::Arc;

use millstream_host::Random;

use self::phrases::{CATEGORIES, MOODS};
use super::known_ratings::MOST_KEPT;
use super::{KnownRatings, RecordSource, SourceBatch, SourceState};

/// When the first burst begins, in seconds of the story.
const FIRST_BURST: f64 = 60.0;
/// From the beginning of a burst to that of the next.
const BURST_INTERVAL: f64 = 240.0;
/// How long a burst lasts.
const BURST_LENGTH: f64 = 10.0;
/// The share of the reviews of a burst that are as bad as can be.
const BURST_SHARE: f64 = 0.9;
/// Length of a tide of moods in seconds.
const TIDE: f64 = 170.0;

/// Reviews that are made up at once.
const AT_ONCE: usize = 64;

/// Makes reviews up, for ever.
pub struct SyntheticReviews {
    seed: u64,
    reviews_per_second: f64,
    number: u64,
    ratings: Arc<KnownRatings>,
}

/// A review.
struct Review {
    id: String,
    /// What its author gives.
    stars: u8,
    category: &'static str,
    body: String,
}

impl SyntheticReviews {
    /// Reviews that depend on `seed` alone; the story's time passes at `reviews_per_second` (more than 0). What the authors
    /// meant to give goes into `ratings`.
    pub fn new(seed: u64, reviews_per_second: f64, ratings: Arc<KnownRatings>) -> SyntheticReviews {
        SyntheticReviews { seed, reviews_per_second, number: 0, ratings }
    }

    /// The review of a number.
    fn review(&self, number: u64) -> Review {
        let mut random = Random::from_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let stars = self.stars(number, &mut random);
        let category = &CATEGORIES[random.below(CATEGORIES.len() as u64) as usize];
        let mood = &MOODS[usize::from(stars) - 1];
        let product = pick(&mut random, category.products);
        let mut body = pick(&mut random, mood.openings).replace("{}", product);
        if random.unit() < 0.8 {
            body.push(' ');
            body.push_str(pick(&mut random, mood.details));
        }
        if random.unit() < 0.6 {
            body.push(' ');
            body.push_str(pick(&mut random, mood.closings));
        }
        let id = format!("S{:08X}{number:06}", self.seed as u32);
        Review { id, stars, category: category.name, body }
    }

    /// What the author gives.
    fn stars(&self, number: u64, random: &mut Random) -> u8 {
        let seconds = number as f64 / self.reviews_per_second;
        let chance = random.unit();
        if is_burst(seconds) {
            return if chance < BURST_SHARE { 1 } else { 2 };
        }
        // Between 0, all is well, and 1, opinions are mixed. Only a burst brings one or two stars.
        let tide = 0.5 - 0.5 * (TAU * seconds / TIDE).cos();
        let five = 0.66 - 0.16 * tide;
        let four = 0.90 - 0.10 * tide;
        let chance = random.unit();
        if chance < five {
            5
        } else if chance < four {
            4
        } else {
            3
        }
    }
}

fn is_burst(seconds: f64) -> bool {
    seconds >= FIRST_BURST && (seconds - FIRST_BURST).rem_euclid(BURST_INTERVAL) < BURST_LENGTH
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.below(from.len() as u64) as usize]
}

impl RecordSource for SyntheticReviews {
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
        for _ in 0..most.min(AT_ONCE) {
            let review = self.review(self.number);
            self.number += 1;
            self.ratings.note(&review.id, review.stars);
            let Review { id, category, body, .. } = review;
            batch.push(format!("{id}\t{category}\t{body}\n").as_bytes());
        }
        SourceState::Open
    }

    /// Those whose ratings may still be asked for are made up all the same.
    fn skip(&mut self, records: u64) -> u64 {
        let skipped = records.saturating_sub(MOST_KEPT as u64);
        self.number += skipped;
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Records, and what their authors give.
    fn reviews(seed: u64, count: usize) -> Vec<(String, u8)> {
        let ratings = Arc::new(KnownRatings::default());
        let mut generator = SyntheticReviews::new(seed, 10.0, Arc::clone(&ratings));
        let mut batch = SourceBatch::default();
        while batch.len() < count {
            let most = count - batch.len();
            generator.read(&mut batch, most);
        }
        let review = |record: &[u8]| {
            let record = String::from_utf8(record.to_vec()).unwrap();
            let stars = ratings.of(record.split('\t').next().unwrap()).unwrap();
            (record, stars)
        };
        batch.iter().map(review).collect()
    }

    fn average(reviews: &[(String, u8)]) -> f64 {
        reviews.iter().map(|(_, stars)| f64::from(*stars)).sum::<f64>() / reviews.len() as f64
    }

    #[test]
    fn a_seed_tells_the_same_story() {
        assert_eq!(reviews(7, 500), reviews(7, 500));
        assert_ne!(reviews(7, 50), reviews(8, 50));
    }

    #[test]
    fn what_is_skipped_is_made_up_only_where_its_rating_may_be_asked_for() {
        let mut generator = SyntheticReviews::new(7, 10.0, Arc::default());
        assert_eq!(generator.skip(MOST_KEPT as u64), 0);
        assert_eq!(generator.skip(MOST_KEPT as u64 + 500), 500);
        let mut batch = SourceBatch::default();
        generator.read(&mut batch, 1);
        assert_eq!(batch.bytes(), reviews(7, 501)[500].0.as_bytes());
    }

    #[test]
    fn every_review_has_its_columns_and_an_id_of_its_own() {
        let reviews = reviews(1, 3_000);
        let mut ids = HashSet::new();
        for (review, _) in &reviews {
            let fields: Vec<&str> = review.strip_suffix('\n').unwrap().split('\t').collect();
            assert_eq!(fields.len(), 3, "silent_6: id, category and text: {review}");
            assert!(ids.insert(fields[0].to_owned()), "{review}");
            assert!(!fields[2].contains("{}"), "{review}");
        }
        let categories: HashSet<&str> =
            reviews.iter().filter_map(|(review, _)| review.split('\t').nth(1)).collect();
        assert_eq!(categories.len(), CATEGORIES.len());
    }

    #[test]
    fn after_a_minute_comes_a_burst_of_bad_reviews() {
        let reviews = reviews(3, 4_000);
        assert!(average(&reviews[..600]) > 4.0);
        assert!(average(&reviews[600..700]) < 2.0);
        assert!(average(&reviews[700..3_000]) > 4.0);
        assert!(average(&reviews[3_000..3_100]) < 2.0);
    }
}

//! Made-up reviews: seeded, so that the same seed gives the same reviews, with moods that drift and bursts of bad ones.
//!
//! ```text
//!   time of the story = number of the review / reviews a second
//!
//!   mood    ~~~~\__/~~~~~~\__/~~~~~       one tide each in a few minutes, never worse than mixed
//!   bursts        ▌60 s         ▌300 s    ten seconds of one-star reviews, the first after a minute
//! ```
//!
//! A record is `review_id<TAB>star_rating<TAB>product_category<TAB>review_body`, where the rating is what the author
//! meant to give.

mod phrases;

use std::f64::consts::TAU;

use bytes::Bytes;
use millstream_host::Random;

use self::phrases::{CATEGORIES, MOODS};
use super::{NextRecord, RecordSource};

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

/// Makes reviews up, for ever.
pub struct SyntheticReviews {
    seed: u64,
    reviews_per_second: f64,
    number: u64,
}

impl SyntheticReviews {
    /// The names of the columns of a record.
    pub const COLUMNS: [&'static str; 4] = ["review_id", "star_rating", "product_category", "review_body"];

    /// Reviews that depend on `seed` alone; the story's time passes at `reviews_per_second` (more than 0).
    pub fn new(seed: u64, reviews_per_second: f64) -> SyntheticReviews {
        SyntheticReviews { seed, reviews_per_second, number: 0 }
    }

    /// The review of a number.
    fn review(&self, number: u64) -> String {
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
        format!("S{:08X}{number:06}\t{stars}\t{}\t{body}", self.seed as u32, category.name)
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
    fn next_record(&mut self) -> NextRecord {
        let review = self.review(self.number);
        self.number += 1;
        NextRecord::Record(Bytes::from(review))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn reviews(seed: u64, count: u64) -> Vec<String> {
        let generator = SyntheticReviews::new(seed, 10.0);
        (0..count).map(|number| generator.review(number)).collect()
    }

    fn average(reviews: &[String]) -> f64 {
        let stars = reviews.iter().map(|review| review.split('\t').nth(1).unwrap().parse::<f64>().unwrap());
        stars.sum::<f64>() / reviews.len() as f64
    }

    #[test]
    fn a_seed_tells_the_same_story() {
        assert_eq!(reviews(7, 500), reviews(7, 500));
        assert_ne!(reviews(7, 50), reviews(8, 50));
    }

    #[test]
    fn every_review_has_its_columns_and_an_id_of_its_own() {
        let reviews = reviews(1, 3_000);
        let mut ids = HashSet::new();
        for review in &reviews {
            let fields: Vec<&str> = review.split('\t').collect();
            assert_eq!(fields.len(), SyntheticReviews::COLUMNS.len(), "{review}");
            assert!(ids.insert(fields[0].to_owned()), "{review}");
            assert!(("1"..="5").contains(&fields[1]), "{review}");
            assert!(!fields[3].contains("{}"), "{review}");
        }
        let categories: HashSet<&str> =
            reviews.iter().filter_map(|review| review.split('\t').nth(2)).collect();
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

//! The newest reviews with the rating of the model.

use askama::Template;
use millstream_control::view::Overview;

use crate::show::{Moment, excerpt, grouped, share};

/// The most reviews on the page.
const MOST_REVIEWS: usize = 8;
/// The most characters of a review.
const MOST_CHARACTERS: usize = 320;

/// The fragment `reviews`.
#[derive(Template)]
#[template(path = "reviews.html")]
pub(crate) struct Reviews {
    is_synthetic: bool,
    agreement: Option<AgreementShown>,
    reviews: Vec<ReviewShown>,
}

struct AgreementShown {
    known: String,
    equal: String,
    within_one: String,
}

struct ReviewShown {
    id: String,
    category: String,
    body: String,
    at: Moment,
    stars: Stars,
    known: Option<KnownRating>,
}

/// A rating as filled and empty stars.
struct Stars {
    rating: u8,
    filled: &'static str,
    empty: &'static str,
}

struct KnownRating {
    rating: u8,
    is_equal: bool,
}

impl Reviews {
    pub(crate) fn new(overview: &Overview) -> Reviews {
        let agreement = overview.agreement.filter(|agreement| agreement.known > 0);
        Reviews {
            is_synthetic: overview.is_synthetic,
            agreement: agreement.map(|agreement| AgreementShown {
                known: grouped(agreement.known),
                equal: share(agreement.equal, agreement.known),
                within_one: share(agreement.within_one, agreement.known),
            }),
            reviews: overview
                .reviews
                .iter()
                .take(MOST_REVIEWS)
                .map(|review| ReviewShown {
                    id: excerpt(&review.review_id, 60),
                    category: excerpt(&review.product_category, 60),
                    body: excerpt(&review.review_body, MOST_CHARACTERS),
                    at: Moment::at(review.at),
                    stars: Stars::of(review.star_rating),
                    known: review
                        .known_rating
                        .map(|rating| KnownRating { rating, is_equal: rating == review.star_rating }),
                })
                .collect(),
        }
    }
}

impl Stars {
    /// Ratings outside of 1 to 5 fill none or all.
    fn of(rating: u8) -> Stars {
        const FIVE: &str = "★★★★★";
        const ONE: usize = "★".len();
        let filled = usize::from(rating.min(5)) * ONE;
        Stars { rating, filled: &FIVE[..filled], empty: &FIVE[filled..] }
    }
}
